"""Plain text, a text a line."""

from collections.abc import Iterator
from pathlib import Path

from acclimate.data.examples import Rejected
from acclimate.data.rows import LINE_LIMIT, Row, Source, columns_of, printable, shortened
from acclimate.data.text_files import Encoding, bad_byte, lines

SUFFIX = ".txt"


def plain_source(path: Path, encoding: Encoding) -> Source:
    """A file with one text a line, in the column ``text``. Blank lines are no rows."""

    def rows() -> Iterator[Row | Rejected]:
        for number, line, too_long in lines(path, encoding):
            text = line.strip()
            at = bad_byte(line)
            if too_long:
                reason = f"line is longer than {LINE_LIMIT} characters"
                yield Rejected(str(path), number, LINE_LIMIT, reason, shortened(line))
            elif at is not None:
                yield Rejected(str(path), number, at, "bytes that are not UTF-8", printable(text))
            elif text:
                yield Row(number, {"text": text}, text)

    return Source(str(path), path.name.split(".")[0] or path.name, "plain text", rows, lambda: columns_of(rows()))
