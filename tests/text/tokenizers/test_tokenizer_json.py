"""tokenizer.json: the right kind is made, and what is not understood is refused with its place."""

import json
import random

import pytest

from minilm.text import load_corpus
from minilm.text.tokenizers import (
    BPETokenizer,
    SentencePieceTokenizer,
    WordPieceTokenizer,
    read_tokenizer,
)
from minilm.text.tokenizers.pre_tokens import LETTER_OF_BYTE
from minilm.text.tokenizers.sentencepiece import BYTES, SPECIALS
from minilm.text.tokenizers.tokenizer_json import read_tokenizer_json

PREPENDED = {"type": "Sequence", "normalizers": [
    {"type": "Prepend", "prepend": "▁"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}  # fmt: skip
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
              "use_regex": True}  # fmt: skip
DIGITS = {"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": True}, BYTE_LEVEL]}  # fmt: skip


def numbered(pieces):
    return {piece: number for number, piece in enumerate(pieces)}


def page(model, normalizer=None, pre_tokenizer=None, added=()):
    added = [{"id": i, "content": name, "special": True} for i, name in added]
    return {"version": "1.0", "added_tokens": added, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "model": model}  # fmt: skip


def bert_page():
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
             "max_input_chars_per_word": 100,
             "vocab": numbered(["[PAD]", "[UNK]", "play", "##ing"])}  # fmt: skip
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                  "strip_accents": None, "lowercase": True}  # fmt: skip
    return page(model, normalizer, {"type": "BertPreTokenizer"}, [(0, "[PAD]"), (1, "[UNK]")])


def gpt2_page():
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
             "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
             "vocab": numbered([*LETTER_OF_BYTE.values(), "lo", "low"]),
             "merges": ["l o", "lo w"]}  # fmt: skip
    return page(model, None, BYTE_LEVEL, [(258, "<|endoftext|>")])


def llama_page():
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "fuse_unk": True,
             "byte_fallback": True, "merges": [["l", "o"], ["▁", "lo"]],
             "vocab": numbered([*SPECIALS, *BYTES, "▁", "l", "o", "lo", "▁lo"])}  # fmt: skip
    return page(model, PREPENDED, None, enumerate(SPECIALS))


def read(tmp_path, value):
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    return read_tokenizer(tmp_path)


def test_tokenizer_json_by_hand(tmp_path):
    bert = read(tmp_path, bert_page())
    pieces = ("[PAD]", "[UNK]", "play", "##ing")
    assert bert == WordPieceTokenizer(pieces, True, ("[PAD]", "[UNK]"))
    gpt2 = read(tmp_path, gpt2_page())
    tokens = (*LETTER_OF_BYTE.values(), "lo", "low", "<|endoftext|>")
    assert gpt2 == BPETokenizer(tokens, (("l", "o"), ("lo", "w")), ("<|endoftext|>",))
    llama = read(tmp_path, llama_page())
    assert llama.encode("lo lo\n").tolist() == [263, 263, 3 + 10]
    assert llama.special_ids == {"<unk>": 0, "<s>": 1, "</s>": 2} and llama.prefix == "always"


def test_the_kinds_differ_by_what_the_file_says(tmp_path):
    value = bert_page()
    value["normalizer"]["lowercase"] = False
    assert read(tmp_path, value).lower_case is False
    for value in (bert_page(), gpt2_page()):  # files of the first year do not name their model
        del value["model"]["type"]
        assert type(read(tmp_path, value)).__name__[:2] in ("BP", "Wo")
    value = gpt2_page() | {"pre_tokenizer": DIGITS}
    assert read(tmp_path, value).digits_alone and not read(tmp_path, gpt2_page()).digits_alone
    del value["pre_tokenizer"]["pretokenizers"][1]["use_regex"]
    value["model"]["merges"] = [["l", "o"], ["lo", "w"]]
    assert read(tmp_path, value).merges == (("l", "o"), ("lo", "w"))
    for scheme, prefix in (("first", "unless there"), ("always", "unless there"), ("never",) * 2):
        value = page(llama_page()["model"], None, METASPACE | {"prepend_scheme": scheme})
        assert read(tmp_path, value).prefix == prefix
    value = page(llama_page()["model"], PREPENDED["normalizers"][1])
    assert read(tmp_path, value).prefix == "never"


def test_specials_stand_in_the_order_of_their_numbers(tmp_path):
    value = bert_page()
    value["added_tokens"].reverse()
    assert read(tmp_path, value).specials == ("[PAD]", "[UNK]")


def changed(value, path, new):
    """A copy in which what stands at the path is another thing."""
    value = json.loads(json.dumps(value))
    *before, last = path
    place = value
    for key in before:
        place = place[key]
    place[last] = new
    return value


