"""The license that a base states, found without a guess: in the card of its folder, or in its package's metadata."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import yaml

from acclimate.model.bases import package_of

_TOKEN = re.compile(r"[A-Za-z0-9.+-]+")  # an identifier, and neither a sentence nor the text of a license
_KEYS = ("license", "license_name", "license_link")  # of a card on the Hub


@dataclass(frozen=True, slots=True)
class License:
    """What a base states.

    Attributes:
        fields: as a card on the Hub has them: ``license``, and beside ``other`` ``license_name``, ``license_link``.
        where: who states it, to end a sentence.
    """

    fields: dict[str, str]
    where: str


def stated_license(name: str, folder: Path) -> License | None:
    """The license of a base, or None where neither its folder nor its package names one.

    Args:
        name: the base as the user gave it.
        folder: where it was found.
    """
    fields = _of_card(folder / "README.md")
    if fields:
        return License(fields, "in its model card")
    package = None if Path(name).exists() else package_of(name)  # a folder goes before a package, as in `resolve`
    identifier = _of_package(package) if package else None
    return License({"license": identifier}, f"in the metadata of its package {package}") if identifier else None


def front_matter(text: str) -> dict[str, object]:
    """The metadata at the head of a card; empty where there is none that can be read."""
    head = re.match(r"---\s*\n(.*?)\n---\s*(\n|\Z)", text, re.DOTALL)
    try:
        found = yaml.safe_load(head[1]) if head else None
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_card(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found = front_matter(path.read_text(encoding="utf-8", errors="replace"))
    fields = {key: value for key in _KEYS if isinstance(value := found.get(key), str) and value}
    return fields if "license" in fields else {}


def _of_package(package: str) -> str | None:
    try:
        about = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return None
    stated = next((about[key] for key in ("License-Expression", "License") if key in about), "")
    return stated.lower() if _TOKEN.fullmatch(stated) else None
