"""What `auto` becomes, and why; the article's defaults are in force."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.methods.full import Full
from acclimate.objectives.cosent import CoSentSpec
from acclimate.objectives.infonce import InfoNCESpec
from acclimate.recipe import Recipe, read_recipe, write_recipe
from acclimate.recipe.resolve import Facts, Plan, epochs_for, resolve
from tiny import tiny_encoder

FACTS = Facts(
    rows=2_000,
    kind="pairs",
    main_metric="ndcg@10",
    base_max_length=512,
    base_distance=0.9,
    device="cpu",
    precision="bf16",
    packs=True,
)


def plan(*settings: str, **facts: Any) -> Plan:
    return resolve(read_recipe(None, settings), replace(FACTS, **facts))


def test_nothing_is_left_to_auto() -> None:
    for facts in (
        FACTS,
        replace(FACTS, kind="scored", main_metric="spearman"),
        replace(FACTS, kind="labeled", rows=30),
    ):
        found = resolve(Recipe(), facts)
        dumped = found.recipe.model_dump()
        parts = (dumped, dumped["training"], dumped["method"], *dumped["objectives"])
        assert "auto" not in [value for part in parts for value in part.values()]
        assert {**dumped["evaluation"], "merge": None}["keep_best"] == facts.main_metric
        assert found.recipe.training.device == "cpu"


def test_auto_is_the_method_that_the_facts_name_with_the_reason() -> None:
    residual = METHODS.parse({"kind": "residual", "side": "query"})
    found = plan("serving=fixed_index", method=residual, why="rule fixed_index: the index stays")
    assert found.decided.method == residual
    assert found.reasons[1] == "rule fixed_index: the index stays"
    given = plan("method=bitfit", method=residual, why="rule fixed_index: the index stays")
    assert given.decided.method.kind == "bitfit"
    assert "rule fixed_index: the index stays" not in given.reasons
    assert resolve(found.recipe, FACTS).decided == found.decided  # what was resolved can be run again


def test_how_a_model_is_served_is_no_setting_of_a_method_that_is_given() -> None:
    with pytest.raises(UsageError, match="serving=shared_base says what method auto becomes, and the method is full"):
        plan("serving=shared_base", "method=full")


def test_the_articles_defaults_are_in_force() -> None:
    found = plan()
    assert found.decided.batch_size == 64
    assert found.recipe.training.weight_decay == 0.01
    assert found.decided.method == Full()
    rates = {group.name: group.lr_scale for group in found.decided.method.apply(tiny_encoder())}
    assert rates == {"encoder": 1.0, "encoder.no_decay": 1.0, "embedding_table": 0.1}
    assert found.warnings == ()


def test_a_teacher_has_to_be_there_and_is_named_when_nobody_listens() -> None:
    none = r"objective kl learns from a teacher's scores of negatives, and the rows have none; give columns pos_scores"
    with pytest.raises(UsageError, match=none):
        plan("objective=kl")
    with pytest.raises(UsageError, match=r"and those of data\.mining=bm25 have none; leave it out"):
        plan("objective=kl", "data.mining=bm25", taught=True)
    both = "objectives=[infonce, margin_mse]"
    with pytest.raises(UsageError, match="leave it out, or take kind cross_encoder"):
        plan(both, "data.mining={kind: base, remine_every_epochs: 1}", taught=True)
    with pytest.raises(UsageError, match=r"data\.negatives_a_row=0 takes none of them"):
        plan("objective=kl", "data.negatives_a_row=0", taught=True)
    plan(both, "data.mining=base", taught=True)
    plan("objective=margin_mse", "data.mining={kind: cross_encoder, model: named}")
    assert (
        "the rows have a teacher's scores, which no objective here reads: kl and margin_mse do"
        in plan(taught=True).reasons
    )


@pytest.mark.parametrize("setting", ["training.batch_size=64", "training.batch_size=256"])
def test_batches_within_the_articles_range_are_not_remarked(setting: str) -> None:
    assert plan(setting).warnings == ()


@pytest.mark.parametrize("size", [1, 63, 257])
def test_one_line_for_a_batch_outside_of_the_range(size: int) -> None:
    (line,) = plan(f"training.batch_size={size}").warnings
    assert line == f"batch {size} is outside of 64 to 256"


@pytest.mark.parametrize("decay", ["0.001", "0.005", "0.01"])
def test_decay_within_the_articles_range_is_not_remarked(decay: str) -> None:
    assert plan(f"training.weight_decay={decay}").warnings == ()


@pytest.mark.parametrize("decay", ["0", "0.0009", "0.011", "1"])
def test_one_line_for_decay_outside_of_the_range(decay: str) -> None:
    (line,) = plan(f"training.weight_decay={decay}").warnings
    assert line == f"weight decay {decay} is outside of 0.001 to 0.01"


def test_a_pass_holds_the_whole_batch_unless_asked_for_less() -> None:
    assert plan().recipe.training.micro_batch == 64
    assert plan("training.batch_size=256", "training.micro_batch=32").decided.micro_batch == 32
    assert plan("training.micro_batch=999").recipe.training.micro_batch == 64


def test_few_rows_make_small_batches_and_that_is_said() -> None:
    found = plan(rows=40)
    assert found.decided.batch_size == 40
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("distance", "temperature"), [(1.5, 0.05), (0.91, 0.05), (0.5, 0.028), (0.22, 0.012), (0.05, 0.01)]
)
@pytest.mark.parametrize("kind", ["pairs", "scored"])
def test_a_base_with_near_cosines_gets_a_low_temperature(kind: str, distance: float, temperature: float) -> None:
    (objective,) = plan(kind=kind, base_distance=distance).recipe.model_dump()["objectives"]
    assert objective["temperature"] == temperature


def test_a_given_temperature_is_kept() -> None:
    found = plan("objective.kind=infonce", "objective.temperature=0.3", base_distance=0.2)
    assert found.decided.objectives == (InfoNCESpec(temperature=0.3),)


def test_the_objective_follows_the_data() -> None:
    assert plan(kind="pairs").decided.objectives == (InfoNCESpec(temperature=0.05),)
    assert plan(kind="labeled").decided.objectives == (InfoNCESpec(temperature=0.05),)
    assert plan(kind="scored").decided.objectives == (CoSentSpec(temperature=0.05),)


@pytest.mark.parametrize(
    ("setting", "kind", "words"),
    [
        (
            "objective=infonce",
            "scored",
            "infonce learns from pairs or labeled texts.*scored pairs; take auto, or one of angle",
        ),
        ("objective=cosent", "pairs", "cosent learns from scored pairs.*one of gist, infonce"),
        ("objective=cosent", "labeled", "cosent learns from scored pairs"),
        ("objectives=[infonce, cosent]", "pairs", "cosent learns from scored pairs"),
    ],
)
def test_an_objective_that_cannot_act_on_the_data_is_refused(setting: str, kind: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(setting, kind=kind)


def test_a_plain_run_pulls_towards_the_base_and_an_empty_list_does_not() -> None:
    assert [r.kind for r in plan().decided.regularizers] == ["distill"]
    assert plan("regularizers=[]").decided.regularizers == ()


def test_every_method_has_a_rate_of_its_own_kind() -> None:
    rates = {kind: plan(f"method={kind}").decided.lr for kind in METHODS}
    assert all(0 < rate <= 0.01 for rate in rates.values())
    assert rates["embedding_table"] > rates["last_layers"] >= rates["full"]  # fewer weights take larger steps


def test_items_take_steps_as_large_as_their_numbers_and_a_decay_against_their_growth() -> None:
    items: dict[str, Any] = {"reads": "ids", "table_scale": 0.125, "packs": False, "rows": 100_000}
    found = plan(**items)
    decided = found.decided
    assert (decided.lr, decided.weight_decay, decided.precision) == (0.15, 3.0, "fp32")
    assert decided.objectives == (InfoNCESpec(symmetric=False, temperature=0.1),)
    assert found.warnings == ()
    assert resolve(found.recipe, replace(FACTS, **items)).warnings == ()
    assert plan("method=residual", **items).decided.weight_decay == 0.01  # an adapter is no table
    assert plan("training.weight_decay=0.01", **items).decided.weight_decay == 0.01
    for size in (0.01, 1.0, 30.0):  # what a step takes of a row is a share of it, whatever the size of its numbers
        for setting in ("training.lr=auto", "training.lr=2"):
            decided = plan(setting, **(items | {"table_scale": size})).decided
            assert decided.lr * decided.weight_decay == pytest.approx(0.45, rel=0.05)


def test_a_line_search_reads_all_rows_in_float32_and_takes_full_steps() -> None:
    found = plan("training.optimizer=lbfgs", "method=prompt", rows=150, precision="bf16")
    decided = found.decided
    assert (decided.batch_size, decided.lr, decided.precision, decided.epochs) == (150, 1.0, "fp32", 30)
    assert (
        (decided.weight_decay, decided.warmup_share)
        == (0.0, 0.0)
        == (
            found.recipe.training.weight_decay,
            found.recipe.training.warmup_share,
        )
    )
    assert found.warnings == ()
    again = resolve(found.recipe, replace(FACTS, rows=150))
    assert again.decided == decided
    assert "embeds all 20000 rows" in plan("training.optimizer=lbfgs", rows=20_000).warnings[0]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("weight_decay=0.1", r"training\.weight_decay=0\.1 cannot act with optimizer lbfgs; leave it out, or take"),
        ("warmup_share=0.3", r"training\.warmup_share=0\.3 cannot act with optimizer lbfgs"),
        ("clip_norm=0.5", r"training\.clip_norm=0\.5 cannot act with optimizer lbfgs"),
        ("dropout=true", r"training\.dropout makes a loss that optimizer lbfgs cannot compare"),
        ("precision=fp16", r"optimizer lbfgs compares losses that fp16 cannot tell apart; take training\.precision"),
        ("batch_size=16", r"training\.batch_size=16, but a step of optimizer lbfgs takes all 150 rows; leave it out"),
    ],
)
def test_what_a_line_search_leaves_no_room_for_is_refused(setting: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan("training.optimizer=lbfgs", f"training.{setting}", rows=150)


def test_what_is_given_stays() -> None:
    settings = {
        "training.lr": 3e-5,
        "training.batch_size": 100,
        "training.epochs": 0.5,
        "training.max_length": 33,
        "training.precision": "fp32",
        "evaluation.keep_best": "mrr",
        "method": "embedding_table",
    }
    found = plan(*(f"{key}={value}" for key, value in settings.items()))
    dumped = found.recipe.model_dump()
    for key, value in settings.items():
        section, _, name = key.partition(".")
        assert (dumped[section][name] if name else dumped[section]["kind"]) == value


def test_decided_and_recipe_say_the_same() -> None:
    found = plan("method=last_layers")
    for name in ("lr", "batch_size", "epochs", "max_length", "precision", "device"):
        assert getattr(found.recipe.training, name) == getattr(found.decided, name)
    assert (found.recipe.method, found.recipe.objectives) == (found.decided.method, found.decided.objectives)
    assert found.recipe.evaluation.keep_best == found.decided.keep_best


def test_a_plan_of_a_plan_is_the_plan() -> None:
    found = plan("method=last_layers")
    again = resolve(Recipe.model_validate(found.recipe.model_dump()), FACTS)
    assert write_recipe(again.recipe) == write_recipe(found.recipe)


def test_lengths_are_cut_for_speed_but_never_beyond_the_base() -> None:
    assert plan(base_max_length=512).decided.max_length == 256
    assert plan(base_max_length=128).decided.max_length == 128


def test_the_machine_decides_the_precision() -> None:
    assert plan(precision="fp32").decided.precision == "fp32"
    assert plan(precision="bf16").decided.precision == "bf16"


def test_more_rows_take_fewer_epochs_but_see_no_fewer_examples() -> None:
    rows = [50, 200, 1_000, 2_000, 3_000, 6_000, 20_000, 100_000]
    epochs = [epochs_for(n) for n in rows]
    assert epochs == sorted(epochs, reverse=True)
    assert min(epochs) == epochs[-1] == 1.0
    assert epochs[0] <= 10  # a small set is not drilled without end
    seen = [n * e for n, e in zip(rows, epochs, strict=True)]
    assert all(later >= 0.98 * earlier for earlier, later in pairwise(seen))


def test_a_base_that_cannot_be_packed_is_said_to_be_padded() -> None:
    assert "texts are packed, without padding" in plan().reasons
    assert "texts are padded, in groups of like length" in plan(packs=False).reasons


def test_reasons_name_what_was_decided() -> None:
    text = " | ".join(plan().reasons)
    assert all(word in text for word in ("full", "infonce", "distill", "2000 rows", "batch 64", "bf16"))


def test_the_plan_says_where_negatives_come_from() -> None:
    (line,) = [r for r in plan("data.mining=base", "data.mining.range_max=50").reasons if r.startswith("negatives")]
    assert line == (
        "negatives base: what the base's own vectors hold near; 4 a row from ranks 11 to 50, "
        "at most 95% of the right one's score"
    )
    assert not any(r.startswith("negatives") for r in plan().reasons)


def test_the_plan_says_to_what_a_base_is_adapted() -> None:
    (line,) = [r for r in plan("adaptation=mlm", "adaptation.texts=notes.txt").reasons if r.startswith("adaptation")]
    assert line == (
        "adaptation mlm: hidden tokens are told from those around them; 1000 steps of 16 texts of notes.txt, "
        "learning rate 5e-05"
    )
    assert not any(r.startswith("adaptation") for r in plan().reasons)


def test_the_plan_says_which_words_become_tokens() -> None:
    (line,) = [r for r in plan("vocabulary=extend", "vocabulary.least_rows=7").reasons if r.startswith("vocabulary")]
    assert line == (
        "vocabulary extend: frequent words of many pieces become tokens; at most 1000, of 3 pieces or more, "
        "in 7 rows or more"
    )
    assert not any(r.startswith("vocabulary") for r in plan().reasons)


@pytest.mark.parametrize(
    ("settings", "facts", "told"),
    [
        ((), {"kind": "labeled"}, "data.mining is for pairs, and the rows are labeled; leave it out"),
        (("data.negatives_a_row=0",), {}, "data.mining cannot act with data.negatives_a_row=0"),
        (
            ("data.mining.remine_every_epochs=3", "training.epochs=3"),
            {},
            "remine_every_epochs=3 cannot act in 3 epochs",
        ),
        (("data.mining.remine_every_epochs=1", "training.optimizer=lbfgs"), {}, "with optimizer lbfgs"),
    ],
)
def test_mining_that_cannot_act_is_refused(settings: tuple[str, ...], facts: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan("data.mining=base", *settings, **facts)
