"""How far the engine is from what the machine's matrix products allow, and where the rest of the time goes."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from acclimate.engine.precision import fastest_precision
from acclimate.model.linear import use_fast_products

REPEATS = 5
PAIRS = 64
_KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "mkldnn_linear", "linear", "matmul", "_linear_pointwise"),
    "attention": ("_scaled_dot_product", "_flash_attention"),
    "activation": ("gelu", "gelu_backward", "tanh"),
    "normalization": ("native_layer_norm", "native_layer_norm_backward"),
    "copies and casts": ("copy_", "_to_copy", "clone", "cat", "index", "index_put_", "contiguous"),
}


def measure_limits(texts: Sequence[str], base: str, max_length: int) -> dict[str, Any]:
    """Rates of matrix products of the base's shapes, and for each kind of work its time, its floor and its profile."""
    import acclimate
    from acclimate.model.encoder import Tokens

    encoder = acclimate.load(base)
    encoder.max_length = max_length
    some = Tokens.of(encoder.tokenize(texts, None), 0)
    batch = Tokens.of(encoder.tokenize(texts[: 2 * PAIRS], None), 0)
    types = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if fastest_precision("cpu") == "bf16" else {})
    rates = {name: _rate(encoder, type_) for name, type_ in types.items()}
    works: dict[str, Any] = {}
    for precision in types:
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")

        def encode() -> None:
            with torch.no_grad(), autocast:  # noqa: B023
                encoder(some)

        def train() -> None:
            with autocast:  # noqa: B023
                vectors = encoder(batch)
            _contrast(vectors).backward()  # type: ignore[no-untyped-call]
            encoder.zero_grad()

        for what, work, tokens, passes in (("encoding", encode, some, 1), ("a training step", train, batch, 3)):
            flops = passes * _flops(encoder, tokens)
            works[f"{what}, {precision}"] = {"floor_seconds": flops / rates[precision], **_profiled(work)}
    return {"rates": rates, "works": works}


def _contrast(vectors: Tensor) -> Tensor:
    """The in-batch softmax loss of the first half against the second."""
    half = len(vectors) // 2
    scores = vectors[:half] @ vectors[half:].T / 0.05
    return nn.functional.cross_entropy(scores, torch.arange(half))


def _layers(encoder: nn.Module) -> list[tuple[int, int]]:
    """Inputs and outputs of each linear layer of the blocks."""
    blocks = [block for _, block in encoder.blocks()]  # type: ignore[operator]
    return [
        (layer.in_features, layer.out_features)
        for block in blocks
        for layer in block.modules()
        if isinstance(layer, nn.Linear)
    ]


def _flops(encoder: nn.Module, tokens: Any) -> float:
    """Of the linear layers and of attention, once forward."""
    layers = _layers(encoder)
    depth, width = len(encoder.blocks()), layers[0][0]  # type: ignore[operator]
    lengths = tokens.lengths.double()
    linear = 2.0 * sum(left * right for left, right in layers) * float(lengths.sum())
    return linear + 4.0 * depth * width * float((lengths**2).sum())


def _rate(encoder: nn.Module, type_: torch.dtype, rows: int = 4096) -> float:
    """FLOP a second of the products of one block's linear layers, with their own shapes, weighted by their work."""
    seconds = flops = 0.0
    for left, right in sorted(set(_layers(encoder))):
        layer, states = nn.Sequential(nn.Linear(left, right)).to(type_), torch.randn(rows, left, dtype=type_)
        use_fast_products(layer)
        with torch.no_grad():
            seconds += _seconds(lambda layer=layer, states=states: layer(states))  # type: ignore[misc]
        flops += 2.0 * rows * left * right
    return flops / seconds


def _seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)


def _profiled(work: Callable[[], None]) -> dict[str, Any]:
    seconds = _seconds(work)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        work()
    spent: dict[str, float] = defaultdict(float)
    for event in profile.key_averages():
        spent[_kind(event.key)] += event.self_cpu_time_total
    total = sum(spent.values())
    return {"seconds": seconds, "shares": {kind: share / total for kind, share in spent.items()}}


def _kind(name: str) -> str:
    bare = name.removeprefix("aten::").removeprefix("mkldnn::")
    for kind, names in _KINDS.items():
        if bare in names or (kind == "attention" and bare.startswith(names)):
            return kind
    return "all else"
