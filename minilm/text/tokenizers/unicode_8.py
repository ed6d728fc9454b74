"""What kind of character is it? As Unicode 8 had it, whichever version this Python knows.

Every year Unicode assigns characters that were none before. What is cut off as punctuation or taken
away as an accent would then depend on the Python that runs: the same text would be other numbers.
So for BERT all that has come since is a letter, as unassigned characters are. Unicode 8 (2015) is
what the `tokenizers` library has, with which most of BERT's descendants were trained.
"""

import unicodedata

# Of the code points that Unicode 8 left unassigned, the ranges that hold punctuation, marks without
# width, or format characters today (Unicode 17). All others would count as letters anyway.
UNASSIGNED = """
    5C8-5C9 61D 7FD 890-89F 8CA-8E2 9FD-9FE A76 AFA-AFF B53-B55 C04 C3C C77 C84 D00 D3B-D3C D81 EBA
    ECE 180F 1ABF-1AF0 1B4E-1B4F 1B7D-1B7F 1DF6-1DFB 2E43-2E63 A82C A8C5 A8FF 10D24-10D6E
    10EAB-10F89 11070-11074 110C2-110CD 111CF 1123E-11241 1133B 113BB-1145E 11660-1166C 116B9
    1182F-1183B 1193B-11AA2 11B00-11FFF 12FF1-12FF2 13430-13455 1611E-1612F 16D6D-16E9A 16F4F
    16FE2-16FE4 1CF00-1CF46 1D127-1D128 1D25B-1D25C 1E000-1E6F5 1E944-1E95F
"""
RANGES = [
    (int(first, 16), int(last or first, 16))
    for first, _, last in (part.partition("-") for part in UNASSIGNED.split())
]
CHANGED = {  # what they were
    "\u166d": "Po", "\u1734": "Mn", "\u1885": "Lo", "\u1886": "Lo", "\ua9bd": "Mc",
    "\U000111c9": "Po", "\U0001171e": "Mn",
}  # fmt: skip


def category(character: str) -> str:
    """As unicodedata.category: "Lu", "Nd", "Po", …; "Cn" for what was unassigned."""
    if any(first <= ord(character) <= last for first, last in RANGES):
        return "Cn"
    return CHANGED.get(character) or unicodedata.category(character)
