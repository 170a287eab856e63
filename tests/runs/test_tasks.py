"""Several tasks, one encoder: whose rows a step has, what each task is scored on, and the heads that are saved."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import DataError, InterruptedRunError, UsageError
from acclimate.core.files import read_jsonl
from acclimate.runs.stopping import Stop
from small import CommandLine, jsonl, labeled, pairs, scored
from tiny import make_tiny_model

HEAD = "objectives=[infonce, {kind: softmax, task: topics}]"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tasks")
    rows = labeled(200, labels=2)
    return {
        "base": make_tiny_model(folder / "base"),
        "train": jsonl(folder / "train.jsonl", pairs(60)),
        "test": jsonl(folder / "test.jsonl", pairs(30, seed=7)),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
        "topics": jsonl(folder / "topics.jsonl", rows[:96]),
        "topics_test": jsonl(folder / "topics_test.jsonl", rows[96:160]),
        "topics_dev": jsonl(folder / "topics_dev.jsonl", rows[160:]),
        "alike": jsonl(folder / "alike.jsonl", scored(40, seed=3)),
    }


def topics(files: dict[str, Path]) -> list[str]:
    return [
        f"data.tasks.topics={files['topics']}",
        f"data.tasks.topics.test={files['topics_test']}",
        f"data.tasks.topics.dev={files['topics_dev']}",
    ]


def tuned(files: dict[str, Path], out: Path, *settings: str, **options: Any) -> acclimate.Run:
    given = {"base": files["base"], "test": files["test"], "general": files["general"], "keep": "anyway", **options}
    given = {"batch_size": 12, "epochs": 3, "method": "full", **given}
    return acclimate.fit(
        files["train"], settings=("evaluation.merge=1", "evaluation.patience=99", *settings), out=out, **given
    )


def steps_of(run: acclimate.Run) -> list[dict[str, Any]]:
    return [record for record in read_jsonl(run.path / "metrics.jsonl") if "loss" in record]


def of_topics(record: dict[str, Any]) -> set[bool]:
    return {name.startswith("topics:") for name in record["rows"]}


def test_batches_are_of_one_task_and_come_by_temperature(files: dict[str, Path], tmp_path: Path) -> None:
    for temperature in (1.0, 2.0):
        given = () if temperature == 2 else (f"data.task_temperature={temperature}",)
        run = tuned(files, tmp_path / str(temperature), *topics(files), HEAD, *given)
        steps = steps_of(run)
        rows = len(list(read_jsonl(run.path / "data/tasks/topics/train.jsonl")))
        assert all(len(of_topics(record)) == 1 for record in steps)
        of_each = Counter(of_topics(record).pop() for record in steps)
        assert of_each[False] == 15  # three epochs of the 60 rows of TRAIN
        assert of_each[True] == 3 * round(5 * (rows / 60) ** (1 / temperature))
        for record in steps:  # a step has the terms of its own task
            own = "topics_softmax" if of_topics(record) == {True} else "infonce"
            assert {"total", own, "distill"} == set(record["loss"])
        seen = Counter(name for record in steps if of_topics(record) == {True} for name in record["rows"])
        assert len(seen) == rows
        assert max(seen.values()) - min(seen.values()) <= 1  # they go round


def test_all_tasks_in_a_step_have_their_terms_in_it(files: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", *topics(files), HEAD, "data.tasks_a_step=all", "gradients=pcgrad")
    steps = steps_of(run)
    assert len(steps) == 15
    assert all(of_topics(record) == {True, False} for record in steps)
    assert all(set(record["loss"]) == {"total", "infonce", "topics_softmax", "distill"} for record in steps)


def test_the_loss_of_tasks_in_one_step_is_the_sum_of_theirs_alone(files: dict[str, Path], tmp_path: Path) -> None:
    """At the first step all weights are the base's: the terms are those of the same batches alone."""
    plain = ("regularizers=[]", "objectives=[infonce, {kind: infonce, task: topics, weight: 0.5}]")
    both = steps_of(tuned(files, tmp_path / "all", *topics(files), *plain, "data.tasks_a_step=all"))[0]
    apart = steps_of(tuned(files, tmp_path / "one", *topics(files), *plain))
    alone = steps_of(tuned(files, tmp_path / "alone", "regularizers=[]"))[0]
    assert both["rows"][: len(alone["rows"])] == alone["rows"]  # TRAIN's batches are as without other tasks
    assert both["loss"]["infonce"] == pytest.approx(alone["loss"]["infonce"], abs=1e-5)
    assert both["loss"]["total"] == pytest.approx(both["loss"]["infonce"] + both["loss"]["topics_infonce"], abs=1e-5)
    first = apart[0]
    if of_topics(first) == {True}:
        assert first["rows"] == both["rows"][len(alone["rows"]) :]
        assert first["loss"]["topics_infonce"] == pytest.approx(both["loss"]["topics_infonce"], abs=1e-5)


