"""Every shape gives the same rows; roles go by name; nothing is lost."""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acclimate.core.errors import DataError, UsageError
from acclimate.data.examples import Dataset, Kind, RetrievalSet, normalized
from acclimate.data.readers import read, read_test, to_retrieval_set

from .shapes import ROWS, SHAPES, WANTED, beir, delimited, jsonl, llama_index, packed

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip())
)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(shape: str, tmp_path: Path) -> None:
    data = read(SHAPES[shape](tmp_path))
    assert [(example.query, *example.positives) for example in data.examples] == WANTED
    assert data.kind is Kind.PAIRS
    assert data.rejected == []
    if shape != "flag embedding":
        assert [example.doc_id for example in data.examples] == ["d1", "d2", "d3", "d4"]
    else:
        assert {example.negatives for example in data.examples} == {("wrong one", "wrong two")}
    assert len({example.id for example in data.examples}) == len(WANTED)


def test_reading_a_saved_data_set_needs_no_datasets_package(tmp_path: Path) -> None:
    folder = SHAPES["hugging face data sets"](tmp_path)
    code = (
        "import sys; sys.modules['datasets'] = None\n"
        f"from acclimate.data.readers import read; print(len(read({str(folder)!r}).examples))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4"]


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_plain_text_is_a_text_a_line(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"corpus{suffix}"
    written = b"  first text \r\n\n\xff spoilt\n\xe7\xac\xac\xe4\xba\x8c: {not JSON}\nthird\n\xe4\xb8\x89\n"
    path.write_bytes(gzip.compress(written) if suffix.endswith(".gz") else written)
    dataset = read(path)
    assert (dataset.kind, dataset.format) == (Kind.TEXT, "plain text")
    assert [(row.line, row.text) for row in dataset.examples] == [
        (1, "first text"),
        (4, "第二: {not JSON}"),
        (5, "third"),
        (6, "三"),
    ]
    assert [(row.line, row.column) for row in dataset.rejected] == [(3, 1)]


def test_ids_are_given_or_stem_and_line(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "faq.jsonl", [{"id": "a", "query": "x", "positive": "y"}, {"query": "u", "positive": "v"}])
    assert [example.id for example in read(path).examples] == ["a", "faq:2"]
    with_lines = delimited(
        tmp_path / "faq.csv", ",", [{"query": "two\nlines", "positive": "y"}, ROWS[3] | {"doc_id": ""}][:1]
    )
    assert [(example.id, example.line) for example in read(with_lines).examples] == [("faq:2", 2)]


def test_repeated_ids_are_made_unique_and_told() -> None:
    rows = [{"id": "a", "query": f"q{i}", "positive": "p"} for i in range(3)] + [
        {"id": "a:2", "query": "z", "positive": "p"}
    ]
    data = read(rows)
    assert len({example.id for example in data.examples}) == 4
    assert data.examples[0].id == "a"
    assert "repeat the id" in " ".join(data.notes)


def test_a_one_line_array_gives_distinct_ids(tmp_path: Path) -> None:
    ids = [example.id for example in read(SHAPES["json array"](tmp_path)).examples]
    assert len(set(ids)) == len(ids)
    assert ids[0] == "train:1"


@pytest.mark.parametrize("seed", range(5))
def test_column_order_does_not_matter(seed: int, tmp_path: Path) -> None:
    names = ["negative_2", "query", "weight", "positive", "label", "negative_10", "doc_id", "negative_1", "extra"]
    random.Random(seed).shuffle(names)
    row = {name: f"{name} text" for name in names} | {"weight": 0.5}
    path = delimited(tmp_path / "t.csv", ",", [{name: row[name] for name in names}])
    data = read(path)
    example = data.examples[0]
    assert (example.query, example.positives) == ("query text", ("positive text",))
    assert example.negatives == ("negative_1 text", "negative_2 text", "negative_10 text")
    assert (example.weight, example.label, example.doc_id) == (0.5, "label text", "doc_id text")
    assert data.unused == ("extra",)


@pytest.mark.parametrize(
    ("columns", "kind", "expected"),
    [
        ("question answer", Kind.PAIRS, {"query": "question", "positives": ("answer",)}),
        ("anchor positive negative", Kind.PAIRS, {"query": "anchor", "negatives": ("negative",)}),
        ("text1 text2", Kind.PAIRS, {"query": "text1", "positives": ("text2",)}),
        ("passage question", Kind.PAIRS, {"query": "question", "positives": ("passage",)}),
        ("title document", Kind.PAIRS, {"query": "title", "positives": ("document",)}),
        ("query title text", Kind.PAIRS, {"query": "query", "positives": ("title text",)}),
        ("query title answer", Kind.PAIRS, {"query": "query", "positives": ("answer",)}),
        ("title text", Kind.TEXT, {"text": "title text"}),
        ("text", Kind.TEXT, {"text": "text"}),
        ("text label", Kind.LABELED, {"text": "text", "label": "label"}),
        ("title text class", Kind.LABELED, {"text": "title text", "label": "class"}),
        ("text intent", Kind.LABELED, {"label": "intent"}),
        ("query positive label", Kind.PAIRS, {"label": "label"}),
        ("Question ANSWER Doc-ID", Kind.PAIRS, {"query": "Question", "doc_id": "Doc-ID"}),
    ],
)
def test_roles_by_name(columns: str, kind: Kind, expected: dict[str, Any]) -> None:
    data = read([{name: name for name in columns.split()}])
    assert data.kind is kind
    assert {name: getattr(data.examples[0], name) for name in expected} == expected


def test_scores() -> None:
    data = read([{"sentence1": "a b", "sentence2": "c d", "similarity": "0.5", "neg": "n"}])
    assert data.kind is Kind.SCORED
    assert data.examples[0].score == 0.5
    assert data.unused == ("neg",)


def test_label_zero_and_one_beside_a_pair_is_a_score() -> None:
    rows = [
        {"query": f"q{i}", "positive": f"p{i}", "label": label} for i, label in enumerate([1, "0", True, 1.0, False])
    ]
    data = read(rows)
    assert data.kind is Kind.SCORED
    assert [example.score for example in data.examples] == [1, 0, 1, 1, 0]
    assert all(example.label is None for example in data.examples)
    assert data.roles["label"] == "score"


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], [0, 2], ["a", "b"]])
def test_other_labels_beside_a_pair_only_slice(labels: list[Any]) -> None:
    data = read([{"query": f"q{i}", "positive": f"p{i}", "label": label} for i, label in enumerate(labels)])
    assert data.kind is Kind.PAIRS
    assert [example.label for example in data.examples] == [str(label) for label in labels]


