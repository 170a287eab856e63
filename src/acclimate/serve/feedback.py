"""What a user says of single pairs, a JSON document a line, in columns that `fit --feedback` reads."""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from acclimate.data.examples import normalized
from acclimate.data.feedback import WITHDRAWN, read_feedback

Verdict = Literal["right", "wrong", "none"]
COLUMNS: dict[Verdict, str] = {"right": "positive", "wrong": "negative", "none": WITHDRAWN}


class FeedbackLog:
    """A file to which lines are added; what is said later of a pair counts.

    Args:
        path: the file, made by the first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def add(self, query: str, document: str, verdict: Verdict) -> None:
        """Adds a line, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        line = json.dumps({"query": query, COLUMNS[verdict]: document}, ensure_ascii=False) + "\n"
        data = line.encode("utf-8", "backslashreplace")
        with self._lock, self.path.open("ab", buffering=0) as file:
            if self._is_torn():  # somebody's editor left no line end, or a full disk cut the last line
                data = b"\n" + data
            written = file.write(data)
            if written != len(data):
                file.truncate(file.tell() - written)
                raise OSError(28, "No space left on device", str(self.path))
            os.fsync(file.fileno())

    def _is_torn(self) -> bool:
        with self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"

    def of(self, query: str, documents: Mapping[int, str]) -> dict[str, Verdict]:
        """What is said of some documents for a query: row -> right or wrong.

        Raises:
            DataError: somebody has written what is no feedback into the file.
        """
        if not self.path.is_file():
            return {}
        asked = normalized(query)
        said = {normalized(s.document): s.right for s in read_feedback(self.path) if normalized(s.query) == asked}
        names = {str(row): normalized(text) for row, text in documents.items()}
        return {row: "right" if said[name] else "wrong" for row, name in names.items() if name in said}
