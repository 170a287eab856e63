"""Files that people really have: each gives one line with a place and a remedy, or sets single rows aside."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acclimate.core.errors import AcclimateError, DataError, ResourceError
from acclimate.data.readers import read, read_test
from acclimate.data.rows import LINE_LIMIT

from .shapes import SHAPES, beir, jsonl

GOOD = '{"query": "how to", "positive": "like this"}\n'


def _cut(path: Path, share: float = 0.6) -> bytes:
    data = path.read_bytes()
    return data[: int(len(data) * share)]


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "empty jsonl": ("t.jsonl", b"", "empty"),
    "blank lines": ("t.jsonl", b"\n\n  \n", "empty"),
    "empty csv": ("t.csv", b"", "empty"),
    "empty json": ("t.json", b"", "empty"),
    "empty array": ("t.json", b"[]", "no rows"),
    "empty parquet": ("t.parquet", b"", "not a Parquet file"),
    "header only": ("t.csv", b"query,positive\n", "no rows"),
    "no header": (
        "t.csv",
        b"how do I reset,go to settings\nwhere,there\n",
        r"t\.csv:1: no column holds the query or the positive",
    ),
    "duplicate header": ("t.csv", b"query,query,positive\na,b,c\n", r"t\.csv:1: two columns are called 'query'"),
    "open quote in the header": ("t.csv", b'query,"positive\na,b\n', r"t\.csv:1:7: unterminated quote in the header"),
    "wrong columns": ("t.jsonl", b'{"foo": "a", "bar": "b"}\n', "'foo', 'bar'"),
    "one column": ("t.jsonl", b'{"query": "a"}\n', "no column holds the positive"),
    "labels of what": (
        "t.csv",
        b"remark,label\nhello,a\n",
        r"t\.csv:1: no column holds the text: .* for instance --columns text=remark",
    ),
    "label without text": ("t.jsonl", b'{"query": "a", "label": "b"}\n', "--columns positive="),
    "all rows bad json": ("t.jsonl", b"{a\n{b\n", r"t\.jsonl:1:2: not JSON"),
    "most rows bad": ("t.jsonl", (GOOD + "{\n{\n").encode(), r"t\.jsonl:2:2: not JSON .*2 of 3 rows"),
    "python dicts": ("t.jsonl", b"{'query': 'a', 'positive': 'b'}\n", "double quotes"),
    "lists for rows": ("t.jsonl", b'["a", "b"]\n["c", "d"]\n', "a list where an object"),
    "numbers for text": ("t.jsonl", b'{"query": 1, "positive": 2}\n', r"t\.jsonl:1:2: query is a number"),
    "objects for text": ("t.jsonl", b'{"query": {"a": 1}, "positive": "b"}\n', "query is an object"),
    "all queries empty": ("t.csv", b"query,positive\n,a\n ,b\n", r"t\.csv:2:1: query is empty"),
    "pretty-printed jsonl": (
        "t.jsonl",
        json.dumps({"query": "a", "positive": "b"}, indent=2).encode(),
        r":1:2: not JSON",
    ),
    "broken document": ("t.json", b'{"queries": {"a": "b"}, "corpus": ', r"t\.json:1:"),
    "another document": ("t.json", b'{\n"foo": [1, 2]\n}', "LlamaIndex"),
    "llama index of lists": (
        "t.json",
        b'{"queries": [],\n "corpus": {}, "relevant_docs": {}}',
        "'queries' is not an object",
    ),
    "llama index of nothing": ("t.json", b'{"queries": {},\n "corpus": {}, "relevant_docs": {}}', "no right documents"),
    "deep nesting": ("t.jsonl", b'{"query": ' + b"[" * 100000 + b"]" * 100000 + b"}\n", "nested too deeply"),
    "deep nesting in an array": ("t.json", b"[" * 100000, "1:"),
    "huge number": ("t.jsonl", b'{"query": ' + b"9" * 5000 + b', "positive": "a"}\n', "not usable JSON"),
    "zip": ("t.csv", b"PK\x03\x04" + bytes(range(256)), "a zip archive or a spreadsheet"),
    "xlsx": ("t.xlsx", b"PK\x03\x04" + bytes(range(256)), "spreadsheet"),
    "pdf": ("t.csv", b"%PDF-1.7\n" + bytes(range(256)), "a PDF"),
    "zstd": ("t.jsonl.zst", b"\x28\xb5\x2f\xfd" + bytes(99), "zstd"),
    "pickle": ("t.pkl", b"\x80\x04\x95abc", "a pickle"),
    "noise": ("t.jsonl", bytes(range(256)) * 20, "binary"),
    "other suffix": ("t.docx", b"hello world", r"\.docx is no kind"),
    "no suffix": ("data", b"hello world", "without a suffix"),
    "broken gzip": ("t.jsonl.gz", gzip.compress(GOOD.encode() * 500)[:40], "gzip stream is broken"),
    "gzip twice": ("t.jsonl.gz", gzip.compress(gzip.compress(GOOD.encode())), "compressed twice"),
    "a text called gz": ("t.csv.gz", b"query\npositive\n", "no column holds"),
    "a text called parquet": ("t.parquet", b"query,positive\na,b\n", "not a Parquet file"),
    "a cut parquet": ("t.parquet", b"PAR1" + bytes(100), "not a Parquet file that can be read"),
    "images alone": ("t.jsonl", b'{"image": "a.png", "label": "b"}\n', "images and audio are not read yet"),
    "one line too long": ("t.jsonl", b'{"query": "' + b"a" * (LINE_LIMIT + 9) + b'"}\n', "longer than"),
    "never closed": ("t.json", b'[{"query": "a", "positive": "b', r"t\.json:1:"),
    "scores that are words": ("t.csv", b"query,positive,score\na,b,high\n", r't\.csv:2:5: score is "high"'),
    "score not finite": ("t.jsonl", b'{"query": "a", "positive": "b", "score": NaN}\n', "not a finite number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name: str, tmp_path: Path) -> None:
    file, content, message = REFUSED[name]
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(path))
    assert caught.value.remedy
    assert caught.value.exit_status == 4
    assert len(said) < 700
    assert [path.name for path in tmp_path.iterdir()] == [file]


SET_ASIDE: dict[str, tuple[str, str, int, int | None, str]] = {
    "bad json": ("t.jsonl", GOOD + '{"query": "a" "positive": "b"}\n' + GOOD, 2, 15, "delimiter"),
    "cut line": ("t.jsonl", GOOD * 2 + '{"query": "a", "posi', 3, 16, "Unterminated string"),
    "empty query": ("t.jsonl", GOOD + '{"query": "  ", "positive": "b"}\n' + GOOD, 2, 2, "query is empty"),
    "no query": ("t.jsonl", GOOD + '{"positive": "b"}\n' + GOOD, 2, 1, "query is empty"),
    "null positive": ("t.jsonl", GOOD + '{"query": "a", "positive": null}\n', 2, 16, "positive is empty"),
    "empty list": ("t.jsonl", GOOD + '{"query": "a", "positive": []}\n', 2, 16, "empty list"),
    "a number in a list": ("t.jsonl", GOOD + '{"query": "a", "positive": ["x", 1]}\n', 2, 16, "positive is a number"),
    "a key twice": ("t.jsonl", GOOD + '{"query": "a", "query": "b", "positive": "c"}\n', 2, 1, "'query' occurs twice"),
    "a control sign": ("t.jsonl", GOOD + '{"query": "a\x01", "positive": "c"}\n', 2, 13, "control character"),
    "NUL in text": ("t.jsonl", GOOD + '{"query": "a\\u0000", "positive": "c"}\n', 2, 2, "NUL"),
    "raw NUL": ("t.csv", "query,positive\na,b\nc\x00,d\n", 3, 1, "NUL"),
    "half a surrogate": ("t.jsonl", GOOD + '{"query": "\\ud800", "positive": "c"}\n', 2, 2, "surrogate"),
    "indented": ("t.jsonl", GOOD + '   {"query": 1, "positive": "c"}\n', 2, 5, "query is a number"),
    "too long": ("t.jsonl", GOOD + '{"query": "' + "a" * LINE_LIMIT + '"}\n' + GOOD, 2, LINE_LIMIT, "longer than"),
    "too few fields": ("t.csv", "query,positive\na,b\nc\nd,e\n", 3, 2, "1 fields where the header has 2"),
    "too many fields": ("t.csv", "query,positive\na,b\nc,d,e\n", 3, 5, "3 fields where the header has 2"),
    "unterminated quote": ("t.csv", 'query,positive\na,b\nc,"d\ne,f\ng,h\n', 3, 3, "unterminated quote"),
    "closed by the quote of another row": (
        "t.csv",
        'query,positive\na,b\nc,"d\ne,"f"\ng,h\n',
        3,
        3,
        "unterminated quote",
    ),
    "unterminated at the end": ("t.csv", 'query,positive\na,b\nc,"d\n', 3, 3, "unterminated quote"),
    "text after a quote": ("t.csv", 'query,positive\na,b\n"c"x,d\n', 3, 4, "after a closing quote"),
    "empty cell": ("t.csv", "query,positive\na,b\nc,\nd,e\n", 3, 3, "positive is empty"),
    "negative weight": ("t.csv", "query,positive,weight\na,b,1\nc,d,-1\n", 3, 5, "below zero"),
    "no label": ("t.csv", "text,label\na,b\nc,\n", 3, 3, "label is empty"),
    "in an array": ("t.json", f"[{GOOD},{GOOD},\n  {{'query': 1}}]", 4, 4, "double quotes"),
    "a list as group": ("t.jsonl", GOOD + '{"query": "a", "positive": "b", "group": [1]}\n', 2, 33, "group is a list"),
}


@pytest.mark.parametrize("name", SET_ASIDE)
def test_set_aside_with_its_place(name: str, tmp_path: Path) -> None:
    file, content, line, column, reason = SET_ASIDE[name]
    path = tmp_path / file
    path.write_text(content, encoding="utf-8", newline="")
    data = read(path)
    assert [(row.line, row.column) for row in data.rejected] == [(line, column)]
    assert data.rejected[0].file == str(path)
    assert reason in data.rejected[0].reason
    assert data.rejected[0].raw
    assert data.examples


def test_a_stray_quote_costs_one_row(tmp_path: Path) -> None:
    rows = [f"q{i},p{i}" for i in range(50)]
    rows[10] = 'q10,"p10'
    rows[20] = '"several\nlines, and ""quotes""",p20'
    rows[30] = '"q30,p30'
    (tmp_path / "t.csv").write_text("query,positive\n" + "\n".join(rows) + "\n")
    data = read(tmp_path / "t.csv")
    assert len(data.examples) == 48
    assert data.examples[19].query == 'several\nlines, and "quotes"'
    assert [row.raw for row in data.rejected] == ['q10,"p10', '"q30,p30']


