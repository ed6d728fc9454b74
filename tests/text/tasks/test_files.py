"""A person's own files: what is read, and each way in which one can be wrong, with its line."""

import time

import pytest

from minilm.text.tasks import TASKS, Example, load_labelled, load_pairs, save_pairs


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "mine.tsv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_pairs_in_their_order_without_marks_of_the_system(file):
    she, he = "She sleeps.\t她睡觉。", ' He said "no".\t 他说“不”。 '
    path = file(f"\ufeff{she}\r\n\n{he}\r\n{she}")
    expected = [
        Example("She sleeps.", "她睡觉。"),
        Example('He said "no".', "他说“不”。"),
        Example("She sleeps.", "她睡觉。"),
    ]
    assert load_pairs(path) == load_pairs(str(path)) == expected


def test_saved_pairs_are_read_back(tmp_path):
    examples = TASKS["translation"].examples(50, seed=0)
    save_pairs(tmp_path / "pairs.tsv", examples)
    assert load_pairs(tmp_path / "pairs.tsv") == examples
    for column in ("", "a\tb", "a\nb", "a\rb", " a", "a\n"):
        with pytest.raises(ValueError, match="examples: number 1 cannot be a line"):
            save_pairs(tmp_path / "pairs.tsv", [Example("a", "b"), Example("a", column)])
    assert load_pairs(tmp_path / "pairs.tsv") == examples


def test_only_a_line_end_ends_a_line(file):
    # str.splitlines would also cut at these, and shift every line number behind them
    assert load_pairs(file("a\x0bb\tc\u2028d\n")) == [("a\x0bb", "c\u2028d")]


def test_labels(file):
    path = file("a dull film\tnegative\na fine film\tpositive\n")
    assert load_labelled(path) == [("a dull film", "negative"), ("a fine film", "positive")]
    assert load_labelled(path, labels=("positive", "negative")) == load_labelled(path)
    with pytest.raises(ValueError, match=r"line 2: unknown label 'positive', not in bad, negative"):
        load_labelled(path, labels={"negative", "bad"})
    with pytest.raises(TypeError, match="labels: must be a collection of labels, got one string"):
        load_labelled(path, labels="negative")


@pytest.mark.parametrize("load", [load_pairs, load_labelled])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "has no examples"),
        (" \n\n", "has no examples"),
        ("a\tb\n\t\n", r"line 2: the (source|text) is empty"),
        ("a\tb\n\nc d\n", r"line 3: must be \w+, one tab, \w+; got 1 column: 'c d'"),
        ("a\tb\tc\n", r"line 1: .* got 3 columns: 'a\\tb\\tc'"),
        ("a\tb\nc\t\n", r"line 2: the (target|label) is empty"),
        ("a\tb\n \tc\n", r"line 2: the (source|text) is empty"),
        (b"a\tb\nc\tB\xe4r\n", r"line 2: is not UTF-8"),
    ],
)
def test_bad_files_are_refused_with_the_line(file, load, content, complaint):
    with pytest.raises(ValueError, match=complaint):
        load(file(content))


@pytest.mark.parametrize("load", [load_pairs, load_labelled])
def test_missing_files_and_folders(load, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere.tsv")
    with pytest.raises(ValueError, match="is a folder"):
        load(tmp_path)


def test_29000_pairs_are_quick(file):
    path = file("".join(f"This is sentence number {i}.\t这是第{i}句话。\n" for i in range(29_000)))
    start = time.process_time()
    assert len(load_pairs(path)) == 29_000
    assert time.process_time() - start < 2  # measured: 0.05 s
