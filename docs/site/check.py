"""Whether the site holds together: every page of build/site is read, and what is wrong is printed.

    python docs/site/check.py              links, anchors, images; nothing comes from another host
    python docs/site/check.py --browser    and in headless Chromium, at the width of a desk and of a
                                           phone: formulas, images, the console, what is too wide

The first needs Python alone. The second needs `pip install playwright` and a Chromium (`--chromium`
says where; no download), and takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
# What a browser fetches by itself when it opens a page (a link waits for a click)
FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src",
           "object": "data", "video": "src", "audio": "src"}  # fmt: skip
NOT_FETCHED = {"canonical", "next", "prev", "index", "search", "author", "help", "top"}  # rel=


@dataclass
class Page(HTMLParser):
    """What a page has that links can lead to, where its own lead, and what it fetches."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif values.get(FETCHED.get(tag, ""), "") and values.get("rel") not in NOT_FETCHED:
            self.fetched.append(values[FETCHED[tag]])


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def problems(site: Path) -> Iterator[str]:
    """What is wrong with the links of the html files below `site`, a line for each."""
    pages = {path: read(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site}: no page: build it first, by python docs/site/build.py"
    for path, page in pages.items():
        here = path.relative_to(site).as_posix()
        for link in page.fetched:
            if urlsplit(link).netloc:
                yield f"{here}: asks another host for {link}"
            elif urlsplit(link).scheme != "data" and not target_of(link, path)[0].is_file():
                yield f"{here}: shows or loads {link}, which is not there"
        for link in page.links:
            if urlsplit(link).scheme or urlsplit(link).netloc:
                continue
            target, anchor = target_of(link, path)
            if not target.is_file() or not target.is_relative_to(site):
                yield f"{here}: links to {link}, which is not there"
            elif anchor and target in pages and anchor not in pages[target].anchors:
                yield f"{here}: links to {link}, and that page has no such place"


def target_of(link: str, path: Path) -> tuple[Path, str]:
    """The file that a link on the page `path` leads to, and the place in it."""
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    return target / "index.html" if target.is_dir() else target, unquote(parts.fragment)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check the built site.")
    parser.add_argument("site", nargs="?", type=Path, default=SITE)
    parser.add_argument("--browser", action="store_true", help="open every page in Chromium, too")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="default: %(default)s")
    options = parser.parse_args(arguments)
    site = options.site.resolve()
    found = list(problems(site))
    if options.browser:
        from browser import problems_seen  # it needs playwright

        found += problems_seen(site, options.chromium)
    print("\n".join(found) or f"{site}: nothing wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
