"""``check`` leaves the user's own files alone."""

import os
from pathlib import Path

import pytest

from small import CommandLine, jsonl, pairs


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
