"""Which method a pilot takes: a difference counts when its paired interval says so."""

from acclimate.advisor.pilot import Tried, choose


def tried(name: str, value: float, low: float, high: float) -> Tried:
    return Tried(name, {"value": value, "ci95": [low, high], "p": 0.5})


FIRST = Tried("full", None)


def test_the_advised_one_stays_unless_another_is_ahead_beyond_chance() -> None:
    assert choose([FIRST, tried("lora", 0.05, -0.001, 0.1), tried("residual", -0.1, -0.2, -0.05)])[0] == 0
    assert choose([FIRST])[0] == 0


def test_of_those_that_are_ahead_the_one_that_is_ahead_by_most() -> None:
    place, reason = choose([FIRST, tried("lora", 0.02, 0.01, 0.03), tried("residual", 0.03, 0.001, 0.06)])
    assert place == 2
    assert "ahead of full on dev by +0.0300 (95% interval +0.0010 to +0.0600)" in reason
