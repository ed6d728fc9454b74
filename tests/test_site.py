"""The site's own tools: links are followed, and every module has its page. Sphinx is not needed.

CI builds the site itself and follows every link of it (`make docs`, `docs/site/check.py`).
"""

import ast
import importlib
import sys
from pathlib import Path

import pytest

import minilm

ROOT = Path(__file__).parent.parent
PACKAGE = Path(minilm.__file__).parent


@pytest.fixture(scope="module")
def tools():
    """docs/site/{api,build,check}.py, which stand beside each other as scripts do."""
    names, folder = ("api", "build", "check"), str(ROOT / "docs" / "site")
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, folder)
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(folder)
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(others)


@pytest.fixture(scope="module")
def reference(tools):
    return dict(tools["api"].pages())


def site(folder, **pages):
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return folder.resolve()


def test_a_sound_site_has_no_problems(tools, tmp_path):
    (tmp_path / "a%20figure.svg").touch()
    found = site(
        tmp_path,
        index='<a href="other.html#here">x</a> <a href="#top">up</a> <h1 id="top">t</h1>'
        '<a href="https://example.org/">outside</a> <a href="mailto:a@b.c">post</a>'
        '<img src="a%2520figure.svg"> <img src="data:image/png;base64,AA==">',
        other='<p id="here">y</p> <a href="./">folder</a>'
        '<link rel="canonical" href="https://x.org/">',
    )
    assert list(tools["check"].problems(found)) == []


@pytest.mark.parametrize(("body", "complaint"), [
    ('<a href="gone.html">x</a>', "links to gone.html, which is not there"),
    ('<a href="#gone">x</a>', "no such place"),
    ('<a href="other.html#gone">x</a>', "no such place"),
    ('<a href="../outside.html">x</a>', "which is not there"),
    ('<img src="gone.svg">', "shows or loads gone.svg"),
    ('<script src="gone.js"></script>', "shows or loads gone.js"),
    ('<script src="https://cdn.example/m.js"></script>', "asks another host"),
    ('<link rel="stylesheet" href="//fonts.example/f.css">', "asks another host"),
])  # fmt: skip
def test_what_is_wrong_is_found(tools, tmp_path, body, complaint):
    (tmp_path / "outside.html").touch()
    found = list(tools["check"].problems(site(tmp_path / "site", index=body, other="")))
    assert len(found) == 1
    assert found[0].startswith("index.html: ") and complaint in found[0]


def test_an_empty_folder_is_no_site(tools, tmp_path, capsys):
    assert tools["check"].main([str(tmp_path)]) == 1
    assert "build it first" in capsys.readouterr().out


def test_every_module_has_a_page_and_packages_lead_to_them(reference):
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if parts[-1].startswith("_") and parts[-1] != "__init__":
            assert name not in reference
            continue
        assert f".. automodule:: {name}\n" in reference[name]
        above = name.rpartition(".")[0]
        assert not above or f"<{name}>" in reference[above]


def test_a_page_names_what_the_file_defines_and_nothing_private(reference):
    text = reference["minilm.nn.lstm"]
    public = [
        node.name
        for node in ast.parse((PACKAGE / "nn" / "lstm.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    places = [text.index(f".. autofunction:: {name}\n") for name in public]
    assert len(public) > 1 and places == sorted(places)
    assert ":: _" not in text


def test_a_long_constant_is_cut(tools, tmp_path):
    path = tmp_path / "a.py"
    lines = "\n".join(f"    {number}," for number in range(50))
    path.write_text(f"LONG = [\n{lines}\n]\nSHORT: int = 3\n_OWN = 1\na, b = 1, 2\n")
    long, short = tools["api"].members(path)
    assert "      LONG = [\n" in long and long.endswith("    ...\n")
    assert len(long.splitlines()) < 20
    assert ".. py:data:: SHORT\n" in short and "      SHORT: int = 3\n" in short


def test_links_of_a_page_lead_to_the_sites_pages(tools, tmp_path):
    build = tools["build"]
    page = tmp_path / "page.md"
    page.write_text(
        "[a](../minilm/nn/lstm.py) [b](../minilm/nn/__init__.py) [c](../README.md#the-house) "
        "[d](other.md) [e](../benchmarks/README.md)",
        encoding="utf-8",
    )
    assert build.for_the_site(page, build.STAGED / "docs" / "page.md") == (
        "[a](../api/minilm.nn.lstm.rst) [b](../api/minilm.nn.rst) [c](../index.md#the-house) "
        "[d](other.md) [e](../benchmarks/README.md)"
    )
    assert "[c](../README.md#the-house)" in build.for_the_site(page, build.STAGED / "index.md")


def test_every_page_of_prose_has_its_place_in_the_contents(tools):
    contents = tools["build"].CONTENTS
    for path in [*ROOT.glob("docs/*.md"), ROOT / "benchmarks/README.md", ROOT / "data/README.md"]:
        page = path.relative_to(ROOT).with_suffix("").as_posix()
        assert f"\n{page}\n" in contents, page
