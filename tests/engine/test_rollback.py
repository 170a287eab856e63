"""Non-finite steps: caught before anything moves, named, and after three in a row the run goes back, slower."""

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from acclimate.core.errors import DivergedError, ResourceError
from acclimate.core.nouns import Step
from acclimate.engine.loop import Progress
from acclimate.objectives import Objective
from training import Rig, make_rig, weights

BLOCKS = ["embedding_table", "embeddings", "block.0", "block.1"]


class Breaking(Objective):
    """An objective whose loss is not a number while a condition on the run holds."""

    def __init__(self, inner: Objective, broken: Callable[[], bool]) -> None:
        super().__init__()
        self.inner, self.broken = inner, broken

    def forward(self, step: Step) -> Tensor:
        loss: Tensor = self.inner(step)
        return loss * math.nan if self.broken() else loss


def break_when(rig: Rig, condition: Callable[[Progress], bool]) -> None:
    objectives = rig.trainer.unit.objectives
    objectives["infonce"] = Breaking(objectives["infonce"], lambda: condition(rig.trainer.progress))


def break_gradient(rig: Rig, block: str, step: int) -> None:
    """Makes the last parameter of a block break, so that its first ones are in order."""
    trainer = rig.trainer
    name = [name for name in trainer.parameters if trainer._block_of[name] == block][-1]
    trainer.parameters[name].register_hook(lambda g: g * math.nan if trainer.progress.step == step else g)


def state_of(rig: Rig) -> dict[str, Tensor]:
    return weights(rig.encoder) | {n: t.clone() for n, t in rig.trainer.optimizer.state_tensors().items()}


def unequal(first: dict[str, Tensor], second: dict[str, Tensor]) -> list[str]:
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])]


def rollbacks(rig: Rig) -> list[tuple[int, dict[str, Any]]]:
    return [(record["step"], record["rollback"]) for record in rig.records if "rollback" in record]


# -- one step --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 5, 6])
@pytest.mark.parametrize("where", [*BLOCKS, "loss"])
def test_nan_is_caught_and_named_before_anything_changes(where: str, step: int, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=8, evaluate_every=100)
    if where == "loss":
        break_when(rig, lambda progress: progress.step == step)
    else:
        break_gradient(rig, where, step)
    rig.stop_at.update({step, step + 1})
    rig.trainer.train()
    before = state_of(rig)
    rig.trainer.train()
    assert unequal(state_of(rig), before) == []
    record = rig.steps[step]
    named = "loss infonce" if where == "loss" else f"gradient of {where}"
    assert record["skipped"] == f"{named} is not finite"
    assert len(record["rows"]) == 6
    assert "update_ratio_by_block" not in record
    json.dumps(rig.records, allow_nan=False)
    rig.trainer.train()
    assert [r["step"] for r in rig.steps if "skipped" in r] == [step]
    assert unequal(state_of(rig), before) != []


def test_the_first_block_in_forward_order_is_named(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=4)
    for block in ("block.1", "block.0"):
        break_gradient(rig, block, 2)
    rig.trainer.train()
    assert rig.steps[2]["skipped"] == "gradient of block.0 is not finite"


# -- three in a row --------------------------------------------------------------------------------------------------


def too_fast(*steps: int, bearable: float = 0.5) -> Callable[[Progress], bool]:
    """Breaks steps as long as the rate is above a share of what was asked for."""
    return lambda progress: progress.step in steps and progress.lr_factor > bearable


def test_the_run_goes_back_to_the_last_good_checkpoint_and_on_at_half_the_rate(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=12, evaluate_every=4)
    plain = make_rig(tmp_path / "plain", steps=12, evaluate_every=4)
    break_when(rig, too_fast(5, 6, 7))
    progress = rig.trainer.train()
    plain.trainer.train()
    assert rollbacks(rig) == [(8, {"to": 4, "lr_factor": 0.5})]
    assert (progress.step, progress.finished, progress.diverged) == (12, True, False)
    assert [record["step"] for record in rig.steps] == [*range(8), *range(4, 12)]  # what was in vain stays visible
    assert ["skipped" in record for record in rig.steps] == [step in (5, 6, 7) for step in range(8)] + [False] * 8
    assert len(rig.records) == progress.records
    assert all(weight.isfinite().all() for weight in weights(rig.encoder).values())
    again = {record["step"]: record for record in rig.steps[8:]}
    for record in plain.steps[4:]:
        assert again[record["step"]]["rows"] == record["rows"]
        for group, rate in record["lr"].items():
            assert again[record["step"]]["lr"][group] == rate / 2
    assert again[4]["loss"] == plain.steps[4]["loss"]  # the weights are those of step 4
    assert again[5]["loss"] != plain.steps[5]["loss"]
    seconds = [record["seconds"] for record in rig.records]
    assert seconds == sorted(seconds)


