"""Files of vectors: by hand, there and back, cut off anywhere, of another form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import quantize
from minilm.embeddings import KeyedVectors

WORDS = ["the", "naïve", "猫"]
VECTORS = np.array([[0.1, -2], [1e-30, 3e18], [0, 1 / 3]], np.float32)
FORMS = [{"binary": False}, {"binary": True}]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vectors"


def save(path, **how):
    KeyedVectors(WORDS, VECTORS).save_word2vec_format(path, **how)
    return path.read_bytes()


# gensim leaves files without a first line open
unclosed = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
load = KeyedVectors.load_word2vec_format


def test_the_bytes(path):
    text = "3 2\nthe 0.1 -2.0\nnaïve 1e-30 3e+18\n猫 0.0 0.33333334\n"
    assert save(path).decode() == text
    assert save(path, write_header=False).decode() == text[4:]
    raw = [f"{word} ".encode() + row.tobytes() for word, row in zip(WORDS, VECTORS, strict=True)]
    assert save(path, binary=True) == b"3 2\n" + b"".join(raw)


@settings(max_examples=40)
@given(
    words=st.lists(st.text(st.characters(exclude_characters=" \n", codec="utf-8")), unique=True),
    seed=st.integers(0, 1000),
    size=st.integers(1, 9),
    binary=st.booleans(),
    ending=st.sampled_from(["", ".gz"]),
)
def test_there_and_back(tmp_path_factory, words, seed, size, binary, ending):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, (len(words), size), np.uint32).view(np.float32)
    vectors = np.where(np.isfinite(bits) & (np.abs(bits) < 1e18), bits, 0)  # norms are finite
    path = tmp_path_factory.mktemp("there") / f"vectors{ending}"
    KeyedVectors(words, vectors).save_word2vec_format(path, binary=binary)
    back = load(path, binary=binary)
    assert back.index_to_key == words
    assert back.vectors.dtype == np.float32 and back.vectors.shape == vectors.shape
    assert np.array_equal(back.vectors, vectors)
    assert path.read_bytes()[:2] == b"\x1f\x8b" or not ending


def test_without_its_first_line(path):
    save(path, write_header=False)
    back = load(path, no_header=True)
    assert back.index_to_key == WORDS and np.array_equal(back.vectors, VECTORS)
    assert load(path, no_header=True, limit=2).index_to_key == WORDS[:2]


@pytest.mark.parametrize("form", FORMS)
def test_the_first_words_only(path, form):
    save(path, **form)
    back = load(path, limit=2, **form)
    assert back.index_to_key == WORDS[:2] and np.array_equal(back.vectors, VECTORS[:2])
    assert len(load(path, limit=99, **form)) == 3
    with pytest.raises(ValueError, match=r"limit must be None .all. or at least 1, got 0"):
        load(path, limit=0, **form)


@pytest.mark.parametrize("form", FORMS)
def test_a_compressed_table_is_written_as_floats(path, form):
    vectors = np.random.default_rng(0).standard_normal((3000, 4)).astype(np.float32)
    table = quantize(vectors, bits=4, axis=0)
    KeyedVectors([str(i) for i in range(3000)], table).save_word2vec_format(path, **form)
    assert np.array_equal(load(path, **form).vectors, table.dense())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_cut_off_anywhere(tmp_path, form, ending):
    path = tmp_path / f"vectors{ending}"
    whole = save(path, **form)
    for length in range(0 if not ending else 2, len(whole)):  # two bytes say that it is packed
        path.write_bytes(whole[:length])
        with pytest.raises(EOFError, match=r"vectors|end-of-stream|Compressed file"):
            load(path, **form)


def test_other_programs_end_each_vector_with_a_line(path):
    raw = [f"{word} ".encode() + row.tobytes() for word, row in zip(WORDS, VECTORS, strict=True)]
    path.write_bytes(b"3 2\n" + b"\n".join(raw) + b"\n")
    back = load(path, binary=True)
    assert back.index_to_key == WORDS and np.array_equal(back.vectors, VECTORS)
    path.write_text("2 2\r\nsea 1 2 \r\nsun 3 4 \r\n\r\n", newline="")
    back = load(path)
    assert back.index_to_key == ["sea", "sun"] and back.vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sea 1 2\nsun 3 4\n", "first line .* got b'sea 1 2.n'; .* no_header=True"),
        ("2\nsea 1\n", "first line"),
        ("-1 2\n", "first line"),
        ("2 0\na\nb\n", "first line"),
        ("1 99999999999\n", "first line"),
        ("2 2\nsea 1 2\nsun 3\n", "a word and 2 numbers, .* got b'sun 3.n'"),
        ("2 2\nsea 1 2\nsun 3 4 5\n", "a word and 2 numbers"),
        ("2 2\nsea 1 2\nsun 3 four\n", "a word and 2 numbers"),
        ("2 2\nsea  1 2\nsun 3 4\n", "single spaces"),
        ("2 2\nsea 1 2\n\nsun 3 4\n", "a word and 2 numbers"),
        ("1 2\nsea 1 2\nsun 3 4\n", "more than the 1 vectors"),
        ("1 2\nsea 1 nan\n", "finite"),
        ("1 2\nsea 1 1e99\n", "finite"),
    ],
)
def test_text_of_another_form(path, text, message):
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load(path)


def test_bytes_of_another_form(path):
    row = np.ones(2, np.float32).tobytes()
    path.write_bytes(b"1 2\nsea " + row + b"sun " + row)
    with pytest.raises(ValueError, match="more than the 1 vectors"):
        load(path, binary=True)
    path.write_bytes(b"1 2\n" + b"a" * 20_000)
    with pytest.raises(ValueError, match="no space after"):
        load(path, binary=True)
    save(path, binary=True)
    with pytest.raises((ValueError, EOFError)):
        load(path)  # as if it were text
    save(path)
    with pytest.raises((ValueError, EOFError)):
        load(path, binary=True)
    with pytest.raises(ValueError, match="must have its header"):
        load(path, binary=True, no_header=True)
    with pytest.raises(FileNotFoundError):
        load(path.with_name("nothing"))


def test_an_archive_that_is_damaged_or_none(tmp_path):
    path = tmp_path / "vectors.gz"
    whole = bytearray(save(path))
    whole[-5] ^= 255  # of the checksum
    for content in (b"2 2\n", bytes(whole)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"vectors\.gz is damaged, or no gzip file"):
            load(path)


@pytest.mark.parametrize("form", FORMS)
def test_words_that_are_no_utf8(path, form):
    rows = [b"1.0 2.0\n", np.array([1, 2], np.float32).tobytes()]
    path.write_bytes(b"1 2\n\xffsea " + rows[form["binary"]])
    with pytest.raises(ValueError, match=r"word 1: .* not UTF-8; .* unicode_errors"):
        load(path, **form)
    assert load(path, unicode_errors="ignore", **form).index_to_key == ["sea"]


def test_a_word_that_comes_twice_keeps_its_first_vector(path):
    path.write_text("3 1\nsea 1\nsun 2\nsea 3\n")
    with pytest.warns(UserWarning, match="1 words come again, the first is 'sea'"):
        back = load(path)
    assert back.index_to_key == ["sea", "sun"] and back.vectors.tolist() == [[1], [2]]


def test_no_words_at_all(path):
    KeyedVectors([], np.zeros((0, 7), np.float32)).save_word2vec_format(path)
    assert load(path).vectors.shape == (0, 7)


@pytest.mark.parametrize("word", ["two words", "a\nline"])
def test_words_that_the_format_cannot_hold(path, word):
    path.write_text("what stood here before")
    wv = KeyedVectors(["fine", word], VECTORS[:2])
    with pytest.raises(ValueError, match="no space and no line end"):
        wv.save_word2vec_format(path)
    with pytest.raises(ValueError, match="must have its header"):
        wv.save_word2vec_format(path, binary=True, write_header=False)
    assert path.read_text() == "what stood here before"


def test_a_failure_leaves_the_earlier_file(path):
    class Breaks:
        ndim, shape = 2, (3, 2)

        def __getitem__(self, ids):
            if self.broken:
                raise OSError("the disk is gone")
            return VECTORS[ids]

        broken = False

    before = save(path)
    wv = KeyedVectors(WORDS, Breaks())
    wv.vectors.broken = True
    for name in (path, path.with_name("new.gz")):
        with pytest.raises(OSError, match="the disk is gone"):
            wv.save_word2vec_format(name)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


@pytest.mark.oracle
@unclosed
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_go_to_gensim_and_come_back(tmp_path, form, ending):
    import gensim

    rng = np.random.default_rng(0)
    words = [f"wörd{i}" for i in range(500)]
    vectors = (rng.standard_normal((500, 30)) * 10.0 ** rng.integers(-20, 9, (500, 30))).astype("f")
    path = str(tmp_path / f"vectors{ending}")
    ours = KeyedVectors(words, vectors)
    ours.save_word2vec_format(path, **form)
    theirs = gensim.models.KeyedVectors.load_word2vec_format(path, **form)
    assert theirs.index_to_key == words and np.array_equal(theirs.vectors, vectors)
    theirs.save_word2vec_format(path, **form)
    back = load(path, **form)
    assert back.index_to_key == words and np.array_equal(back.vectors, vectors)
    if not form["binary"]:
        theirs.save_word2vec_format(path, write_header=False)
        assert np.array_equal(load(path, no_header=True).vectors, vectors)
        ours.save_word2vec_format(path, write_header=False)
        plain = gensim.models.KeyedVectors.load_word2vec_format(path, no_header=True)
        assert np.array_equal(plain.vectors, vectors)


@pytest.mark.oracle
@unclosed
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("euclidean_vectors.bin", {"binary": True}),
        ("crime-and-punishment.vec", {}),
        ("test_glove.txt", {"no_header": True}),
        ("high_precision.kv.txt", {}),
        ("high_precision.kv.bin", {"binary": True}),
    ],
)
def test_files_that_come_with_gensim(name, form):
    from gensim.models import KeyedVectors as Theirs
    from gensim.test.utils import datapath

    ours, theirs = (
        cls.load_word2vec_format(datapath(name), **form) for cls in (KeyedVectors, Theirs)
    )
    assert ours.index_to_key == theirs.index_to_key
    assert np.array_equal(ours.vectors, theirs.vectors)
