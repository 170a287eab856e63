"""Law: license notices -> license texts, from the data of ScanCode. CC-BY-4.0: nexB and others, ScanCode toolkit."""

import re
from pathlib import Path

from sources.fetch import wheel
from sources.layout import Pair, PairSet, key, shuffled

_LENGTHS = (60, 600)  # characters of a notice
_LONGEST = 1_200  # characters of a license text
_NOTICES = 30  # of one license at most, so that the GPL does not fill the set


def build(work: Path) -> PairSet:
    """The whole data set; a group is the family of a license, a label its category."""
    data = wheel(work, "licensedcode-data", "32.1.0") / "licensedcode" / "data"
    documents: dict[str, str] = {}
    categories: dict[str, str] = {}
    for path in sorted((data / "licenses").glob("*.LICENSE")):
        fields, text = _read(path)
        if len(text) >= _LENGTHS[0] and "yes" not in (fields.get("is_deprecated"), fields.get("is_exception")):
            name = fields["key"]
            documents[name] = f"{fields.get('name', name)}. {text}"[:_LONGEST]
            categories[name] = fields.get("category", "")
    notices = _notices(data / "rules", documents)
    pairs = [
        Pair(text, name, re.split(r"[-_.]", name)[0], categories[name])
        for name, texts in notices.items()
        for text in shuffled(texts, "scancode_legal", name)[:_NOTICES]
    ]
    return PairSet(
        name="scancode_legal",
        source="licensedcode-data==32.1.0 (Python package)",
        license="CC-BY-4.0, nexB Inc. and others (ScanCode toolkit)",
        pairs=pairs,
        documents=documents,
    )


def _notices(folder: Path, documents: dict[str, str]) -> dict[str, list[str]]:
    """License -> its notices. A notice that stands for several licenses is left out."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.RULE")):
        fields, text = _read(path)
        name = fields.get("license_expression", "")
        usable = "yes" in (fields.get("is_license_notice"), fields.get("is_license_text"))
        if usable and name in documents and _LENGTHS[0] <= len(text) <= _LENGTHS[1]:
            found.setdefault(key(text), {})[name] = text
    notices: dict[str, list[str]] = {}
    for of_text in found.values():
        if len(of_text) == 1:
            name, text = next(iter(of_text.items()))
            notices.setdefault(name, []).append(text)
    return notices


def _read(path: Path) -> tuple[dict[str, str], str]:
    """The simple fields of the head, and the text. Nested fields are not needed, so no YAML reader is either."""
    head, _, text = path.read_text(encoding="utf-8").removeprefix("---\n").partition("\n---")
    fields = dict(line.split(": ", 1) for line in head.splitlines() if re.match(r"\w+: ", line))
    return {name: value.strip("'\" ") for name, value in fields.items()}, " ".join(text.split())
