"""``make docs``: a site without a warning, whose links lead somewhere and which loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """The links, anchors, loaded files and plain paragraphs of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loads: list[str] = []
        self.paragraphs: list[str] = []
        self._within: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.add(str(found["id"]))
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if tag in LOADS and found.get(LOADS[tag]):
            self.loads.append(str(found[LOADS[tag]]))
        if tag == "p":
            self._within.append("")
        elif tag == "code" and self._within:
            self._within[-1] += "`"

    def handle_data(self, data: str) -> None:
        if self._within:
            self._within[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "p" and self._within:
            self.paragraphs.append(self._within.pop())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_page_is_there_and_in_the_menu(site: Path, pages: dict[Path, Page]) -> None:
    sources = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in pages}
    assert {path.relative_to(ROOT).as_posix() for path in sources} <= built | {"README.md"}
    menu = {
        (site / link).resolve() for link in pages[site / "index.html"].links if "://" not in link and "#" not in link
    }
    assert set(pages) - {path.resolve() for path in menu} - {site / "index.html"} == set()


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                broken.append((path.relative_to(site).as_posix(), link))
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    loads = {load for page in pages.values() for load in page.loads}
    assert len(loads) > 3
    assert [load for load in loads if "//" in load] == []
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?https?:", style.read_text(encoding="utf-8")) == []


def test_lists_and_tables_are_lists_and_tables(site: Path, pages: dict[Path, Page]) -> None:
    wrong = [
        (path.relative_to(site).as_posix(), line)
        for path, page in pages.items()
        for paragraph in page.paragraphs
        for line in paragraph.split("\n")
        if re.match(r"\s*(- |\d+\. |\||```)", line)
    ]
    assert wrong == []
