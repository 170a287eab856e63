"""Every verb on its good path, on a tiny model."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate as package
from acclimate.core.errors import DataError
from acclimate.runs import doctor
from small import CommandLine, Result, beir, jsonl, labeled, pairs, run, scored, start
from tiny import make_tiny_model

RETRIEVAL = ["ndcg@10", "mrr", "mrr@10", "recall@1", "recall@5", "recall@10", "recall@100", "map@100", "mean_rank"]
RETRIEVAL += ["median_rank", "alignment", "uniformity", "effective_rank"]
LEFT = [
    "recipe.yaml",
    "resolved.yaml",
    "scores.json",
    "metrics.jsonl",
    "report.html",
    "environment.json",
    "model",
    "data",
]


ONE_EPOCH = ("--epochs", 1, "--set", "regularizers=[]")  # without the general texts of the default, a second quicker


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of every kind."""
    folder = tmp_path_factory.mktemp("verbs")
    jsonl(folder / "pairs.jsonl", [*pairs(80), {"query": "", "positive": "row 81 has no query"}])
    jsonl(folder / "scored.jsonl", scored(120))
    jsonl(folder / "labeled.jsonl", labeled(120))
    jsonl(folder / "general.jsonl", pairs(30, seed=7, name="general"))
    beir(folder / "test", pairs(24, seed=3, name="test"))
    return folder


class Fits:
    """A run of each kind of data, trained once."""

    def __init__(self, place: Path, tiny: Path) -> None:
        self.place, self.tiny = place, tiny

    def command(self, kind: str, *options: object) -> list[object]:
        where = ["--general", self.place / "general.jsonl", "--out", self.place / f"run_{kind}", "--base", self.tiny]
        short = ["--epochs", 2, "--batch-size", 16, "--precision", "fp32", "--method", "full"]
        short += [] if kind == "pairs" else ["--set", "regularizers=[]"]
        test = ["--test", self.place / "test"] if kind == "pairs" else []
        return ["fit", self.place / f"{kind}.jsonl", *where, *short, *test, "--json", *options]

    def path(self, kind: str) -> Path:
        return self.place / f"run_{kind}"

    def train(self, acclimate: CommandLine, kind: str) -> dict[str, Any]:
        """What scores.json holds, after training if no test has done so yet."""
        if not (self.path(kind) / "scores.json").exists():
            acclimate(*self.command(kind))
        return self.scores(kind)

    def scores(self, kind: str) -> dict[str, Any]:
        return json.loads((self.path(kind) / "scores.json").read_text())


@pytest.fixture(scope="module")
def fits(place: Path, tiny_model: Path) -> Fits:
    return Fits(place, tiny_model)


@pytest.mark.parametrize(("kind", "metric"), [("pairs", "ndcg@10"), ("scored", "spearman"), ("labeled", "macro_f1")])
def test_fit_from_file_to_proven_model(fits: Fits, acclimate: CommandLine, kind: str, metric: str) -> None:
    result = acclimate(*fits.command(kind))
    scores = fits.scores(kind)
    assert result.status == (0 if scores["gate"]["passed"] else 3), result.err
    assert json.loads(result.out) == scores
    assert scores["primary_metric"] == metric
    assert [name for name in LEFT if not (fits.path(kind) / name).exists()] == []
    assert not (fits.path(kind) / "checkpoints").exists()
    assert not (fits.path(kind) / "cache").exists()
    for part, name in (("test", metric), ("general", "score")):
        before, after, delta = (scores[part][key] for key in ("before", "after", "delta"))
        assert delta[name]["value"] == pytest.approx(after[name] - before[name], abs=1e-9)
        low, high = delta[name]["ci95"]
        assert low - 1e-9 <= delta[name]["value"] <= high + 1e-9
        assert 0 < delta[name]["p"] <= 1
    cost = scores["cost"]
    whole = ["train_seconds", "examples_per_second", "steps", "peak_memory_bytes", "trainable_parameters"]
    assert all(cost[name] > 0 for name in [*whole, "total_parameters", "delta_bytes", "model_bytes"])
    assert scores["gate"]["verdict"] in ("gained", "unproven", "no_gain", "forgotten")


