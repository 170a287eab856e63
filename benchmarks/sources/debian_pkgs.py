"""Software search: one-line synopsis -> description of a Debian package. Used for measuring, not shipped."""

import re
import subprocess
from pathlib import Path

from sources.layout import Pair, PairSet, draw, key

_AUXILIARY = re.compile(
    r"-(dev|doc|docs|dbg|dbgsym|data|common|examples|udeb|cil|tests?|l10n(-.*)?|help-.*)$|^lib.*\d$"
)
_LENGTHS = (80, 600)  # characters of a description
_PAIRS = 15_150
_FIELD = re.compile(r"^([A-Za-z0-9-]+): ?(.*(?:\n .*)*)", re.MULTILINE)
_HELPER = "/usr/lib/apt/apt-helper"


def build(work: Path) -> PairSet:
    """About 15,000 pairs; a group is the source package, a label the section."""
    documents: dict[str, str] = {}
    first: dict[str, str] = {}
    pairs: dict[tuple[str, str], Pair] = {}
    for fields in packages(work):
        description = _body(fields["Description-en"])
        name = fields["Package"]
        synopsis = fields["Description-en"].split("\n", 1)[0].strip()
        if _AUXILIARY.search(name) or len(description) < _LENGTHS[0] or len(synopsis) < 12 or " " not in synopsis:
            continue
        document = first.setdefault(key(description), name)
        documents.setdefault(document, description)
        source = fields.get("Source", name).split(" ")[0]
        pairs[document, key(synopsis)] = Pair(synopsis, document, source, fields.get("Section", "").split("/")[-1])
    sources = sorted({pair.group for pair in pairs.values()}, key=lambda group: draw("debian_pkgs", "take", group))
    place = {group: n for n, group in enumerate(sources)}
    kept = sorted(pairs.values(), key=lambda pair: (place[pair.group], pair.query))[:_PAIRS]
    asked = {pair.doc_id for pair in kept}
    return PairSet(
        name="debian_pkgs",
        source="package index and English descriptions of this machine's Debian release",
        license="the packages' own licenses",
        pairs=kept,
        documents={name: text for name, text in documents.items() if name in asked},
    )


def packages(work: Path) -> list[dict[str, str]]:
    """The fields of every package of the index, with its long description; the machine's own lists stay untouched."""
    lists = work / "debian-lists"
    options = ["-o", "Acquire::Languages=en", "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={lists}/cache"]
    if not lists.exists():
        for part in ("partial", "cache/archives/partial"):
            (lists / part).mkdir(parents=True)
        _output(["apt-get", "update", "-qq", *options])
    listing = ["apt-get", "indextargets", *options, "--format", "$(FILENAME)"]
    files = [
        file for kind in ("Translations", "Packages") for file in _output([*listing, f"Created-By: {kind}"]).split()
    ]
    # apt keeps its lists compressed on some machines.
    blocks = [b for file in files for b in _output([_HELPER, "cat-file", file]).split("\n\n")]
    entries = [dict(_FIELD.findall(block)) for block in blocks]
    described = {e["Description-md5"]: e["Description-en"] for e in entries if "Description-en" in e}
    found = {
        entry["Package"]: entry | {"Description-en": described[entry["Description-md5"]]}
        for entry in entries
        if "Filename" in entry and entry.get("Description-md5") in described
    }
    return [found[name] for name in sorted(found)]


def _body(description: str) -> str:
    """The long description, without what is said of this one package among its sisters."""
    paragraphs = re.split(r"\n \.\n", description.partition("\n")[2])
    kept = [" ".join(p.split()) for p in paragraphs if not re.match(r"\s*This (meta-?|dummy |binary )?package", p)]
    return " ".join(kept)[: _LENGTHS[1]].strip()


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and not done.stdout:
        raise SystemExit(f"{' '.join(command[:2])} failed:\n{done.stderr.strip()}")
    return done.stdout
