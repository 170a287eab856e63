"""Continuous prompts (Lester et al. 2021): learned vectors before each text, on an encoder that stays as it is.

They are rows of the token table, so that the result folds into a standard model: added tokens and a saved prompt. Deep
prompts (Liu et al. 2022, P-tuning v2) are vectors in every layer as well, and fold into nothing.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import PositiveInt, model_validator

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, open_groups
from acclimate.model.deep_prompts import DeepPrompt
from acclimate.model.extension import extend
from acclimate.model.prompts import first_token, fold_prompt, insert_prompt, remove_prompt
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder

_LENGTH = 10  # tokens, without a text to count


class Prompt(Method):
    """``length`` vectors, which start as ``text`` says, or as rows drawn from the table, or at random as its rows lie.

    ``length: auto`` is as many as ``text`` has tokens, else 10; a text of another length is cut or repeated. ``deep``
    gives every layer vectors of its own in the places of the prompt, which no other library reads.
    """

    kind: Literal["prompt"] = "prompt"
    length: PositiveInt | Literal["auto"] = "auto"
    start: Literal["vocabulary", "random"] = "vocabulary"
    text: str = ""
    deep: bool = False

    summary: ClassVar[str] = "vectors put before each text train; they fold in as tokens and a saved prompt"
    default_lr: ClassVar[float] = 1e-2
    starts_as_base: ClassVar[bool] = False

    @model_validator(mode="after")
    def _one_start(self) -> "Prompt":
        if self.text and self.start != "vocabulary":
            raise ValueError("give either start or text")
        return self

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        if encoder.depth == 1:
            encoder.blocks()  # says why nothing would read a prompt
        remove_prompt(encoder)
        freeze_all(encoder)
        groups = open_groups("prompt", insert_prompt(encoder, self._rows(encoder)))
        groups = [replace(group, vocabulary=encoder.token_embedding().weight) for group in groups]
        return [*groups, *open_groups("deep_prompt", self._deeper(encoder))] if self.deep else groups

    def fold(self, encoder: "Encoder") -> None:
        """See `Method.fold`."""
        fold_prompt(encoder)

    def _deeper(self, encoder: "Encoder") -> "dict[str, Parameter]":
        extension = DeepPrompt(first=first_token(encoder), length=encoder.added_tokens)
        new = extension not in encoder.extensions
        parameters = extend(encoder, extension)
        if new:
            extension.start(encoder, "document")
        return parameters

    def _rows(self, encoder: "Encoder") -> "Tensor":
        """Where the prompt starts [m, H]."""
        table = encoder.token_embedding().weight.detach()
        if self.start == "random":
            count = self._length(_LENGTH)
            return torch.randn(count, table.shape[1]).to(table) * table.std(dim=0) + table.mean(dim=0)
        ids = self._text_ids(encoder) if self.text else _drawn_ids(encoder, self._length(_LENGTH))
        return table[[ids[place % len(ids)] for place in range(self._length(len(ids)))]]

    def _length(self, known: int) -> int:
        return known if self.length == "auto" else self.length

    def _text_ids(self, encoder: "Encoder") -> list[int]:
        # A space at the end would be a token of its own, which it is not before a text.
        ids: list[int] = encoder.tokenizer(self.text.strip(), add_special_tokens=False)["input_ids"]
        if not ids:
            raise UsageError("method.text has no tokens", "give words that the model is to begin from")
        return ids


def _drawn_ids(encoder: "Encoder", count: int) -> list[int]:
    """Distinct tokens, special ones left out."""
    special = set(encoder.tokenizer.all_special_ids)
    usable = [token for token in sorted(encoder.tokenizer.get_vocab().values()) if token not in special]
    return [usable[place] for place in torch.randperm(len(usable))[:count].tolist()]
