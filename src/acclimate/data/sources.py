"""From a path to the rows in it: which files belong to it, what kind they are, how they are opened."""

import json
import re
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place
from acclimate.data.delimited import delimited_source
from acclimate.data.json_files import array_source, jsonl_source, load_document
from acclimate.data.judged import is_llama_index, split_names
from acclimate.data.plain import SUFFIX as PLAIN
from acclimate.data.plain import plain_source
from acclimate.data.rows import Source
from acclimate.data.tables import arrow_source, parquet_source
from acclimate.data.text_files import Encoding, detect, head, is_gzip, open_text, readable

DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".tab", ".parquet", ".arrow")
_SHARD = re.compile(r"-\d+-of-\d+\.")
_REMEDY = (
    "give JSONL, JSON, CSV, TSV, Parquet or texts, one a line, in .txt (each also .gz), a BEIR folder or a saved "
    "Hugging Face data set"
)
_MAGIC = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh9": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"%PDF": "a PDF",
    b"SQLite format 3\x00": "a database",
    b"\x80\x04": "a pickle",
    b"\x89PNG": "an image",
    b"\x7fELF": "a program",
}


def suffix_of(path: Path) -> str:
    """The last suffix but .gz, in lower case."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def stem_of(path: Path) -> str:
    """The name without the suffixes of data files: ``pairs.v1`` for ``pairs.v1.jsonl.gz``."""
    name = path.name.removesuffix(".gz") if len(path.suffixes) > 1 else path.name
    suffix = suffix_of(path)
    return (name[: -len(suffix)] if suffix in (*DATA_SUFFIXES, PLAIN) else name) or path.name


def files_of(path: Path, split: str) -> list[Path]:
    """The files that a path stands for: itself, or those of one split of a folder."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        # By their stems: test.csv is not train.csv, though most of its letters are, and faq.json is faq.csv.
        beside = {stem_of(other): other for other in sorted(path.parent.glob("*")) if not other.name.startswith(".")}
        near = get_close_matches(stem_of(path), beside, 1)
        remedy = f"did you mean {beside[near[0]]}?" if near else "check the path"
        raise DataError("there is no such file or folder", remedy, Place(path))
    if (path / "dataset_dict.json").is_file():
        names = sorted(file.parent.name for file in path.glob("*/state.json"))
        return _saved(path / _choose(names, split, path))
    if (path / "state.json").is_file():
        return _saved(path)
    return _by_split(path, split)


