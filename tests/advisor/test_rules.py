"""What decides a method: each rule where its facts hold, in the order of the table."""

import json
from dataclasses import replace
from typing import Any

import pytest

from acclimate.advisor import RULES, Advice, Situation, advise
from acclimate.advisor.rules import ENOUGH_PAIRS, MANY_PAIRS
from acclimate.methods import METHODS, Method

USUAL = Situation(rows=4_655)


@pytest.mark.parametrize(
    ("rule", "method", "changed"),
    [
        ("otherwise", "full", {}),
        ("otherwise", "full", {"rows": 50}),
        ("otherwise", "full", {"rows": MANY_PAIRS - 1}),
        ("many", "full", {"rows": MANY_PAIRS}),
        ("scored_or_labeled", "full", {"kind": "scored", "rows": 50}),
        ("scored_or_labeled", "full", {"kind": "labeled", "rows": 50}),
        ("table", "full", {"is_table": True, "rows": 50}),
        ("line_search", "prompt", {"line_search": True, "rows": 48}),
        ("line_search", "prompt", {"line_search": True, "kind": "labeled"}),
        ("own_weights", "full", {"needs_own_weights": "new words are rows", "rows": 50}),
        ("shared_base", "adapter", {"serving": "shared_base", "rows": MANY_PAIRS}),
        ("fixed_index", "residual", {"serving": "fixed_index", "rows": MANY_PAIRS}),
        ("short", "residual", {"limit_seconds": 8, "epoch_seconds": 100}),
        ("otherwise", "full", {"rows": 1_500, "limit_seconds": 100, "epoch_seconds": 100}),
    ],
)
def test_a_rule_holds_on_the_facts_that_it_names(rule: str, method: str, changed: dict[str, Any]) -> None:
    advice = advise(replace(USUAL, **changed))
    assert (advice.rule, advice.method.kind) == (rule, method)


def test_queries_alone_change_where_the_index_stays() -> None:
    assert advise(replace(USUAL, serving="fixed_index")).method.model_dump()["side"] == "query"


def test_a_part_of_an_epoch_is_enough_where_it_sees_many_pairs() -> None:
    tenth = {"limit_seconds": 60, "epoch_seconds": 600}
    assert advise(Situation(rows=10 * ENOUGH_PAIRS, **tenth)).method.kind == "full"
    assert advise(Situation(rows=10 * ENOUGH_PAIRS - 20, **tenth)).method.kind == "residual"


def test_the_first_that_holds_decides_and_those_before_it_say_why_not() -> None:
    situations = [
        USUAL,
        replace(USUAL, rows=180),
        replace(USUAL, rows=180, kind="scored", serving="shared_base"),
        replace(USUAL, rows=180, limit_seconds=1, epoch_seconds=100),
        replace(USUAL, is_table=True, line_search=True),
    ]
    for situation in situations:
        advice = advise(situation)
        holding = [rule.name for rule in RULES if rule.holds(situation)]
        names = [rule.name for rule in RULES]
        assert advice.rule == holding[0]
        assert [rule for rule, _ in advice.passed_over] == names[: names.index(advice.rule)]
        assert all(why for _, why in advice.passed_over)


def test_the_next_rule_is_asked_where_the_base_has_nothing_that_a_method_could_change() -> None:
    def refusal(method: Method) -> str:
        return "" if method.kind == "full" else f"{method.kind} finds no layers"

    short = advise(replace(USUAL, limit_seconds=1, epoch_seconds=100), refusal)
    assert (short.rule, short.method.kind) == ("otherwise", "full")
    assert dict(short.passed_over)["short"] == "residual finds no layers"
    # What the user has asked for is no matter of taste: the method says why it cannot act.
    assert advise(replace(USUAL, serving="shared_base"), refusal).method.kind == "adapter"
    assert advise(USUAL, lambda method: "nothing acts").method.kind == "full"


def test_reasons_have_their_numbers() -> None:
    usual = advise(USUAL)
    assert "4,655 pairs: " in usual.reason
    assert dict(usual.passed_over)["many"] == "4,655 pairs, fewer than 100,000"
    short = advise(replace(USUAL, limit_seconds=6, epoch_seconds=120))
    assert "6 s leave room for 0.05 epochs of full tuning, which sees 233 of 4,655 pairs" in short.reason
    assert dict(usual.passed_over)["short"] == "no time limit"


def test_something_always_decides_on_evidence_that_is_named() -> None:
    assert RULES[-1].holds(replace(USUAL, rows=1))
    for rule in RULES:
        assert rule.evidence
        assert isinstance(rule.takes(USUAL), tuple(METHODS[kind] for kind in METHODS))


@pytest.mark.parametrize("peft", [True, False])
def test_a_pilot_has_others_than_what_is_advised_and_none_that_is_not_there(peft: bool) -> None:
    for rule in RULES:
        situation = replace(USUAL, peft=peft)
        beside = rule.beside(situation)
        assert rule.takes(situation) not in beside
        assert peft or "lora" not in [method.kind for method in beside]
        assert len({*map(repr, beside)}) == len(beside)


def test_advice_is_the_same_after_it_was_written_and_read() -> None:
    for changed in ({}, {"serving": "fixed_index"}, {"rows": 50}, {"limit_seconds": 5, "epoch_seconds": 100}):
        advice = advise(replace(USUAL, **changed))
        document = advice.as_dict()
        assert json.loads(json.dumps(document)) == document
        assert Advice.from_dict(document) == advice
