"""Does a saved folder give the same vectors again? Asked in fresh processes, of Acclimate and of sentence-transformers.

A fresh process shares no state with this one: no patched classes, no prompts in memory, no cached tokenizer.
"""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.model.encoder import Encoder
from acclimate.model.store import load_encoder
from acclimate.model.vocabulary import added_words

REQUIRED_COSINE = 0.99999
ROLES = ("query", "document")
READERS = ("acclimate", "sentence_transformers")
PROBES = (
    "How do I renew a passport?",
    "A seizure is a transient disturbance of brain function caused by abnormal electrical activity.",
    "cat",
    "",
    " \n\t ",
    "The café's naïve façade: 3.5 % off, e-mail a.b@c.org, №7!",
    "量子计算机利用叠加态和纠缠进行计算。",
    "犬は公園で走っています～",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "يستخدم النموذج لتحويل النصوص إلى متجهات.",
    "🚀🔥 emoji only? 👩‍👩‍👧‍👦🏳️‍🌈",
    "UPPER lower MiXeD",
    "long " * 600 + "tail",
    "A long text with many different words, " + " ".join(f"word{number}" for number in range(400)),
)


_WORDS = 50  # of those that were added to a vocabulary


@dataclass(frozen=True, slots=True)
class Comparison:
    """One reader and one role against the vectors of this process.

    Attributes:
        reader: who read the folder, in a fresh process.
        role: query or document.
        min_cosine: the least cosine over the probes.
        max_difference: the greatest difference of one number.
    """

    reader: str
    role: str
    min_cosine: float
    max_difference: float


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was compared and what failed.

    Attributes:
        folder: the model folder.
        comparisons: one for each reader and role.
        problems: why a reader gave no vectors, empty when all did.
        skipped: readers that are not installed.
        refused: readers that refuse the folder, as they have to: its vectors come from parts that they do not know.
    """

    folder: str
    comparisons: tuple[Comparison, ...]
    problems: tuple[str, ...]
    skipped: tuple[str, ...]
    refused: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """All readers gave vectors, and the same ones."""
        same = all(comparison.min_cosine >= REQUIRED_COSINE for comparison in self.comparisons)
        return same and bool(self.comparisons) and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "passed": self.passed}


def verify(folder: Path, encoder: Encoder | None = None, readers: Sequence[str] = READERS) -> VerifyReport:
    """Compares the vectors of probe texts, added words among them: this process against fresh ones, both roles.

    Args:
        folder: a saved model.
        encoder: the model in memory that the folder was saved from; by default the folder is loaded here too.
        readers: who reads it again; one that is not installed is skipped.

    Raises:
        UsageError, DataError: the folder cannot be loaded here.
    """
    encoder = encoder if encoder is not None else load_encoder(folder)
    texts = encoder.probes or (*PROBES, *_with_words(encoder))
    expected = _vectors(encoder, texts)
    comparisons: list[Comparison] = []
    problems: list[str] = []
    refused: list[str] = []
    installed = [reader for reader in readers if importlib.util.find_spec(reader) is not None]
    for reader in installed:
        must_refuse = not encoder.standard and reader != "acclimate"
        try:
            vectors = _in_fresh_process(reader, folder, texts)
        except _ReaderError as error:
            refused += [reader] * must_refuse
            problems += [f"{reader}: {error}"] * (not must_refuse)
            continue
        if must_refuse:
            left_out = ", ".join(extension.kind for extension in encoder.extensions) or "that its inputs are ids"
            problems.append(f"{reader}: gives vectors, and has to refuse what it leaves out: {left_out}")
        comparisons.extend(_compare(reader, role, expected[role], vectors[role]) for role in ROLES)
    skipped = tuple(reader for reader in readers if reader not in installed)
    return VerifyReport(str(folder), tuple(comparisons), tuple(problems), skipped, tuple(refused))


class _ReaderError(Exception):
    """The fresh process gave no vectors."""


def _compare(reader: str, role: str, expected: np.ndarray, given: np.ndarray) -> Comparison:
    if expected.shape != given.shape:
        return Comparison(reader, role, -1.0, float("inf"))
    # A text without tokens is the zero vector on both sides, and the same.
    both_zero = ~(expected.any(axis=1) | given.any(axis=1))
    cosines = np.where(both_zero, 1.0, (expected.astype(np.float64) * given).sum(axis=1))
    return Comparison(reader, role, float(cosines.min()), float(np.abs(expected - given).max()))


def _with_words(encoder: Encoder) -> list[str]:
    """Texts in which words that are tokens of their own stand alone, in another case, and within longer words."""
    words = added_words(encoder)
    some = words[:: max(1, len(words) // _WORDS)]
    return [f"{word}: the {word}s, of {word.upper()} and ({word}), x{word} {word}" for word in some]


def _in_fresh_process(reader: str, folder: Path, texts: Sequence[str]) -> dict[str, np.ndarray]:
    source = str(Path(__file__).parents[2])  # so that the child finds Acclimate wherever this process did
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([source, inherited] if inherited else [source])
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"}
    with tempfile.TemporaryDirectory() as scratch:
        out, given = Path(scratch) / "vectors.npz", Path(scratch) / "texts.json"
        given.write_text(json.dumps(list(texts)))
        command = [sys.executable, "-m", __name__, reader, str(folder.resolve()), str(given), str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")  # noqa: S603
        if done.returncode != 0:
            raise _ReaderError((done.stderr.strip().splitlines() or ["no message"])[-1])
        with np.load(out, allow_pickle=False) as arrays:
            return {role: arrays[role] for role in ROLES}


def _with_acclimate(folder: Path, texts: Sequence[str]) -> dict[str, np.ndarray]:
    return _vectors(load_encoder(folder), texts)


def _vectors(encoder: Encoder, texts: Sequence[str]) -> dict[str, np.ndarray]:
    return {role: encoder.encode(texts, role) for role in ROLES}


def _with_sentence_transformers(folder: Path, texts: Sequence[str]) -> dict[str, np.ndarray]:
    # By name: Acclimate works without it, and no other file may come to depend on it.
    library = importlib.import_module("sentence_transformers")
    model = library.SentenceTransformer(str(folder), device="cpu")
    options = {"normalize_embeddings": True, "show_progress_bar": False}
    given = list(texts)
    return {"query": model.encode_query(given, **options), "document": model.encode_document(given, **options)}


_READ = {"acclimate": _with_acclimate, "sentence_transformers": _with_sentence_transformers}


def _main(reader: str, folder: str, texts: str, out: str) -> None:
    np.savez(out, **_READ[reader](Path(folder), json.loads(Path(texts).read_text())))  # type: ignore[arg-type]


if __name__ == "__main__":
    _main(*sys.argv[1:])
