"""Which scripts a text is written in, by code point: a simple stand-in for its language."""

from collections.abc import Iterable

import numpy as np

from acclimate.data.keys import in_parts

# First code point of each block, and the script of its letters; "" where the block holds no letters that count.
_BLOCKS = (
    (0x0000, ""), (0x0041, "latin"), (0x005B, ""), (0x0061, "latin"), (0x007B, ""), (0x00C0, "latin"),
    (0x0250, ""), (0x0370, "greek"), (0x0400, "cyrillic"), (0x0530, "armenian"), (0x0590, "hebrew"),
    (0x0600, "arabic"), (0x0700, "other"), (0x0750, "arabic"), (0x0780, "other"), (0x0900, "devanagari"),
    (0x0980, "bengali"), (0x0A00, "gurmukhi"), (0x0A80, "gujarati"), (0x0B00, "other"), (0x0B80, "tamil"),
    (0x0C00, "telugu"), (0x0C80, "kannada"), (0x0D00, "malayalam"), (0x0D80, "other"), (0x0E00, "thai"),
    (0x0E80, "other"), (0x10A0, "georgian"), (0x1100, "hangul"), (0x1200, "ethiopic"), (0x1380, "other"),
    (0x1E00, "latin"), (0x1F00, "greek"), (0x2000, ""), (0x2E80, "han"), (0x2FE0, ""), (0x3040, "kana"),
    (0x3100, "other"), (0x3130, "hangul"), (0x3190, ""), (0x3400, "han"), (0x4DC0, ""), (0x4E00, "han"),
    (0xA000, "other"), (0xAC00, "hangul"), (0xD7B0, ""), (0xF900, "han"), (0xFB00, "latin"), (0xFB07, "other"),
    (0xFB50, "arabic"), (0xFE00, ""), (0xFE70, "arabic"), (0xFF00, ""), (0xFF21, "latin"), (0xFF3B, ""),
    (0xFF41, "latin"), (0xFF5B, ""), (0xFF66, "kana"), (0xFFA0, "hangul"), (0xFFE0, ""), (0x10000, "other"),
    (0x1D000, ""), (0x20000, "han"), (0x323B0, ""),
)  # fmt: skip
_FIRST = np.array([first for first, _ in _BLOCKS])
_NAMES = [name for _, name in _BLOCKS]


def script_shares(texts: Iterable[str]) -> dict[str, float]:
    """Share of each script among all letters, the largest first; digits, signs and spaces do not count."""
    counts = np.zeros(len(_BLOCKS), np.int64)
    for part in in_parts(texts, 1000):
        codes = np.frombuffer("".join(part).encode("utf-32-le"), dtype="<u4")
        counts += np.bincount(np.searchsorted(_FIRST, codes, side="right") - 1, minlength=len(_BLOCKS))
    totals: dict[str, int] = {}
    for name, count in zip(_NAMES, counts.tolist(), strict=True):
        if name and count:
            totals[name] = totals.get(name, 0) + count
    letters = sum(totals.values())
    return {name: round(totals[name] / letters, 4) for name in sorted(totals, key=lambda name: (-totals[name], name))}
