"""A linear layer after pooling, as sentence-transformers' Dense module defines it."""

from collections.abc import Callable

from torch import Tensor, nn

# The activations that a folder may name. A table instead of an import by name: a model folder runs no code.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "torch.nn.modules.linear.Identity": nn.Identity,
    "torch.nn.modules.activation.Tanh": nn.Tanh,
    "torch.nn.modules.activation.ReLU": nn.ReLU,
    "torch.nn.modules.activation.GELU": nn.GELU,
    "torch.nn.modules.activation.SiLU": nn.SiLU,
    "torch.nn.modules.activation.Sigmoid": nn.Sigmoid,
}


class Dense(nn.Module):
    """``activation(linear(x))``, plus ``x`` (projected where the sizes differ) with ``use_residual``.

    Args:
        in_features: size of the incoming vector.
        out_features: size of the outgoing vector.
        bias: whether the linear layer has one.
        activation: a name out of ACTIVATIONS.
        use_residual: whether the incoming vector is added.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool, activation: str, use_residual: bool = False
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=bias)
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]()
        self.use_residual = use_residual
        self.projects = use_residual and in_features != out_features
        if self.projects:
            self.residual = nn.Linear(in_features, out_features, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """[B, in_features] -> [B, out_features]."""
        out: Tensor = self.activation(self.linear(vectors))
        if not self.use_residual:
            return out
        return out + (self.residual(vectors) if self.projects else vectors)
