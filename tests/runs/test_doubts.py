"""What vectors say of a file is said of its rows: places, texts, and what a copy without suspects leaves out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.data.cleaning import cleaned
from acclimate.data.readers import read
from acclimate.runs.doubts import Doubts, doubts
from small import beir, jsonl

PLAIN = 30


def axis(number: int) -> np.ndarray:
    return np.eye(64)[number]


def vectors() -> dict[str, np.ndarray]:
    known = {f"d{number}": axis(number) for number in range(PLAIN)}
    known |= {f"q{number}": axis(number) + 0.5 * axis(number + 1) for number in range(PLAIN)}
    known["q0"] = axis(0) + axis(40)
    known["paraphrase"] = axis(0) + 0.4 * axis(40)
    known |= {f"paraphrase {n}": axis(0) + (0.41 + n / 100) * axis(40) for n in range(5)}
    known["twin"] = axis(5) + 0.1 * axis(50)
    known["q9"] = -axis(9) + 0.01 * sum(axis(n) for n in range(PLAIN) if n != 9)  # farther from d9 than all others
    return known


def plain() -> list[dict[str, Any]]:
    return [{"query": f"q{number}", "positive": f"d{number}"} for number in range(PLAIN)]


def looked_at(data: Any, **options: Any) -> Doubts:
    known = vectors()

    def encode(texts: Sequence[str], role: str) -> np.ndarray:
        found = np.array([known[text.lower()] for text in texts])
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    return doubts(read(data), encode, **({"most": 1000, "seed": 42} | options))


def test_each_finding_has_its_places_and_texts(tmp_path: Path) -> None:
    rows = plain()
    rows[7]["negative"] = ["Paraphrase", "twin"]
    found = looked_at(jsonl(tmp_path / "data.jsonl", rows))
    (suspect,) = found.document["false_negatives"]["worst"]
    assert (suspect["line"], suspect["query"], suspect["positive"]) == (1, "q0", "d0")
    assert (suspect["suspect"]["line"], suspect["suspect"]["text"]) == (8, "Paraphrase")
    assert not suspect["given_as_negative"]
    (weak,) = found.document["weak_pairs"]["worst"]
    assert (weak["line"], weak["nearer_documents"]) == (10, 1.0)
    (near,) = found.document["near_positives"]["worst"]
    assert {place["line"]: place["text"] for place in near["documents"]} == {6: "d5", 8: "twin"}
    problems = {problem.kind: problem.rows.tolist() for problem in found.problems}
    assert problems == {"false_negative": [0], "weak_pair": [9], "near_positive": [5, 7]}


def test_a_copy_without_suspects_has_neither_weak_pairs_nor_negatives_that_may_be_right(tmp_path: Path) -> None:
    rows, others = plain(), [f"paraphrase {number}" for number in range(5)]
    rows[0]["negative"] = ["d3", "Paraphrase", *others]
    data = jsonl(tmp_path / "data.jsonl", rows)
    found = looked_at(data)
    assert found.document["false_negatives"]["worst"][0]["given_as_negative"]
    left = cleaned(read(data).examples, (), found.doubtful)
    assert (left.removed, left.taken_out) == ({"doubtful": 1}, {"doubtful": 6})
    assert left.rows[0]["negative"] == ["d3"]
    assert "q9" not in {row["query"] for row in left.rows}
    assert looked_at(jsonl(tmp_path / "again.jsonl", left.rows)).document["weak_pairs"]["rows"] == 0


def test_drawn_rows_are_named_by_their_place_in_the_file(tmp_path: Path) -> None:
    data = jsonl(tmp_path / "data.jsonl", plain())
    found = looked_at(data, most=25)
    assert (found.document["rows"], found.document["of"]) == (25, PLAIN)
    for hub in found.document["hubness"]["hubs"]:
        assert hub["text"] == f"d{hub['line'] - 1}"
    assert looked_at(data, most=25).document["hubness"] == found.document["hubness"]
    assert looked_at(data, most=25, seed=1).document["hubness"] != found.document["hubness"]


def test_documents_that_no_row_names_are_suspects_without_a_line(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set", plain())
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"_id": "other", "text": "paraphrase"}\n')
    (suspect,) = looked_at(folder).document["false_negatives"]["worst"]
    assert (suspect["suspect"]["text"], suspect["suspect"]["line"]) == ("paraphrase", None)
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write("".join(f'{{"_id": "more{n}", "text": "twin"}}\n' for n in range(3)))
    assert looked_at(folder).document["documents"] == PLAIN + 2
    assert looked_at(folder, most=1).document["documents"] == 2  # those of rows, and those of none


def test_too_few_documents_have_no_hubs(tmp_path: Path) -> None:
    found = looked_at(jsonl(tmp_path / "data.jsonl", plain()[:8]))
    assert found.document["hubness"] is None
    assert found.document["near_positives"]["pairs"] == 0


def test_a_text_among_those_of_another_label(tmp_path: Path) -> None:
    known = {f"{label} {n}": axis(place) + 0.3 * axis(10 + n) for place, label in enumerate("ab") for n in range(12)}
    rows = [{"text": text, "label": text[0]} for text in known]
    rows[3]["label"] = "b"
    data = read(jsonl(tmp_path / "data.jsonl", rows))

    def encode(texts: Sequence[str], role: str) -> np.ndarray:
        found = np.array([known[text] for text in texts])
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    found = doubts(data, encode, most=1000, seed=42)
    (suspect,) = found.document["label_suspects"]["worst"]
    told = {key: suspect[key] for key in ("line", "text", "label", "label_of_neighbors", "share")}
    assert told == {"line": 4, "text": "a 3", "label": "b", "label_of_neighbors": "a", "share": 1.0}
    left = cleaned(data.examples, (), found.doubtful)
    assert (left.removed, len(left.rows)) == ({"doubtful": 1}, 23)
