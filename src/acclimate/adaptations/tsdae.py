"""A denoising autoencoder of texts (TSDAE: Wang, Reimers, Gurevych 2021): all that a text says goes through its vector.

Most tokens of a text are deleted, and the rest is embedded. A decoder reads that vector, and the whole text as far as
it has come, and tells each token that is next. In each layer it has the encoder's own weights, and attention to the
vector, which is new: with one thing to attend to, that adds a map of the vector to the state of every token.
"""

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from acclimate.adaptations.base import Adaptation, Pretext, TokenHead
from acclimate.core.errors import UsageError
from acclimate.model.attention import use_fast_attention
from acclimate.model.linear import use_fast_products
from acclimate.model.tokens import pad

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder
    from acclimate.model.tokens import Tokens

_CROSS = "crossattention."


class Tsdae(Adaptation):
    """A text is told from the vector of what is left of it. ``deleted`` is the share of its tokens that is not."""

    kind: Literal["tsdae"] = "tsdae"
    deleted: Annotated[float, Field(ge=0, lt=1)] = 0.6

    summary: ClassVar[str] = "texts are told from the vectors of what is left of them"

    def build(self, encoder: "Encoder", used: Tensor) -> Pretext:
        """See `Adaptation.build`."""
        return Denoising(encoder, used, self.deleted)


def left_of(lengths: Tensor, movable: Tensor, deleted: float, generator: torch.Generator) -> Tensor:
    """Which tokens are left, bool [T]: of a text with n that may go, n - round(deleted * n) of them, but one at least.

    Args:
        lengths: tokens of each text, long [U]; they add up to T.
        movable: which may go, bool [T].
        deleted: the share of these that does.
        generator: decides which.
    """
    left = ~movable
    start = 0
    for length in lengths.tolist():
        places = start + movable[start : start + length].nonzero()[:, 0]
        kept = max(1, len(places) - round(deleted * len(places)))
        left[places[torch.randperm(len(places), generator=generator)[:kept]]] = True
        start += length
    return left


def only(tokens: "Tokens", left: Tensor) -> "Tokens":
    """The texts with those of their tokens that are left, bool [T]."""
    counts = [int(part.sum()) for part in left.split_with_sizes(tokens.lengths.tolist())]
    return replace(tokens, ids=tokens.ids[left], lengths=torch.tensor(counts))


def tied_decoder(backbone: PreTrainedModel) -> PreTrainedModel:
    """A decoder of the same kind that shares all weights of an encoder and has attention to a vector besides.

    Raises:
        UsageError: this kind of model has none.
    """
    config = copy.deepcopy(backbone.config)
    config.is_decoder, config.add_cross_attention, config.use_cache = True, True, False
    config._attn_implementation = "eager"
    decoder: PreTrainedModel = AutoModel.from_config(config).eval()
    own, shared = dict(decoder.named_parameters()), dict(backbone.named_parameters())
    if not (any(_CROSS in name for name in own) and shared.keys() <= own.keys()):
        problem = f"adaptation tsdae needs a decoder, and a model of type {config.model_type} has none"
        raise UsageError(problem, "take kind mlm, or leave it out")
    for name, parameter in shared.items():
        owner, _, last = name.rpartition(".")
        setattr(decoder.get_submodule(owner), last, parameter)
    use_fast_attention(decoder)
    use_fast_products(decoder)
    return decoder


class Denoising(Pretext):
    """See the module."""

    def __init__(self, encoder: "Encoder", used: Tensor, deleted: float) -> None:
        super().__init__()
        self.encoder, self.deleted = encoder, deleted
        self.decoder = tied_decoder(encoder.backbone)
        width = int(encoder.backbone.config.hidden_size)
        self.bridge = nn.Identity() if encoder.dimension == width else nn.Linear(encoder.dimension, width)
        self.head = TokenHead(width, encoder.token_embedding(), used)

    def forward(self, tokens: "Tokens", movable: Tensor, generator: torch.Generator) -> Tensor:
        """See `Pretext.forward`."""
        left = left_of(tokens.lengths, movable, self.deleted, generator)
        states, following = self.told(self.encoder(only(tokens, left)), tokens)
        loss: Tensor = self.head(states, self.encoder.token_embedding(), following)
        return loss

    def told(self, vectors: Tensor, tokens: "Tokens") -> tuple[Tensor, Tensor]:
        """The decoder's state at each token but the last of its text [N, H], and the token that follows it [N].

        Args:
            vectors: of the texts, all that it knows beside what stands before, unit vectors [U, D].
            tokens: of the whole texts.
        """
        device = vectors.device
        rows = torch.arange(len(tokens.lengths))
        whole = pad(tokens, rows, self.encoder.tokenizer.pad_token_id or 0)
        ids, mask = whole.ids.to(device), whole.mask.to(device)
        scale = vectors.shape[1] ** 0.5  # the numbers of a unit vector are of its inverse, and layers expect 1
        found = self.decoder(
            input_ids=ids[:, :-1],
            attention_mask=mask[:, :-1].long(),
            encoder_hidden_states=self.bridge(vectors * scale)[:, None],  # [U, 1, H]
        )
        follows = mask[:, 1:]
        return found.last_hidden_state[follows], ids[:, 1:][follows]
