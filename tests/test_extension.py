"""A technique from outside: one file with its spec and its class, one line for its table, and a recipe trains with it.

This file is that file. Nothing in the package knows the three toys below.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pytest
import torch
import yaml
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

import acclimate
from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup, Step
from acclimate.methods import METHODS, Method
from acclimate.model.encoder import Encoder
from acclimate.model.surgery import freeze_all, matching
from acclimate.objectives import OBJECTIVES, Facts, Objective, ObjectiveSpec
from acclimate.recipe import Recipe, read_recipe
from acclimate.regularizers import REGULARIZERS, Regularizer, RegularizerSpec
from training import pairs


class Biases(Method):
    """BitFit (Ben Zaken et al. 2022): only the biases of the blocks train."""

    kind: Literal["toy_biases"] = "toy_biases"
    lr_scale: PositiveFloat = 10.0
    summary: ClassVar[str] = "only biases train"

    def apply(self, encoder: Encoder) -> list[ParamGroup]:
        freeze_all(encoder)
        chosen = matching(encoder, ["block.*.bias"])
        for parameter in chosen.values():
            parameter.requires_grad_(True)
        return [ParamGroup("biases", chosen, self.lr_scale, decay=False)]


class MarginSpec(ObjectiveSpec):
    """Hinge loss against the hardest other document of the batch, with a margin that is learned."""

    kind: Literal["toy_margin"] = "toy_margin"
    margin: PositiveFloat = 0.2
    summary: ClassVar[str] = "hinge against the hardest document"

    def build(self, facts: Facts) -> Objective:
        return Margin(self.margin)


class Margin(Objective):
    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = nn.Parameter(torch.tensor(margin))

    def forward(self, step: Step) -> Tensor:
        queries = step.unique[step.index["query"][:, 0]]
        documents = step.unique[step.index["positive"][:, 0]]
        similarity = queries @ documents.T  # [B, D] x [D, B] -> [B, B]
        hardest = similarity.masked_fill(step.relevant[:, step.index["positive"][:, 0]], -1.0).max(dim=1).values
        return F.relu(self.margin + hardest - similarity.diagonal()) + (self.margin - 0.5).square()


class DriftSpec(RegularizerSpec):
    """The mean absolute distance from the start."""

    kind: Literal["toy_drift"] = "toy_drift"
    weight: NonNegativeFloat = 0.1
    summary: ClassVar[str] = "keeps the weights near the base, L1"

    def build(self) -> Regularizer:
        return Drift(self.weight)


class Drift(Regularizer):
    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self._starts: list[tuple[nn.Parameter, Tensor]] = []

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        self._starts = [(p, p.detach().clone()) for group in groups for p in group.parameters.values()]

    def forward(self, step: Step) -> Tensor:
        return self.weight * torch.stack([(p - start).abs().mean() for p, start in self._starts]).mean()


RECIPE = """
method: {kind: toy_biases, lr_scale: 5}
objective: {kind: toy_margin, margin: 0.3, weight: 2}
regularizers:
  - {kind: toy_drift, weight: 0.5}
  - {kind: distill, texts_a_step: 4}
training: {lr: 1e-3, batch_size: 8, epochs: 2, precision: fp32, max_length: 32, seed: 3}
evaluation: {evaluations: 2, merge: 1.0}
"""


@pytest.fixture
def toys() -> Iterator[None]:
    """The three table lines, taken back afterwards."""
    METHODS.add(Biases)
    OBJECTIVES.add(MarginSpec)
    REGULARIZERS.add(DriftSpec)
    yield
    METHODS.remove("toy_biases")
    OBJECTIVES.remove("toy_margin")
    REGULARIZERS.remove("toy_drift")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A recipe, and small files to train on, to choose by, to test on, and not to forget."""
    (tmp_path / "toys.yaml").write_text(RECIPE, encoding="utf-8")
    rows = [{"query": e.query, "positive": e.positives[0]} for e in pairs(90)]
    for name, part in (("train", rows[:40]), ("dev", rows[40:56]), ("test", rows[56:72]), ("general", rows[72:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    return tmp_path


def fit(files: Path, tiny_model: Path) -> acclimate.Run:
    given = {name: files / f"{name}.jsonl" for name in ("train", "dev", "test", "general")}
    return acclimate.fit(recipe=files / "toys.yaml", base=tiny_model, out=files / "run", keep="anyway", **given)


@pytest.mark.usefixtures("toys")
def test_toys_from_outside_train_through_a_recipe(files: Path, tiny_model: Path) -> None:
    run = fit(files, tiny_model)

    assert run.scores["method"] == "toy_biases"
    resolved = yaml.safe_load((run.path / "resolved.yaml").read_text(encoding="utf-8"))
    assert resolved["method"] == {"kind": "toy_biases", "lr_scale": 5.0}
    assert resolved["objectives"] == [
        {"kind": "toy_margin", "task": "", "weight": 2.0, "matryoshka": [], "margin": 0.3}
    ]
    assert [r["kind"] for r in resolved["regularizers"]] == ["toy_drift", "distill"]

    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [record for record in records if "loss" in record]
    assert len(steps) == run.scores["cost"]["steps"] == 10
    assert all(set(step["loss"]) == {"total", "toy_margin", "toy_drift", "distill"} for step in steps)
    assert steps[0]["loss"]["toy_drift"] == 0.0
    assert all(step["loss"]["toy_drift"] > 0 for step in steps[1:])
    assert all(set(step["lr"]) == {"biases", "heads"} for step in steps)
    assert all("objective" in step["grad_norm_by_block"] for step in steps)  # the learned margin trains too
    assert steps[-1]["loss"]["toy_margin"] < steps[0]["loss"]["toy_margin"]

    before = dict(acclimate.load(tiny_model).named_parameters())
    after = dict(run.model.named_parameters())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.endswith(".bias") for name in changed)


@pytest.mark.usefixtures("toys")
def test_toys_are_in_schema_and_messages_like_the_built_in(files: Path) -> None:
    schema = json.dumps(Recipe.model_json_schema())
    assert all(f'"{kind}"' in schema for kind in ("toy_biases", "toy_margin", "toy_drift"))
    with pytest.raises(UsageError, match=r"unknown method 'toy_bias'; did you mean 'toy_biases'\?"):
        read_recipe(None, ["method=toy_bias"])
    with pytest.raises(UsageError, match=r"method\.lr_scale=0 is not accepted"):
        read_recipe(files / "toys.yaml", ["method.lr_scale=0"])
    with pytest.raises(UsageError, match=r"unknown key 'objective.marginn'; did you mean 'margin'\?"):
        read_recipe(files / "toys.yaml", ["objective.marginn=1"])


def test_without_their_table_lines_they_are_unknown(files: Path) -> None:
    with pytest.raises(UsageError, match=r"toys\.yaml:2:1: method: unknown method 'toy_biases'"):
        read_recipe(files / "toys.yaml")
    assert not {"toy_biases", "toy_margin", "toy_drift"} & {*METHODS, *OBJECTIVES, *REGULARIZERS}
