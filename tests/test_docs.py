"""What the docs point to exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_files_in_the_technique_map_exist() -> None:
    text = (ROOT / "docs" / "technique-map.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([a-z_0-9]+/[a-z_0-9]+\.py)`", text)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / "src" / "acclimate" / path).is_file()] == []


@pytest.mark.parametrize("room", ["methods", "objectives", "regularizers"])
def test_every_technique_is_on_the_map(room: str) -> None:
    text = (ROOT / "docs" / "technique-map.md").read_text(encoding="utf-8")
    files = {path.name for path in (ROOT / "src" / "acclimate" / room).glob("*.py")} - {"__init__.py", "base.py"}
    assert {name for name in files if f"{room}/{name}" not in text} == set()