def test_the_figures_are_those_of_the_saved_model(fits: Fits, acclimate: CommandLine) -> None:
    scores = fits.train(acclimate, "pairs")
    tuned = fits.path("pairs") / ("model" if scores["gate"]["passed"] else "rejected")
    document = json.loads(acclimate("evaluate", tuned, fits.place / "test", "--baseline", fits.tiny, "--json").out)
    assert sorted(document) == ["baseline", "delta", "metrics", "schema"]
    for side, found in (("after", "metrics"), ("before", "baseline")):
        assert sorted(set(RETRIEVAL) - set(scores["test"][side])) == []
        for name, value in scores["test"][side].items():
            assert document[found][name] == pytest.approx(value, abs=1e-6), name
    assert document["delta"] == scores["test"]["delta"]
    costs = {"latency_ms_p50", "latency_ms_p95", "documents_per_second", "peak_memory_bytes", "model_bytes"}
    assert costs <= set(document["metrics"])


def test_metrics_has_a_line_a_step(fits: Fits, acclimate: CommandLine) -> None:
    fits.train(acclimate, "pairs")
    records = [json.loads(line) for line in (fits.path("pairs") / "metrics.jsonl").read_text().splitlines()]
    steps = [record for record in records if "loss" in record]
    assert [record["step"] for record in steps] == list(range(fits.scores("pairs")["cost"]["steps"]))
    keys = {"step", "epoch", "progress", "seconds", "loss", "grad_norm", "grad_norm_by_block", "lr", "rows"}
    assert all(set(record) - {"update_ratio_by_block"} == keys for record in steps)
    assert all(("update_ratio_by_block" in record) == (record["step"] % 20 == 0) for record in steps)
    for record in steps:
        named = sum(value for name, value in record["loss"].items() if name != "total")
        assert record["loss"]["total"] == pytest.approx(named, rel=1e-4)
        squares = sum(norm**2 for norm in record["grad_norm_by_block"].values())
        assert record["grad_norm"] == pytest.approx(squares**0.5, rel=1e-3)
    lines = [json.loads(line) for line in (fits.path("pairs") / "data" / "train.jsonl").read_text().splitlines()]
    first_epoch = [row for record in steps if record["epoch"] == 0 for row in record["rows"]]
    assert sorted(first_epoch) == sorted(line["id"] for line in lines)
    evaluated = [record for record in records if "dev" in record]
    assert evaluated[0]["step"] == 0
    assert evaluated[-1]["step"] == len(steps)
    assert all("ndcg@10" in record["dev"] for record in evaluated)


def test_a_bad_row_is_set_aside_with_its_place(fits: Fits, acclimate: CommandLine) -> None:
    fits.train(acclimate, "pairs")
    (row,) = (json.loads(line) for line in (fits.path("pairs") / "data" / "quarantine.jsonl").read_text().splitlines())
    assert (row["line"], "query is empty" in row["reason"]) == (81, True)


def test_the_same_command_on_a_finished_run_does_not_train_again(fits: Fits, acclimate: CommandLine) -> None:
    first = acclimate(*fits.command("pairs"))
    weights = fits.path("pairs") / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns, (fits.path("pairs") / "metrics.jsonl").stat().st_mtime_ns
    again = acclimate(*fits.command("pairs"))
    assert (again.status, again.out) == (first.status, first.out)
    assert "is finished" in again.err
    assert (weights.stat().st_mtime_ns, (fits.path("pairs") / "metrics.jsonl").stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lr", "3e-5"], r"other training.lr; use --restart to begin anew, or give another --out"),
        (["--query-prompt", "query: "], r"other data.query_prompt; use --restart"),
        (["--method", "last_layers"], r"other method; use --restart"),
    ],
)
def test_another_recipe_on_the_same_folder_is_refused(
    fits: Fits, acclimate: CommandLine, options: list[str], said: str
) -> None:
    acclimate(*fits.command("pairs"))
    before = fits.scores("pairs")
    result = acclimate(*fits.command("pairs"), *options)
    assert result.status == 2
    assert said in result.err
    assert result.err.count("\n") == 1
    assert fits.scores("pairs") == before


