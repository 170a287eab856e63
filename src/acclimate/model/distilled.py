"""A static model out of a transformer: each token of its vocabulary is read alone (Tulkens, van Dongen 2024).

With e_t the transformer's vector of token t alone, P the leading principal axes of all e_t, and r_t its rank in the
vocabulary, which tokenizers order by how common tokens are::

    E[t] = a / (a + p_t)  P (e_t - mean e)        p_t = (1 / (r_t + 2)) / sum_s (1 / (r_s + 2))

The weight is that of smooth inverse frequency (Arora et al. 2017) with Zipf's law in the place of counts. Special and
unused tokens say nothing of a text: their rows are 0.
"""

import re
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder
from acclimate.model.static import ENDLESS, StaticEncoder, cut_at
from acclimate.model.tokens import ENCODED_TOKENS, Tokens

_SMOOTHING = 1e-4  # a: tokens rarer than that keep their length
_UNUSED = re.compile(r"\[unused\d+\]|<unused\d+>")
_AT_A_TIME = 2048  # tokens


def distilled(
    encoder: Encoder, dimensions: int = 256, progress: Callable[[int, int], None] | None = None
) -> StaticEncoder:
    """A static model with the vocabulary of a transformer.

    Args:
        encoder: the transformer.
        dimensions: of the static model, at most those of the transformer.
        progress: told (tokens done, tokens in all) after each part.

    Raises:
        UsageError: the model is static itself, or has fewer dimensions.
    """
    if encoder.depth == 1:
        raise UsageError("the model is a table already", "give a transformer")
    if not 1 <= dimensions <= encoder.dimension:
        problem = f"{dimensions} dimensions cannot be had from a model of {encoder.dimension}"
        raise UsageError(problem, f"take 1 to {encoder.dimension}")
    tokenizer = Tokenizer.from_str(encoder.tokenizer.backend_tokenizer.to_str())
    cut_at(tokenizer, ENDLESS)  # a tokenizer.json may pad too, and padding counts as special
    size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    names = {number: token for token, number in tokenizer.get_vocab(with_added_tokens=True).items()}
    special = set(encoder.tokenizer.all_special_ids)
    said = [token for token in range(size) if token in names and token not in special]
    said = [token for token in said if not _UNUSED.fullmatch(names[token])]
    vectors = _alone(encoder, tokenizer, said, progress)
    table = np.zeros((size, dimensions), dtype=np.float32)
    table[said] = principal(vectors, dimensions) * rank_weights(len(said))[:, None]
    return StaticEncoder(torch.from_numpy(table), tokenizer)


def principal(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Vectors [N, H] less their mean, on their leading principal axes [N, D]. The largest number on an axis is > 0."""
    centered = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    axes = np.linalg.eigh(centered.T @ centered)[1][:, : -dimensions - 1 : -1]  # [H, D], the largest variance first
    found = centered @ axes
    found *= np.sign(found[np.abs(found).argmax(axis=0), np.arange(dimensions)])
    result: NDArray[np.float32] = found.astype(np.float32)
    return result


def rank_weights(count: int) -> NDArray[np.float32]:
    """The weight of the token at each rank [N], between 0 and 1."""
    share = 1 / np.arange(2, count + 2)
    weights: NDArray[np.float32] = (_SMOOTHING / (_SMOOTHING + share / share.sum())).astype(np.float32)
    return weights


def _alone(
    encoder: Encoder, tokenizer: Tokenizer, said: list[int], progress: Callable[[int, int], None] | None
) -> NDArray[np.float32]:
    """The transformer's vector of each token between its special tokens [N, H]."""
    around = tokenizer.encode("a")
    of_text = [place for place, special in enumerate(around.special_tokens_mask) if not special]
    before, after = around.ids[: of_text[0]], around.ids[of_text[-1] + 1 :]
    vectors = np.empty((len(said), encoder.dimension), dtype=np.float32)
    for start in range(0, len(said), _AT_A_TIME):
        texts = [[*before, token, *after] for token in said[start : start + _AT_A_TIME]]
        with torch.no_grad():
            vectors[start : start + len(texts)] = encoder(Tokens.of(texts), ENCODED_TOKENS).cpu().numpy()
        if progress is not None:
            progress(start + len(texts), len(said))
    return vectors
