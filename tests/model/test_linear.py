import pytest
import torch
from torch import nn

from acclimate.core.products import FastLinear, has_fast_products
from acclimate.model.linear import Linear, use_fast_products

fast = pytest.mark.skipif(not has_fast_products(), reason="this machine's own products are as fast")


def layers(bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    plain, ours = nn.Linear(48, 70, bias=bias), nn.Sequential(nn.Linear(48, 70, bias=bias))
    ours.load_state_dict({f"0.{name}": value for name, value in plain.state_dict().items()})
    use_fast_products(ours)
    return plain, ours[0]


@pytest.mark.parametrize("shape", [(5, 48), (2, 3, 48), (1, 1, 48), (1, 700, 48), (0, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_vectors_and_gradients_are_those_of_the_plain_layer(shape, bias):
    states = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    results = []
    for layer in layers(bias):
        given = states.clone().requires_grad_()
        found = layer(given)
        (found * torch.linspace(-1, 2, found.numel()).view(found.shape)).sum().backward()
        results.append([found.detach(), given.grad, *(p.grad for p in layer.parameters())])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@fast
def test_gradients_are_those_of_finite_differences(monkeypatch):
    # In float64 oneDNN has no product: the formulas are tried with torch's own.
    monkeypatch.setattr("acclimate.core.products.fast_product", nn.functional.linear)
    generator = torch.Generator().manual_seed(2)
    shapes = ((2, 3, 4), (5, 4), (5,))
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(FastLinear.apply, inputs)


@fast
def test_only_what_trains_has_a_gradient():
    _, layer = layers()
    layer.weight.requires_grad_(False)
    layer(torch.randn(3, 48)).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(layer.bias.grad, torch.full((70,), 3.0))


@fast
def test_arithmetic_is_float32(monkeypatch):
    _, layer = layers()
    states = torch.randn(500, 48, generator=torch.Generator().manual_seed(3))
    exact = states.double() @ layer.weight.double().T + layer.bias.double()
    assert (layer(states) - exact).abs().max() < 1e-5 * exact.abs().max()


def test_under_bf16_the_layer_is_the_plain_one():
    plain, ours = layers()
    states = torch.randn(7, 48)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(plain(states), ours(states))


@fast
def test_layers_of_a_kind_of_their_own_are_left_alone():
    class Special(nn.Linear):
        pass

    module = nn.Sequential(nn.Linear(2, 2), Special(2, 2))
    use_fast_products(module)
    assert [type(layer) for layer in module] == [Linear, Special]
