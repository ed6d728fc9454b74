import numpy as np

from minilm.compression.quantization.scale_formats import up_to_half


def test_half_precision_is_rounded_up_and_refused_where_it_loses_digits():
    fine = np.array([[0.1], [0.3], [0]], np.float32)
    half = up_to_half(fine)
    assert half.dtype == np.float16
    assert (half >= fine).all()
    assert (half.astype(np.float32) <= fine * (1 + 2.0**-10)).all()
    for outside in (1e-6, 1e6):
        assert up_to_half(np.array([[1], [outside]], np.float32)).dtype == np.float32
