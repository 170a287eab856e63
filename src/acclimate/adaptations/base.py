"""What every adaptation promises: it takes an encoder and texts, and gives a loss that reads no label."""

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from acclimate.core.specs import Spec

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder
    from acclimate.model.tokens import Tokens


class Adaptation(Spec):
    """How an encoder gets used to the texts of a domain before it trains.

    ``texts`` is ``train``, the queries and documents of the training rows, or a file of texts. Training goes over them
    for ``steps`` of ``batch_size`` texts.
    """

    texts: str = "train"
    steps: PositiveInt = 1000
    batch_size: PositiveInt = 8
    lr: PositiveFloat = 3e-5

    @abstractmethod
    def build(self, encoder: "Encoder", used: Tensor) -> "Pretext":
        """The loss, around an encoder. What it adds is random and thrown away in the end.

        Args:
            encoder: which is not changed but trained.
            used: the numbers of the tokens that occur in the texts, ascending, long [N].

        Raises:
            UsageError: the encoder has not what it takes.
        """


class Pretext(nn.Module):
    """An encoder, and what says how well it understands texts.

    Attributes:
        encoder: what is kept.
    """

    encoder: "Encoder"

    @abstractmethod
    def forward(self, tokens: "Tokens", movable: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of some texts, a float32 scalar.

        Args:
            tokens: of the texts.
            movable: which of their tokens are neither special nor of a prompt, bool [T].
            generator: for what is drawn.
        """


class TokenHead(nn.Module):
    """Which token it is, from a state: a layer, and its products with the rows of the encoder's own token table.

    Only tokens that occur in the texts are candidates: of a vocabulary of 250,000, most never do.

    Args:
        width: H, of the states.
        table: the encoder's token embeddings [V, E].
        used: numbers of the candidates, ascending, long [N].
    """

    used: Tensor

    def __init__(self, width: int, table: nn.Embedding, used: Tensor) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(width, table.embedding_dim), nn.GELU(), nn.LayerNorm(table.embedding_dim))
        self.bias = nn.Parameter(torch.zeros(len(used)))
        self.register_buffer("used", used)

    def logits(self, states: Tensor, table: nn.Embedding) -> Tensor:
        """Of states [N, H], one for each candidate [N, C]."""
        found: Tensor = self.layer(states) @ F.embedding(self.used, table.weight).T + self.bias
        return found

    def forward(self, states: Tensor, table: nn.Embedding, tokens: Tensor) -> Tensor:
        """The mean cross entropy of states [N, H] whose tokens [N] are known, scalar."""
        return F.cross_entropy(self.logits(states, table).float(), torch.searchsorted(self.used, tokens))
