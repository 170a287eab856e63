"""``check`` leaves the user's own files alone, and tells how far data lies from other data."""

import json
import os
import re
from pathlib import Path

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