@pytest.mark.parametrize(
    ("whose", "path", "new", "complaint"),
    [
        (bert_page, ["model"], None, "json', model: must be a JSON object, got None"),
        (bert_page, ["model", "type"], "Unigram", "type: must be .*'WordPiece', got 'Unigram'"),
        (bert_page, ["model", "continuing_subword_prefix"], "", "prefix: must be '##', got ''"),
        (bert_page, ["model", "max_input_chars_per_word"], 50, "_per_word: must be 100, got 50"),
        (bert_page, ["model", "unk_token"], "<unk>", r"unk_token: must be '\[UNK\]', got '<unk>'"),
        (bert_page, ["model", "vocab"], [], r"model, vocab: must be a JSON object, got \[\]"),
        (bert_page, ["model", "vocab", "play"], 0, r"'\[PAD\]' and 'play' both have the number 0"),
        (bert_page, ["model", "vocab", "play"], 9, r"of 'play' must lie in 0\.\.3, got 9"),
        (bert_page, ["model", "vocab", ""], 4, "model: vocabulary: must be distinct pieces"),
        (bert_page, ["normalizer"], None, "normalizer: must be a JSON object, got None"),
        (bert_page, ["normalizer", "type"], "NFC", "normalizer, type: must be 'BertNormalizer'"),
        (bert_page, ["normalizer", "lowercase"], None, "lowercase: must be True or False, got"),
        (bert_page, ["normalizer", "strip_accents"], False, "strip_accents: must be None or True"),
        (bert_page, ["normalizer", "handle_chinese_chars"], False, "chinese_chars: must be True"),
        (bert_page, ["normalizer", "clean_text"], 1, "clean_text: must be True, got 1"),
        (bert_page, ["model", "vocab", "play"], True, r"of 'play' must lie in 0\.\.3, got True"),
        (bert_page, ["pre_tokenizer", "type"], "Whitespace", "must be 'BertPreTokenizer'"),
        (bert_page, ["added_tokens"], {}, None),
        (bert_page, ["added_tokens"], "[PAD]", "added_tokens: must be a list, got "),
        (bert_page, ["added_tokens", 0], 5, r"added_tokens\[0\]: must be a JSON object, got 5"),
        (bert_page, ["added_tokens", 0, "content"], 5, r"\[0\], content: must be a name, got 5"),
        (bert_page, ["added_tokens", 0, "special"], False, r"\[0\]: '\[PAD\]' is a token that te"),
        (bert_page, ["added_tokens", 0, "id"], 3, "has the number 3 here, and 0 in the voc"),
        (gpt2_page, ["normalizer"], {"type": "NFC"}, "normalizer: must be None, got .*'NFC'"),
        (gpt2_page, ["pre_tokenizer", "add_prefix_space"], True, "add_prefix_space: must be False"),
        (gpt2_page, ["pre_tokenizer", "use_regex"], False, "use_regex: must be None or True, got"),
        (gpt2_page, ["pre_tokenizer", "type"], "Split", "must be 'ByteLevel' or 'Sequence', got"),
        (gpt2_page, ["pre_tokenizer"], {"type": "Sequence", "pretokenizers": [BYTE_LEVEL]},
         "pretokenizers: must be .*Digits.* and a ByteLevel, got .*ByteLevel"),
        (gpt2_page, ["model", "ignore_merges"], True, "ignore_merges: must be None or False, got"),
        (gpt2_page, ["model", "byte_fallback"], "no", "byte_fallback: must be None or False or T"),
        (gpt2_page, ["model", "dropout"], 0.1, "model, dropout: must be None or '', got 0.1"),
        (gpt2_page, ["model", "end_of_word_suffix"], "</w>", "suffix: must be None or '', got"),
        (gpt2_page, ["model", "merges"], None, "merges: must be a list, got None"),
        (gpt2_page, ["model", "merges", 1], "low", r"merges\[1\]: must be two pieces, got 'low'"),
        (gpt2_page, ["model", "merges", 1], ["l", 1], r"merges\[1\]: must be two pieces, got \["),
        (gpt2_page, ["model", "merges", 1], "o w", r"json', model: merges\[1\]: .* needs 'ow'"),
        (gpt2_page, ["model", "vocab", "x"], 258, "both have the number 258|must lie in"),
        (gpt2_page, ["added_tokens", 0, "content"], "<\ud800>", r"'<\\ud800>' has no UTF-8 bytes"),
        (llama_page, ["model", "vocab", "\ud800"], 264, r"vocab: '\\ud800' has no UTF-8 bytes"),
        (gpt2_page, ["added_tokens", 0, "id"], 300, r"must lie in 0\.\.258, got 300"),
        (gpt2_page, ["added_tokens", 0, "id"], "1", r"must lie in 0\.\.258, got '1'"),
        (llama_page, ["pre_tokenizer"], METASPACE, "pre_tokenizer: must be None, got "),
        (llama_page, ["normalizer"], None, "pre_tokenizer: must be a JSON object, got None"),
        (llama_page, ["normalizer"], {"type": "NFKC"}, "must be .*Prepend.* got .*NFKC"),
        (llama_page, ["model", "merges", 0], ["<", "s>"], r"model: merges\[0\]: .* needs '<'"),
        (llama_page, ["model", "vocab"], {"<unk>": 0, "<s>": 1, "</s>": 2}, "lacks '<0x00>'"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_with_its_place(tmp_path, whose, path, new, complaint):
    value = changed(whose(), path, new)
    if complaint is None:
        assert read(tmp_path, value).specials == ()
        return
    with pytest.raises(ValueError, match=complaint) as refusal:
        read(tmp_path, value)
    assert "tokenizer.json'" in str(refusal.value) and len(str(refusal.value)) < 1000


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "json', line 1: no JSON"),
        (b"[1,\n2", "json', line 2: no JSON"),
        (b"[]", r"json': must be a JSON object, got \[\]"),
        (b'{"a": 1, "a": 2}', "json': 'a' stands there twice"),
        (b"\n\xff", "json', line 2: is not UTF-8"),
        (b"[" * 100_000, "json': is nested too deep"),
        (b'{"a":' * 100_000, "json': is nested too deep"),
        (b"9" * 10_000, "json': "),
    ],
)
def test_no_json_is_refused(tmp_path, content, complaint):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        read_tokenizer(tmp_path)


