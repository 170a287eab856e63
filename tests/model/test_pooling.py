from itertools import permutations

import pytest
import torch

from acclimate.model.pooling import POOLING_MODES, Pooling

LENGTHS = torch.tensor([7, 1, 4, 12, 3])


@pytest.fixture
def states() -> torch.Tensor:
    return torch.randn(5, 12, 8, generator=torch.Generator().manual_seed(3))


def mask() -> torch.Tensor:
    return torch.arange(12) < LENGTHS[:, None]


@pytest.mark.parametrize("prompt", [0, 2])
@pytest.mark.parametrize("modes", [*((mode,) for mode in POOLING_MODES), *permutations(("cls", "mean", "lasttoken"))])
def test_equals_sentence_transformers(states, modes, prompt):
    from sentence_transformers.sentence_transformer.modules import Pooling as Theirs

    features = {"token_embeddings": states, "attention_mask": mask().long(), "prompt_length": prompt}
    theirs = Theirs(8, pooling_mode=modes, include_prompt=False)(features)["sentence_embedding"]
    ours = Pooling(modes, include_prompt=False)(states, mask(), torch.full((5,), prompt))
    # Row 1 has nothing left without its prompt: theirs is minus infinity for max, ours zero.
    rows = [0, 2, 3, 4] if prompt and "max" in modes else [0, 1, 2, 3, 4]
    torch.testing.assert_close(ours[rows], theirs[rows], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_nothing_to_pool_gives_finite_vectors_and_gradients(states, mode):
    states.requires_grad_(True)
    pooled = Pooling((mode,))(states, torch.zeros(5, 12, dtype=torch.bool), torch.zeros(5, dtype=torch.long))
    torch.nn.functional.normalize(pooled, dim=-1).sum().backward()
    assert pooled.isfinite().all()
    assert states.grad is not None
    assert states.grad.isfinite().all()


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_bf16_states_are_summed_in_fp32(states, mode):
    exact = Pooling((mode,))(states.bfloat16().float(), mask(), torch.zeros(5, dtype=torch.long))
    with torch.autocast("cpu", torch.bfloat16):
        pooled = Pooling((mode,))(states.bfloat16(), mask(), torch.zeros(5, dtype=torch.long))
    assert pooled.dtype == torch.float32
    assert torch.equal(pooled, exact)
