"""Exact match by hand; what it refuses is in test_strings.py."""

from minilm.metrics import exact_match


def test_exact_match_by_hand():
    assert exact_match(["a", "b ", "C", ""], ["a", "b", "c", ""]) == 0.5
    assert exact_match(("我在",), ["我在"]) == 1
