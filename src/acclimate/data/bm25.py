"""BM25: which documents have a query's words (Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009).

For the words w of a query, with tf the number of w in the document, df the documents that have it, N all documents, and
the length of a document in words beside the mean::

    score = sum_w  ln(1 + (N - df + 1/2) / (df + 1/2)) * tf (k1 + 1) / (tf + k1 (1 - b + b length / mean length))

The first factor is Lucene's, which is never negative. A word that a query has twice counts twice.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, diags_array

from acclimate.data.examples import normalized

if TYPE_CHECKING:
    from numpy.typing import NDArray

K1, B = 1.2, 0.75
"""How soon more of a word adds nothing, and how much a long document has to have more of it."""

# Chinese signs and Japanese kana, then Thai, Lao, Burmese and Khmer.
UNSPACED = "\u2e80-\u2fdf\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
UNSPACED += "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Ranges of a regular expression: the scripts that put no spaces between words."""

_WORDS = re.compile(rf"([{UNSPACED}]+)|[^\W_{UNSPACED}]+")


def words_of(text: str) -> list[str]:
    """The words of a text, case folded; of a script without spaces each two signs that stand together, as one word.

    A single sign between others is a word of its own.
    """
    text = normalized(text)
    return [text[start:end] for start, end in places_of_words(text)]


def places_of_words(text: str) -> Iterator[tuple[int, int]]:
    """Where the words of a normalized text start and end; of a script without spaces they overlap."""
    for match in _WORDS.finditer(text):
        start, end = match.span()
        if match[1] and end - start > 1:
            yield from ((place, place + 2) for place in range(start, end - 1))
        else:
            yield start, end


def rarity(having: "NDArray[np.int64]", documents: int) -> "NDArray[np.float64]":
    """What a word counts that ``having`` [V] of the documents have, by Lucene's formula."""
    return np.log1p((documents - having + 0.5) / (having + 0.5))


class Bm25:
    """The words of documents, ready to be asked for.

    Args:
        documents: D texts.
        k1: above 0.
        b: from 0 to 1.
    """

    def __init__(self, documents: Sequence[str], k1: float = K1, b: float = B) -> None:
        self._numbers: dict[str, int] = {}
        counts = self._counted(documents, grow=True)  # [D, V]
        length = np.asarray(counts.sum(axis=1)).ravel()
        having = np.bincount(counts.indices, minlength=counts.shape[1])
        saturation = k1 * (1 - b + b * length / max(length.mean(), 1e-9))
        often = counts.data
        row = np.repeat(np.arange(len(documents)), np.diff(counts.indptr))
        counts.data = often * (k1 + 1) / (often + saturation[row])
        self._weights: Any = (counts @ diags_array(rarity(having, len(documents)))).T.tocsr()  # [V, D]

    def scores(self, queries: Sequence[str]) -> Any:
        """The scores of queries with all documents, a sparse matrix [N, D]: 0 where they share no word."""
        return (self._counted(queries, grow=False) @ self._weights).tocsr()

    def top(self, queries: Sequence[str], depth: int) -> "NDArray[np.int64]":
        """The documents [N, depth] that score most, best first, equal ones in their order.

        What shares no word with a query is none of them: the rest of its row is -1.
        """
        scores = self.scores(queries)
        top = np.full((len(queries), depth), -1, dtype=np.int64)
        for row in range(len(queries)):
            part = slice(scores.indptr[row], scores.indptr[row + 1])
            found, value = scores.indices[part], scores.data[part]
            if len(found) > depth:
                least = np.partition(value, len(value) - depth)[len(value) - depth]
                found, value = found[value >= least], value[value >= least]
            best = found[np.lexsort((found, -value))][:depth]
            top[row, : len(best)] = best
        return top

    def _counted(self, texts: Iterable[str], *, grow: bool) -> Any:
        """How often each text has each word, a sparse matrix [N, V]; ``grow`` takes up words that are new."""
        columns, values, ends = array("q"), array("q"), array("q", [0])
        for text in texts:
            for word, count in Counter(words_of(text)).items():
                number = self._numbers.setdefault(word, len(self._numbers)) if grow else self._numbers.get(word)
                if number is not None:
                    columns.append(number)
                    values.append(count)
            ends.append(len(columns))
        shape = (len(ends) - 1, len(self._numbers))
        return csr_matrix((np.array(values, np.float64), np.array(columns), np.array(ends)), shape=shape)
