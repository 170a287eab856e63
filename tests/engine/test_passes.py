"""Several passes give the gradients of one: for every objective and regularizer, with dropout, after memory ran out."""

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from acclimate.data.examples import Example
from acclimate.engine import loop
from acclimate.engine.inputs import Inputs
from acclimate.engine.memory import free_bytes, out_of_memory, tokens_that_fit
from acclimate.engine.passes import backward, sizes_of_passes
from acclimate.objectives import OBJECTIVES
from acclimate.regularizers import REGULARIZERS
from tiny import tiny_encoder
from training import Rig, make_rig, pairs, scored

DROPS = {"config": {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}}


PAIRS = pairs(12, negatives=2)
ROWS = {
    "pairs": [e._replace(positive_scores=(1.0,), negative_scores=(0.2, -0.4)) if e.negatives else e for e in PAIRS],
    "scored": [e._replace(score=float(e.score > 0.5)) for e in scored(12)],  # two scores, which any loss can take
    "labeled": [Example(e.id, e.line, text=e.query, label=f"class {row % 3}") for row, e in enumerate(pairs(12))],
}
IN_THE_LOSS = {"ewc": {"decoupled": False}}  # otherwise it has no gradient
OF_PROMPTS = ("vocabulary_norm", "nearest_token")
# Of these a pull that stands out: the few numbers of a prompt gather the rounding of all tokens, and reversed gradients
# of as many texts as the batch has are small beside what the products of twice the texts round off.
STRONG = (*OF_PROMPTS, "domain_adversarial")


def rig_of(folder: Path, objective: str, regularizer: str, **settings: Any) -> Rig:
    examples = ROWS[OBJECTIVES[objective].rows[0]]
    weight = 30.0 if regularizer in STRONG else 3.0
    if regularizer in OF_PROMPTS:
        settings["method"] = {"kind": "prompt", "text": "the doctor asks"}
    rig = make_rig(
        folder,
        encoder=tiny_encoder(**DROPS),
        objectives=[objective],
        regularizers=[{"kind": regularizer, "weight": weight} | IN_THE_LOSS.get(regularizer, {})],
        examples=examples,
        feed={"batch_size": 12},
        **settings,
    )
    with torch.no_grad():  # away from the start, where regularizers have no gradient
        generator = torch.Generator().manual_seed(3)
        for parameter in (*rig.trainer.parameters.values(), *rig.trainer.unit.objectives.parameters()):
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
    return rig


def first_inputs(rig: Rig) -> Inputs:
    step, _, (batch,) = next(rig.trainer.feed.steps(0))
    return rig.trainer.feed.inputs((batch,), step, 0.5, "cpu")


def gradient_of(rig: Rig) -> Tensor:
    return torch.cat([p.grad.flatten() for p in rig.trainer.parameters.values() if p.grad is not None])


def in_parts(rig: Rig, passes: int) -> tuple[dict[str, Tensor], Tensor]:
    rig.trainer.unit.zero_grad(set_to_none=True)
    terms = backward(rig.trainer.unit, first_inputs(rig), passes, partial(rig.trainer._surroundings, 0), 1.0)
    return terms, gradient_of(rig)


def through_one_graph(rig: Rig, passes: int) -> tuple[dict[str, Tensor], Tensor]:
    """The same parts with the same randomness, but one graph through all of them, by plain autograd."""
    unit, inputs = rig.trainer.unit, first_inputs(rig)
    unit.zero_grad(set_to_none=True)
    vectors = []
    for number, part in enumerate(inputs.tokens.parts(sizes_of_passes(inputs.tokens.lengths, passes))):
        with rig.trainer._surroundings(0, number):
            vectors.append(unit(part))
    with rig.trainer._surroundings(0, "loss"):
        terms = unit(inputs, torch.cat(vectors))
    torch.stack(list(terms.values())).sum().backward()
    return terms, gradient_of(rig)


@pytest.mark.parametrize(("objective", "regularizer"), list(product(OBJECTIVES, REGULARIZERS)))
@pytest.mark.parametrize("dropout", [True, False])
def test_the_gradient_is_that_of_the_whole_batch(
    objective: str, regularizer: str, dropout: bool, tmp_path: Path
) -> None:
    rig = rig_of(tmp_path, objective, regularizer, dropout=dropout)
    terms, gradient = in_parts(rig, 4)
    expected_terms, expected = through_one_graph(rig, 4)
    if not dropout:  # then the cut of the batch leaves no trace at all
        whole_terms, whole = in_parts(rig, 1)
        torch.testing.assert_close(whole_terms, {n: t.detach() for n, t in expected_terms.items()})
        assert (whole - expected).norm() < 1e-6 * expected.norm()
    torch.testing.assert_close(terms, {n: t.detach() for n, t in expected_terms.items()}, rtol=1e-6, atol=1e-7)
    assert (gradient - expected).norm() < 1e-6 * expected.norm()
    assert expected.norm() > 1e-3


