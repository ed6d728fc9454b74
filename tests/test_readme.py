"""The README shows what docs/results.csv holds, and its example is the one that runs."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

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


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "docs/error-versus-bits.svg" in links
    assert all((ROOT / link).exists() for link in links)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(0, 1), (2,)])
def test_the_examples_run(parts, tmp_path, monkeypatch, capsys):
    codes = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(codes) == 3
    monkeypatch.chdir(tmp_path)  # one writes a file
    exec(compile("".join(codes[part] for part in parts), "README.md", "exec"), {})
    if 1 in parts:  # it says what the second prints; another CPU may differ in the last digit
        said = re.findall(r"^    +([\d.]+) bits a weight +([\d.]+) nats", README, re.M)
        printed = re.findall(r"([\d.]+) bits a weight +([\d.]+) nats", capsys.readouterr().out)
        assert [bits for bits, _ in printed] == [bits for bits, _ in said]
        assert [float(nats) for _, nats in printed] == pytest.approx(
            [float(nats) for _, nats in said], abs=0.01
        )
