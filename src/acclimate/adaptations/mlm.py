"""Masked language modeling (Devlin et al. 2019): some tokens are hidden, and told from what stands around them.

Of the tokens a share is chosen. 80% of these become the mask token, 10% another token of the texts, 10% stay. The loss
is the mean cross entropy of what they were.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from acclimate.adaptations.base import Adaptation, Pretext, TokenHead
from acclimate.core.errors import UsageError

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder
    from acclimate.model.tokens import Tokens

_HIDDEN, _OTHER = 0.8, 0.1


class MaskedLanguage(Adaptation):
    """Tokens are told from those around them. ``masked`` is the share that is asked for."""

    kind: Literal["mlm"] = "mlm"
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 5e-5
    masked: Annotated[float, Field(gt=0, lt=1)] = 0.15

    summary: ClassVar[str] = "hidden tokens are told from those around them"

    def build(self, encoder: "Encoder", used: Tensor) -> Pretext:
        """See `Adaptation.build`."""
        mask = encoder.tokenizer.mask_token_id
        if mask is None:
            problem = "adaptation mlm hides tokens behind a mask token, and the base's tokenizer has none"
            raise UsageError(problem, "take kind tsdae, or leave it out")
        special = torch.tensor(sorted(encoder.tokenizer.all_special_ids))
        return Masked(encoder, used, used[~torch.isin(used, special)], int(mask), self.masked)


def masked(
    ids: Tensor, movable: Tensor, share: float, mask: int, others: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Tokens as the encoder sees them, long [T], and which are asked for, bool [T]: one at least, where one may be.

    Args:
        ids: the tokens, long [T].
        movable: which may be chosen, bool [T].
        share: of these that is chosen, on average.
        mask: the number of the mask token.
        others: what may stand in the place of a token, long [N].
        generator: decides.
    """
    drawn = torch.rand(len(ids), generator=generator).masked_fill(~movable, 2.0)
    chosen = (drawn < share) | ((drawn == drawn.min()) & movable)
    fate = torch.rand(len(ids), generator=generator)
    some = others[torch.randint(len(others), (len(ids),), generator=generator)]
    seen = torch.where(chosen & (fate < _HIDDEN), mask, ids)
    return torch.where(chosen & (fate >= _HIDDEN) & (fate < _HIDDEN + _OTHER), some, seen), chosen


class Masked(Pretext):
    """See the module. ``others`` are tokens of the texts that are not special."""

    def __init__(self, encoder: "Encoder", used: Tensor, others: Tensor, mask: int, share: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = TokenHead(encoder.backbone.config.hidden_size, encoder.token_embedding(), used)
        self.others, self.mask, self.share = others, mask, share

    def forward(self, tokens: "Tokens", movable: Tensor, generator: torch.Generator) -> Tensor:
        """See `Pretext.forward`."""
        seen, chosen = masked(tokens.ids, movable, self.share, self.mask, self.others, generator)
        states, asked = self.encoder.token_states(replace(tokens, ids=seen)), chosen.to(self.encoder.device)
        loss: Tensor = self.head(states[asked], self.encoder.token_embedding(), tokens.ids.to(asked.device)[asked])
        return loss
