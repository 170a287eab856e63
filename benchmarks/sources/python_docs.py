"""The titled sections of the Python 3.11 documentation (Python Software Foundation License)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sources.fetch import debian

_UNDERLINE = re.compile(r"^([=\-~^*#\"'+.])\1{2,}\s*$")
_ROLE = re.compile(r":[a-zA-Z0-9:+_-]+:`!?~?([^`<]*?)\s*(?:<[^`]*>)?`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]+>`__?")
_MARK = re.compile(r"``([^`]*)``|\*\*([^*\n]+)\*\*|(?<!\w)\*([^*\n]+)\*(?!\w)|`([^`]+)`_?")


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its page, its title and its first paragraphs, markup removed."""

    page: str
    title: str
    paragraphs: tuple[str, ...]


def folder(work: Path) -> Path:
    """Where the pages' sources lie."""
    return debian(work, "python3.11-doc") / "usr" / "share" / "doc" / "python3.11" / "html" / "_sources"


def sections(work: Path) -> list[Section]:
    """Every section of tutorial, library, language reference, how-to guides, FAQ, set-up and C API."""
    parts = ("tutorial", "library", "reference", "howto", "faq", "using", "extending", "c-api", "whatsnew")
    pages = [page for part in parts for page in sorted((folder(work) / part).glob("*.rst.txt"))]
    return [section for page in pages for section in _page(page.name.split(".")[0], page.read_text(encoding="utf-8"))]


def _page(name: str, text: str) -> Iterator[Section]:
    lines = text.splitlines()
    heads = [
        row
        for row in range(len(lines) - 1)
        if lines[row].strip()
        and not lines[row].startswith(" ")
        and _UNDERLINE.match(lines[row + 1])
        and not _UNDERLINE.match(lines[row])
    ]
    for row, end in pairwise([*heads, len(lines)]):
        yield Section(name, _plain(lines[row]), tuple(_paragraphs(lines[row + 2 : end])))


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """Runs of unindented prose; directives, lists, code and tables are left out."""
    for block in "\n".join(lines).split("\n\n"):
        prose = block.strip("\n")
        if (
            prose
            and not re.match(r"[\s.*|+=#\-:>~^]|\d+\.", prose)
            and not any(map(_UNDERLINE.match, prose.split("\n")))
        ):
            yield _plain(prose)


def _plain(text: str) -> str:
    text = _LINK.sub(r"\1", _ROLE.sub(r"\1", text))
    text = _MARK.sub(lambda match: next(part for part in match.groups() if part is not None), text)
    return " ".join(text.replace("\\", "").replace("::", ":").split())
