"""The rule that decides, and what was passed over before it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from acclimate.advisor.rules import RULES, Situation
from acclimate.methods import METHODS, Method


@dataclass(frozen=True, slots=True)
class Advice:
    """What ``method: auto`` becomes, and why.

    Attributes:
        rule: the name of the rule that decided.
        method: what it takes.
        reason: a sentence.
        evidence: where that comes from.
        passed_over: (rule, why) of those before it.
        beside: what a pilot tries beside the method.
    """

    rule: str
    method: Method
    reason: str
    evidence: str
    passed_over: tuple[tuple[str, str], ...]
    beside: tuple[Method, ...]

    @property
    def why(self) -> str:
        """The reason as a line of a plan."""
        return f"rule {self.rule}: {self.reason} ({self.evidence})"

    def as_dict(self) -> dict[str, Any]:
        """As a JSON document, the same after it was written and read."""
        return {
            "rule": self.rule,
            "method": self.method.model_dump(mode="json"),
            "reason": self.reason,
            "evidence": self.evidence,
            "passed_over": [{"rule": rule, "why": why} for rule, why in self.passed_over],
            "beside": [method.model_dump(mode="json") for method in self.beside],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Advice":
        """The inverse of `as_dict`."""
        return cls(
            rule=document["rule"],
            method=METHODS.parse(document["method"]),
            reason=document["reason"],
            evidence=document["evidence"],
            passed_over=tuple((given["rule"], given["why"]) for given in document["passed_over"]),
            beside=tuple(METHODS.parse(given) for given in document["beside"]),
        )


def advise(situation: Situation, refusal: Callable[[Method], str] = lambda method: "") -> Advice:
    """What the first rule that holds takes.

    Args:
        situation: of the run.
        refusal: why a method cannot act on the base; empty where it can. It is asked of few.
    """
    passed_over: list[tuple[str, str]] = []
    for rule in RULES:
        why = situation.told(rule.not_so)
        if rule.holds(situation):
            method = rule.takes(situation)
            why = refusal(method) if rule.gives_way else ""
            if not why:
                break
        passed_over.append((rule.name, why))
    return Advice(
        rule=rule.name,
        method=method,
        reason=situation.told(rule.reason),
        evidence=rule.evidence,
        passed_over=tuple(passed_over),
        beside=rule.beside(situation),
    )