def test_changed_data_on_the_same_folder_is_refused_until_restart(
    place: Path, tiny_model: Path, acclimate: CommandLine, tmp_path: Path
) -> None:
    general = ["--general", place / "general.jsonl", "--base", tiny_model, *ONE_EPOCH, "--out", tmp_path / "run"]
    command = ["fit", jsonl(tmp_path / "train.jsonl", pairs(60)), *general, "--keep", "anyway", "--quiet"]
    command += ["--method", "full"]
    assert acclimate(*command).status in (0, 3)
    (tmp_path / "run" / "notes.txt").write_text("the user's own")
    jsonl(tmp_path / "train.jsonl", pairs(61))
    refused = acclimate(*command)
    assert refused.status == 2
    assert "other train data; use --restart" in refused.err
    restarted = acclimate(*command, "--restart")
    assert restarted.status in (0, 3), restarted.err
    assert (tmp_path / "run" / "notes.txt").is_file()
    profile = json.loads((tmp_path / "run" / "data" / "profile.json").read_text())
    assert profile["rows"]["total"] == 61


def test_a_mistake_can_be_corrected_on_the_same_folder(
    place: Path, tiny_model: Path, acclimate: CommandLine, tmp_path: Path
) -> None:
    command = ["fit", place / "pairs.jsonl", "--general", place / "general.jsonl", "--base", tiny_model, *ONE_EPOCH]
    command += ["--out", tmp_path / "run", "--method", "last_layers", "--quiet"]
    assert acclimate(*command, "--set", "method.layers=9").status == 2
    assert acclimate(*command, "--set", "method.layers=2").status in (0, 3)


def test_a_model_that_gained_nothing_exits_3_and_leaves_the_base(
    place: Path, tiny_model: Path, acclimate: CommandLine, tmp_path: Path
) -> None:
    command = ["fit", place / "pairs.jsonl", "--general", place / "general.jsonl", "--base", tiny_model, *ONE_EPOCH]
    command += ["--lr", "1e-12", "--method", "full", "--out", tmp_path / "run", "--test", place / "test"]
    result = acclimate(*command)
    assert result.status == 3
    assert "no_gain" in result.out
    base, kept = package.load(tiny_model), package.load(tmp_path / "run")
    np.testing.assert_array_equal(kept.encode(["a dog"]), base.encode(["a dog"]))
    tuned = (tmp_path / "run" / "rejected" / "model.safetensors").read_bytes()
    # The line that says so names --keep anyway: it acts on the finished run, without training again.
    assert "--keep anyway" in result.out
    assert acclimate(*command, "--keep", "anyway").status == 3
    assert (tmp_path / "run" / "model" / "model.safetensors").read_bytes() == tuned
    assert not (tmp_path / "run" / "rejected").exists()


def test_strict_lets_no_unproven_model_pass(
    place: Path, tiny_model: Path, acclimate: CommandLine, tmp_path: Path
) -> None:
    command = ["fit", place / "pairs.jsonl", "--general", place / "general.jsonl", "--base", tiny_model, *ONE_EPOCH]
    command += ["--out", tmp_path / "run", "--method", "full", "--quiet"]
    acclimate(*command)
    file = tmp_path / "run" / "scores.json"
    scores = json.loads(file.read_text())
    file.write_text(json.dumps(scores | {"gate": {"verdict": "unproven", "passed": True, "reasons": ["a reason"]}}))
    assert acclimate(*command).status == 0
    assert acclimate(*command, "--strict").status == 3
    assert json.loads(file.read_text())["gate"]["passed"] is False
    assert acclimate(*command).status == 0


def test_evaluate_of_scored_pairs_and_labels(fits: Fits, acclimate: CommandLine) -> None:
    document = json.loads(acclimate("evaluate", fits.tiny, fits.place / "scored.jsonl", "--json").out)
    assert {"spearman", "pearson"} <= set(document["metrics"])
    test = jsonl(fits.place / "labeled_test.jsonl", labeled(40, seed=5))
    train = fits.place / "labeled.jsonl"
    document = json.loads(acclimate("evaluate", fits.tiny, test, "--train", train, "--json").out)
    assert {"accuracy", "macro_f1"} <= set(document["metrics"])
    table = acclimate("evaluate", fits.tiny, test, "--train", train)
    assert table.status == 0
    assert f"{document['metrics']['macro_f1']:.4f}" in table.out


# -- encode ----------------------------------------------------------------------------------------------------------


