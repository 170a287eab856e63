"""New words of a run: found once in its training rows, started from their pieces, and kept for a resumed run."""

import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from safetensors.torch import load_file, save_file

from acclimate.core.errors import UsageError
from acclimate.core.files import write_json
from acclimate.core.seeds import derive_seed
from acclimate.data.examples import Example
from acclimate.data.vocabulary import ExtendVocabulary, find_words, texts_of, texts_with
from acclimate.model.vocabulary import WordReader, add_words, new_rows, settle
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

Precision = Literal["fp32", "bf16"]

_OF_EACH = 4  # texts that hold a word, so that its vector is not that of one text
_MEASURED = 5  # one text in so many is not learned from, but says how near the vectors are
# A word alone is a short text, and says most of where its vector should lie for a fourth of the time.
_ALONE: dict[str, Any] = {"epochs": 16, "rate": 0.3}
_IN_TEXTS: dict[str, Any] = {"epochs": 1, "rate": 0.1}
_COUNTED = 20_000  # rows whose tokens are counted


class Vocabulary:
    """The words of one run.

    Args:
        settings: which words.
        examples: the training rows.
        encoder: the base.
        workspace: where they are kept.
        seed: of the order of texts.

    Raises:
        UsageError: there are none.
    """

    def __init__(
        self,
        settings: ExtendVocabulary,
        examples: Sequence[Example],
        encoder: "Encoder",
        workspace: Workspace,
        seed: int,
    ) -> None:
        self._settings, self._examples, self._workspace = settings, examples, workspace
        self._seed = derive_seed(seed, "vocabulary")
        self._reader = reader = WordReader(encoder)
        found = find_words(examples, reader.words, reader.pieces, settings)
        own = set(reader.own_tokens([word.text for word in found]))
        self._words = [word for word in found if word.text in own]
        if not self._words:
            least = f"{settings.least_pieces} pieces or more in {settings.least_rows} training rows or more"
            remedy = "lower vocabulary.least_pieces or vocabulary.least_rows, or leave it out"
            raise UsageError(f"vocabulary found no word of {least}", remedy)

    @property
    def texts(self) -> list[str]:
        """The words."""
        return [word.text for word in self._words]

    def begin(self, encoder: "Encoder", precision: Precision) -> dict[str, Any]:
        """Gives the base its new words, as they start, and says what came of it.

        What an interrupted run found is read. Else it is written for the user too, as ``data/vocabulary.json``.
        ``precision`` is that of the arithmetic in which their vectors find their place.
        """
        kept, told = self._workspace.cache / "vocabulary.safetensors", self._workspace.data / "vocabulary.json"
        if kept.is_file():
            add_words(encoder, self.texts, load_file(kept)["rows"])
        else:
            write_json(told, self._started(encoder, precision))
            kept.parent.mkdir(parents=True, exist_ok=True)
            staged = kept.with_suffix(".tmp")
            save_file({"rows": new_rows(encoder).cpu().contiguous()}, staged)
            staged.replace(kept)
        document: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
        return document

    def _started(self, encoder: "Encoder", precision: Precision) -> dict[str, Any]:
        began, words = time.monotonic(), self.texts
        texts = list(texts_with(self._examples, self._reader.words, words, _OF_EACH))
        measured = texts[::_MEASURED]
        learned = [text for number, text in enumerate(texts) if number % _MEASURED] or measured
        before, *wanted = (encoder.encode(some, "document") for some in (measured, words, learned))
        tokens = self._tokens_a_text(encoder)
        add_words(encoder, words)
        cosines, steps = {"mean": _cosine(encoder, measured, before)}, 0
        if self._settings.start == "distilled":
            given: dict[str, Any] = {"seed": self._seed, "precision": precision}
            steps = settle(encoder, words, wanted[0], **_ALONE, **given)
            steps += settle(encoder, learned, wanted[1], **_IN_TEXTS, **given)
            cosines["distilled"] = _cosine(encoder, measured, before)
        return {
            "tokens_a_text": {"before": tokens, "after": self._tokens_a_text(encoder)},
            "cosine": cosines,
            "texts": len(learned),
            "steps": steps,
            "seconds": round(time.monotonic() - began, 1),
            "words": [{"word": word.text, "rows": word.rows, "pieces": word.pieces} for word in self._words],
        }

    def _tokens_a_text(self, encoder: "Encoder") -> float:
        """The mean over the texts of some rows, cut as the base cuts."""
        counted = [len(ids) for texts in self._some_texts() for ids in encoder.tokenize(texts, "document")]
        return round(float(np.mean(counted)), 3)

    def _some_texts(self) -> Iterator[tuple[str, ...]]:
        step = 1 + len(self._examples) // _COUNTED
        return map(texts_of, islice(self._examples, 0, None, step))


def _cosine(encoder: "Encoder", texts: Sequence[str], before: np.ndarray) -> float:
    """The mean cosine with the vectors that the texts had [N, D]."""
    return round(float((encoder.encode(texts, "document") * before).sum(axis=1).mean()), 4)
