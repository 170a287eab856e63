"""Lengths of texts in tokens, without loading a model's weights."""

from collections.abc import Callable, Sequence
from pathlib import Path


def token_lengths(model: Path) -> Callable[[Sequence[str]], list[int]]:
    """A function from texts to their lengths in tokens of a model folder, special tokens included, nothing cut."""
    from tokenizers import Tokenizer

    fast = Tokenizer.from_file(str(model / "tokenizer.json"))
    fast.no_padding()
    fast.no_truncation()
    return lambda texts: [len(encoding.ids) for encoding in fast.encode_batch_fast(list(texts))]