def test_a_pair_label_that_is_missing_is_set_aside() -> None:
    rows: list[dict[str, Any]] = [{"query": f"q{i}", "positive": "p", "label": i % 2} for i in range(4)]
    data = read([*rows, {"query": "x", "positive": "y", "label": None}])
    assert len(data.examples) == 4
    assert [row.line for row in data.rejected] == [5]


def test_class_names_of_hugging_face_labels(tmp_path: Path) -> None:
    import datasets

    plain = datasets.Dataset.from_dict({"text": ["one", "two"], "label": [1, 0]})
    data = plain.cast_column("label", datasets.ClassLabel(names=["no", "yes"]))
    data.save_to_disk(str(tmp_path / "saved"))
    data.to_parquet(str(tmp_path / "t.parquet"))
    for source in (data, tmp_path / "saved", tmp_path / "t.parquet"):
        assert [example.label for example in read(source).examples] == ["yes", "no"]


def test_overrides_name_columns() -> None:
    rows = [{"frage": "a", "antwort": "b", "query": "not this", "falsch": "c"}]
    data = read(rows, columns={"query": "frage", "positive": "antwort", "negative": "falsch"})
    example = data.examples[0]
    assert (example.query, example.positives, example.negatives) == ("a", ("b",), ("c",))
    assert data.unused == ("query",)
    assert data.roles == {"frage": "query", "antwort": "positive", "falsch": "negative"}


def test_overrides_that_cannot_be_meant() -> None:
    with pytest.raises(UsageError, match="did you mean 'question'"):
        read([{"question": "a", "answer": "b"}], columns={"query": "qestion"})
    with pytest.raises(UsageError, match="did you mean 'positive'"):
        read([{"question": "a", "answer": "b"}], columns={"positiv": "answer"})


def test_columns_that_could_have_no_effect_are_refused(tmp_path: Path) -> None:
    for source in (beir(tmp_path / "b"), llama_index(tmp_path)):
        with pytest.raises(UsageError, match="no effect"):
            read(source, columns={"query": "text"})


