"""Lengths of texts in tokens, without loading a model's weights."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tokenizers import Tokenizer


def token_lengths(model: Path) -> Callable[[Sequence[str]], list[int]]:
    """A function from texts to their lengths in tokens of a model folder, special tokens included, nothing cut."""
    return lengths_by(Tokenizer.from_file(str(model / "tokenizer.json")))


def lengths_by(fast: Tokenizer) -> Callable[[Sequence[str]], list[int]]:
    """The same of a tokenizer, which stays as it is."""
    whole = Tokenizer.from_str(fast.to_str())
    whole.no_padding()
    whole.no_truncation()
    return lambda texts: [len(encoding.ids) for encoding in whole.encode_batch_fast(list(texts))]
