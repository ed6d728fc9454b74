"""Tokens as labels in a figure: every character drawn as itself, or named; never as an empty box.

    "中"  ->  "中" where a font has it, else "U+4E2D";   " the" -> "␣the";   "\\n" -> "\\\\n"
"""

from collections.abc import Sequence
from functools import cache

from matplotlib.font_manager import findfont, fontManager, get_font

# The font that comes with matplotlib, then common ones with Chinese characters.
FONTS = (
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "PingFang SC",
    "PingFang HK", "Hiragino Sans GB", "Heiti TC", "STHeiti", "Microsoft YaHei", "SimHei",
    "SimSun", "Arial Unicode MS",
)  # fmt: skip
SHOWN = {" ": "␣", "\n": "\\n", "\t": "\\t"}


def drawable(*labels: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The fonts to draw with, in order of preference, and each list of labels made drawable."""
    fonts = installed()
    return fonts, [[spelled(label, fonts) for label in group] for group in labels]


def spelled(label: str, fonts: Sequence[str]) -> str:
    """The label with a name in the place of each character that none of the fonts has."""
    known = [characters(font) for font in fonts]
    parts = []
    for character in label:
        shown = SHOWN.get(character, character)
        drawn = shown.isprintable() and all(any(ord(c) in k for k in known) for c in shown)
        parts.append(shown if drawn else f"U+{ord(character):04X}")
    return "".join(parts)


@cache
def installed() -> list[str]:
    """Those of FONTS that this machine has."""
    here = {font.name for font in fontManager.ttflist}
    return [name for name in FONTS if name in here]


@cache
def characters(font: str) -> frozenset[int]:
    """The code points for which a font has a picture."""
    return frozenset(get_font(findfont(font)).get_charmap())