PROMPTS = {"query": "search: ", "document": "text: "}


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with saved prompts."""
    return make_tiny_model(tmp_path_factory.mktemp("prompted") / "model", prompts=PROMPTS)


def encoded(result: Result, out: Path) -> np.ndarray:
    assert result.status == 0, result.err
    vectors = np.load(out, allow_pickle=False)
    assert vectors.dtype == np.float32
    return vectors


def test_encode_has_a_row_for_every_line(prompted: Path, acclimate: CommandLine, tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    texts = ["a dog", "", "one\u2028line", "a cat\x0bor\x1ctwo", "water"]
    source.write_text("\r\n".join(texts) + "\r\n", encoding="utf-8", newline="")
    out = tmp_path / "deep" / "v.npy"
    vectors = encoded(acclimate("encode", prompted, source, "--out", out), out)
    np.testing.assert_allclose(vectors, package.load(prompted).encode(texts, "document"), atol=1e-6)
    assert [path.name for path in out.parent.iterdir()] == ["v.npy"]


@pytest.mark.parametrize("role", ["query", "document"])
def test_encode_puts_the_prompt_of_the_role_first(
    prompted: Path, tiny_model: Path, acclimate: CommandLine, tmp_path: Path, role: str
) -> None:
    rows = [{"id": 1, "question": "a dog"}, {"id": 2, "question": 'a cat, "red"'}]
    out = tmp_path / "v.npy"
    texts = [row["question"] for row in rows]
    csv = tmp_path / "t.csv"
    csv.write_text('id,question\n1,a dog\n2,"a cat, ""red"""\n')
    for source in (jsonl(tmp_path / "t.jsonl", rows), csv):
        command = "encode", prompted, source, "--column", "question", "--role", role, "--out", out
        vectors = encoded(acclimate(*command), out)
        plain = package.load(tiny_model).encode([PROMPTS[role] + text for text in texts], None)
        np.testing.assert_allclose(vectors, plain, atol=1e-6)


