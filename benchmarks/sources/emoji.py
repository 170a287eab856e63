"""Images and text: the pictures of Noto Color Emoji (OFL-1.1) with English names and keywords of CLDR (Unicode-3.0)."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sources.cldr import annotations, derived
from sources.fetch import debian, wheel
from sources.layout import draw, write_lines


def write(work: Path, folder: Path) -> dict[str, object]:
    """Writes ``png/`` and ``pairs.jsonl`` with image, name, keywords and split; returns what ``info.json`` says."""
    (folder / "png").mkdir(parents=True, exist_ok=True)
    # Without joiners and variation selectors, which fonts and CLDR set differently; skin tones are left out.
    known = derived(work, "en") | annotations(work, "en")
    named = {_bare(sign): known[sign] for sign in known if not any("\U0001f3fb" <= c <= "\U0001f3ff" for c in sign)}
    rows: list[dict[str, object]] = []
    for sign, png in _pictures(work):
        annotation = named.get(_bare(sign))
        if annotation is None:
            continue
        image = f"png/{'-'.join(f'{ord(c):x}' for c in sign)}.png"
        (folder / image).write_bytes(png)
        place = draw("emoji", annotation.name)
        split = "test" if place < 0.1 else "dev" if place < 0.2 else "train"
        keywords = sorted({annotation.name, *annotation.keywords})
        rows.append({"image": image, "name": annotation.name, "keywords": keywords, "split": split})
    write_lines(folder / "pairs.jsonl", rows)
    sides = [str(row["split"]) for row in rows]
    return {"name": "emoji", "pairs": len(rows), **{side: sides.count(side) for side in ("train", "dev", "test")}}


def _pictures(work: Path) -> Iterator[tuple[str, bytes]]:
    """Every sign or sequence of signs that the font draws, with its PNG."""
    sys.path.insert(0, str(wheel(work, "fonttools", "4.60.1")))
    from fontTools.ttLib import TTFont  # type: ignore[import-not-found]

    path = debian(work, "fonts-noto-color-emoji") / "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
    font = TTFont(path)
    pictures = {name: bitmap for strike in font["CBDT"].strikeData for name, bitmap in strike.items()}
    single = font.getBestCmap()
    glyphs = {glyph: chr(code) for code, glyph in single.items()}
    found = {character: glyph for glyph, character in glyphs.items()} | dict(_sequences(font, glyphs))
    for sign in sorted(found):
        if found[sign] in pictures:
            yield sign, pictures[found[sign]].imageData


def _sequences(font: Any, glyphs: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Sequences of signs that the font draws as one picture: its ligatures."""
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            table = getattr(table, "ExtSubTable", table)
            for first, ligatures in getattr(table, "ligatures", {}).items():
                for ligature in ligatures:
                    parts = [first, *ligature.Component]
                    if all(part in glyphs for part in parts):
                        yield "".join(glyphs[part] for part in parts), ligature.LigGlyph


def _bare(sign: str) -> str:
    return sign.replace("\ufe0f", "").replace("\u200d", "")
