"""What every model of texts or items shares, whatever makes its vectors: roles, what comes after, encoding."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acclimate.core.errors import UsageError
from acclimate.model.tokens import ENCODED_TOKENS, Tokens

if TYPE_CHECKING:
    from acclimate.model.extension import Extension
    from acclimate.model.heads import Head
    from acclimate.model.vocabulary import NewWords

# A role's prompt is the first of these names that the model has, else none: sentence-transformers' encode_query and
# encode_document do not fall back to the default prompt either.
_PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}
CHUNK = 4096  # texts tokenized at once by encode: bounds memory, long enough for sorting to save the padding


class Embedder(nn.Module):
    """The base of all models. Their vectors have length one.

    Args:
        normalize: whether the saved folder normalizes. ``forward`` and ``encode`` always do.
        prompts: text put before the user's text, by name (query, document, ...).
        default_prompt_name: the prompt of texts without a role.
        truncate_dim: leading dimensions to keep (Matryoshka models), None for all.
        notes: what a user should know about how the folder was read.

    Attributes:
        head: the module that comes first in the saved folder.
        reads: what is encoded.
        dense: linear layers above what makes the vectors, often none.
        vector_adapters: each (vectors [U, D], queries [U]) -> [U, D]; often none.
        heads: by name; what tells labels from the vectors, often none.
        extensions: what else is in the modules; `extend` adds to it.
        new_words: what `add_words` added to the vocabulary since the folder was read, None where nothing was.
    """

    head: ClassVar[str]
    reads: ClassVar[Literal["texts", "ids"]] = "texts"
    dense: nn.ModuleList
    vector_adapters: nn.ModuleList

    def __init__(
        self,
        normalize: bool = True,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        truncate_dim: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.normalize = normalize
        self.prompts = prompts or {}
        self.default_prompt_name = default_prompt_name
        self.truncate_dim = truncate_dim
        self.notes = notes
        self.heads: dict[str, Head] = {}
        self.extensions: list[Extension] = []
        self.new_words: NewWords | None = None

    @property
    @abstractmethod
    def width(self) -> int:
        """The size of a vector below the dense layers."""

    @abstractmethod
    def token_embedding(self) -> nn.Embedding:
        """The table of token embeddings."""

    @abstractmethod
    def set_token_embedding(self, table: nn.Embedding) -> None:
        """Puts another table in its place."""

    @abstractmethod
    def prompt_length(self, role: str | None) -> int:
        """Leading tokens of this role's texts that pooling leaves out."""

    @abstractmethod
    def tokenize(self, texts: Sequence[str], role: str | None) -> list[list[int]]:
        """Token ids of each text, prompt included."""

    @property
    def dimension(self) -> int:
        """D, the size of the vectors."""
        size = self.width
        for layer in self.dense:
            size = layer.linear.out_features  # type: ignore[union-attr, assignment]
        return min(size, self.truncate_dim or size)

    @property
    def device(self) -> torch.device:
        """Where the token embeddings are."""
        return self.token_embedding().weight.device

    @property
    def standard(self) -> bool:
        """Whether modules of sentence-transformers say all of it."""
        return not self.extensions

    @property
    def probes(self) -> Sequence[str]:
        """Inputs to try a saved model on; none where any text will do."""
        return ()

    def prompt(self, role: str | None) -> str:
        """The text put before texts of this role, empty for none.

        Raises:
            UsageError: a role other than query and document that is no prompt's name.
        """
        if role is None:
            return self.prompts[self.default_prompt_name] if self.default_prompt_name is not None else ""
        if role not in self.prompts and role not in _PROMPT_NAMES:
            known = ", ".join(sorted({*self.prompts, *_PROMPT_NAMES}))
            raise UsageError(f"the model has no prompt for role {role!r}", f"use one of {known}")
        names = _PROMPT_NAMES.get(role, (role,))
        return next((self.prompts[name] for name in names if name in self.prompts), "")

    def reading(self, role: str | None) -> tuple[str, bool]:
        """How texts of a role are read: its prompt, and whether they are adapted as queries alone are.

        Roles with equal readings give a text the same vector.
        """
        return self.prompt(role), role == "query" and self.adapts_queries_alone

    @property
    def adapts_queries_alone(self) -> bool:
        """Whether an adapter leaves documents as they are."""
        return any(adapter.queries_alone for adapter in self.vector_adapters)

    def encode(
        self,
        texts: Sequence[str],
        role: str | None = "document",
        *,
        precision: Literal["fp32", "bf16"] = "fp32",
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Unit vectors of the texts. Texts that are the same are read once.

        Args:
            texts: N texts.
            role: query or document: which saved prompt is put before them. None takes the model's default prompt.
            precision: of the backbone's arithmetic; the vectors are float32 always.
            progress: told (texts done, texts in all) after each part.

        Returns:
            float32 [N, D], each row of length one (or zero, for a text that has no tokens).

        Raises:
            UsageError: an unknown role.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        prompt_length = self.prompt_length(role)
        training = self.training
        self.eval()
        try:
            for start in range(0, len(texts), CHUNK):
                chunk = texts[start : start + CHUNK]
                places = {text: place for place, text in enumerate(dict.fromkeys(chunk))}
                tokens = Tokens.of(self.tokenize(list(places), role), prompt_length, queries=role == "query")
                with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
                    distinct = self(tokens, ENCODED_TOKENS).cpu().numpy()
                vectors[start : start + len(chunk)] = distinct[[places[text] for text in chunk]]
                if progress is not None:
                    progress(start + len(chunk), len(texts))
        finally:
            self.train(training)
        return vectors

    def predict(self, texts: Sequence[str], head: str | None = None, role: str | None = "document") -> list[str]:
        """The label of each text, as a head that was trained with the model tells it.

        Args:
            texts: N texts.
            head: its name; may be left out where there is one.
            role: as in `encode`.

        Raises:
            UsageError: no such head, or several and no name.
        """
        known = ", ".join(sorted(self.heads)) or "none"
        if not self.heads:
            raise UsageError("the model has no head that tells labels", "train one: --set objective=softmax")
        if head is None and len(self.heads) > 1:
            raise UsageError("the model has several heads", f"name one of {known}")
        name = head if head is not None else next(iter(self.heads))
        if name not in self.heads:
            raise UsageError(f"the model has no head {name!r}", f"known: {known}")
        return self.heads[name].predict(self.encode(texts, role))

    def _moved(self, tokens: Tokens) -> Tokens:
        device = self.device
        ids, lengths, prompts = (t.to(device) for t in (tokens.ids, tokens.lengths, tokens.prompt_lengths))
        states, queries = (None if t is None else t.to(device) for t in (tokens.states, tokens.queries))
        return replace(tokens, ids=ids, lengths=lengths, prompt_lengths=prompts, states=states, queries=queries)

    def _through_dense(self, vectors: Tensor) -> Tensor:
        """Vectors [U, H] as adapters take them, fp32 [U, D]."""
        for layer in self.dense:
            vectors = layer(vectors)
        return vectors.float()[:, : self.truncate_dim]

    def _finished(self, vectors: Tensor, tokens: Tokens) -> Tensor:
        """Vectors [U, D] as they leave the model."""
        for adapter in self.vector_adapters:
            vectors = adapter(vectors, tokens.queries)
        return F.normalize(vectors, dim=-1)  # [U, D]; eps keeps zeros zeros
