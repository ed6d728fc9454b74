"""Digits alone: what vocab.json and merges.txt cannot say goes into other files, and comes back."""

from unittest.mock import Mock

import pytest

from minilm.pretrained.gguf_tokenizer import add_tokenizer
from minilm.pretrained.write_tokenizer import write_tokenizer
from minilm.text.tokenizers import BPETokenizer, read_tokenizer

TEXT = "In 1969 and 1972: 12 people, 382 kg; in 1969 nobody stayed 12 days.\n"


def with_digits(digits_alone):
    learned = BPETokenizer.train(TEXT * 2, 300, specials=("<pad>", "<|endoftext|>"))
    return BPETokenizer(learned.vocabulary, learned.merges, learned.specials, digits_alone)


def test_the_tokenizer_comes_back(tmp_path):
    alone = with_digits(True)
    assert len(alone.encode(TEXT)) > len(with_digits(False).encode(TEXT))
    write_tokenizer(tmp_path, alone)
    assert read_tokenizer(tmp_path) == alone
    assert not (tmp_path / "vocab.json").exists()


@pytest.mark.parametrize(("digits_alone", "name"), [(False, "gpt-2"), (True, "smollm")])
def test_gguf_says_how_the_text_is_cut(digits_alone, name):
    writer = Mock()
    add_tokenizer(writer, Mock(), with_digits(digits_alone), rows=300)
    writer.add_tokenizer_pre.assert_called_once_with(name)


@pytest.mark.oracle
def test_the_libraries_give_its_ids(tmp_path):
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    alone = with_digits(True)
    write_tokenizer(tmp_path, alone)
    plain = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    auto = AutoTokenizer.from_pretrained(tmp_path)
    for text in (TEXT, "", "a 123 b½ 4x\n 55 é 北٣"):
        ids = alone.encode(text).tolist()
        assert ids == plain.encode(text).ids == auto.encode(text)
        assert plain.decode(ids) == alone.decode(ids) == text
