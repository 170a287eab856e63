"""``export RUN --to mteb``, read back by MTEB."""

import json
import shutil
from pathlib import Path

import mteb
import pytest

import fake_run
from acclimate.core.errors import UsageError
from acclimate.core.files import sha256_file
from acclimate.runs.export import export


@pytest.fixture
def run(tmp_path: Path) -> Path:
    scores = fake_run.scores()
    scores["tasks"] = {
        "topics": {"primary_metric": "macro_f1", "before": {"macro_f1": 0.25, "accuracy": 0.5},
                   "after": {"macro_f1": 0.75, "accuracy": 0.8}, "delta": {}},
        "alike": {"primary_metric": "spearman", "before": {"spearman": 0.1, "pearson": 0.2},
                  "after": {"spearman": 0.3, "pearson": 0.4}, "delta": {}},
    }  # fmt: skip
    folder = fake_run.write_run(tmp_path / "my terms", scores=scores)
    (folder / "data" / "fingerprint.json").write_text(json.dumps({"weights of the base": "ab12"}))
    for place in (folder / "data", folder / "data" / "tasks" / "topics", folder / "data" / "tasks" / "alike"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "test.jsonl").write_text(f'{{"id": "{place.name}"}}\n')
    return folder


def test_mteb_reads_base_and_tuned_model_back(run: Path, tmp_path: Path) -> None:
    scores = json.loads((run / "scores.json").read_text())
    for _ in range(2):  # again over itself
        document = export(str(run), "mteb", tmp_path / "out")
    assert all(Path(file).is_file() for file in document["files"])
    found = {model.model_name: model for model in mteb.ResultCache(tmp_path / "out").load_results().model_results}
    assert found.keys() == {"sentence-transformers/all-MiniLM-L6-v2", "acclimate/my-terms"}
    for name, side in (("sentence-transformers/all-MiniLM-L6-v2", "before"), ("acclimate/my-terms", "after")):
        results = {result.task_name: result for result in found[name].task_results}
        assert results.keys() == {"my-terms", "my-terms-topics", "my-terms-alike"}
        assert results["my-terms"].get_score() == pytest.approx(scores["test"][side]["ndcg@10"], abs=1e-6)
        (told,) = results["my-terms"].scores["test"]
        for ours, theirs in (("recall@100", "recall_at_100"), ("mrr@10", "mrr_at_10"), ("map@100", "map_at_100")):
            assert told[theirs] == pytest.approx(scores["test"][side][ours], abs=1e-6)
        assert results["my-terms"].dataset_revision == sha256_file(run / "data" / "test.jsonl")
        assert results["my-terms-topics"].get_score() == scores["tasks"]["topics"][side]["macro_f1"]
        assert results["my-terms-topics"].scores["test"][0]["accuracy"] == scores["tasks"]["topics"][side]["accuracy"]
        assert results["my-terms-alike"].get_score() == scores["tasks"]["alike"][side]["spearman"]
    table = mteb.ResultCache(tmp_path / "out").load_results().to_dataframe()
    assert len(table) == 3


def test_what_cannot_be_exported_is_told(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="leave it out"):
        export(str(run), "mteb", tmp_path / "out", dimensions=64)
    shutil.rmtree(run / "data")
    with pytest.raises(UsageError, match="no finished run"):
        export(str(run), "mteb", tmp_path / "out")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'pip install "acclimate\[mteb\]"'):
        export(str(run), "mteb", tmp_path / "out")
    assert not (tmp_path / "out").exists()