def test_before_the_first_checkpoint_it_goes_back_to_the_starting_weights(tmp_path: Path) -> None:
    rig, slow = make_rig(tmp_path, steps=8, lr=1e-3), make_rig(tmp_path / "slow", steps=8, lr=5e-4)
    break_when(rig, too_fast(0, 1, 2))
    rig.trainer.train()
    slow.trainer.train()
    assert rollbacks(rig) == [(3, {"to": 0, "lr_factor": 0.5})]
    assert unequal(weights(rig.encoder), weights(slow.encoder)) == []  # as if half the rate had been asked for


def test_groups_that_opened_since_are_closed_again(tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 8, "evaluate_every": 3, "opens_at": {"embedding_table": 0.5}}
    rig, slow = make_rig(tmp_path, lr=1e-3, **options), make_rig(tmp_path / "slow", lr=5e-4, **options)
    break_when(rig, lambda progress: progress.lr_factor == 1 and progress.step in (0, 1, 2, 3, 5))
    rig.trainer.train()
    slow.trainer.train()
    assert unequal(weights(rig.encoder), weights(slow.encoder)) == []


def test_two_rollbacks_that_do_not_help_are_the_end(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=20, evaluate_every=4)
    break_when(rig, lambda progress: progress.step in (5, 6, 7))
    progress = rig.trainer.train()
    assert rollbacks(rig) == [(8, {"to": 4, "lr_factor": 0.5}), (8, {"to": 4, "lr_factor": 0.25})]
    assert (progress.step, progress.finished, progress.diverged, progress.best_step) == (8, True, True, 4)
    assert len(rig.records) == progress.records
    assert all(weight.isfinite().all() for weight in weights(rig.encoder).values())


def test_an_evaluation_amid_skipped_steps_forgives_nothing(tmp_path: Path) -> None:
    """Else the run would go back and meet the same evaluation for ever."""
    rig = make_rig(tmp_path, steps=20, evaluate_every=4)
    break_when(rig, lambda progress: progress.step in (6, 7, 8))
    progress = rig.trainer.train()
    assert [to["to"] for _, to in rollbacks(rig)] == [4, 4]
    assert progress.diverged


def test_an_evaluation_of_good_weights_forgives_rollbacks(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=20, evaluate_every=4)
    first, second = too_fast(1, 2, 3, bearable=0.25), too_fast(9, 10, 11, bearable=0.0625)
    break_when(rig, lambda progress: first(progress) or second(progress))
    progress = rig.trainer.train()
    expected = [(4, 0, 0.5), (4, 0, 0.25), (12, 8, 0.125), (12, 8, 0.0625)]
    assert [(at, to["to"], to["lr_factor"]) for at, to in rollbacks(rig)] == expected
    assert (progress.step, progress.diverged, progress.rollbacks) == (20, False, 0)


def test_vectors_that_are_not_finite_on_dev_are_a_reason_too(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=12, evaluate_every=4)
    inner = rig.trainer.callbacks.evaluate

    def evaluate() -> dict[str, float]:
        if rig.trainer.progress.step == 8 and rig.trainer.progress.lr_factor == 1:
            raise DivergedError("vectors hold NaN", "take a smaller --lr")
        return inner()

    object.__setattr__(rig.trainer.callbacks, "evaluate", evaluate)
    progress = rig.trainer.train()
    assert rollbacks(rig) == [(8, {"to": 4, "lr_factor": 0.5})]
    assert (progress.step, progress.diverged) == (12, False)


def test_a_base_that_is_not_finite_has_diverged_at_once(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=12)

    def evaluate() -> dict[str, float]:
        raise DivergedError("vectors hold NaN", "take a smaller --lr")

    object.__setattr__(rig.trainer.callbacks, "evaluate", evaluate)
    progress = rig.trainer.train()
    assert (progress.step, progress.diverged, rig.records) == (0, True, [])


def test_weights_that_are_not_finite_are_never_gone_back_to(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=12, evaluate_every=3, scores=[0.0] * 20)

    def harm(gradient: Tensor) -> Tensor:
        progress = rig.trainer.progress
        if progress.step == 5 and progress.lr_factor == 1:
            with torch.no_grad():
                rig.encoder.token_embedding().weight.fill_(math.inf)  # as a rate far too high does
        return gradient

    rig.encoder.token_embedding().weight.register_hook(harm)
    progress = rig.trainer.train()
    assert rollbacks(rig) == [(9, {"to": 3, "lr_factor": 0.5})]  # and not to step 6, which was scored and saved
    assert not progress.diverged
    assert all(weight.isfinite().all() for weight in weights(rig.encoder).values())