def test_mutated_files_give_a_tokenizer_or_a_valueerror(tmp_path):
    rng, path = random.Random(0), tmp_path / "tokenizer.json"
    texts = [json.dumps(whose()).encode() for whose in (bert_page, gpt2_page, llama_page)]
    made = 0
    for _ in range(200):
        data = bytearray(rng.choice(texts))
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randrange(3)] = rng.choice(
                (b"", b"\xff", b"null", b"[", b"}", b"1e999", b"-1", b'"', rng.randbytes(4))
            )
        path.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data) + 1)))])
        try:
            tokenizer = read_tokenizer_json(path)
        except ValueError as error:
            assert "tokenizer.json" in str(error)
        else:
            made += 1
            assert max(tokenizer.encode("a play lo é"), default=0) < tokenizer.vocab_size
    assert 0 < made < 100


def some_texts(count):
    rng, docs = random.Random(3), load_corpus("python-docs")
    for _ in range(count):
        begin = rng.randrange(len(docs) - 200)
        yield docs[begin : begin + 200]
        yield "".join(rng.choices("ab12½ \n\t'sé北😀_.,\u0301\u2028\x85", k=rng.randrange(40)))
        codes = (rng.randrange(0x110000 - 0x800) for _ in range(rng.randrange(20)))
        yield "".join(chr(c if c < 0xD800 else c + 0x800) for c in codes)


@pytest.mark.oracle
@pytest.mark.parametrize("digits", [False, True])
def test_byte_level_files_of_the_tokenizers_library_give_its_ids(tmp_path, digits):
    """Trained by the library, saved both ways: 10,000 texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    theirs = Tokenizer(models.BPE())
    cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if digits:
        cut = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), cut])
    theirs.pre_tokenizer = cut
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    theirs.train_from_iterator([load_corpus("python-docs")[:200_000]], trainer)
    theirs.model.save(str(tmp_path))
    plain = read_tokenizer(tmp_path)
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = read_tokenizer(tmp_path)
    assert ours.digits_alone == digits and ours.special_ids == {"<|endoftext|>": 0}
    assert plain.vocabulary == ours.vocabulary and plain.merges == ours.merges
    old = json.loads((tmp_path / "tokenizer.json").read_text())
    old["model"]["merges"] = [" ".join(pair) for pair in old["model"]["merges"]]
    assert read(tmp_path, old) == ours
    for text in some_texts(3_400 if not digits else 700):
        assert ours.encode(text).tolist() == theirs.encode(text).ids, ascii(text)


@pytest.mark.oracle
def test_files_of_transformers_are_read(tmp_path):
    """A tokenizer of Llama's and one of GPT-2's, as its save_pretrained writes them."""
    from transformers import GPT2Tokenizer, LlamaTokenizer

    trained = SentencePieceTokenizer.train(load_corpus("python-docs")[:50_000], vocab_size=700)
    merges = [(a, b) for a, b, _ in trained.merges]
    theirs = LlamaTokenizer(vocab=numbered(trained.vocabulary), merges=merges)
    theirs.save_pretrained(tmp_path)
    ours = read_tokenizer(tmp_path)
    for text in some_texts(300):
        assert ours.encode(text).tolist() == theirs.encode(text, add_special_tokens=False)
    trained = BPETokenizer.train(load_corpus("python-docs")[:50_000], 600, 2, ("<|endoftext|>",))
    theirs = GPT2Tokenizer(vocab=numbered(trained.vocabulary), merges=list(trained.merges))
    theirs.save_pretrained(tmp_path)
    ours = read_tokenizer(tmp_path)
    assert ours == trained
    for text in some_texts(300):
        assert ours.encode(text).tolist() == theirs.encode(text)
