"""``check`` leaves the user's own files alone, and tells how far data lies from other data."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate as package
from small import CommandLine, beir, jsonl, labeled, pairs, scored


def bad_and_good(path: Path) -> Path:
    return jsonl(path, [*pairs(10), {"query": "", "positive": "x"}])


def test_it_never_writes_over_what_it_reads(acclimate: CommandLine, tmp_path: Path) -> None:
    data = bad_and_good(tmp_path / "data.jsonl")
    before = data.read_bytes()
    result = acclimate("check", data, "--out", data)
    assert result.status == 2
    assert "would be written over" in result.err
    assert acclimate("check", data, "--fix").status == 0
    assert data.read_bytes() == before


def test_files_whose_names_begin_alike_keep_apart(acclimate: CommandLine, tmp_path: Path) -> None:
    for name in ("a.v1.jsonl", "a.v2.jsonl"):
        assert acclimate("check", bad_and_good(tmp_path / name), "--fix", "--quiet").status == 0
    written = {path.name for path in tmp_path.iterdir()} - {"a.v1.jsonl", "a.v2.jsonl"}
    assert written == {f"a.v{n}.{kind}.jsonl" for n in (1, 2) for kind in ("fixed", "quarantine")}


def test_the_quarantine_goes_when_the_file_is_mended(acclimate: CommandLine, tmp_path: Path) -> None:
    data = bad_and_good(tmp_path / "a.jsonl")
    acclimate("check", data)
    assert (tmp_path / "a.quarantine.jsonl").is_file()
    jsonl(data, pairs(10))
    acclimate("check", data)
    assert not (tmp_path / "a.quarantine.jsonl").exists()


def test_the_folder_that_one_stands_in(acclimate: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "set"
    bad_and_good(folder / "train.jsonl")
    monkeypatch.chdir(folder)
    assert acclimate("check", ".").status == 0
    assert (tmp_path / "set.quarantine.jsonl").is_file()


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_utf8(acclimate: CommandLine, tmp_path: Path) -> None:
    data = bad_and_good(tmp_path / "plain.jsonl").rename(tmp_path / os.fsdecode(b"caf\xe9.jsonl"))
    result = acclimate("check", data, "--json")
    assert result.status == 0, result.err
    assert os.fsdecode(b"caf\xe9.quarantine.jsonl") in {path.name for path in tmp_path.iterdir()}


def test_a_role_is_named_once(acclimate: CommandLine, tmp_path: Path) -> None:
    data = jsonl(tmp_path / "t.jsonl", [{"a": "x", "b": "y", "n": "z", "m": "w"}])
    result = acclimate("check", data, "--columns", "query=a,positive=b,negative=n,negative=m")
    assert result.status == 2
    assert "negative_1=" in result.err


def far_pairs(count: int) -> list[dict[str, str]]:
    """Pairs of another language, whose words the tokenizer of the tiny model does not have."""
    return [
        {"query": f"wohin fliegt Zugvogel{row}", "positive": f"Zugvogel{row} fliegt gegen Abend nach Afrika"}
        for row in range(count)
    ]


def test_far_from_other_data_and_near_to_its_like(acclimate: CommandLine, tmp_path: Path, tiny_model: Path) -> None:
    here = jsonl(tmp_path / "here.jsonl", pairs(200))
    like, far = jsonl(tmp_path / "like.jsonl", pairs(200, seed=1)), beir(tmp_path / "far", far_pairs(60))
    shifts = {}
    for source in (here, like, far):
        result = acclimate("check", here, "--against", source, "--base", tiny_model, "--json")
        assert result.status == 0, result.err
        shifts[source] = json.loads(result.out)["shift"]
        assert shifts[source]["against"] == str(source)
        assert shifts[source]["base"] == str(tiny_model)
    for kind in ("queries", "documents"):
        itself, near, away = (shifts[source][kind] for source in (here, like, far))
        assert itself["texts"] == {"source": 200, "target": 200}
        assert itself["proxy_a_distance"] == 0
        assert itself["known_words"] == itself["known_occurrences"] == itself["tokens_a_word"]["ratio"] == 1
        assert abs(near["proxy_a_distance"]) < 4 * near["standard_error"]
        assert near["known_occurrences"] == 1
        assert away["texts"] == {"source": 60, "target": 200}
        assert away["proxy_a_distance"] > 1.9
        assert away["known_words"] == away["known_occurrences"] == 0
        assert away["tokens_a_word"]["ratio"] < 0.7


def test_the_shift_as_people_see_it(acclimate: CommandLine, tmp_path: Path, tiny_model: Path) -> None:
    here, far = jsonl(tmp_path / "here.jsonl", pairs(40)), jsonl(tmp_path / "far.jsonl", far_pairs(50))
    plain, told = acclimate("check", far), acclimate("check", far, "--against", here, "--base", tiny_model)
    assert "shift of" not in plain.out
    shown = told.out[told.out.index("shift of far from") :]
    lines = {line.split("│")[1].strip(): line for line in shown.splitlines() if line.startswith("│")}
    assert lines["different texts, there -> here"].count("40 -> 50") == 2
    assert lines["distance of the vectors, 0 to 2"].count("2.00 ±") == 2
    assert lines["told apart by a plane, 50% by chance"].count("100.0%") == 2
    assert max(map(len, lines.values())) <= 80


def test_texts_of_one_kind_are_compared_with_documents(tmp_path: Path, tiny_model: Path) -> None:
    # Two queries are too few to compare, and there is nothing to compare them with.
    source = jsonl(tmp_path / "source.jsonl", [{**row, "query": f"q{n % 2}"} for n, row in enumerate(pairs(30))])
    for name, rows in (("labeled", labeled(30)), ("scored", scored(30))):
        data = jsonl(tmp_path / f"{name}.jsonl", rows)
        shift = package.check(data, against=source, base=tiny_model)["shift"]
        assert shift.keys() == {"against", "sha256", "base", "documents"}
        assert shift["documents"]["texts"] == {"source": 30, "target": 30 if name == "labeled" else 60}


def test_a_base_counts_tokens_without_a_comparison(acclimate: CommandLine, tmp_path: Path, tiny_model: Path) -> None:
    data = jsonl(tmp_path / "far.jsonl", far_pairs(12))
    by_default, by_base = (package.check(data, **options) for options in ({}, {"base": tiny_model}))
    assert by_base["max_length"] == 64
    assert by_base["lengths"]["query"]["tokens"]["p50"] > by_default["lengths"]["query"]["tokens"]["p50"]
    assert "shift" not in by_base


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (pairs(9), "source.jsonl: 9 different queries are too few to measure a shift by; give 10 or more"),
        ([{"text": "?!" * row} for row in range(1, 20)], "the texts of the source have no words; give texts with"),
    ],
    ids=["few", "no words"],
)
def test_what_cannot_be_compared(
    acclimate: CommandLine, tmp_path: Path, tiny_model: Path, rows: list[dict[str, str]], says: str
) -> None:
    data, source = jsonl(tmp_path / "data.jsonl", pairs(20)), jsonl(tmp_path / "source.jsonl", rows)
    result = acclimate("check", data, "--against", source, "--base", tiny_model, "--json")
    assert (result.status, result.out) == (4, "")
    assert says in result.err
    assert result.err.count("\n") == 1


def test_a_base_that_reads_no_texts(acclimate: CommandLine, tmp_path: Path) -> None:
    np.save(tmp_path / "items.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "items.ids.txt").write_text("a\nb\nc\n")
    data = jsonl(tmp_path / "data.jsonl", pairs(20))
    result = acclimate("check", data, "--against", data, "--base", tmp_path / "items.npy")
    assert result.status == 2
    assert "reads no texts" in result.err


def test_of_texts_alone_it_says_what_fit_would_make(acclimate: CommandLine, tmp_path: Path) -> None:
    texts = [f"{row['positive']} and the other side of the river is open" for row in pairs(20)]
    data = jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in [*texts, "alone", texts[0].upper()]])
    result = acclimate("check", data)
    assert result.status == 0, result.err
    told = re.search(r"fit would make of 20 texts: (\d+) keyphrase, (\d+) span; 1 give none", result.out)
    assert told is not None
    assert sum(map(int, told.groups())) == 60
    document = json.loads(acclimate("check", data, "--json").out)
    assert document["synthetic"] == {
        "texts": 20,
        "without": 1,
        "queries": {"keyphrase": int(told[1]), "span": int(told[2])},
    }
    assert "synthetic" not in json.loads(acclimate("check", jsonl(tmp_path / "pairs.jsonl", pairs(10)), "--json").out)


def test_without_a_base_no_torch_is_imported_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    data = jsonl(tmp_path / "data.jsonl", pairs(50))
    script = (
        "import sys\nfrom acclimate.cli import main\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, "check", data], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    assert "not looked at: documents that are right too, wrong pairs and labels, hubs; --base" in done.stdout


def test_problems_come_with_the_worst_place_and_what_would_help(acclimate: CommandLine, tmp_path: Path) -> None:
    rows = [*pairs(20), {"query": "torn", "positive": "caf\ufffd"}, {"query": "Echo", "positive": "echo"}]
    rows.append({"query": "long", "positive": "word " * 40})
    data = jsonl(tmp_path / "data.jsonl", rows)
    out = acclimate("check", data, "--max-length", 30).out
    told = [line for line in out.splitlines() if line.startswith("1 row")]
    assert told == [
        f"1 row: query and positive are the same text ({data}:22): --fix takes it out",
        f"1 row: replacement characters from a wrong encoding ({data}:21): write them again from where they came",
        f"1 row: positive longer than 30 tokens, the rest is not read ({data}:23): split the texts, or put what "
        "matters first, or raise --max-length if the base reads more",
    ]


def test_leaks_are_told_and_are_not_in_the_cleaned_copy(acclimate: CommandLine, tmp_path: Path) -> None:
    rows = pairs(20)
    data = jsonl(tmp_path / "data.jsonl", rows)
    test = beir(tmp_path / "test", [rows[4], {"query": "new", "positive": "unheard of"}])
    dev = jsonl(tmp_path / "dev.jsonl", [{"query": "unasked", "positive": rows[7]["positive"].upper()}])
    result = acclimate("check", data, "--test", test, "--dev", dev, "--fix", "--json")
    assert result.status == 0, result.err
    document = json.loads(result.out)
    leaks = document["leaks"]
    assert {name: (leaks[name]["rows"], leaks[name]["queries"]) for name in leaks} == {"test": (1, 1), "dev": (1, 1)}
    assert [(row["line"], row["what"], row["there"]["id"]) for row in leaks["test"]["exact"]] == [
        (5, "query", "q0"),
        (5, "document", "q0"),
    ]
    assert [(row["line"], row["there"]["line"]) for row in leaks["dev"]["exact"]] == [(8, 1)]
    assert [(p["kind"], p["places"][0]["line"]) for p in document["problems"][:2]] == [("leak", 5), ("leak", 8)]
    assert document["fixed"]["removed"]["leak"] == 2
    again = json.loads(acclimate("check", document["fixed"]["path"], "--test", test, "--dev", dev, "--json").out)
    assert again["rows"]["kept"] == 18
    assert {name: again["leaks"][name]["rows"] for name in again["leaks"]} == {"test": 0, "dev": 0}


def test_what_the_vectors_say(acclimate: CommandLine, tmp_path: Path, tiny_model: Path) -> None:
    data = jsonl(tmp_path / "data.jsonl", pairs(60))
    document = package.check(data, base=tiny_model)
    vectors = document["vectors"]
    assert (vectors["rows"], vectors["of"], vectors["documents"]) == (60, 60, 60)
    assert vectors["hubness"]["k"] == 10
    assert len(vectors["hubness"]["hubs"]) == 10
    kinds = {problem["kind"]: problem for problem in document["problems"]}
    weak = vectors["weak_pairs"]
    assert weak["rows"] == kinds["weak_pair"]["rows"] > 0  # a random model knows nothing of what goes together
    assert weak["worst"][0]["line"] == kinds["weak_pair"]["places"][0]["line"]
    shares = [row["nearer_documents"] for row in weak["worst"]]
    assert shares == sorted(shares, reverse=True)
    some = package.check(data, base=tiny_model, rows=25)["vectors"]
    assert (some["rows"], some["of"], some["documents"]) == (25, 60, 25)
    assert {place["line"] for place in some["hubness"]["hubs"]} - set(range(1, 26))  # drawn from all of the file
    assert package.check(data, base=tiny_model, rows=0)["vectors"] is None
    told = acclimate("check", data, "--base", tiny_model).out
    assert "60 of 60 rows looked at" in told
    fixed = package.check(data, base=tiny_model, fix=True, drop_suspects=True)["fixed"]
    assert fixed["removed"] == {"doubtful": weak["rows"]}


@pytest.mark.parametrize("make", [labeled, scored], ids=["labeled", "scored"])
def test_hubs_of_texts_that_are_no_pairs(tmp_path: Path, tiny_model: Path, make: Callable[..., list[Any]]) -> None:
    data = jsonl(tmp_path / "data.jsonl", make(40))
    vectors = package.check(data, base=tiny_model)["vectors"]
    assert vectors["documents"] == (40 if make is labeled else 80)
    assert vectors["hubness"]["hubs"][0]["occurrences"] > 10
    assert "weak_pairs" not in vectors


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rows", "5"], "add --base all-MiniLM-L6-v2"),
        (["--drop-suspects"], "add --fix"),
        (["--drop-suspects", "--fix"], "has none to drop"),
    ],
)
def test_a_wish_that_cannot_act(acclimate: CommandLine, tmp_path: Path, options: list[str], says: str) -> None:
    result = acclimate("check", jsonl(tmp_path / "data.jsonl", pairs(10)), *options)
    assert result.status == 2
    assert says in result.err


QUESTIONS = [
    ("how do plants make food", "Photosynthesis turns light, water and carbon dioxide into sugar."),
    ("capital of France", "Paris is the seat of the French government."),
    ("who wrote Hamlet", "Shakespeare wrote the tragedy about a Danish prince."),
    ("why is the sky blue", "Air scatters short waves of sunlight more than long ones."),
    ("boiling point of water", "At sea level water boils at 100 degrees Celsius."),
    ("largest planet", "Jupiter is the biggest planet of the solar system."),
    ("how to bake bread", "Knead flour, water, salt and yeast, let the dough rise, and bake the loaf."),
    ("what is inflation", "Prices rise and money buys less."),
    ("rules of chess castling", "King and rook move together if neither has moved before."),
    ("how do vaccines work", "They train the immune system to know a virus."),
    ("speed of light", "Light travels about 300,000 kilometers a second in vacuum."),
    ("first man on the moon", "Neil Armstrong stepped onto the lunar surface in 1969."),
    ("treat a burn", "Cool the burned skin under running water for twenty minutes."),
    ("what causes tides", "The gravity of the moon pulls the oceans."),
    ("how to change a tire", "Jack up the car, loosen the nuts and put on the spare wheel."),
    ("deepest ocean trench", "The Mariana Trench lies in the western Pacific."),
    ("what is a noun", "A noun is a word that names a person, a place or a thing."),
    ("who painted the Mona Lisa", "Leonardo da Vinci painted the portrait."),
    ("how do bees make honey", "Bees gather nectar and dry it in the comb."),
    ("what is a mortgage", "A bank lends money for a house and holds the house as security."),
    ("symptoms of flu", "Fever, cough and aching muscles are signs of influenza."),
    ("why do leaves fall", "Trees drop their leaves in autumn to save water."),
    ("how does a battery work", "Chemical reactions drive electrons through a circuit."),
]


@pytest.mark.usefixtures("minilm")
def test_what_minilm_doubts_is_what_was_planted(tmp_path: Path) -> None:
    rows = [{"query": query, "positive": positive} for query, positive in QUESTIONS]
    rows.append({"query": "I cannot log in", "positive": "If you have lost your password, a new one can be set."})
    rows.append(
        {
            "query": "forgot my password",
            "positive": "If you cannot log in and lost your password, a new one can be set.",
        }
    )
    rows.append({"query": "lifetime of a goldfish", "positive": "Knit two rows, then purl one row of the scarf."})
    data = jsonl(tmp_path / "data.jsonl", rows)
    vectors = package.check(data, base="all-MiniLM-L6-v2")["vectors"]
    doubted = [(found["line"], found["suspect"]["line"]) for found in vectors["false_negatives"]["worst"]]
    assert doubted == [(24, 25)]
    assert vectors["weak_pairs"]["worst"][0]["line"] == 26
    assert vectors["weak_pairs"]["rows"] <= 2


def test_letters_that_the_default_base_does_not_read(tmp_path: Path, tiny_model: Path) -> None:
    rows = [{"query": f"第{row}号订单怎么退款", "positive": f"打开订单{row}，点击退款"} for row in range(12)]
    data = jsonl(tmp_path / "data.jsonl", rows)
    (note,) = (note for note in package.check(data)["notes"] if "not Latin" in note)
    assert note.startswith("100% of the letters of query are not Latin")
    assert not any("not Latin" in note for note in package.check(data, base=tiny_model, rows=0)["notes"])
    assert not any("not Latin" in note for note in package.check(jsonl(data, pairs(12)))["notes"])


def test_a_copy_of_nothing_is_not_written(acclimate: CommandLine, tmp_path: Path) -> None:
    data = jsonl(tmp_path / "data.jsonl", pairs(10))
    result = acclimate("check", data, "--test", data, "--fix", "--json")
    assert (result.status, result.out) == (4, "")
    assert "no row is left" in result.err
    assert not (tmp_path / "data.fixed.jsonl").exists()
