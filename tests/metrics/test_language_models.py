"""Perplexity, bits, bits per byte: by hand, at the edges, and against one another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.metrics import bits, bits_per_byte, perplexity


def test_perplexity_and_bits_by_hand():
    assert perplexity(math.log(27)) == pytest.approx(27)
    assert perplexity(0.0) == 1 and perplexity(1e6) == math.inf
    assert math.isnan(perplexity(math.nan))
    assert bits(math.log(8)) == pytest.approx(3)


@given(st.floats(0, 700))
def test_two_to_the_bits_is_the_perplexity(nats):
    assert 2 ** bits(nats) == pytest.approx(perplexity(nats))


def test_bits_per_byte_by_hand():
    assert bits_per_byte(3 * math.log(256), "abc") == pytest.approx(8)
    assert bits_per_byte(6 * math.log(2), "é€a") == pytest.approx(1)  # 2 + 3 + 1 bytes
    assert bits_per_byte(6 * math.log(2), 6) == pytest.approx(1)
    assert bits_per_byte(0.0, 1) == 0 and math.isnan(bits_per_byte(math.nan, 1))


def test_bits_per_byte_do_not_depend_on_the_tokens():
    # four letters, all equally likely: letter by letter, or two at a time
    text = "abcd" * 25
    by_letter, by_pair = 100 * math.log(4), 50 * math.log(16)
    assert bits_per_byte(by_letter, text) == pytest.approx(bits_per_byte(by_pair, text)) == 2


def test_bits_per_byte_refuse_what_has_no_bytes():
    for text in ("", 0, -3):
        with pytest.raises(ValueError, match="text: must have at least one byte, got"):
            bits_per_byte(1.0, text)
    with pytest.raises(ValueError, match="surrogates not allowed"):
        bits_per_byte(1.0, "a\ud800")
    for text in (True, 2.0, b"abc", None):
        with pytest.raises(TypeError, match="text: must be a str or a number of bytes"):
            bits_per_byte(1.0, text)