@pytest.mark.parametrize(
    ("row", "first", "second"),
    [
        ({"query": "a", "question": "b", "positive": "c"}, "query", "question"),
        ({"query": "a", "answer": "b", "document": "c"}, "answer", "document"),
        ({"text": "a", "label": "b", "class": "c"}, "class", "label"),
        ({"Query": "a", "query": "b", "positive": "c"}, "Query", "query"),
    ],
)
def test_two_columns_for_one_role_name_both(row: dict[str, str], first: str, second: str) -> None:
    with pytest.raises(DataError, match=f"'{first}' and '{second}' both mean .*--columns .*={first}"):
        read([row])


def test_an_ambiguity_is_settled_by_columns() -> None:
    data = read([{"query": "a", "answer": "b", "document": "c"}], columns={"positive": "document"})
    assert data.examples[0].positives == ("c",)
    assert data.unused == ("answer",)


def test_a_column_of_the_last_row_counts(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"query": "a", "positive": "b"}] * 3 + [
        {"query": "a", "positive": "b", "question": "c"}
    ]
    with pytest.raises(DataError, match=r"late\.jsonl:4: columns 'query' and 'question'"):
        read(jsonl(tmp_path / "late.jsonl", rows))


def test_close_names_are_suggested() -> None:
    with pytest.raises(DataError, match="did you mean 'question' by 'qestion'"):
        read([{"qestion": "a", "answer": "b"}])
    assert any("--columns label=lable" in note for note in read([{"query": "a", "answer": "b", "lable": "c"}]).notes)


def test_ragged_negatives_and_lists() -> None:
    rows = [
        {"query": "a", "positive": ["b", "c", "b"], "negative_1": "n", "negative_2": ""},
        {"query": "d", "positive": "e", "negative_1": None, "negative_2": ["m", "o"]},
    ]
    first, second = read(rows).examples
    assert (first.positives, first.negatives) == (("b", "c"), ("n",))
    assert second.negatives == ("m", "o")


PAIR = {"query": "a", "positive": "p"}


@pytest.mark.parametrize(
    ("row", "right", "wrong"),
    [
        ({"query": "a", "pos": ["p"], "neg": ["n", "m"], "pos_scores": [3.5], "neg_scores": [1, -2]}, [3.5], [1, -2]),
        (PAIR | {"negative_1": "n", "negative_2": "m", "scores": [3.5, 1, -2]}, [3.5], [1, -2]),
        (PAIR | {"negative_1": "n", "negative_2": "m", "scores": [2.5, 5.5]}, [0], [-2.5, -5.5]),
        (PAIR | {"negative": "n", "teacher_scores": 2.5}, [0], [-2.5]),
        (PAIR | {"negative": "n", "positive_score": "0.9", "negative_score": "0.25"}, [0.9], [0.25]),
        (PAIR | {"negative": ["n", "n", "", "m"], "scores": "[9, 1, 2, 3]"}, [9], [1, 3]),
        (PAIR | {"positive": ["p", "p", "r"], "negative": "n", "scores": [9, 8, 7, 1]}, [9, 7], [1]),
        (PAIR | {"negative": "n", "scores": None}, [], []),
        (PAIR | {"negative": ["n", "m"]}, [], []),
    ],
)
def test_what_a_teacher_says_stays_beside_its_document(row: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    (example,) = read([row]).examples
    assert (list(example.positive_scores), list(example.negative_scores)) == (right, wrong)
    assert not right or (len(example.positives), len(example.negatives)) == (len(right), len(wrong))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (PAIR | {"negative": ["n", "m"], "scores": [1, 2, 3, 4]}, "scores has 4 numbers for 3 documents"),
        (
            {"query": "a", "pos": ["p"], "neg": ["n", "m"], "pos_scores": [1], "neg_scores": [1]},
            "neg_scores has 1 numbers for 2 negatives",
        ),
        (PAIR | {"negative": "n", "scores": [1, "much"]}, 'scores is "much", not a finite number'),
        (PAIR | {"negative": "n", "scores": "[1, "}, 'scores is "[1, ", not a list of numbers'),
    ],
)
def test_scores_that_fit_no_documents_set_the_row_aside(row: dict[str, Any], reason: str) -> None:
    good = {name: value for name, value in row.items() if "scores" not in name}
    (bad,) = read([good, row, good, good]).rejected
    assert bad.reason == reason


