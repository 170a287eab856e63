"""Why nothing was gained: what the facts say, the most probable cause first."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from acclimate.data.bm25 import Bm25
from acclimate.evaluation import Outcome, RetrievalTask
from acclimate.evaluation.efficiency import latencies
from acclimate.evaluation.retrieval import metrics_from_scores
from acclimate.runs.causes import CauseFacts, likely_causes
from acclimate.runs.scores import OF_WORDS, by_words, told_apart

PLAIN = CauseFacts(
    rows=5000, tested=500, lr=2e-4, default_lr=2e-4, best_step=40, file="faq.csv", base="tiny", max_length=256
)


def scores(verdict: str = "no_gain", before: float = 0.6, change: float = -0.01) -> dict[str, Any]:
    delta = {"value": change, "ci95": [change - 0.03, change + 0.03], "p": 0.5}
    test = {"before": {"ndcg@10": before}, "after": {"ndcg@10": before + change}, "delta": {"ndcg@10": delta}}
    return {"primary_metric": "ndcg@10", "test": test, "gate": {"verdict": verdict}}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"lr": 1e-6}, "the learning rate 1e-06 is far below the usual 0.0002; leave --lr out"),
        ({"lr": 0.1}, "the learning rate 0.1 is far above"),
        ({"rows": 30}, "few rows: 30 train"),
        ({"truncated": {"positive": 0.38}}, "38% of the texts of positive are longer than 256 tokens"),
        ({"problems": {"duplicate": 3000}}, "60% of the rows repeat another row; acclimate check faq.csv --fix"),
        ({"problems": {"weak_pair": 700}, "looked_at": 2000}, "35% of the rows are perhaps wrong pairs"),
        ({"problems": {"label_suspect": 300}, "looked_at": 2000}, "15% of the rows have perhaps a wrong label"),
        ({"best_step": 0}, "dev was best before the first step"),
        ({"notes": ("98% of the letters are not Latin; x",)}, "98% of the letters are not Latin: x; take --base"),
    ],
)
def test_what_the_facts_show_is_named_with_what_to_do(facts: dict[str, Any], said: str) -> None:
    (cause,) = likely_causes(scores(), replace(PLAIN, **facts))
    assert cause.startswith(said)
    assert "; " in cause


def test_a_base_that_finds_nearly_all_comes_before_what_else_is_seen() -> None:
    causes = likely_causes(scores(before=0.97), replace(PLAIN, tested=40, rows=120))
    assert [cause.split(":")[0].split(" of ")[0] for cause in causes] == [
        "the base reaches ndcg@10 0.9700",
        "few rows",
        "the test is small",
    ]


def test_a_small_test_is_the_first_cause_of_what_is_better_and_unproven() -> None:
    causes = likely_causes(scores("unproven", change=0.02), replace(PLAIN, tested=40, rows=120))
    assert causes[0].startswith("the test is small: 40 items leave the change open by 0.0300 either way")


def test_more_of_a_fault_is_more_probable() -> None:
    facts = replace(PLAIN, truncated={"positive": 0.6}, problems={"contradiction": 1500})
    assert [cause[:3] for cause in likely_causes(scores(), facts)] == ["60%", "30%"]
    facts = replace(PLAIN, truncated={"positive": 0.2}, problems={"contradiction": 3000})
    assert [cause[:3] for cause in likely_causes(scores(), facts)] == ["60%", "20%"]


def test_at_most_three_and_never_none() -> None:
    bad = replace(PLAIN, lr=1e-7, rows=20, tested=5, truncated={"query": 0.5}, problems={"duplicate": 19})
    assert len(likely_causes(scores(), bad)) == 3
    (nothing,) = likely_causes(scores(), PLAIN)
    assert (
        nothing
        == "no cause shows in the data; try other methods: acclimate compare faq.csv --methods full,lora,adapter"
    )


def test_forgetting_and_divergence_have_causes_of_their_own() -> None:
    assert likely_causes(scores("diverged"), replace(PLAIN, lr=1.0)) == [
        "the learning rate 1 is too high for these weights; take --lr 0.0002"
    ]
    first, second, _ = likely_causes(scores("forgotten"), replace(PLAIN, lr=1e-3, regularized=False))
    assert "above the usual 0.0002" in first
    assert "nothing holds the vectors of general texts" in second


def _task(count: int) -> RetrievalTask:
    words = np.random.default_rng(3).choice([f"w{n}" for n in range(30)], (count, 6))
    documents = [" ".join(row) for row in words]
    queries = [" ".join(row[:2]) for row in words[:20]]
    ids = [f"d{n}" for n in range(count)]
    return RetrievalTask("t", [f"q{n}" for n in range(20)], queries, ids, documents, [{n: 1} for n in range(20)])


def test_bm25_figures_are_those_of_its_whole_ranking() -> None:
    task = _task(90)
    dense = Bm25(task.documents).scores(task.queries).toarray()
    run = {
        name: {task.document_ids[d]: float(s) for d, s in enumerate(row) if s > 0}
        for name, row in zip(task.query_ids, dense, strict=True)
    }
    qrels = {f"q{n}": {task.document_ids[d]: 1 for d in right} for n, right in enumerate(task.relevant)}
    whole, found = metrics_from_scores(run, qrels), by_words(task)
    assert found is not None
    assert 0.3 < found.metrics["ndcg@10"] < 1
    for name in OF_WORDS:
        assert found.metrics[name] == pytest.approx(whole.metrics[name], abs=1e-9), name
        np.testing.assert_allclose(found.per_query[name], whole.per_query[name], atol=1e-9)


def test_queries_are_counted_once_each() -> None:
    def outcome(ndcg: list[float]) -> Outcome:
        items = {"ndcg@10": np.array(ndcg), "mrr@10": (np.array(ndcg) > 0).astype(float)}
        return Outcome("t", "retrieval", "ndcg@10", {}, items)

    found = told_apart(outcome([0.5, 0.0, 1.0, 0.6, 0.4]), outcome([0.7, 0.0, 0.5, 0.0, 0.4]))
    assert found == {"better": 1, "same": 2, "worse": 2, "lost": 1}
    assert told_apart(Outcome("t", "similarity", "spearman", {}, {}), outcome([])) is None


def test_latencies_are_medians_of_each_encoder() -> None:
    now = [0.0]

    def takes(seconds: list[float]):  # type: ignore[no-untyped-def]
        left = [*seconds]

        def encode(texts: Any, role: str) -> Any:
            now[0] += left.pop(0)
            return np.zeros((len(texts), 2), np.float32)

        return encode

    quick, slow = [9.0] * 3 + [1.0, 2.0, 9.0], [9.0] * 3 + [4.0, 3.0, 5.0]
    assert latencies([takes(quick), takes(slow)], ["a", "b", "c"], clock=lambda: now[0]) == [2000.0, 4000.0]
