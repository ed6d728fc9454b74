"""The site: the executed notebooks, the pages of docs/, and a reference of every module.

    python docs/site/build.py        builds build/site/index.html; a warning of Sphinx is an error
    python docs/site/check.py        every link of it leads somewhere (--browser: and more)

The pages are copied to build/site-source as they lie in the repository, so that the links between
them hold on the site as on the page that hosts them. No notebook is run here. The result needs no
internet to be read.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path

import api  # beside this file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SITE = ROOT / "build" / "site"
STAGED, TREES = ROOT / "build" / "site-source", ROOT / "build" / "site-trees"
# Pages, what their links lead to, and what they show
COPIED = [
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE",
    "docs/*.md", "docs/*.svg", "docs/*.csv", "docs/figures/*.svg", "docs/*.py",
    "notebooks/*.ipynb", "notebooks/README.md", "notebooks/build.py",
    "benchmarks/README.md", "benchmarks/*.svg", "benchmarks/*.csv",
    "data/README.md", "data/*.txt", "data/recipes/*.toml",
]  # fmt: skip
LINK_TO_CODE = re.compile(r"\]\((?:\.\./)*(minilm/[\w/]+)\.py\)")
# The first page is the repository's; below it stands, unseen, the order of all the others.
CONTENTS = """
```{toctree}
:hidden:
:caption: The course

Syllabus <notebooks/README>
NOTEBOOKS
```

```{toctree}
:hidden:
:caption: Pages

docs/guide
docs/methods
docs/fewer-weights
docs/pretrained
docs/word-vectors
docs/why-fast
benchmarks/README
data/README
CONTRIBUTING
CHANGELOG
```

```{toctree}
:hidden:
:caption: Reference

api/minilm
```
"""


def stage() -> None:
    """Lay out build/site-source: the pages, the front page and the pages of the reference."""
    for pattern in COPIED:
        for path in sorted(ROOT.glob(pattern)):
            target = STAGED / path.relative_to(ROOT)
            if target == STAGED / "README.md":
                target = STAGED / "index.md"
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                target.write_text(for_the_site(path, target), encoding="utf-8")
            else:
                shutil.copyfile(path, target)
    notebooks = sorted(f"notebooks/{path.stem}" for path in ROOT.glob("notebooks/*.ipynb"))
    with (STAGED / "index.md").open("a", encoding="utf-8") as front:
        front.write(CONTENTS.replace("NOTEBOOKS", "\n".join(notebooks)))
    for name, text in api.pages():
        path = STAGED / "api" / f"{name}.rst"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def for_the_site(path: Path, target: Path) -> str:
    """A page's text, its links to files of the package and to the first page led to theirs."""
    up = "../" * (len(target.relative_to(STAGED).parts) - 1)

    def to_reference(link: re.Match[str]) -> str:
        module = link[1].removesuffix("/__init__").replace("/", ".")
        return f"]({up}api/{module}.rst)"

    text = LINK_TO_CODE.sub(to_reference, path.read_text(encoding="utf-8"))
    return text if not up else re.sub(rf"\]\({re.escape(up)}README\.md", f"]({up}index.md", text)


def main() -> int:
    from sphinx.cmd.build import main as sphinx

    start = time.perf_counter()
    for folder in (STAGED, TREES, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    stage()
    failed = sphinx([
        "-b", "html", "-j", "auto", "-q", "-W", "--keep-going", "-c", str(HERE),
        "-d", str(TREES), str(STAGED), str(SITE),
    ])  # fmt: skip
    pages = len(list(SITE.rglob("*.html")))
    print(f"{pages} pages in {time.perf_counter() - start:.0f} s: {SITE / 'index.html'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