def test_half_of_a_teacher_is_refused() -> None:
    with pytest.raises(DataError, match="'pos_scores' holds a teacher's scores; give pos_scores and neg_scores"):
        read([PAIR | {"negative": "n", "pos_scores": 1.0}])
    with pytest.raises(DataError, match="'scores' holds a teacher's scores, and no column holds the negative"):
        read([PAIR | {"scores": [1.0]}])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"query": WORDS, "positive": WORDS, "domain": WORDS}), min_size=1, max_size=8))
def test_whatever_python_writes_is_read_back(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    import polars as pl

    (tmp_path / "array.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8", newline="")
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    sources = [
        rows,
        jsonl(tmp_path / "t.jsonl", rows),
        tmp_path / "array.json",
        delimited(tmp_path / "t.csv", ",", rows),
        packed(delimited(tmp_path / "t.tsv", "\t", rows)),
        tmp_path / "t.parquet",
    ]
    wanted = [tuple(row[name].strip() for name in ("query", "positive", "domain")) for row in rows]
    for source in sources:
        assert [(e.query, *e.positives, e.domain) for e in read(source).examples] == wanted


GOOD = '{"query": "a", "positive": "b"}'
BAD = [
    "[]",
    "null",
    '{"query": 1}',
    '{"positive": "x"}',
    "truth",
    '{"query": "a", "positive": }',
    '"text"',
    "{'a': 'b'}",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*BAD, "{", "}{", "\x00", '"'])), st.randoms(use_true_random=False))
def test_lines_kept_and_rejected_are_all_lines(tmp_path: Path, bad: list[str], order: random.Random) -> None:
    lines = [GOOD] * (len(bad) + 1) + bad
    order.shuffle(lines)
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    data = read(tmp_path / "t.jsonl")
    assert [example.line for example in data.examples] == [i for i, line in enumerate(lines, 1) if line == GOOD]
    assert [row.line for row in data.rejected] == [i for i, line in enumerate(lines, 1) if line != GOOD]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(BAD)), st.randoms(use_true_random=False), st.sampled_from([", ", ",\n  "]))
def test_elements_kept_and_rejected_are_all_elements(
    tmp_path: Path, bad: list[str], order: random.Random, between: str
) -> None:
    elements = [GOOD] * (len(bad) + 1) + bad
    order.shuffle(elements)
    (tmp_path / "t.json").write_text(f"[\n  {between.join(elements)}\n]")
    data = read(tmp_path / "t.json")
    assert len(data.examples) == len(bad) + 1
    assert sorted(row.raw for row in data.rejected) == sorted(bad)
    if "\n" in between:
        assert [e.line for e in data.examples] == [i for i, element in enumerate(elements, 2) if element == GOOD]


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", False),
        ("utf-8-sig", False),
        ("utf-16", False),
        ("utf-16-le", False),
        ("utf-16-be", False),
        ("utf-32", False),
        ("gb18030", True),
    ],
)
@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "t.json"])
def test_encodings(encoding: str, told: bool, name: str, tmp_path: Path) -> None:
    rows = [{"query": f"如何申请退款，第{i}次？", "positive": f"在订单页面点击退款按钮{i}。"} for i in range(9)]
    if name == "t.csv":
        delimited(tmp_path / name, ",", rows)
    elif name == "t.jsonl":
        jsonl(tmp_path / name, rows)
    else:
        (tmp_path / name).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    text = (tmp_path / name).read_text(encoding="utf-8")
    (tmp_path / name).write_bytes(text.encode(encoding))
    data = read(tmp_path / name)
    assert [(e.query, *e.positives) for e in data.examples] == [(r["query"], r["positive"]) for r in rows]
    assert any("GB18030" in note for note in data.notes) == told


@pytest.mark.parametrize("text", ["où est le café préféré de Noël", "größe der straße für müller", "“quoted” – naïve"])
def test_latin_1_is_read_and_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(f"query,positive\n{text},b\n".encode("cp1252"))
    data = read(tmp_path / "t.csv")
    assert data.examples[0].query == text
    assert any("latin-1" in note and "UTF-8" in note for note in data.notes)