def test_encode_tells_json_what_it_wrote(tiny_model: Path, acclimate: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a\nb\n")
    result = acclimate("encode", tiny_model, tmp_path / "t.txt", "--out", tmp_path / "v.npy", "--json")
    document = {"schema": 1, "out": str(tmp_path / "v.npy"), "texts": 2, "dimension": 32}
    assert json.loads(result.out) == document


# -- check, verify, doctor -------------------------------------------------------------------------------------------


def test_check_sets_bad_rows_aside_and_fixes(acclimate: CommandLine, tmp_path: Path) -> None:
    rows = [*pairs(20), pairs(1)[0], {"query": "no answer", "positive": ""}]
    data = jsonl(tmp_path / "data.jsonl", rows)
    result = acclimate("check", data, "--fix", "--json")
    assert result.status == 0, result.err
    document = json.loads(result.out)
    assert document["rows"] == {"total": 22, "kept": 21, "rejected": 1} | document["rows"]
    (aside,) = (json.loads(line) for line in (tmp_path / "data.quarantine.jsonl").read_text().splitlines())
    assert aside["line"] == 22
    fixed = [json.loads(line) for line in (tmp_path / "data.fixed.jsonl").read_text().splitlines()]
    assert [row["query"] for row in fixed] == [row["query"] for row in pairs(20)]
    again = json.loads(acclimate("check", tmp_path / "data.fixed.jsonl", "--json").out)
    assert (again["rows"]["total"], again["rows"]["rejected"]) == (20, 0)
    assert not [problem for problem in again["problems"] if problem["kind"] == "duplicate"]
    assert [problem for problem in document["problems"] if problem["kind"] == "duplicate"]
    assert acclimate("check", data).out
    assert acclimate("check", data, "--quiet").out == ""


def test_verify_passes_on_what_fit_saved(fits: Fits, acclimate: CommandLine) -> None:
    fits.train(acclimate, "pairs")
    result = acclimate("verify", fits.path("pairs"), "--json")
    assert result.status == 0, result.err
    document = json.loads(result.out)
    assert document["passed"]
    assert all(comparison["min_cosine"] >= 0.99999 for comparison in document["comparisons"])


def tuned_by(fits: Fits, acclimate: CommandLine) -> Path:
    """The tuned model of a run, wherever the gate has put it."""
    passed = fits.train(acclimate, "pairs")["gate"]["passed"]
    return fits.path("pairs") if passed else fits.path("pairs") / "rejected"


def test_report_is_written_anew_from_the_run_with_texts_and_without(
    fits: Fits, acclimate: CommandLine, tmp_path: Path
) -> None:
    fits.train(acclimate, "pairs")
    of_fit, copy = fits.path("pairs") / "report.html", tmp_path / "deep" / "copy.html"
    document = json.loads(acclimate("report", fits.path("pairs"), "--out", copy, "--json").out)
    assert document == {"schema": 1, "report": str(copy)}
    assert copy.read_bytes() == of_fit.read_bytes()
    queries = [json.loads(line)["query"] for line in (fits.path("pairs") / "data/queries.jsonl").open()]
    assert any(query in copy.read_text() for query in queries)
    assert str(copy) in acclimate("report", fits.path("pairs"), "--no-texts", "--out", copy).out
    assert [query for query in queries if query in copy.read_text()] == []
    result = acclimate("report", tmp_path)
    assert (result.status, result.err.count("\n")) == (4, 1)
    assert "name the folder of a finished run" in result.err


def test_merge_joins_a_tuned_model_and_its_base(fits: Fits, acclimate: CommandLine, tmp_path: Path) -> None:
    tuned, out = tuned_by(fits, acclimate), tmp_path / "merged"
    result = acclimate("merge", tuned, fits.tiny, "--alpha", 0.25, "--out", out, "--json")
    assert json.loads(result.out) == {
        "schema": 1, "models": [str(tuned)], "base": str(fits.tiny), "alphas": [0.25], "out": str(out)
    }  # fmt: skip
    assert f"0.25 {tuned}, the rest {fits.tiny} -> {out}" in result.err
    ends = [package.load(model).encode(["a dog"], "query") for model in (fits.tiny, tuned)]
    between = package.load(out).encode(["a dog"], "query")
    assert not any(np.array_equal(between, end) for end in ends)
    again = acclimate("merge", tuned, fits.tiny, "--alpha", 0, "--out", out)  # a model may be replaced
    assert again.status == 0, again.err
    np.testing.assert_array_equal(package.load(out).encode(["a dog"], "query"), ends[0])


def test_merge_chooses_as_fit_did(fits: Fits, acclimate: CommandLine, tmp_path: Path) -> None:
    tuned = tuned_by(fits, acclimate)
    data = "--target", fits.place / "test", "--general", fits.place / "general.jsonl"
    result = acclimate("merge", tuned, fits.tiny, "--alpha", "auto", "--out", tmp_path / "merged", *data, "--json")
    document = json.loads(result.out)
    curve, base = document["curve"], fits.scores("pairs")["merge"]["base"]
    assert curve["metric"] == "ndcg@10"
    assert curve["base"]["general"] == pytest.approx(base["general"], abs=0.02)  # fit was told fp32
    assert document["alphas"] == [curve["alpha"]]
    told = [line for line in result.err.splitlines() if "taken" in line]
    assert len(told) == 1
    assert f"{curve['alpha']:g}" in told[0]
    assert "the base" in result.err


def test_fit_tells_what_dev_said_of_each_share(fits: Fits, acclimate: CommandLine) -> None:
    merge = fits.train(acclimate, "pairs")["merge"]
    assert merge["metric"] == "ndcg@10"
    assert set(merge["base"]) == {"dev", "general"}
    allowed = [trial for trial in merge["trials"] if trial["general"] >= merge["floor"]] or merge["trials"]
    assert merge["alpha"] in [trial["alpha"] for trial in allowed]
    page = (fits.path("pairs") / "report.html").read_text()
    for trial in merge["trials"]:
        assert f"<td>{trial['dev']:.4f}</td>" in page
    assert "Gain against forgetting" in page


def test_doctor(acclimate: CommandLine) -> None:
    document = json.loads(acclimate("doctor", "--json").out)
    assert document["packages"]["torch"]
    assert Path(document["models"]["all-MiniLM-L6-v2"]).is_dir()
    assert "all-MiniLM-L6-v2" in acclimate("doctor").out


# -- the door --------------------------------------------------------------------------------------------------------

HELP = """
import resource, sys
sys.argv = ["acclimate", *{arguments}]
from acclimate.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = [name for name in ("torch", "transformers", "numpy", "sklearn", "pyarrow", "pandas") if name in sys.modules]
print(used.ru_utime + used.ru_stime, *heavy, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["explore", "--help"], ["--version"], []])
def test_help_is_quick_and_imports_nothing_heavy(arguments: list[str]) -> None:
    best = 9.0
    for _ in range(3):
        command = [sys.executable, "-c", HELP.format(arguments=arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "80"})
        seconds, *heavy = done.stderr.split()
        assert heavy == []
        assert done.stdout
        best = min(best, float(seconds))
    assert best < 0.4


VERBS = ("fit", "evaluate", "check", "verify", "encode", "merge", "report", "explore", "demo", "doctor")
OPTIONS = (
    *("base", "dev", "test", "general", "method", "recipe", "set", "epochs", "lr", "batch-size", "max-length", "seed"),
    *("precision", "device", "columns", "query-prompt", "document-prompt", "out", "keep", "strict", "restart"),
    *("feedback", "json", "quiet", "debug"),
)


def test_help_names_every_verb_and_option(acclimate: CommandLine) -> None:
    told = acclimate("--help").out
    assert [verb for verb in VERBS if f"\n  {verb} " not in told] == []
    told = acclimate("fit", "--help").out
    assert [option for option in OPTIONS if f"--{option}" not in told] == []


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, acclimate; print([n for n in ('torch', 'numpy', 'transformers', 'typer') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_debug_shows_the_traceback(acclimate: CommandLine, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        acclimate("check", tmp_path / "none.jsonl", "--debug")


def test_a_defect_of_ours_is_one_line_and_1(acclimate: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, status, said in (
        (ZeroDivisionError("division\nby zero"), 1, "a defect of Acclimate: ZeroDivisionError: division by zero; run"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command"),
        (OSError(28, "No space left on device", "/x/y"), 5, "/x/y: No space left on device; check"),
        (RuntimeError("CUDA out of memory. Tried"), 5, "out of memory; take a smaller --batch-size"),
        (MemoryError(), 5, "out of memory; take a smaller --batch-size"),
    ):

        def examine(error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(doctor, "examine", examine)
        result = acclimate("doctor")
        assert result.status == status
        assert result.err.startswith(said)
        assert result.err.count("\n") == 1


def test_a_run_that_diverges_ends_with_a_verdict_and_the_base(
    fits: Fits, acclimate: CommandLine, tmp_path: Path
) -> None:
    data, tiny = fits.place / "pairs.jsonl", fits.tiny
    wild = ["--lr", "1e6", "--set", "training.clip_norm=1e9", "--set", "regularizers=[]", "--epochs", 3]
    wild += ["--method", "full"]
    where = ["--base", tiny, "--general", fits.place / "general.jsonl", "--out", tmp_path / "run"]
    result = acclimate("fit", data, *where, *wild, "--batch-size", 16, "--precision", "fp32", "--json")
    assert result.status == 3, result.err
    scores = json.loads(result.out)
    assert scores["gate"]["verdict"] == "diverged"
    model = tmp_path / "run" / "model" / "model.safetensors"
    assert model.read_bytes() == (tiny / "model.safetensors").read_bytes()
    assert "Diverged" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_closed_reader_does_not_end_a_run(fits: Fits, tmp_path: Path) -> None:
    process = start("check", fits.place / "pairs.jsonl")
    assert process.stdout is not None
    process.stdout.close()  # as head does when it has seen enough
    assert process.wait(timeout=120) == 0


def test_texts_that_the_console_cannot_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    monkeypatch.setenv("PYTHONUTF8", "0")
    data = jsonl(tmp_path / "t.jsonl", [{"问题": f"问 {n}", "答案": f"答 {n}"} for n in range(9)])
    for options in ((), ("--json",)):
        result = run("check", data, "--columns", "query=问题,positive=答案", *options)
        assert result.status == 0, result.err
    assert json.loads(result.out)["roles"] == {"问题": "query", "答案": "positive"}


def test_evaluate_tells_what_it_set_aside_and_refuses_an_idle_option(
    fits: Fits, acclimate: CommandLine, tmp_path: Path
) -> None:
    data = jsonl(tmp_path / "t.jsonl", [*pairs(30), {"query": "", "positive": "x"}])
    result = acclimate("evaluate", fits.tiny, data, "--json")
    assert "1 rows of t.jsonl set aside" in result.err
    result = acclimate("evaluate", fits.tiny, data, "--train", data)
    assert result.status == 2
    assert "--train serves labeled test data alone" in result.err
    rows = jsonl(tmp_path / "l.jsonl", labeled(60))
    result = acclimate("evaluate", fits.tiny, rows, "--train", jsonl(tmp_path / "m.jsonl", labeled(160)), "--json")
    assert result.status == 0, result.err
    assert "rows of m.jsonl hold texts of l.jsonl and were left out" in result.err
