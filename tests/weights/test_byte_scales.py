import numpy as np
import pytest

from minilm.weights.byte_scales import BYTE_SCALES, E4M3_MAX


def test_by_hand():
    e8m0, e4m3 = BYTE_SCALES["e8m0"], BYTE_SCALES["e4m3"]
    assert e8m0[[0, 126, 127, 128, 254]].tolist() == [2.0**-127, 0.5, 1, 2, 2.0**127]
    # exponent and mantissa: 0000 000, 0000 001, 0001 000, 0111 000, 0111 100, 1111 110
    assert e4m3[[0, 1, 8, 56, 60, 126]].tolist() == [0, 2.0**-9, 2.0**-6, 1, 1.5, E4M3_MAX]
    assert np.isnan(e8m0[255]) and np.isnan(e4m3[127:]).all()
    assert (np.diff(e8m0[:255]) > 0).all() and (np.diff(e4m3[:127]) > 0).all()


@pytest.mark.oracle
def test_parity_with_torch():
    import torch

    codes = torch.arange(127, dtype=torch.uint8)
    theirs = codes.view(torch.float8_e4m3fn).float()
    np.testing.assert_array_equal(BYTE_SCALES["e4m3"][:127], theirs)
    codes = torch.arange(255, dtype=torch.uint8)
    theirs = codes.view(torch.float8_e8m0fnu).float()
    np.testing.assert_array_equal(BYTE_SCALES["e8m0"][:255], theirs)
