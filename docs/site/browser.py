"""Every page of the site in headless Chromium: what only a browser can see.

A formula that MathJax could not read, an image that did not load, an error in the console, a
request to another host, and a page that is wider than the screen. (A table or a block of code may
scroll in a box of its own; the page may not.) `check.py --browser` asks here.

    python docs/site/browser.py FOLDER index docs/methods@4000      pictures of these pages, as at a
                                                                    desk and on a phone; the second
                                                                    from its 4000th pixel on
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

# Formulas that failed or were never set; dollars that are left in prose are formulas, too.
FORMULAS = r"""() => {
  const found = [];
  for (const e of document.querySelectorAll("mjx-merror, [data-mjx-error], merror"))
    found.push("formula not understood: " + (e.getAttribute("data-mjx-error") || e.textContent));
  for (const e of document.querySelectorAll("mjx-container [fill=red], mjx-container [color=red]"))
    found.push("no such command in a formula: " + e.closest(".math").textContent);
  for (const math of document.querySelectorAll(".math"))
    if (!math.querySelector("mjx-container")) found.push("formula not set: " + math.textContent);
  const walk = document.createTreeWalker(document.querySelector("article") || document.body,
                                         NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode, inside = text.parentElement;
    if (/\$|\\\(|\\\[|\\begin\{/.test(text.data) &&
        !inside.closest("pre, code, script, style, mjx-container"))
      found.push("formula left as text: " + text.data.trim());
  }
  return found.map(line => line.slice(0, 120));
}"""
IMAGES = """() => [...document.images].filter(i => !(i.complete && i.naturalWidth > 0))
                 .map(i => "image not shown: " + i.getAttribute("src"))"""
# The page scrolls sideways, or something ends to the right of the screen and no box scrolls to it.
TOO_WIDE = """() => {
  const root = document.documentElement, room = root.clientWidth + 1;
  const name = e => e.tagName.toLowerCase() + "." + (e.getAttribute("class") || "");
  const scrolls = e => e.tagName !== "ARTICLE" &&  // a box inside of it, not all of it
                       (/auto|scroll/.test(getComputedStyle(e).overflowX)
                        || scrolls(e.parentElement));
  const wide = [...document.querySelectorAll("article *")].filter(
    e => e.getBoundingClientRect().right > room && !scrolls(e) && !e.closest("mjx-assistive-mml"));
  const page = Math.max(root.scrollWidth, document.body.scrollWidth);
  if (page <= room && !wide.length) return [];
  return [`wider than the screen (${page} px): ${wide.slice(0, 3).map(name).join(", ")}`];
}"""

DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@contextmanager
def opened(chromium: str) -> Iterator[Any]:
    """A page of a Chromium that is installed already."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield browser.new_page(viewport=DESK)
        finally:
            browser.close()


def show(page: Any, path: Path) -> None:
    """Open a file and wait until its formulas are set and its images are there."""
    page.goto(path.as_uri(), wait_until="load")
    page.evaluate("() => window.MathJax && MathJax.startup && MathJax.startup.promise")


def problems_seen(site: Path, chromium: str) -> list[str]:
    """What is wrong with the pages below `site`, a line for each thing."""
    found: list[str] = []
    said: list[str] = []  # by the page that is open

    def hear_console(message: Any) -> None:
        if message.type == "error":
            said.append(f"console: {message.text}")

    def hear_request(request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            said.append(f"asks another host for {request.url}")

    with opened(chromium) as page:
        page.on("console", hear_console)
        page.on("request", hear_request)
        page.on("pageerror", lambda error: said.append(f"script: {error}"))
        page.on("requestfailed", lambda request: said.append(f"not loaded: {request.url}"))
        for path in sorted(site.rglob("*.html")):
            said.clear()
            page.set_viewport_size(DESK)
            show(page, path)
            said += page.evaluate(FORMULAS) + page.evaluate(IMAGES) + page.evaluate(TOO_WIDE)
            page.set_viewport_size(PHONE)
            page.evaluate(DRAWN)
            said += [f"on a phone {line}" for line in page.evaluate(TOO_WIDE)]
            found += [f"{path.relative_to(site).as_posix()}: {line}" for line in said]
    return found


def take_pictures(site: Path, folder: Path, names: list[str], chromium: str) -> None:
    """PNGs of the first screens of pages, as at a desk and on a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    with opened(chromium) as page:
        for name in names:
            name, _, scroll = name.partition("@")
            show(page, site / f"{name}.html")
            for kind, size in (("desk", DESK), ("phone", PHONE)):
                page.set_viewport_size(size)
                page.evaluate(f"window.scrollTo(0, {scroll or 0})")
                page.screenshot(path=folder / f"{name.replace('/', '-')}{scroll}-{kind}.png")


if __name__ == "__main__":
    from check import SITE

    take_pictures(SITE, Path(sys.argv[1]), sys.argv[2:], "/usr/bin/chromium")
