"""A table of which some rows are a parameter of their own, so that they can train while the others stay as they are."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter


class RowsApart(nn.Embedding):
    """A table [V, H] with the rows ``first`` .. ``first + m - 1`` beside it, as ``rows`` [m, H].

    ``weight`` is the table's own parameter, so that several encoders can share it.

    Args:
        table: the whole table.
        rows: what stands for those rows, from the start on.
        first: of those rows.
    """

    def __init__(self, table: nn.Embedding, rows: Tensor, first: int) -> None:
        super().__init__(
            table.num_embeddings, table.embedding_dim, table.padding_idx, _weight=table.weight.detach(), _freeze=True
        )
        self.weight = table.weight
        self.rows = Parameter(rows)
        self.first = first

    def forward(self, input: Tensor) -> Tensor:
        """Token ids [...] to embeddings [..., H]."""
        return looked_up(input, self.weight, self.rows, self.first)


def looked_up(ids: Tensor, weight: Tensor, rows: Tensor, first: int) -> Tensor:
    """Embeddings [..., H] of token ids [...] by a table [V, H], but for ``first`` .. ``first + m - 1`` by ``rows``."""
    places = ids - first
    ours = (places >= 0) & (places < len(rows))
    found = F.embedding(ids.masked_fill(ours, 0), weight)
    # Looked up, not indexed: the gradient of an index is added up in an order that threads decide.
    return found.index_put((ours,), F.embedding(places[ours], rows))


def joined(weight: Tensor, rows: Tensor, first: int) -> Tensor:
    """One table that says the same, [V, H] or longer where the rows reach beyond V. A copy, without gradients."""
    last = first + len(rows)
    whole = weight.new_zeros(max(len(weight), last), weight.shape[1])
    whole[: len(weight)] = weight.detach()
    whole[first:last] = rows.detach()
    return whole


def embedding_of(weight: Tensor, padding_id: int | None) -> nn.Embedding:
    """An embedding whose weight is that very parameter."""
    table = nn.Embedding(len(weight), weight.shape[1], padding_id, _weight=weight.detach())
    table.weight = weight
    return table