def test_what_the_good_checkpoint_needs_is_kept(tmp_path: Path) -> None:
    """The best weights were of step 2; then of step 6, amid skipped steps, which was given up."""
    rig = make_rig(tmp_path, steps=8, evaluate_every=2, scores=[0, 5, 1, 9, 1, 1, 1, 1])
    break_when(rig, too_fast(5, 6, 7))
    rig.stop_at.update({5, 6, 7})
    while not (progress := rig.trainer.train()).finished:
        assert progress.step in (5, 6, 7)
    assert rollbacks(rig) == [(8, {"to": 4, "lr_factor": 0.5})]
    assert progress.best_step == 2


def test_a_good_checkpoint_that_was_damaged_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=8, evaluate_every=4)
    break_when(rig, too_fast(5, 6, 7))
    rig.stop_at.add(5)
    rig.trainer.train()
    (tmp_path / "checkpoints" / "00000004" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ResourceError, match=r"last good step 4 was damaged.*--restart"):
        rig.trainer.train()


# -- stopped, killed -------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As kill -9 does: nothing is saved, nothing is caught."""


def troubled(folder: Path, records: list[dict[str, Any]]) -> Rig:
    """Goes back from step 3 to 0 and from step 8 to 6, and ends at half of the half of the rate."""
    rig = make_rig(folder, steps=12, evaluate_every=3, dropout=True, records=records)
    first, second = too_fast(0, 1, 2), too_fast(6, 7, 8, bearable=0.25)
    break_when(rig, lambda progress: first(progress) or second(progress))
    return rig


def outcome(rig: Rig) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    records = [{key: value for key, value in record.items() if key != "seconds"} for record in rig.records]
    return weights(rig.encoder), records


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    rig = troubled(tmp_path_factory.mktemp("whole"), [])
    rig.trainer.train()
    assert [(at, to["to"], to["lr_factor"]) for at, to in rollbacks(rig)] == [(3, 0, 0.5), (9, 6, 0.25)]
    return outcome(rig)


def assert_as_whole(rig: Rig, whole: tuple[dict[str, Tensor], list[dict[str, Any]]]) -> None:
    final, records = outcome(rig)
    assert unequal(final, whole[0]) == []
    assert records == whole[1]


@pytest.mark.parametrize("record", range(1, 26))
def test_killed_at_any_record(record: int, tmp_path: Path, whole: Any) -> None:
    class Log(list[dict[str, Any]]):
        def append(self, item: dict[str, Any]) -> None:
            super().append(item)
            if len(self) == record:
                raise Killed

    log = Log()
    assert len(whole[1]) == 25
    with pytest.raises(Killed):
        troubled(tmp_path, log).trainer.train()
    rig = troubled(tmp_path, copy.deepcopy(list(log)))
    rig.restore()
    rig.trainer.train()
    assert_as_whole(rig, whole)


def test_stopped_after_every_step(tmp_path: Path, whole: Any) -> None:
    """Skipped steps fill the newest checkpoints; the one to go back to is still the one of an undisturbed run."""
    rig = troubled(tmp_path, [])
    for _ in range(40):
        rig.stop_at.update(range(13))
        if rig.trainer.train().finished:
            break
        rig = troubled(tmp_path, copy.deepcopy(rig.records))
        rig.restore()
    assert_as_whole(rig, whole)


def test_going_back_before_a_stage_takes_up_the_teacher_of_that_time(tmp_path: Path) -> None:
    """The stage of step 6 begins twice: from weights that were given up, and from those that are trained on."""
    penalty = {"kind": "distill", "stages": 2, "weight": 5.0}
    rigs = [make_rig(tmp_path / n, steps=12, evaluate_every=4, lr=3e-3, regularizers=[penalty]) for n in "ab"]
    rig, plain = rigs
    break_when(rig, too_fast(5, 6, 7))
    for one in rigs:
        one.trainer.train()
    assert rollbacks(rig) == [(8, {"to": 4, "lr_factor": 0.5})]
    assert [record["step"] for record in rig.steps if "new_teacher" in record] == [6, 6]
    again = {record["step"]: record["loss"]["distill"] for record in rig.steps[8:]}
    assert again[4] == plain.steps[4]["loss"]["distill"] > 1e-3  # the base is the teacher again
    assert again[6] == pytest.approx(0.0, abs=5e-6)
    assert again[7] > 1e-4
