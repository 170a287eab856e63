"""The rules, as data. Thresholds have names here and nowhere else."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from acclimate.methods import Method
from acclimate.methods.adapter import Adapter
from acclimate.methods.full import Full
from acclimate.methods.last_layers import LastLayers
from acclimate.methods.lora import LoRA
from acclimate.methods.prompt import Prompt
from acclimate.methods.residual import ResidualAdapter

#: Pairs from which the article has every weight train.
MANY_PAIRS = 100_000
#: Epochs of full tuning that a time limit has to leave room for, or else what is cheaper is looked at.
LEAST_EPOCHS = 1.0
#: Pairs that full tuning has to get through in the time, though it sees no whole epoch. It was ahead of what is cheaper
#: where it saw 450; with fewer nothing was measured.
ENOUGH_PAIRS = 400
#: What a pilot tries beside a method that the user has named.
BESIDE_A_GIVEN = (Full(), ResidualAdapter())


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules ask.

    Attributes:
        rows: that train, those of a source and of further tasks included.
        kind: of the training rows: ``pairs``, ``scored`` or ``labeled``.
        serving: as in the recipe: ``alone``, ``shared_base`` or ``fixed_index``.
        is_table: whether the base is nothing but a table, of tokens or of ids.
        line_search: whether the optimizer searches along a line.
        needs_own_weights: what of the recipe wants the base's own weights to train; empty: nothing.
        peft: whether that library is installed.
        limit_seconds: that training may take.
        epoch_seconds: that an epoch of full tuning takes, by estimate; 0 where nobody has to know.
    """

    rows: int
    kind: str = "pairs"
    serving: str = "alone"
    is_table: bool = False
    line_search: bool = False
    needs_own_weights: str = ""
    peft: bool = True
    limit_seconds: float = math.inf
    epoch_seconds: float = 0.0

    @property
    def epochs(self) -> float:
        """Of full tuning that the time limit leaves room for."""
        return self.limit_seconds / self.epoch_seconds if self.epoch_seconds else math.inf

    @property
    def seen(self) -> float:
        """Pairs that full tuning gets through in the time, of one epoch."""
        return self.rows * min(1.0, self.epochs)

    @property
    def is_short(self) -> bool:
        """Whether the time ends full tuning before it is ahead of what is cheaper."""
        return self.epochs < LEAST_EPOCHS and self.seen < ENOUGH_PAIRS

    def told(self, sentence: str) -> str:
        """A sentence with its numbers in the places that it names."""
        timed = f"{self.limit_seconds:.0f} s leave room for {self.epochs:.2g} epochs of full tuning"
        figures = {
            "timed": timed if self.epoch_seconds else "no time limit",
            "seen": f"{self.seen:,.0f}",
            "rows": f"{self.rows:,}",
        }
        return sentence.format_map(asdict(self) | figures)


@dataclass(frozen=True, slots=True)
class Rule:
    """When it holds, what it takes, and why.

    Attributes:
        name: as ``plan`` shows it.
        holds: the condition.
        takes: the method.
        reason: a sentence with its numbers, where the rule decides.
        not_so: a few words, where it is passed over.
        evidence: where the reason comes from: a page of docs/, or a paper.
        beside: what a pilot tries beside the method, the next best first.
        gives_way: whether the next rule is asked where the base is none that the method can act on. Not where the
            user has asked for what the method does.
    """

    name: str
    holds: Callable[[Situation], bool]
    takes: Callable[[Situation], Method]
    reason: str
    not_so: str
    evidence: str
    beside: Callable[[Situation], tuple[Method, ...]]
    gives_way: bool = False


def _few_weights(situation: Situation) -> Method:
    return LoRA() if situation.peft else Adapter()


def _full(_: Situation) -> Method:
    return Full()


RULES: tuple[Rule, ...] = (
    Rule(
        name="fixed_index",
        holds=lambda s: s.serving == "fixed_index",
        takes=lambda s: ResidualAdapter(side="query"),
        reason="the index stays as it is: queries alone change, document vectors not at all",
        not_so="the index may be rebuilt (serving: {serving})",
        evidence="Yoon et al. 2023; docs/results/methods.md",
        beside=lambda s: (ResidualAdapter(side="query", activation="gelu"),),
    ),
    Rule(
        name="shared_base",
        holds=lambda s: s.serving == "shared_base",
        takes=lambda s: Adapter(),
        reason="domains or small devices share one base: an adapter is 4% of it and kept 92 to 93% of full's gain",
        not_so="the model is served alone (serving: {serving})",
        evidence="the article; docs/results/methods.md",
        beside=lambda s: (LoRA(), ResidualAdapter()) if s.peft else (ResidualAdapter(),),
    ),
    Rule(
        name="table",
        holds=lambda s: s.is_table,
        takes=_full,
        reason="the base is a table, and all of it is that table",
        not_so="the base is a transformer",
        evidence="docs/bases.md",
        beside=lambda s: (),
    ),
    Rule(
        name="line_search",
        holds=lambda s: s.line_search,
        takes=lambda s: Prompt(),
        reason="the optimizer searches along a line, for few examples and few weights of one rate: a prompt",
        not_so="the optimizer takes batches",
        evidence="the article; docs/results/fewshot.md",
        beside=lambda s: (ResidualAdapter(),),
        gives_way=True,
    ),
    Rule(
        name="scored_or_labeled",
        holds=lambda s: s.kind != "pairs",
        takes=_full,
        reason="the rows are {kind}: on 16 examples of each class full was level with a prompt",
        not_so="the rows are pairs",
        evidence="docs/results/fewshot.md",
        beside=lambda s: (_few_weights(s), ResidualAdapter()),
    ),
    Rule(
        name="own_weights",
        holds=lambda s: bool(s.needs_own_weights),
        takes=_full,
        reason="{needs_own_weights}, and full trains the base's own weights",
        not_so="nothing wants the base's own weights",
        evidence="docs/forgetting.md, docs/bases.md",
        beside=lambda s: (LastLayers(),),
    ),
    Rule(
        name="short",
        holds=lambda s: s.is_short,
        takes=lambda s: ResidualAdapter(),
        reason="{timed}, which sees {seen} of {rows} pairs: a map of the finished vectors takes 7% of its time",
        not_so="{timed}",
        evidence="docs/results/methods.md, docs/results/advisor.md",
        beside=lambda s: (Full(), LastLayers()),
        gives_way=True,
    ),
    Rule(
        name="many",
        holds=lambda s: s.rows >= MANY_PAIRS,
        takes=_full,
        reason=f"{{rows}} pairs, {MANY_PAIRS:,} or more: every weight has enough to learn from",
        not_so=f"{{rows}} pairs, fewer than {MANY_PAIRS:,}",
        evidence="the article; docs/results/domains.md",
        beside=lambda s: (_few_weights(s),),
    ),
    Rule(
        name="otherwise",
        holds=lambda s: True,
        takes=_full,
        reason="{rows} pairs: with 100, 1,000 and 4,000 full gained most, and its default guard kept the general score",
        not_so="",
        evidence="docs/results/advisor.md, docs/results/forgetting.md",
        beside=lambda s: (_few_weights(s), ResidualAdapter()),
    ),
)