def test_each_task_is_scored_reported_and_judged(files: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", *topics(files), f"data.tasks.alike={files['alike']}", epochs=6, lr=1e-2)
    scores = run.scores
    assert {name: task["primary_metric"] for name, task in scores["tasks"].items()} == {
        "topics": "macro_f1",
        "alike": "spearman",
    }
    for name, metric in (("topics", "macro_f1"), ("alike", "spearman")):
        part = scores["tasks"][name]
        assert part["delta"][metric]["value"] == pytest.approx(part["after"][metric] - part["before"][metric])
        assert any(f"task {name}" in reason for reason in scores["gate"]["reasons"])
    dev = [record["dev"] for record in read_jsonl(run.path / "metrics.jsonl") if "dev" in record]
    for found in dev:
        mains = [found[name] for name in ("ndcg@10", "topics/macro_f1", "alike/spearman")]
        assert found["mean"] == pytest.approx(np.mean(mains))
    assert "keep_best: mean" in (run.path / "resolved.yaml").read_text()
    report = (run.path / "report.html").read_text()
    assert "Task topics" in report
    assert "Task alike" in report
    assert "topics: macro_f1" in (run.path / "model/README.md").read_text()
    assert (run.path / "data/tasks/alike/profile.json").is_file()


def test_the_head_of_a_task_is_saved_under_its_name_and_used(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = (*topics(files), HEAD, "evaluation.keep_best=topics/macro_f1", "regularizers=[]")
    run = tuned(files, tmp_path / "run", *settings, epochs=50, lr=1e-2, method="embedding_table")
    rows = list(read_jsonl(files["topics_test"]))
    told = acclimate.load(run.path).predict([row["text"] for row in rows], head="topics")
    accuracy = np.mean([one == row["label"] for one, row in zip(told, rows, strict=True)])
    assert accuracy == pytest.approx(run.scores["heads"]["topics"]["accuracy"])
    assert accuracy > 0.8
    text = jsonl(tmp_path / "in.jsonl", rows)
    command = CommandLine(monkeypatch, capsys)
    result = command("predict", run.path, text, "--column", "text", "--out", tmp_path / "out.jsonl", "--json")
    assert result.status == 0
    assert json.loads(result.out)["texts"] == len(rows)
    assert [row["label"] for row in read_jsonl(tmp_path / "out.jsonl")] == told


def test_a_resumed_run_ends_with_the_same_weights(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*topics(files), HEAD)
    whole = tuned(files, tmp_path / "whole", *settings)
    asked = iter(range(100))
    monkeypatch.setattr(Stop, "reason", lambda self: "asked" if next(asked) == 7 else None)
    with pytest.raises(InterruptedRunError):
        tuned(files, tmp_path / "again", *settings)
    monkeypatch.setattr(Stop, "reason", lambda self: None)
    again = tuned(files, tmp_path / "again", *settings)
    assert [r["loss"] for r in steps_of(again)] == [r["loss"] for r in steps_of(whole)]
    for name in ("model.safetensors", "heads/topics/model.safetensors"):
        assert (again.path / "model" / name).read_bytes() == (whole.path / "model" / name).read_bytes()


def test_no_task_trains_on_what_another_is_tested_on(files: dict[str, Path], tmp_path: Path) -> None:
    known = next(iter(read_jsonl(files["test"])))["positive"]
    rows = [*read_jsonl(files["topics"]), {"text": known, "label": "class 0"}]
    leaky = jsonl(tmp_path / "leaky.jsonl", rows)
    tested = [*read_jsonl(files["topics_test"]), {"text": pairs(60)[0]["positive"], "label": "class 1"}]
    test = jsonl(tmp_path / "test.jsonl", tested)
    given = [f"data.tasks.topics={leaky}", f"data.tasks.topics.test={test}"]
    run = tuned(files, tmp_path / "run", *given, epochs=1)
    trained = [row["id"] for row in read_jsonl(run.path / "data/tasks/topics/train.jsonl")]
    assert "leaky:97" not in trained
    left = [row["id"] for row in read_jsonl(run.path / "data/train.jsonl")]
    assert "train:1" not in left


def test_one_task_that_got_worse_is_no_gain() -> None:
    from acclimate.evaluation import judge

    up, open_, down = ({"value": v, "ci95": [v - 0.05, v + 0.05], "p": 0.1} for v in (0.1, 0.01, -0.1))
    assert judge(up, None).verdict == "gained"
    assert judge(up, None, delta_tasks={"a": up}).verdict == "gained"
    assert judge(up, None, delta_tasks={"a": open_}).verdict == "unproven"
    found = judge(up, None, delta_tasks={"a": open_, "b": down})
    assert (found.verdict, found.passed) == ("no_gain", False)
    assert any("task b changed by -0.1000" in reason and "not better" in reason for reason in found.reasons)


def test_other_data_of_a_task_is_another_run(files: dict[str, Path], tmp_path: Path) -> None:
    tuned(files, tmp_path / "run", *topics(files), epochs=1)
    with pytest.raises(UsageError, match="tasks data"):
        tuned(files, tmp_path / "run", f"data.tasks.topics={files['topics_dev']}", epochs=1)


def test_a_rule_weighs_the_tasks_of_a_step(files: dict[str, Path], tmp_path: Path) -> None:
    settings = (*topics(files), HEAD, "data.tasks_a_step=all", "gradients=gradnorm")
    run = tuned(files, tmp_path / "run", *settings)
    told = [record["weights"] for record in steps_of(run)]
    assert all(set(weights) == {"infonce", "topics_softmax"} for weights in told)
    assert all(sum(weights.values()) == pytest.approx(2) for weights in told)
    assert told[0]["infonce"] == 1 != told[-1]["infonce"]
    assert "Weights of the losses" in (run.path / "report.html").read_text(encoding="utf-8")


def test_tasks_learn_their_weights_each_in_its_own_steps(files: dict[str, Path], tmp_path: Path) -> None:
    head = "objectives=[{kind: infonce, weight: uncertainty}, {kind: softmax, task: topics, weight: uncertainty}]"
    run = tuned(files, tmp_path / "run", *topics(files), head)
    told = [(of_topics(record), record["weights"]) for record in steps_of(run)]
    assert {(*of, *weights) for of, weights in told} == {(False, "infonce"), (True, "topics_softmax")}
    for name in ("infonce", "topics_softmax"):
        of_task = [weights[name] for _, weights in told if name in weights]
        assert of_task[0] == 1
        assert len(set(of_task[1:])) == len(of_task) - 1
    assert run.model.predict(["a text"], head="topics")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["objectives=[infonce, {kind: softmax, task: topic}]"], "of task 'topic', not in data.tasks; did you mean"),
        (["objective=infonce"], "no objective learns from the rows of task topics; add one to objectives"),
        (["objectives=[{kind: softmax, task: topics}]"], "no objective learns from the rows of TRAIN"),
        (["objectives=[infonce, {kind: cosent, task: topics}]"], "objective cosent learns from scored pairs"),
        (["data.tasks_a_step=all", "data.task_temperature=3"], "data.task_temperature cannot act with"),
        (["gradients=pcgrad", "regularizers=[]"], "gradients pcgrad needs two loss terms; take data.tasks_a_step=all"),
        (["gradients=gradnorm"], "needs two objectives to weigh; take data.tasks_a_step=all, or name another"),
        (["training.optimizer=lbfgs"], "data.tasks cannot act with optimizer lbfgs"),
        (["evaluation.keep_best=topics/f1"], "evaluation.keep_best='topics/f1' can't choose here; take ndcg@10"),
    ],
)
def test_what_cannot_act_is_one_line(files: dict[str, Path], tmp_path: Path, settings: list[str], message: str) -> None:
    with pytest.raises(UsageError) as found:
        tuned(files, tmp_path / "run", *topics(files), *settings)
    assert message in str(found.value)
    assert not (tmp_path / "run/model").exists()


def test_mistakes_in_the_data_name_the_file(files: dict[str, Path], tmp_path: Path) -> None:
    texts = jsonl(tmp_path / "texts.jsonl", [{"text": f"text {n}"} for n in range(20)])
    with pytest.raises(DataError, match=r"texts\.jsonl: texts alone teach task a nothing"):
        tuned(files, tmp_path / "a", f"data.tasks.a={texts}")
    with pytest.raises(UsageError, match=r"data\.tasks\.a b.*letters, digits"):
        tuned(files, tmp_path / "b", f"data.tasks.a b={texts}")
    with pytest.raises(
        UsageError, match=r"data\.tasks\.a\.tset.*known here are columns, dev, test, train|did you mean"
    ):
        tuned(files, tmp_path / "c", f"data.tasks.a.tset={texts}", f"data.tasks.a.train={texts}")
    with pytest.raises(UsageError, match=r"data\.tasks_a_step=all cannot act without data\.tasks"):
        tuned(files, tmp_path / "d", "data.tasks_a_step=all")