def _saved(folder: Path) -> list[Path]:
    """The Arrow files of a data set that was saved with `save_to_disk`."""
    state = load_document(folder / "state.json", Encoding("utf-8"))
    try:
        files = [folder / Path(str(entry["filename"])).name for entry in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise DataError("state.json does not list the data files", _REMEDY, Place(folder / "state.json")) from error
    missing = next((file for file in files if not file.is_file()), None)
    if missing or not files:
        raise DataError("a data file is missing", "save the data set again", Place(missing or folder))
    return files


def _by_split(folder: Path, split: str) -> list[Path]:
    """Files such as train.jsonl or data/train-00000-of-00002.parquet."""
    for place in (folder, folder / "data"):
        found: dict[str, list[Path]] = {}
        files = [file for file in sorted(place.glob("*")) if file.is_file() and suffix_of(file) in DATA_SUFFIXES]
        files = [file for file in files if not file.name.startswith((".", "dataset_info"))]
        for file in [file for file in files if not _left_by_check(file.name)] or files:
            found.setdefault(file.name.split(".")[0].split("-")[0], []).append(file)
        if found:
            return _shards(found[_choose(list(found), split, folder)])
    raise DataError("the folder holds no data that is understood", _REMEDY, Place(folder))


def _left_by_check(name: str) -> bool:
    return ".quarantine." in name or ".fixed." in name


def _shards(files: list[Path]) -> list[Path]:
    if len(files) > 1 and not all(_SHARD.search(file.name) for file in files):
        names = " and ".join(file.name for file in files[:2])
        raise DataError(f"{names} are both for the same split", "name the file to read", Place(files[0].parent))
    return files


def _choose(names: list[str], split: str, folder: Path) -> str:
    known = [name for name in split_names(split) if name in names]
    if known:
        return known[0]
    if len(names) == 1:
        return names[0]
    problem = f"the folder holds {', '.join(sorted(names)) or 'nothing'}, and no {split}"
    raise DataError(problem, "name the file or folder to read", Place(folder))


def file_source(path: Path) -> Source:
    """Opens one file by its suffix, or by what it holds where the two disagree.

    Raises:
        DataError: it is no kind of file that is read.
    """
    start = head(path)
    suffix = suffix_of(path)
    _refuse_other_kinds(path, start, suffix)
    if start.startswith(b"PAR1"):
        return parquet_source(path)
    if suffix == ".arrow":
        return arrow_source(path)
    encoding = text_encoding(path)
    source = _text_source(path, suffix, encoding)
    if encoding.name == "utf-8":
        return replace(source, notes=(*source.notes, *((encoding.note,) if encoding.note else ())))
    notes = (*source.notes, encoding.note) if encoding.note else source.notes
    return replace(source, format=f"{source.format}, {encoding.name}", notes=notes)


def _text_source(path: Path, suffix: str, encoding: Encoding) -> Source:
    sign = first_sign(path, encoding)
    if not sign:
        raise DataError("the file is empty", "give at least one row of data", Place(path))
    lines_promised = suffix in (".jsonl", ".ndjson") and is_lines(path, encoding)
    if sign == "[" and suffix in (".json", ".jsonl", ".ndjson", "") and not lines_promised:
        return array_source(path, encoding)
    if suffix in (".json", ".jsonl", ".ndjson") or (sign == "{" and is_lines(path, encoding)):
        return jsonl_source(path, encoding)
    if suffix in (".csv", ".tsv", ".tab"):
        return delimited_source(path, encoding, "," if suffix == ".csv" else "\t")
    if suffix == PLAIN:
        return plain_source(path, encoding)
    raise DataError(f"{suffix or 'a file without a suffix'} is no kind of data that is read", _REMEDY, Place(path))


def _refuse_other_kinds(path: Path, start: bytes, suffix: str) -> None:
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            raise DataError(f"the file is {kind}", _REMEDY, Place(path))
    if suffix == ".parquet" and not start.startswith(b"PAR1"):
        raise DataError("not a Parquet file", "write it again, or give it the suffix of what it is", Place(path))
    if is_gzip(path) and start.startswith(b"\x1f\x8b"):
        raise DataError("compressed twice", "unpack it once", Place(path))


def text_encoding(path: Path) -> Encoding:
    """How the file is decoded.

    Raises:
        DataError: it is not text.
    """
    encoding = detect(path)
    start = head(path)
    control = sum(start.count(bytes([sign])) for sign in range(32) if sign not in b"\t\n\v\f\r\x1b")
    if not encoding.name.startswith("utf-16") and encoding.name != "utf-32" and control > max(16, 0.05 * len(start)):
        raise DataError("the file is binary", _REMEDY, Place(path))
    return encoding


def first_sign(path: Path, encoding: Encoding) -> str:
    """The first character that is not white space; empty for an empty file."""
    with readable(path), open_text(path, encoding) as file:
        while text := file.read(1 << 16):
            if text.strip():
                return text.lstrip()[0]
    return ""


def is_lines(path: Path, encoding: Encoding) -> bool:
    """Whether the first line that is not blank is a whole JSON value, as in JSON Lines."""
    with readable(path), open_text(path, encoding) as file:
        for line in iter(lambda: file.readline(1 << 20), ""):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                return False
            return not _holds_rows(value)
    return False


def _holds_rows(value: Any) -> bool:
    return is_llama_index(value) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))
