"""A folder with a tokenizer in it: which file counts, and what is said where there is none."""

import json
import struct

import pytest

from minilm.text.tokenizers import (
    BPETokenizer,
    SentencePieceTokenizer,
    WordPieceTokenizer,
    read_tokenizer,
)
from minilm.text.tokenizers.sentencepiece import BYTES
from minilm.text.tokenizers.tokenizer_bin import read_tokenizer_bin
from minilm.text.tokenizers.tokenizer_json import read_tokenizer_json


def test_a_folder_is_read_by_what_is_in_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no tokenizer\.json, .*; there is nothing"):
        read_tokenizer(tmp_path)
    with pytest.raises(FileNotFoundError, match="none"):
        read_tokenizer(tmp_path / "none")
    (tmp_path / "tokenizer.model").write_bytes(b"")
    (tmp_path / "merges.txt").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"there is merges\.txt, tokenizer\.model"):
        read_tokenizer(tmp_path)
    pieces = ("<unk>", "\n<s>\n", "\n</s>\n", *BYTES)
    data = b"".join(struct.pack("<fi", 0, len(p)) + p.encode() for p in pieces)
    (tmp_path / "tokenizer.bin").write_bytes(struct.pack("<i", 7) + data)
    assert isinstance(read_tokenizer(tmp_path), SentencePieceTokenizer)
    BPETokenizer.train("low low", vocab_size=259, specials=("<|endoftext|>",)).write(tmp_path)
    assert read_tokenizer(tmp_path).special_ids == {"<|endoftext|>": 0}
    (tmp_path / "tokenizer_config.json").write_text('{"add_prefix_space": true}')
    with pytest.raises(ValueError, match="add_prefix_space: must be None or False, got True"):
        read_tokenizer(tmp_path)
    WordPieceTokenizer(("[UNK]", "a", "[SEP]", "[CLS]")).write(tmp_path)
    bert = read_tokenizer(tmp_path)
    assert bert.special_ids == {"[UNK]": 0, "[SEP]": 2, "[CLS]": 3} and bert.lower_case
    assert bert.specials == ("[UNK]", "[SEP]", "[CLS]")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json', model: must be a JSON object"):
        read_tokenizer(tmp_path)


def test_capitals_are_kept_where_the_settings_say_so(tmp_path):
    WordPieceTokenizer(("[UNK]", "a", "A")).write(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    for fields, ids in (({}, [1, 1]), ({"do_lower_case": True}, [1, 1]),
                        ({"do_lower_case": False}, [1, 2])):  # fmt: skip
        settings.write_text(json.dumps(fields))
        assert read_tokenizer(tmp_path).encode("a A").tolist() == ids
    for fields, complaint in (
        ({"do_lower_case": "no"}, "config.json', do_lower_case: must be None or True or False"),
        ({"strip_accents": False}, "strip_accents: must be None or True, got False"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars: must be None or True, got"),
        ([], r"config.json': must be a JSON object, got \[\]"),
    ):
        settings.write_text(json.dumps(fields))
        with pytest.raises(ValueError, match=complaint):
            read_tokenizer(tmp_path)


def test_huge_files_are_refused_unread(tmp_path):
    for name in ("tokenizer.json", "tokenizer.bin"):
        with open(tmp_path / name, "wb") as file:
            file.truncate(2**26 + 1)  # a hole: takes no space on the disk
    for reader, ending, most in ((read_tokenizer_json, "json", "67,108,864"),
                                 (read_tokenizer_bin, "bin", "8,388,608")):  # fmt: skip
        with pytest.raises(ValueError, match=rf"\.{ending}': has 67,108,865 bytes, at most {most}"):
            reader(tmp_path / f"tokenizer.{ending}")