def test_missing_file_suggests_its_neighbor(tmp_path: Path) -> None:
    jsonl(tmp_path / "train.jsonl", [{"query": "a", "positive": "b"}])
    with pytest.raises(DataError, match=r"no such file.*did you mean .*train\.jsonl"):
        read(tmp_path / "trian.jsonl")
    with pytest.raises(DataError, match="no such file"):
        read_test(tmp_path / "no" / "such" / "folder")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"query": "a", "positive": "b"}])
    path.chmod(0)
    with pytest.raises(ResourceError, match="no permission"):
        read(path)


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "t.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    with pytest.raises(DataError):
        read(tmp_path / "t.jsonl.gz")


def _without(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (beir(folder / "b", split="test") / name).unlink()
        return folder / "b"

    return make


def _with(name: str, content: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (beir(folder / "b", split="test") / name).write_text(content)
        return folder / "b"

    return make


FOLDERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no judgments": (_without("qrels/test.tsv"), "no judgments"),
    "no corpus": (_without("corpus.jsonl"), "no corpus"),
    "empty corpus": (_with("corpus.jsonl", ""), "is not in the corpus"),
    "unknown queries": (_with("queries.jsonl", '{"_id": "x", "text": "y"}\n'), "not among the queries"),
    "bad judgments": (_with("qrels/test.tsv", "a\nb\nc\nd\n" * 9), r"test\.tsv:1:1: 1 fields"),
    "commas for tabs": (_with("qrels/test.tsv", "q0,d1,1\nq1,d2,1\n"), r"test\.tsv:1:1: 1 fields"),
    "grades that are words": (_with("qrels/test.tsv", "h\th\th\n" + "q0\td1\tgood\n"), "not a whole number"),
    "nothing relevant": (_with("qrels/test.tsv", "q0\td1\t0\n"), "no right documents"),
    "corpus of lists": (_with("corpus.jsonl", "[]\n" * 20), "a list where an object"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_broken_folders(name: str, tmp_path: Path) -> None:
    make, message = FOLDERS[name]
    folder = make(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        read_test(folder)
    assert str(tmp_path) in str(caught.value)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data that is understood"):
        read(tmp_path)


def test_a_saved_data_set_with_a_missing_part(tmp_path: Path) -> None:
    folder = SHAPES["hugging face data set"](tmp_path)
    next(folder.glob("*.arrow")).unlink()
    with pytest.raises(DataError, match="a data file is missing"):
        read(folder)


def test_tevatron_without_corpus(tmp_path: Path) -> None:
    path = SHAPES["tevatron ids"](tmp_path)
    (tmp_path / "corpus.jsonl").unlink()
    with pytest.raises(DataError, match=r"put corpus\.jsonl"):
        read(path)


SEEDS = ["jsonl", "jsonl.gz", "json array", "json array, indented", "csv", "tsv", "parquet", "llama index"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(SEEDS),
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(["cut", "flip", "insert", "drop"]), st.integers(0, 255)), max_size=4
    ),
)
def test_damage_never_gives_a_traceback(tmp_path: Path, shape: str, damage: list[tuple[float, str, int]]) -> None:
    path = SHAPES[shape](tmp_path)
    data = bytearray(path.read_bytes())
    for where, how, value in damage:
        at = int(where * max(0, len(data) - 1))
        if how == "cut":
            del data[at:]
        elif how == "flip" and data:
            data[at] ^= value
        elif how == "insert":
            data.insert(at, value)
        else:
            del data[at : at + value]
    path.write_bytes(bytes(data))
    told = _outcome(path)
    assert "\n" not in told


def _outcome(path: Path) -> str:
    try:
        found = read(path)
    except AcclimateError as error:
        return str(error)
    json.dumps([row.raw for row in found.rejected], ensure_ascii=False).encode()
    assert found.examples
    assert all(example.query.encode() and all(map(str.encode, example.positives)) for example in found.examples)
    return ""
