"""Lengths of texts in tokens, without loading a model's weights, and where texts are cut."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


def token_lengths(model: Path) -> Callable[[Sequence[str]], list[int]]:
    """A function from texts to their lengths in tokens of a model folder, special tokens included, nothing cut."""
    return lengths_by(Tokenizer.from_file(str(model / "tokenizer.json")))


def lengths_by(fast: Tokenizer) -> Callable[[Sequence[str]], list[int]]:
    """The same of a tokenizer, which stays as it is."""
    whole = Tokenizer.from_str(fast.to_str())
    whole.no_padding()
    whole.no_truncation()
    return lambda texts: [len(encoding.ids) for encoding in whole.encode_batch_fast(list(texts))]


@contextmanager
def cut_at(encoder: "Encoder", length: int) -> Iterator[None]:
    """Within it, texts are cut as in training."""
    evaluation_length, encoder.max_length = encoder.max_length, length
    try:
        yield
    finally:
        encoder.max_length = evaluation_length
