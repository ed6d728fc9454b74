import numpy as np
import pytest

from minilm.study.limits import lloyd_max_sqnr, shannon_sqnr


def test_one_bit_by_hand():
    # Two levels at ±E|x| = ±√(2/π): D = 1 − 2/π.
    assert lloyd_max_sqnr(1) == pytest.approx(-10 * np.log10(1 - 2 / np.pi), abs=1e-9)


def test_published_lloyd_max_figures():
    # Max 1960, table I, by 2, 4, 8, 16, 32 levels; 6 and 8 bits as others computed them.
    published = {1: 4.40, 2: 9.30, 3: 14.62, 4: 20.22, 5: 26.01, 6: 31.91, 8: 43.85}
    for bits, sqnr in published.items():
        assert lloyd_max_sqnr(bits) == pytest.approx(sqnr, abs=0.01)


def test_shannon_is_six_decibels_a_bit_and_above_every_scalar_code():
    rates = np.arange(1, 9)
    limit = shannon_sqnr(rates)
    np.testing.assert_allclose(limit, 10 * np.log10(4.0**rates))
    assert all(lloyd_max_sqnr(int(bits)) < limit[bits - 1] for bits in rates)
