"""What is compared with transformers does the same work, and the table shows what was measured."""

from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SMALL = {
    "vocab_size": 50, "width": 16, "layers": 2, "heads": 2, "context": 160, "feed_forward": 24,
    "positions": "rotary", "normalization": "rms", "activation": "swiglu", "biases": False,
}  # fmt: skip


@pytest.fixture
def pretrained(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return import_module("benchmarks.pretrained")


def test_the_table_is_made_of_the_file(pretrained):
    records, table = import_module("benchmarks.records"), import_module("benchmarks.table")
    shown = table.README.read_text(encoding="utf-8").split(pretrained.BEGIN)[1]
    assert shown.split(pretrained.END)[0] == pretrained.report(records.read(pretrained.RESULTS))


def test_the_table_tells_rates(pretrained):
    row = {
        "work": "decode", "sizes": "small", "peer": "it", "amount": "10", "unit": "tokens",
        "rounds": "5", "minilm_seconds": "0.1", "peer_seconds": "0.2", "ratio": "0.5",
        "first_quartile": "0.4", "third_quartile": "0.8", "at_most": "0.6667", "cores": "2",
        "python": "3", "numpy": "2", "torch": "2", "transformers": "5",
    }  # fmt: skip
    line = pretrained.report([row]).splitlines()[2]
    assert line == (
        "| decode | 100.0 tokens/s | 50.0 tokens/s | it | **2.00** | 1.25 – 2.50 | 1.50 | yes |"
    )
    assert pretrained.report([row | {"ratio": "0.7"}]).splitlines()[2].endswith("| 1.50 | no |")


def test_each_work_has_its_rounds(pretrained):
    rows = import_module("benchmarks.records").read(pretrained.RESULTS)
    shown = pretrained.report(rows)
    for row in rows:
        assert f"{row['work']}: {row['sizes']}; {row['rounds']} rounds." in shown


def test_what_the_first_page_says_of_speed_was_measured(pretrained):
    said = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "a Llama of 15 million parameters writes about twice as fast here" in said
    assert "all-MiniLM-L6-v2 reads sentences about as fast" in said
    for row in import_module("benchmarks.records").read(pretrained.RESULTS):
        least, most = (1.8, 2.5) if row["work"].startswith("decode") else (0.9, 1.1)
        assert least < 1 / float(row["third_quartile"]) <= 1 / float(row["first_quartile"]) < most


def test_texts_are_of_mixed_length(pretrained):
    class Letters:
        special_ids = MappingProxyType({"[CLS]": 1, "[SEP]": 2, "[PAD]": 0})

        def encode(self, text):
            return np.full(len(text.split()), 3)

    batches = pretrained.batches_of_ids(Letters())
    assert [len(ids) for ids in batches] == [pretrained.BATCH] * pretrained.BATCHES
    for ids in batches:
        lengths = (ids != 0).sum(axis=1)
        assert lengths.max() == ids.shape[1] >= 2 * np.median(lengths) * 0.75
        assert lengths.min() <= 10


@pytest.mark.oracle
def test_texts_are_as_long_as_is_said(pretrained):
    tokenizer = pretrained.load_pretrained(pretrained.ENCODER).tokenizer
    lengths = np.concatenate([(ids != 0).sum(axis=1)
                              for ids in pretrained.batches_of_ids(tokenizer)])  # fmt: skip
    said = " ".join(pretrained.__doc__.split())
    assert f"English of {lengths.min()} to {lengths.max()} tokens" in said


@pytest.mark.oracle
@pytest.mark.parametrize("peer", ["transformers", "torch, by hand"])
def test_decoders_write_what_minilm_writes(pretrained, peer):
    ours, theirs = pretrained.decoding(peer, **SMALL)  # refuses if they do not
    written = ours()
    assert written.shape == (pretrained.NEW,) and len(set(written.tolist())) > 1
    np.testing.assert_array_equal(theirs()[0].numpy(), written)


@pytest.mark.oracle
def test_peers_that_write_something_else_are_refused(pretrained, monkeypatch):
    import torch

    wrong = {"silent": lambda model, params: lambda tokens, n: torch.zeros((1, n), dtype=int)}
    monkeypatch.setattr(pretrained, "DECODERS", wrong)
    with pytest.raises(ValueError, match="do not write the same"):
        pretrained.decoding("silent", **SMALL)


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_vectors_are_those_of_transformers(pretrained, attention):
    ours, theirs = pretrained.reading(attention)  # refuses if they are not
    assert ours().shape == tuple(theirs().shape) == (pretrained.BATCH * pretrained.BATCHES, 384)
