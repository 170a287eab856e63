"""What the pages say that can be tried: commands, options, recipes and Python code."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted(ROOT.glob("docs/*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Said:
    """Something that a page says."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.strip().splitlines()[0][:60]}"

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def blocks(kind: str) -> list[Said]:
    """All fenced blocks of a language."""
    return [
        Said(name, block) for name, text in _pages() for language, block in _BLOCK.findall(text) if language == kind
    ]


def commands() -> list[Said]:
    """Commands of Acclimate, from blocks (a line each) and from running text."""
    found = []
    for name, text in _pages():
        lines = [_command(line) for _, block in _BLOCK.findall(text) for line in block.splitlines()]
        found += [Said(name, said) for said in [*lines, *_spans(text)] if re.match(r"acclimate [a-z]+( |$)", said)]
    return found


def options() -> list[Said]:
    """Options that are named without a command."""
    return [Said(name, said) for name, text in _pages() for said in _spans(text) if said.startswith("--")]


def calls() -> list[Said]:
    """Python that is named in running text."""
    spans = ((name, said) for name, text in _pages() for said in _spans(text))
    return [Said(name, said) for name, said in spans if re.match(r"acclimate\.\w+\(", said)]


def _pages() -> Iterator[tuple[str, str]]:
    return ((page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8")) for page in PAGES)


def _command(line: str) -> str:
    """A line of a shell without its prompt and its comment."""
    return re.sub(r"\s+# .*", "", line.removeprefix("$ ")).rstrip()


def _spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", _BLOCK.sub("", text))
