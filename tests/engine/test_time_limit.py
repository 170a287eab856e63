"""A limit of time: the run ends with it, and its schedule too."""

import itertools
from pathlib import Path

import pytest

from acclimate.engine import loop
from training import make_rig, weights


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step takes one second: the loop looks at the clock before and after it."""
    beats = itertools.cycle([0.0, 1.0])
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(beats))


@pytest.mark.usefixtures("clock")
def test_a_run_ends_with_its_time_and_its_rate_comes_down_to_there(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=1000, evaluate_every=500, warmup_steps=100, time_limit=20.0, patience=9)
    progress = rig.trainer.train()
    assert (progress.step, progress.finished, progress.seconds) == (20, True, 20.0)
    rates = [next(iter(record["lr"].values())) for record in rig.steps]
    assert rates.index(max(rates)) == 2  # the warm-up is a tenth of the time
    assert rates[-1] == pytest.approx(max(rates) / 18, rel=0.02)  # one step before the end of an even descent
    assert [record["progress"] for record in rig.steps] == pytest.approx([step / 20 for step in range(20)])
    assert [record["step"] for record in rig.records if "dev" in record] == [0, 10, 20]


@pytest.mark.usefixtures("clock")
def test_a_limit_that_comes_after_the_last_step_changes_nothing(tmp_path: Path) -> None:
    limited = make_rig(tmp_path / "limited", steps=6, time_limit=60.0)
    free = make_rig(tmp_path / "free", steps=6)
    assert limited.trainer.train().step == 6
    free.trainer.train()
    assert all((weights(limited.encoder)[name] == weight).all() for name, weight in weights(free.encoder).items())


@pytest.mark.usefixtures("clock")
def test_groups_open_when_their_share_of_the_time_has_come(tmp_path: Path) -> None:
    rig = make_rig(
        tmp_path,
        method={"kind": "unfreeze", "shares": [0.5, 0.5]},
        steps=1000,
        evaluate_every=1000,
        warmup_steps=0,
        time_limit=10.0,
    )
    rig.trainer.train()
    second = [record["lr"]["stage_2"] for record in rig.steps]
    assert [rate > 0 for rate in second] == [False] * 5 + [True] * 5
