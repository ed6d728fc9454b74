"""The README and the guide show what the csv files hold, and their examples are those that run."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest

from minilm import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")

spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


def test_the_table_is_made_of_the_results():
    rows = make.read(ROOT / "docs" / "results.csv")
    shown = README.split(make.BEGIN)[1].split(make.END)[0]
    assert shown == make.table(rows) + "\n" + make.sizes(rows)


def test_a_table_by_hand():
    rows = [
        {"model": model, "method": "float32", "bits": "32", "sparsity": "", "loss": loss}
        for model in make.MODELS for loss in ("1.0", "1.5", "1.1")
    ]  # fmt: skip
    make_lines, make.LINES = make.LINES, make.LINES[:1]
    try:
        last = make.table(rows).splitlines()[-1]
    finally:
        make.LINES = make_lines
    assert last == "| float32, the loss itself |" + " 1.200 ± 0.250 |" * 3


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted(ROOT.glob("*/*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)  # fmt: skip
def test_links_lead_somewhere(page):
    """Files, and the headings that a link's # names, as hosting pages spell them."""
    text = page.read_text(encoding="utf-8")
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        target = page.parent / link if link else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
            assert anchor in map(spelled, headings), f"{link}#{anchor}"


def spelled(heading):
    """A heading as part of an address: small letters, hyphens for spaces, no other signs."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_first_figure_is_shown():
    assert "](docs/error-versus-bits.svg)" in README


def test_the_guide_begins_with_the_readme_s_example():
    (first,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert re.findall(r"```python\n(.*?)```", GUIDE, re.S)[0] == first
    *_, code = first.split("\n\n")
    assert len([line for line in first.splitlines() if line]) <= 11 and "quantize" in code


def test_the_table_of_speed_is_made_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    table = importlib.import_module("benchmarks.table")
    shown = README.split(table.HOME_BEGIN)[1].split(table.HOME_END)[0]
    assert shown == table.in_short(table.read(table.RESULTS))
    assert shown.count("\n") > 8


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(0, 1, 2), (3,)])
def test_the_examples_run(parts, tmp_path, monkeypatch, capsys):
    codes = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    assert len(codes) == 4
    monkeypatch.chdir(tmp_path)  # two write files
    exec(compile("".join(codes[part] for part in parts), "guide.md", "exec"), {})
    if 1 in parts:  # what the second and the third print; another CPU may differ a little
        printed = capsys.readouterr().out
        for unit, size, beside in (("bits a weight", 0, 0.005), ("bytes", 0.005, 0)):
            line = rf"^ *([\d.,]+) {unit} +([\d.]+) nats"
            said, own = (re.findall(line, text, re.M) for text in (GUIDE, printed))
            assert len(said) == len(own) > 4
            for (much, nats), (own_much, own_nats) in zip(said, own, strict=True):
                assert number(own_much) == pytest.approx(number(much), rel=size, abs=beside)
                assert float(own_nats) == pytest.approx(float(nats), abs=0.01)


@pytest.mark.oracle
@pytest.mark.slow
def test_the_commands_of_the_real_model_run(tmp_path, monkeypatch, capsys):
    section = GUIDE.split("\n## A real model\n")[1].split("\n## ")[0]
    commands = re.findall(r"^    python -m minilm ((?:.*\\\n)*.*)", section, re.M)
    assert [command.split()[1] for command in commands] == ["rank", "quantize", "rank", "export"]
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "sentences.txt", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    printed = []
    for command in commands:
        words = shlex.split(command.replace("\\\n", " "), comments=True)
        assert cli.main(words) == 0, command
        printed.append(capsys.readouterr().out)
    said, own = (re.findall(r"^ +(0\.\d{4})  (\w.*)$", text, re.M)
                 for text in (section, printed[0]))  # fmt: skip
    assert len(said) == 3 and [text for _, text in said] == [text for _, text in own]
    for (similarity, _), (own_similarity, _) in zip(said, own, strict=True):
        assert float(own_similarity) == pytest.approx(float(similarity), abs=2e-4)
    # the row that the command makes: GPTQ in groups of 32, calibrated with the other half
    (row,) = re.findall(r"^\| 4 \| GPTQ, least squares, of 32 \| (.*) \|$", section, re.M)
    size, mean, *_ = map(float, row.replace(" %", "").split(" | "))
    (cosine,) = re.findall(r"cosine +mean ([\d.]+)", printed[1])
    assert float(cosine) == pytest.approx(mean, abs=5e-4)
    saved = (tmp_path / "small.npz").stat().st_size  # with the table of pieces' texts
    assert saved / 1e6 == pytest.approx(size, abs=0.3)
    assert printed[2].index("the soup is bland") < printed[2].index("a rook is lost")
    assert (tmp_path / "small.gguf").read_bytes()[:4] == b"GGUF"


def number(text: str) -> float:
    return float(text.replace(",", ""))
