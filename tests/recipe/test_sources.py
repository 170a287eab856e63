"""What is decided of a source from sizes, kinds and the time, and what is said of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acclimate.core.errors import UsageError
from acclimate.data.mixings import MIXINGS, Alternating, Annealed, Proportional
from acclimate.data.weightings import WEIGHTINGS
from acclimate.recipe import read_recipe
from acclimate.recipe.resolve import Facts, Plan, resolve
from acclimate.recipe.sources import SourceFacts

SOURCE = SourceFacts(rows=6_400)
FACTS = Facts(
    rows=1_280,
    kind="pairs",
    main_metric="ndcg@10",
    base_max_length=512,
    base_distance=0.9,
    device="cpu",
    precision="fp32",
    packs=True,
    source=SOURCE,
)


def plan(*settings: str, source: SourceFacts | None = SOURCE, **facts: Any) -> Plan:
    return resolve(read_recipe(None, settings), replace(FACTS, source=source, **facts))


def test_mixing_goes_by_sizes() -> None:
    assert plan().decided.mixing == Alternating()  # 100 batches beside 20
    assert plan(source=replace(SOURCE, rows=1_280)).decided.mixing == Proportional()
    assert plan("data.mixing=proportional").decided.mixing == Proportional()
    assert plan(source=None).decided.mixing is None


def test_what_is_asked_of_annealing_is_written_out() -> None:
    assert plan("data.mixing=annealed").recipe.data.mixing == Annealed(begin=0.8333)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["data.mixing=alternating"], "read 0.6 times on average; 60 steps beside 60 of TRAIN, 50% of the batches"),
        (["data.mixing=proportional"], "read 2.4 times on average; 240 steps beside 60 of TRAIN, 80% of the batches"),
        (["data.mixing={kind: proportional, most: 9}"], "read 3 times on average; 300 steps beside 60 of TRAIN, 83%"),
        (["data.mixing={kind: annealed, begin: 0.5}"], "read 0.23 times on average; 23 steps beside 60 of TRAIN, 28%"),
    ],
)
def test_what_it_costs_is_said(settings: list[str], said: str) -> None:
    reasons = plan(*settings, "training.epochs=3").reasons
    assert [said in reason for reason in reasons].count(True) == 1


def test_a_reason_is_given_where_nobody_decided() -> None:
    told = "\n".join(plan().reasons)
    assert "mixing alternating: a batch of the source, a batch of TRAIN (the source is larger than TRAIN)" in told
    assert "weighting none: every row counts the same" in told
    chosen = "\n".join(plan("data.mixing=alternating", "data.weighting=density_ratio").reasons)
    assert "larger than TRAIN" not in chosen
    assert "weighting density_ratio: how much denser the target is there" in chosen


def test_a_source_without_a_teacher_teaches_no_student() -> None:
    with pytest.raises(UsageError, match=r"objective kl .*, and the rows of data\.source have none; give its file"):
        plan("objective=kl", taught=True)
    plan("objective=kl", taught=True, source=replace(SOURCE, taught=True))
    plan("objectives=[infonce, kl]", taught=True)


def test_every_way_has_a_recipe_that_uses_it() -> None:
    recipes = [read_recipe(path) for path in (Path(__file__).parents[2] / "recipes").glob("*.yaml")]
    mixings = {recipe.data.mixing.kind for recipe in recipes if recipe.data.mixing != "auto"}
    weightings = {r.data.weighting.kind for r in recipes if not isinstance(r.data.weighting, str)}
    assert mixings == set(MIXINGS)
    assert weightings == set(WEIGHTINGS)


def test_every_way_is_on_the_map() -> None:
    text = (Path(__file__).parents[2] / "docs" / "technique-map.md").read_text(encoding="utf-8")
    assert "data/mixings.py" in text
    assert "data/weightings.py" in text
