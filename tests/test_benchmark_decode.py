"""The peer of the decoding benchmark writes what its network, read as a whole, would write."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.oracle
def test_the_peer_with_a_cache_agrees_with_the_whole_window(monkeypatch):
    import torch

    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.decode import FIRST, torch_generate
    from benchmarks.gpt import TorchGPT

    torch.manual_seed(1)
    gpt = TorchGPT(vocab_size=11, width=16, layers=2, heads=2, context=12)
    with torch.no_grad():
        for weight in gpt.blocks.parameters():
            weight *= 4  # else the tied head repeats one token
    ids = torch_generate(gpt, 11)
    text = torch.cat([torch.tensor([[FIRST]]), ids], dim=1)
    assert len(set(text[0].tolist())) > 3
    assert torch.equal(gpt(text[:, :-1]).argmax(dim=-1), ids)


@pytest.mark.oracle
def test_both_write_a_full_window(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.decode import make

    ours, theirs = make(vocab_size=11, width=16, layers=1, heads=2, context=12)
    assert ours().shape == (11,) and theirs().shape == (1, 11)