def test_one_bad_byte_in_utf8_costs_one_row(tmp_path: Path) -> None:
    lines = [json.dumps({"query": f"naïve café {i}", "positive": "été"}, ensure_ascii=False).encode() for i in range(6)]
    lines[3] = lines[3].replace("ï".encode(), b"\xff")
    (tmp_path / "t.jsonl").write_bytes(b"\n".join(lines))
    data = read(tmp_path / "t.jsonl")
    assert len(data.examples) == 5
    assert [(row.line, row.column) for row in data.rejected] == [(4, lines[3].index(b"\xff") + 1)]
    assert "UTF-8" in data.rejected[0].reason


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_line_ends(ending: str, name: str, tmp_path: Path) -> None:
    lines = (
        ["query,positive", "a,b", "", "c,d"]
        if name == "t.csv"
        else ['{"query":"a","positive":"b"}', "", '{"query":"c","positive":"d"}']
    )
    (tmp_path / name).write_bytes(ending.join(lines).encode())
    data = read(tmp_path / name)
    assert [(e.query, *e.positives) for e in data.examples] == [("a", "b"), ("c", "d")]
    assert data.rejected == []


def test_tsv_with_quotes_that_are_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('query\tpositive\n"hello" he said\tx\n5" pipe\ty\n"quoted\ttab"\tz\n')
    data = read(tmp_path / "t.tsv")
    assert [e.query for e in data.examples] == ['"hello" he said', '5" pipe', "quoted\ttab"]


def test_a_wrong_suffix_is_seen_through(tmp_path: Path) -> None:
    assert len(read(jsonl(tmp_path / "t.csv", ROWS)).examples) == 4
    SHAPES["parquet"](tmp_path).rename(tmp_path / "u.jsonl")
    assert len(read(tmp_path / "u.jsonl").examples) == 4


def test_read_test_prefers_the_test_split(tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", split="train")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td2\t2\nq1\td3\t0\n")
    found = read_test(folder)
    assert isinstance(found, RetrievalSet)
    assert found.relevant == {"q1": {"d2": 2}}
    assert list(found.queries) == ["q1"]
    assert len(found.documents) == 4
    assert any("grade 0" in note for note in found.notes)
    assert [example.line for example in read(folder).examples] == [2, 3, 4, 5]