@given(lengths=st.lists(st.integers(0, 50), max_size=40), passes=st.integers(1, 50))
def test_passes_share_the_tokens_evenly(lengths: list[int], passes: int) -> None:
    sizes = sizes_of_passes(torch.tensor(lengths, dtype=torch.long), passes)
    assert sum(sizes) == len(lengths)
    assert len(sizes) <= passes
    assert not lengths or min(sizes) > 0
    parts = torch.tensor(lengths, dtype=torch.long).split(sizes)
    assert all(part.sum() <= sum(lengths) / passes + max(lengths, default=0) for part in parts)


def losses(rig: Rig) -> list[float]:
    return [record["loss"]["total"] for record in rig.steps]


def test_dropout_is_drawn_and_replayed(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, "infonce", "l2sp", dropout=True)
    first, again = in_parts(rig, 3)[1], in_parts(rig, 3)[1]
    assert torch.equal(first, again)
    rig.trainer.settings = rig_of(tmp_path / "off", "infonce", "l2sp").trainer.settings
    assert (in_parts(rig, 3)[1] - first).norm() > 0.01 * first.norm()


@pytest.mark.parametrize("micro_batch", [1, 4, 100])
def test_a_run_in_small_passes_is_the_run_in_one(micro_batch: int, tmp_path: Path) -> None:
    whole, small = (
        make_rig(tmp_path / name, examples=pairs(negatives=1), **options)
        for name, options in (("a", {}), ("b", {"micro_batch": micro_batch}))
    )
    whole.trainer.train()
    small.trainer.train()
    assert losses(small) == pytest.approx(losses(whole), rel=1e-4)


def test_when_memory_runs_out_the_passes_shrink_and_the_run_goes_on_as_if_it_had_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, short = make_rig(tmp_path / "a"), make_rig(tmp_path / "b")
    whole.trainer.train()
    seen: list[int] = []

    def with_little_memory(unit: Any, inputs: Inputs, passes: int, *rest: Any) -> dict[str, Tensor]:
        seen.append(passes)
        if passes < 4:
            # Something has been added to the gradients by the time that memory runs out.
            backward(unit, inputs, 1, *rest)
            torch.empty(2**60)
        return backward(unit, inputs, passes, *rest)

    monkeypatch.setattr(loop, "backward", with_little_memory)
    short.trainer.train()
    assert seen[0] == 1
    assert len([passes for passes in seen if passes < 4]) <= 3, "what was learned of the memory is kept"
    assert short.trainer.progress.finished
    assert losses(short) == pytest.approx(losses(whole), rel=1e-4)


def test_no_memory_for_one_text_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any) -> dict[str, Tensor]:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(loop, "backward", never)
    with pytest.raises(loop.ResourceError, match="no memory for one text"):
        make_rig(tmp_path).trainer.train()


def test_other_errors_are_not_taken_for_a_lack_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not out_of_memory(RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60)
    assert out_of_memory(raised.value)


def test_what_fits_is_found_from_the_graph_of_a_few_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the memory fits twice the tokens; a frozen lower half keeps no graph, and fits more."""
    monkeypatch.setattr("acclimate.engine.memory.free_bytes", lambda device: memory)
    fits = {}
    for method, memory in (("full", 10**9), ("full", 2 * 10**9), ("last_layers", 10**9)):
        rig = make_rig(tmp_path / f"{method}{memory}", method=method)
        tokens = first_inputs(rig).tokens
        fits[method, memory] = tokens_that_fit(rig.trainer.unit, tokens, partial(rig.trainer._surroundings, 0), "cpu")
    assert fits["full", 2 * 10**9] == pytest.approx(2 * fits["full", 10**9], abs=2)
    assert fits["last_layers", 10**9] > 1.2 * fits["full", 10**9]
    # A block of width 32 keeps 32-wide and 64-wide states: between 1 and 10 kB a token in two blocks.
    assert 1_000 < 0.5 * 10**9 / fits["full", 10**9] < 10_000


def test_free_memory_is_some_of_the_machine() -> None:
    assert 0 < free_bytes("cpu") < 2**50
