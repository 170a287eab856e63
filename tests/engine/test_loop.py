"""The loop: what opens when, what a step that is not finite leaves behind, which weights are kept."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from acclimate.core.errors import ResourceError, UsageError
from acclimate.core.nouns import Step
from acclimate.engine import precision
from acclimate.engine.optim import warmup_then_linear
from acclimate.engine.precision import LossScale, check_precision, fastest_precision
from acclimate.objectives import Objective
from training import Rig, make_rig, pairs, scored, weights


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def optimizer_state(rig: Rig) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in rig.trainer.optimizer.state_tensors().items()}


# -- what trains -----------------------------------------------------------------------------------------------------


def test_the_loss_falls(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=40, lr=3e-3, evaluate_every=40)
    progress = rig.trainer.train()
    losses = [record["loss"]["total"] for record in rig.steps]
    assert sum(losses[-4:]) < 0.75 * sum(losses[:4])
    assert progress.finished
    assert not progress.diverged
    assert (progress.step, progress.examples) == (40, 240)


def test_scored_pairs_train_too(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, objectives=["cosent"], examples=scored(), steps=40, lr=3e-3, evaluate_every=40)
    rig.trainer.train()
    losses = [record["loss"]["cosent"] for record in rig.steps]
    assert sum(losses[-4:]) < 0.75 * sum(losses[:4])


def test_a_group_that_starts_later_has_no_gradient_and_does_not_move_before(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=8, opens_at={"embedding_table": 0.5}, regularizers=["l2sp"])
    table, start = rig.encoder.token_embedding().weight, rig.encoder.token_embedding().weight.detach().clone()
    table.grad = torch.zeros_like(table)  # whatever was there before: a zero gradient would be decayed
    rig.stop_at.update({3, 4, 5})
    for stop in (3, 4):
        rig.trainer.train()
        assert rig.trainer.progress.step == stop
        assert table.grad is None
        assert torch.equal(table, start)
        assert not any("word_embeddings" in name for name in optimizer_state(rig))
    rig.trainer.train()
    assert rig.trainer.progress.step == 5
    assert table.grad is not None
    touched = (table.grad != 0).any(dim=1)
    assert torch.equal(table[~touched], start[~touched])
    assert (table[touched] != start[touched]).any(dim=1).all()
    opened = ["embedding_table" in record["grad_norm_by_block"] for record in rig.steps]
    assert opened == [False] * 4 + [True]


def test_a_group_that_starts_at_the_start_is_a_plain_group(tmp_path: Path) -> None:
    plain, staged = make_rig(tmp_path / "a"), make_rig(tmp_path / "b", opens_at={"embedding_table": 0.0})
    plain.trainer.train()
    staged.trainer.train()
    assert same(weights(plain.encoder), weights(staged.encoder))


def test_rows_of_the_table_that_no_batch_holds_stay_bit_equal(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=12, weight_decay=0.5)
    before = rig.encoder.token_embedding().weight.detach().clone()
    rig.trainer.train()
    after = rig.encoder.token_embedding().weight
    known = torch.zeros(len(after), dtype=torch.bool)
    texts = [text for e in pairs(negatives=1) for text in (e.query, *e.positives, *e.negatives)]
    for ids in rig.encoder.tokenize(texts, None):
        known[ids] = True
    assert torch.equal(after[~known], before[~known])
    assert (after[known] != before[known]).any(dim=1).all()


def test_two_equal_runs_are_equal_and_another_seed_is_not(tmp_path: Path) -> None:
    first, again = make_rig(tmp_path / "a", dropout=True), make_rig(tmp_path / "b", dropout=True)
    other = make_rig(tmp_path / "c", dropout=True, feed={"seed": 8})
    torch.manual_seed(1)
    first.trainer.train()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again.trainer.train()
    other.trainer.train()
    assert torch.equal(torch.get_rng_state(), state)  # and the caller's generator is as it was
    assert same(weights(first.encoder), weights(again.encoder))
    assert not same(weights(first.encoder), weights(other.encoder))


def test_another_seed_drops_other_units(tmp_path: Path) -> None:
    """One batch of all rows: its texts come in one order for every seed, so dropout alone can differ."""
    losses = {}
    for dropout in (False, True):
        for seed in (1, 2):
            rig = make_rig(
                tmp_path / f"{dropout}{seed}", steps=1, dropout=dropout, feed={"seed": seed, "batch_size": 24}
            )
            rig.trainer.train()
            losses[dropout, seed] = rig.steps[0]["loss"]["total"]
    assert losses[False, 1] == pytest.approx(losses[False, 2], rel=1e-6)
    assert abs(losses[True, 1] - losses[True, 2]) > 1e-3


def test_dropout_acts_in_training_alone(tmp_path: Path) -> None:
    off, on = make_rig(tmp_path / "off", steps=1), make_rig(tmp_path / "on", steps=1, dropout=True)
    for rig in (off, on):
        rig.trainer.train()
        assert not rig.trainer.unit.training
    assert off.records[0]["dev"] == on.records[0]["dev"]
    assert off.steps[0]["loss"]["total"] != on.steps[0]["loss"]["total"]


def test_the_weight_of_an_objective_multiplies_its_loss(tmp_path: Path) -> None:
    plain = make_rig(tmp_path / "a", steps=1)
    heavy = make_rig(tmp_path / "b", steps=1, objectives=[{"kind": "infonce", "weight": 3.0}])
    for rig in (plain, heavy):
        rig.trainer.train()
    assert heavy.steps[0]["loss"]["infonce"] == pytest.approx(3 * plain.steps[0]["loss"]["infonce"])


# -- what is recorded ------------------------------------------------------------------------------------------------


def test_records_say_what_happened_and_are_json(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, regularizers=["l2sp"], steps=8, warmup_steps=2, lr=1e-3)
    rig.trainer.train()
    json.dumps(rig.records, allow_nan=False)
    assert [record["step"] for record in rig.steps] == list(range(8))
    assert [record["epoch"] for record in rig.steps] == [0] * 4 + [1] * 4
    assert [record["progress"] for record in rig.steps] == [step / 8 for step in range(8)]
    seen = sorted(identity for record in rig.steps[:4] for identity in record["rows"])
    assert seen == sorted(e.id for e in pairs(negatives=1))
    for step, record in enumerate(rig.steps):
        assert set(record["loss"]) == {"total", "infonce", "l2sp"}
        rate = 1e-3 * warmup_then_linear(step, 8, 2)
        assert record["lr"] == pytest.approx({"encoder": rate, "encoder.no_decay": rate, "embedding_table": rate / 10})
    assert [record["step"] for record in rig.records if "dev" in record] == [0, 3, 6, 8]
    assert len(rig.records) == rig.trainer.progress.records == 12
    seconds = [record["seconds"] for record in rig.records]
    assert seconds == sorted(seconds)


# -- what goes wrong -------------------------------------------------------------------------------------------------


class Faulty(Objective):
    """An objective that breaks at chosen calls: its value, or only its gradient."""

    def __init__(self, inner: Objective, calls: set[int], part: str) -> None:
        super().__init__()
        self.inner, self.calls, self.part, self.count = inner, calls, part, 0

    def forward(self, step: Step) -> Tensor:
        self.count += 1
        loss: Tensor = self.inner(step)
        if self.count - 1 not in self.calls:
            return loss
        if self.part == "loss":
            return loss * math.nan
        return loss + (step.unique * 0).sum().sqrt()  # adds 0, but the root's slope there is infinite


def break_at(rig: Rig, *calls: int, part: str = "loss") -> None:
    rig.trainer.unit.objectives["infonce"] = Faulty(rig.trainer.unit.objectives["infonce"], set(calls), part)


@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_a_step_that_is_not_finite_is_skipped_before_anything_moves(part: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=8, evaluate_every=100)
    break_at(rig, 3, part=part)
    rig.stop_at.update({3, 4})
    rig.trainer.train()
    before, state = weights(rig.encoder), optimizer_state(rig)
    rig.trainer.train()
    what = "loss infonce" if part == "loss" else "gradient of embedding_table"
    assert rig.steps[3]["skipped"] == f"{what} is not finite"
    assert same(weights(rig.encoder), before)
    assert same(optimizer_state(rig), state)
    json.dumps(rig.records, allow_nan=False)
    progress = rig.trainer.train()
    assert progress.finished
    assert not progress.diverged
    assert not any("skipped" in record for record in rig.steps[4:])
    assert all(torch.isfinite(weight).all() for weight in weights(rig.encoder).values())
    assert not same(weights(rig.encoder), before)


def test_two_in_a_row_and_a_third_later_are_survived(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=10)
    break_at(rig, 1, 2, 4, 6, 7)
    progress = rig.trainer.train()
    assert not progress.diverged
    assert progress.step == 10
    assert not any("rollback" in record for record in rig.records)


# -- which weights are kept ------------------------------------------------------------------------------------------


def test_the_best_weights_are_left_in_the_encoder(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=12, evaluate_every=3, scores=[9.0, 0.1, 0.5, 0.4, 0.3])
    rig.stop_at.add(6)
    rig.trainer.train()
    best = weights(rig.encoder)
    progress = rig.trainer.train()
    assert (progress.best_step, progress.best_score, progress.step) == (6, 0.5, 12)
    assert same(weights(rig.encoder), best)


def test_the_base_is_scored_but_is_no_result_of_training(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=6, evaluate_every=3, scores=[9.0, 0.1, 0.2])
    assert rig.trainer.train().best_step == 6
    assert rig.trainer.progress.dev[0] == {"step": 0, "score": 9.0}


def test_patience_ends_the_run(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=20, evaluate_every=2, patience=2, scores=[0, 1, 3, 2, 3, 9, 9, 9, 9, 9, 9])
    progress = rig.trainer.train()
    assert progress.finished
    assert (progress.step, progress.best_step) == (8, 4)
    assert rig.evaluations == 5


def test_the_newest_two_and_the_best_are_kept_on_disk(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=12, evaluate_every=2, scores=[0, 1, 9, 3, 4, 5, 6])
    rig.trainer.train()
    assert rig.trainer.checkpoints.steps() == [4, 10, 12]


def test_a_long_stretch_without_evaluation_is_saved_now_and_then(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=250, evaluate_every=1000, examples=pairs(4), method="last_layers")
    rig.stop_at.add(210)
    rig.trainer.train()
    assert rig.trainer.checkpoints.steps() == [200, 210]


def test_a_best_checkpoint_damaged_at_the_end_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=9, evaluate_every=3, scores=[0, 9, 1, 2])
    rig.stop_at.add(8)
    rig.trainer.train()
    (tmp_path / "checkpoints" / "00000003" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ResourceError, match=r"best step 3 was damaged.*--restart"):
        rig.trainer.train()


# -- precision -------------------------------------------------------------------------------------------------------


def test_bf16_trains_like_fp32_on_float32_weights(tmp_path: Path) -> None:
    full, half = (make_rig(tmp_path / p, precision=p, regularizers=["distill"]) for p in ("fp32", "bf16"))
    for rig in (full, half):
        rig.trainer.train()
    assert {p.dtype for p in half.encoder.parameters()} == {torch.float32}
    assert all(t.dtype == torch.float32 for t in half.trainer.optimizer.state_tensors().values())
    assert all(torch.isfinite(weight).all() for weight in weights(half.encoder).values())
    exact, rounded = ([step["loss"]["infonce"] for step in rig.steps] for rig in (full, half))
    # The weights are the same at the first step only: from there on Adam, whose first steps are signs, tells the two
    # runs apart by whatever a processor rounds differently, step by step but not on the whole.
    assert rounded[0] == pytest.approx(exact[0], rel=0.005)
    assert sum(rounded) == pytest.approx(sum(exact), rel=0.02)
    assert all(a != b for a, b in zip(exact, rounded, strict=True))


def test_fp16_needs_cuda_and_says_so() -> None:
    with pytest.raises(UsageError, match=r"fp16 needs a CUDA device; take bf16, fp32 or auto"):
        check_precision("cpu", "fp16")
    for name in ("fp32", "bf16"):
        check_precision("cpu", name)
    check_precision("cuda", "fp16")


@pytest.mark.parametrize(("bf16_seconds", "chosen"), [(2.0, "fp32"), (1.0, "fp32"), (0.5, "bf16")])
def test_bf16_is_taken_where_it_is_clearly_faster(
    bf16_seconds: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: bf16_seconds}
    monkeypatch.setattr(precision, "_product_seconds", lambda matrix: seconds[matrix.dtype])
    fastest_precision.cache_clear()
    try:
        assert fastest_precision("cpu") == chosen
    finally:
        fastest_precision.cache_clear()


def test_the_loss_scale_halves_on_overflow_and_doubles_after_a_quiet_time() -> None:
    scale = LossScale("fp16")
    start = scale.value
    scale.update(finite=False)
    assert scale.value == start / 2
    for _ in range(2_000):
        scale.update(finite=True)
    assert scale.value == start
    idle = LossScale("bf16")
    idle.update(finite=False)
    assert idle.value == 1.0
