"""How far the texts of one domain, the target, lie from those of another, the source.

Three views: can a classifier tell their embeddings apart, does the source have the target's words, and does the
tokenizer cut the target's words into more pieces. Queries and documents are looked at apart: between the two a
classifier would learn the length of texts.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from acclimate.core.errors import DataError
from acclimate.data.domain_classifier import judge_domains
from acclimate.evaluation.vectors import as_vectors


def proxy_a_distance(source: ArrayLike, target: ArrayLike) -> dict[str, float]:
    """The proxy A-distance 2 (1 - 2 e) of Ben-David et al. (2007), e being how often a linear classifier errs.

    0: no plane tells the two apart; 2: one always does. Each vector is judged by a classifier that has not seen it
    (`acclimate.data.domain_classifier`), and e is the mean of both sets' shares of errors, so that their sizes do not
    matter. Where there is no difference it is below 0 by chance. It stays the same when the two sets are exchanged, and
    when all vectors are rotated, moved or multiplied by a number.

    Args:
        source: ``[N, D]``, of different texts. Vectors that both sets have count in both, and pull the distance to 0.
        target: ``[M, D]``.

    Returns:
        ``proxy_a_distance``; its ``standard_error`` from the finite number of texts, with one more right and one more
        wrong answer in each set, so that it is not 0 where no error was seen; ``domain_accuracy``, which is 1 - e.

    Raises:
        DataError: no vectors, or fewer than 10 different ones in a set.
    """
    judged = judge_domains(as_vectors(source, "source"), as_vectors(target, "target"))
    # A classifier that cannot decide is wrong half of the time.
    wrong = [np.heaviside(sign * side.log_odds, 0.5) for sign, side in zip((1, -1), judged, strict=True)]
    error = float(np.mean([side.mean() for side in wrong]))
    smoothed = [(side.sum() + 1) / (len(side) + 2) for side in wrong]
    variances = [share * (1 - share) / (len(side) + 2) for share, side in zip(smoothed, wrong, strict=True)]
    return {
        "proxy_a_distance": 2 * (1 - 2 * error),
        "standard_error": 4 * float(np.sqrt(sum(variances))) / 2,
        "domain_accuracy": 1 - error,
    }


def vocabulary_overlap(source: Mapping[str, int], target: Mapping[str, int]) -> dict[str, float]:
    """How much of the target's words the source has.

    Args:
        source: word -> how often it occurs.
        target: the same.

    Returns:
        ``known_words``, the share of the target's different words, and ``known_occurrences``, the share of all its
        words, that the source has. Rare words make the first fall as texts are added; the second hardly depends on it.

    Raises:
        DataError: the target has no words.
    """
    known = [count for word, count in target.items() if word in source]
    return {
        "known_words": len(known) / _some_words(len(target), "target"),
        "known_occurrences": sum(known) / sum(target.values()),
    }


def piece_ratio(source: tuple[ArrayLike, ArrayLike], target: tuple[ArrayLike, ArrayLike]) -> dict[str, float]:
    """Into how many pieces a tokenizer cuts the words of both.

    Args:
        source: of each text the number of tokens ``[N]``, without special ones, and of words ``[N]``.
        target: the same.

    Returns:
        ``source`` and ``target``, tokens a word, and ``ratio``, the target's over the source's.

    Raises:
        DataError: one of them has no words.
    """
    pieces = {
        name: float(np.sum(tokens)) / _some_words(int(np.sum(words)), name)
        for name, (tokens, words) in (("source", source), ("target", target))
    }
    return {**pieces, "ratio": pieces["target"] / pieces["source"]}


def _some_words(count: int, name: str) -> int:
    if not count:
        raise DataError(f"the texts of the {name} have no words", "give texts with letters or digits")
    return count
