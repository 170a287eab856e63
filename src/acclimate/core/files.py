"""Writing so that a reader sees the old file or the new one, never half of one; where caches are."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Where is kept what can be made again: ``ACCLIMATE_CACHE``, or the platform's folder for caches."""
    if chosen := os.environ.get("ACCLIMATE_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "acclimate" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "acclimate"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "acclimate"


def write_atomic(path: Path, content: str | bytes | Iterable[bytes]) -> None:
    """Writes beside the target, syncs, renames. The target's folder is made when missing.

    Half surrogates, as in the name of a file that is not UTF-8, are spelled out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if isinstance(content, str):
        content = content.encode("utf-8", "backslashreplace")
    try:
        with staged.open("wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Writes one JSON document; NaN and infinity are refused, since JSON has no word for them."""
    write_atomic(path, json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The documents of a JSON Lines file that Acclimate itself wrote."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_jsonl(path: Path, documents: Iterable[dict[str, Any]]) -> None:
    """Writes one JSON document a line, atomically."""
    lines = (json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n" for document in documents)
    write_atomic(path, (line.encode("utf-8", "backslashreplace") for line in lines))


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Makes renames inside a folder durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_folder(staged: Path, target: Path) -> None:
    """Puts a finished folder in the place of another; the old one is gone only when the new one stands."""
    retired = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.replace(retired)
    try:
        staged.replace(target)
    except OSError:
        if retired.exists():
            retired.replace(target)
        raise
    sync_folder(target.parent)
    shutil.rmtree(retired, ignore_errors=True)