def test_several_splits_and_none_preferred(tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", split="dev")
    (folder / "qrels" / "test.tsv").write_text("q1\td2\t2\n")
    with pytest.raises(DataError, match="dev, test, none for train"):
        read(folder)


def test_trec_qrels_and_titles(tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", split="test")
    jsonl(folder / "corpus.jsonl", [{"_id": "d1", "title": "Refunds", "text": "take a week"}])
    (folder / "qrels" / "test.tsv").write_text("q0 0 d1 1\nq0 0 d9 1\n")
    found = read_test(folder)
    assert isinstance(found, RetrievalSet)
    assert found.documents == {"d1": "Refunds take a week"}
    assert "test.tsv:2" in " ".join(found.notes)


def test_read_test_of_other_files_is_a_data_set(tmp_path: Path) -> None:
    assert isinstance(read_test(llama_index(tmp_path)), RetrievalSet)
    assert isinstance(read_test(SHAPES["csv"](tmp_path)), Dataset)
    (tmp_path / "folder").mkdir()
    folder = SHAPES["parquet shards"](tmp_path / "folder")
    split = read_test(folder)
    assert isinstance(split, Dataset)
    assert len(split.examples) == 1


def test_to_retrieval_set_collects() -> None:
    rows = [
        {"query": "What is X?", "positive": "X is one.", "doc_id": "one", "negative": "Z is three."},
        {"query": "what is  x?", "positive": "X is two."},
        {"query": "Other", "positive": "x is ONE.", "doc_id": "again"},
        {"query": "Third", "positive": "another text", "doc_id": "one"},
    ]
    data = read(rows)
    found = to_retrieval_set(data)
    assert len(found.queries) == 3
    assert sorted(map(normalized, found.documents.values())) == [
        "another text",
        "x is one.",
        "x is two.",
        "z is three.",
    ]
    assert set(found.relevant["rows:1"]) == {"one", "rows:2.d"}
    assert found.relevant["rows:3"] == {"one": 1}
    assert found.relevant["rows:4"] == {"one:2": 1}
    part = to_retrieval_set(data, data.examples[2:3])
    assert list(part.queries) == ["rows:3"]
    assert part.documents == found.documents


def test_sha256_is_of_content() -> None:
    import pandas as pd
    import polars as pl

    base = read(ROWS).sha256
    assert {read(pd.DataFrame(ROWS)).sha256, read(pl.DataFrame(ROWS)).sha256} == {base}
    assert read(ROWS[::-1]).sha256 != base


def test_sha256_of_a_file_is_of_its_bytes(tmp_path: Path) -> None:
    import hashlib

    path = jsonl(tmp_path / "t.jsonl", ROWS)
    assert read(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_pandas_missing_values_are_missing() -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {"query": ["a", None, "c", "d"], "positive": ["b", "x", "y", "z"], "group": [1.0, 2.0, float("nan"), 3.0]}
    )
    data = read(frame)
    assert [example.group for example in data.examples] == ["1", None, "3"]
    assert [row.line for row in data.rejected] == [2]


def test_numpy_values_in_python_rows_are_read_as_pythons() -> None:
    rows = [
        {"query": "a", "positive": np.array(["b", "c"], dtype=object), "negative": float("nan"), "group": np.int64(3)},
        {"query": "d", "positive": "e", "negative": np.str_("f"), "group": np.int64(4)},
    ]
    data = read(rows)
    assert not data.rejected
    assert [example.positives for example in data.examples] == [("b", "c"), ("e",)]
    assert [example.negatives for example in data.examples] == [(), ("f",)]
    assert [example.group for example in data.examples] == ["3", "4"]


@pytest.mark.parametrize("name", ["dev", "validation", "valid", "val"])
def test_dev_is_read_from_a_folder_that_has_a_test_split_too(name: str, tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", split="test")
    (folder / "qrels" / "train.tsv").write_text("q0\td1\t1\n")
    (folder / "qrels" / f"{name}.tsv").write_text("q3\td4\t1\n")
    dev, test = read_test(folder, split="dev"), read_test(folder)
    assert isinstance(dev, RetrievalSet)
    assert isinstance(test, RetrievalSet)
    assert list(dev.queries) == ["q3"]
    assert len(test.queries) == 4
    files = tmp_path / "files"
    files.mkdir()
    for split in ("train", name, "test"):
        jsonl(files / f"{split}.jsonl", [{"query": f"of {split}", "positive": "x"}])
    found = read_test(files, split="dev")
    assert isinstance(found, Dataset)
    assert [example.query for example in found.examples] == [f"of {name}"]


def test_what_check_leaves_is_no_split_of_the_folder(tmp_path: Path) -> None:
    for name in ("train.jsonl", "train.quarantine.jsonl", "train.fixed.jsonl", "test.jsonl"):
        jsonl(tmp_path / name, [{"query": name, "positive": "x"}])
    assert [example.query for example in read(tmp_path).examples] == ["train.jsonl"]


@pytest.mark.parametrize(("right", "wrong"), [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("true", "false")])
def test_labels_of_right_and_wrong_pairs_are_scores_however_written(right: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"sentence1,sentence2,label\na,b,{right}\nc,d,{wrong}\ne,f,{right}\n")
    data = read(tmp_path / "t.csv")
    assert data.kind is Kind.SCORED
    assert [example.score for example in data.examples] == [1.0, 0.0, 1.0]


def test_labels_of_inference_beside_pairs_are_told() -> None:
    labels = ("entailment", "neutral", "contradiction")
    data = read([{"premise": f"p{n}", "query": f"q{n}", "positive": "x", "label": labels[n]} for n in range(3)])
    assert data.kind is Kind.PAIRS
    assert any("every pair counts as right" in note for note in data.notes)


def test_a_title_without_the_text_that_it_belongs_to_is_unused() -> None:
    data = read([{"query": "q", "positive": "p", "title": "t", "text": "x"}])
    assert data.examples[0].positives == ("p",)
    assert set(data.unused) == {"title", "text"}


def test_one_column_has_one_role() -> None:
    with pytest.raises(UsageError, match="'a' to two roles"):
        read([{"a": "x", "b": "y"}], columns={"query": "a", "positive": "a"})


def test_documents_that_no_row_names_are_ranked_too(tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", split="train")
    (folder / "qrels" / "train.tsv").write_text("q0\td1\t1\nq1\td2\t1\n")
    ranked = to_retrieval_set(read(folder))
    assert len(ranked.queries) == 2
    assert set(ranked.documents.values()) == {row["positive"] for row in ROWS}
