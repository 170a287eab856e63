"""Follows ``metrics.jsonl`` while a run writes it; reads and changes nothing."""

import json
from pathlib import Path
from typing import Any

_MOST = 4 << 20  # bytes that are read at a time


def followed(path: Path, start: int) -> dict[str, Any]:
    """The records that stand behind a position of the file.

    Args:
        path: the file; without it there are no records yet.
        start: in bytes, 0 or what an earlier call gave as ``next``.

    Returns:
        ``records``, shortened to what is drawn; ``next``; ``again``: the file is shorter than it was, since a resumed
        run repeats steps, so that these records stand for all; ``size``: of the file.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            again = start > size
            position = 0 if again else start
            file.seek(position)
            data = file.read(_MOST)
    except FileNotFoundError:
        return {"records": [], "next": 0, "again": start > 0, "size": 0}
    whole = data[: data.rfind(b"\n") + 1]  # the last line may be half written
    records = [record for line in whole.splitlines() if (record := _drawn(line)) is not None]
    return {"records": records, "next": position + len(whole), "again": again, "size": size}


def _drawn(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    found = {name: record.get(name) for name in ("step", "progress", "seconds")}
    if "loss" in record:
        found["loss"] = (record["loss"] or {}).get("total")
        found["grad_norm"] = record.get("grad_norm")
        found["lr"] = max((record.get("lr") or {}).values(), default=None)
    return found | {name: record[name] for name in ("dev", "skipped") if name in record}
