"""Which packages go together: package -> what it depends on or recommends. Used for measuring, not shipped."""

import csv
import re
from pathlib import Path

from sources.debian_pkgs import packages

_NAME = re.compile(r"\s*([a-z0-9][a-z0-9+.-]+)")


def write(work: Path, folder: Path) -> dict[str, object]:
    """Writes ``pairs.csv`` (query: a package, positive: one that it needs), each pair once, in the index's order."""
    pairs: dict[tuple[str, str], None] = {}
    for fields in packages(work):
        for clause in f"{fields.get('Depends', '')},{fields.get('Recommends', '')}".split(","):
            found = _NAME.match(clause)  # of alternatives the first, which is what apt installs
            if found and found[1] != fields["Package"]:
                pairs[fields["Package"], found[1]] = None
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("query", "positive"), *pairs])
    return {
        "name": "debian_deps",
        "source": "package index of this machine's Debian release",
        "license": "names of packages and facts about them",
        "pairs": len(pairs),
        "items": len({name for pair in pairs for name in pair}),
    }
