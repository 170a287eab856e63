"""Why a run gained nothing, as far as its data and settings show it, the most probable cause first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from acclimate.evaluation.gate import ROUNDING
from acclimate.runs.cut import FEW_QUERIES

_SHOWN = 3
_NEARLY_ALL = 0.9  # of a metric whose best is 1: what is left is often wrong labels
_FEW_ROWS = 200
_FAR = 10.0  # times the usual rate, or a part of it
_CUT = 0.1  # of the texts
_SUSPECT = 0.05  # of the rows
_AGAIN = 0.2  # of the rows


@dataclass(frozen=True, slots=True)
class CauseFacts:
    """What a run knows of itself.

    Attributes:
        rows: that train.
        tested: items of the test.
        lr, default_lr: the learning rate, and what it would be if nobody had given one.
        best_step: of the weights that dev prefers; 0: of those that training began with.
        file, base: the training data and the base, as a command names them.
        max_length: tokens at which texts are cut.
        problems: kind of problem -> rows that have it, by `acclimate.data.check` and `acclimate.runs.doubts`.
        looked_at: rows whose vectors were looked at; 0: none.
        truncated: role -> share of its texts that are cut.
        notes: about the language of the texts.
        regularized: whether anything holds the vectors of general texts.
    """

    rows: int
    tested: int
    lr: float
    default_lr: float
    best_step: int
    file: str
    base: str
    max_length: int
    problems: Mapping[str, int] = field(default_factory=dict)
    looked_at: int = 0
    truncated: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    regularized: bool = True


def likely_causes(scores: Mapping[str, Any], facts: CauseFacts) -> list[str]:
    """At most three causes with what to try, as sentences; one that says what to try next where none shows.

    Args:
        scores: as ``scores.json`` has them, with a verdict other than ``gained``.
        facts: what else is known.
    """
    match scores["gate"]["verdict"]:
        case "diverged":
            found = _of_divergence(facts)
        case "forgotten":
            found = _of_forgetting(facts)
        case _:
            found = _of_no_gain(scores, facts)
    causes = [told for _, told in sorted(found, key=lambda cause: -cause[0])[:_SHOWN]]
    other = f"no cause shows in the data; try other methods: acclimate compare {facts.file} --methods full,lora,adapter"
    return causes or [other]


Cause = tuple[float, str]
"""How probable, as a rule of thumb from 0 to 1, and the sentence."""


def _of_divergence(facts: CauseFacts) -> Iterator[Cause]:
    yield 1.0, f"the learning rate {facts.lr:g} is too high for these weights; take --lr {_smaller(facts):.1g}"


def _smaller(facts: CauseFacts) -> float:
    return min(facts.lr / 10, facts.default_lr)


def _of_forgetting(facts: CauseFacts) -> Iterator[Cause]:
    if facts.lr > facts.default_lr:
        yield 0.9, f"the learning rate {facts.lr:g} is above the usual {facts.default_lr:g}; leave --lr out"
    if not facts.regularized:
        yield 0.8, "nothing holds the vectors of general texts; leave --set regularizers=[] out"
    yield 0.5, "every step moves weights that general texts need; take --method lora or adapter, or fewer --epochs"


def _of_no_gain(scores: Mapping[str, Any], facts: CauseFacts) -> Iterator[Cause]:
    metric, test = scores["primary_metric"], scores["test"]
    before, (low, high) = test["before"][metric], test["delta"][metric]["ci95"]
    if facts.lr * _FAR <= facts.default_lr:
        yield 0.95, f"the learning rate {facts.lr:g} is far below the usual {facts.default_lr:g}; leave --lr out"
    if facts.lr >= _FAR * facts.default_lr:
        yield 0.95, f"the learning rate {facts.lr:g} is far above the usual {facts.default_lr:g}; leave --lr out"
    if before >= _NEARLY_ALL:
        told = f"the base reaches {metric} {before:.4f} of 1 already, so little is left to gain"
        yield 0.92, f"{told}; keep it, or test on harder queries by --test"
    if facts.tested < FEW_QUERIES and high - low > ROUNDING:
        told = f"the test is small: {facts.tested} items leave the change open by {(high - low) / 2:.4f} either way"
        yield (0.9 if test["delta"][metric]["value"] > 0 else 0.4), f"{told}; give --test with {FEW_QUERIES} or more"
    for note in facts.notes:
        yield 0.85, f"{note.replace('; ', ': ')}; take --base multilingual-e5-small"
    if facts.rows < _FEW_ROWS:
        told = f"few rows: {facts.rows} train, and {_FEW_ROWS} and more teach reliably"
        yield 0.8 * (1 - facts.rows / _FEW_ROWS) + 0.1, f"{told}; add rows, or texts without labels (adaptation=tsdae)"
    yield from _of_rows(facts)
    if facts.best_step == 0:
        told = "dev was best before the first step: what these rows teach does not carry over to new queries"
        yield 0.3, f"{told}; take --method lora or adapter, or a smaller --lr"


def _of_rows(facts: CauseFacts) -> Iterator[Cause]:
    look = f"acclimate check {facts.file}"
    for kind, (what, remedy) in _DOUBTS.items():
        share = facts.problems.get(kind, 0) / max(1, facts.looked_at if kind in _BY_VECTORS else facts.rows)
        if share > (_AGAIN if kind == "duplicate" else _SUSPECT):
            base = f" --base {facts.base}" if kind in _BY_VECTORS else ""
            yield min(0.9, 0.3 + share), f"{share:.0%} of the rows {what}; {remedy.format(look=look + base)}"
    for role, share in facts.truncated.items():
        if share > _CUT:
            told = f"{share:.0%} of the texts of {role} are longer than {facts.max_length} tokens and are cut there"
            yield min(0.9, 0.2 + share), f"{told}; split them, or raise --max-length if the base reads more"


_BY_VECTORS = ("weak_pair", "false_negative", "label_suspect")
_DOUBTS = {
    "contradiction": ("have a text with another label or score elsewhere", "{look} --fix leaves them out"),
    "weak_pair": ("are perhaps wrong pairs: half of all documents are nearer to the query", "{look} lists them"),
    "false_negative": ("have another document that is perhaps right too", "{look} lists them; --set objective=gist"),
    "label_suspect": ("have perhaps a wrong label", "{look} lists them"),
    "query_is_positive": ("answer with the query itself", "{look} --fix takes it out"),
    "duplicate": ("repeat another row", "{look} --fix keeps the first"),
}
