"""What mkdocs builds: the pages where they lie in the repository, and the files that they link to.

The one rule: the site has the layout of the repository. So every relative link works in both, also those from docs/ to
what lies beside it. A linked folder has a page that lists its files.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """The order is that of the list in docs/index.md, results in a section of their own."""
    listed = re.findall(r"^- \[([^\]]+)\]\(([^)]+)\)", (ROOT / "docs/index.md").read_text("utf-8"), re.MULTILINE)
    paths = [(title, (ROOT / "docs" / link).resolve().relative_to(ROOT).as_posix()) for title, link in listed]
    of_results = [{title: path} for title, path in paths if path.startswith("docs/results/")]
    others = [{title: path} for title, path in paths if not path.startswith("docs/results/")]
    first = [{"Acclimate": "README.md"}, {"中文说明": "README.zh-CN.md"}, {"Inside": "docs/index.md"}]
    config.nav = [
        *first,
        *others,
        {"Measured": of_results},
        {"Recipes": "recipes/index.md"},
        {"Changes": "CHANGELOG.md"},
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """All pages of the repository's root and of docs/, and what they link to."""
    pages = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
    linked = {target for page in pages for target in _linked(page)} | {ROOT / "recipes"}
    folders = sorted(path for path in linked if path.is_dir())
    plain = {path for path in linked if path.is_file()}.union(*(_files_of(folder) for folder in folders))
    found = [_file(path, config) for path in [*pages, *sorted(plain - set(pages))]]
    found += [File.generated(config, f"{_name(path)}/index.md", content=_listing(path)) for path in folders]
    return Files([*found, *(file for file in files if not file.src_uri.endswith((".md", ".py")))])


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """A link to a folder leads to its page."""
    here = ROOT / page.file.src_uri

    def to_page(link: re.Match[str]) -> str:
        is_folder = "://" not in link[1] and (here.parent / link[1]).is_dir()
        return f"]({link[1].rstrip('/')}/index.md)" if is_folder else link[0]

    return _LINK.sub(to_page, markdown)


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _linked(page: Path) -> set[Path]:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = {(page.parent / link).resolve() for link in _LINK.findall(text) if "://" not in link}
    return {target for target in targets if target.exists() and target.is_relative_to(ROOT)}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _file(path: Path, config: Any) -> File:
    return File(_name(path), str(ROOT), config.site_dir, config.use_directory_urls)


def _listing(folder: Path) -> str:
    """A page with the files of a folder, and what the first line of each says of it."""
    lines = [f"# {_name(folder)}/", ""]
    for path in _files_of(folder):
        first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        said = first.strip('#" ') if first.startswith(("#", '"""')) else ""
        lines.append(f"- [{path.name}]({path.name})" + (f": {said}" if said else ""))
    return "\n".join(lines) + "\n"
