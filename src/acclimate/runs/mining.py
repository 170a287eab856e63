"""Mined negatives of a run: found once, kept for a resumed run, and found anew where the recipe asks for it."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.core.errors import DivergedError, UsageError
from acclimate.core.files import write_json, write_jsonl
from acclimate.core.seeds import derive_seed
from acclimate.data.examples import Example, normalized
from acclimate.data.miners import Judge, Miner, Models
from acclimate.data.mining import Mined, mine, mined_texts, pool_of, suspect_lines, with_negatives
from acclimate.data.pairs import PairTable, Ragged, TextNumbers, starts_of
from acclimate.evaluation import Encode, RetrievalTask
from acclimate.evaluation.ranking import rank_documents
from acclimate.model.bases import resolve as resolve_base
from acclimate.model.store import load_encoder, reads_ids
from acclimate.runs.cross_encoder import load_cross_encoder
from acclimate.runs.known_vectors import KnownVectors
from acclimate.runs.prepare import Prepared
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PRODUCTS = 1 << 14  # vectors multiplied at a time
_KEPT = ("negatives", "scores", "positive_scores", "given_scores")  # of what was mined, for a run that is resumed

#: Told (queries done, queries in all).
Progress = Callable[[int, int], None]


class Mining:
    """The negatives of one run.

    Args:
        miner: the settings.
        examples: the training pairs as they were given.
        others: documents that no row names, among which negatives may be too.
        workspace: where they are kept.
        seed: of what is drawn.
        device: of a cross-encoder.
    """

    def __init__(
        self,
        miner: Miner,
        examples: Sequence[Example],
        others: Iterable[str],
        workspace: Workspace,
        seed: int,
        device: str,
    ) -> None:
        self._miner, self._examples, self._workspace = miner, examples, workspace
        self._seed, self._device = derive_seed(seed, "mining"), device
        self._pool = pool_of(examples, others)

    def first(self, encode: Encode, progress: Progress) -> Sequence[Example]:
        """The rows with negatives that the base, or whom the settings name, has found.

        What was found before is read. Else it is written for the user too: all negatives, and the suspects.

        Raises:
            UsageError: there is none.
        """
        path = self._path(0)
        if not path.is_file():
            began = time.monotonic()
            mined = self._mined(encode, 0, progress)
            self._tell(mined, time.monotonic() - began)
            _keep(path, mined)
        return with_negatives(self._examples, self._pool, _read(path), teaches=self._miner.teaches)

    def renewed(
        self, table: PairTable, numbers: TextNumbers, encode: Encode, say: Callable[[str], None]
    ) -> Callable[[int], PairTable] | None:
        """What gives the table of each epoch, where negatives are to be mined anew by the encoder as it has become.

        Numbers every document that may become a negative. An epoch's negatives are kept, so that a run that was
        stopped and a run that went back see the same ones again.
        """
        every = self._miner.epochs_to_next
        if every is None:
            return None
        features = numbers.numbers(self._pool.documents, "document")
        latest = {0: table}

        def of_epoch(epoch: int) -> PairTable:
            turn = epoch // every
            if turn in latest:
                return latest[turn]
            if not self._path(turn).is_file():
                try:
                    found = self._mined(encode, turn, lambda done, total: None)
                except DivergedError:
                    return of_epoch((turn - 1) * every)  # the next step is not finite either, and is dealt with
                _keep(self._path(turn), found)
                say(f"negatives mined anew for epoch {epoch + 1}")
            latest.clear()
            latest[turn] = self._with(table, features, _read(self._path(turn))["negatives"]) if turn else table
            return latest[turn]

        return of_epoch

    def _mined(self, encode: Encode, turn: int, progress: Progress) -> Mined:
        pool = self._pool
        vectors = _Vectors(encode(pool.queries, "query"), encode(pool.documents, "document"))
        models = Models(vectors.rank, vectors.judge, vectors.spread, self._encoder, self._cross_encoder)
        rank, judge = self._miner.tools(pool, models)
        return mine(pool, self._miner, rank, judge, derive_seed(self._seed, turn), progress)

    def _encoder(self, name: str) -> Judge:
        folder = resolve_base(name)
        if reads_ids(folder):
            raise UsageError(f"data.mining.model={name!r} is a table of items, which reads no texts", "name an encoder")
        encoder = load_encoder(folder).to(self._device)
        encoder.normalize = True
        encode = KnownVectors(encoder, folder).encode
        return _Vectors(encode(self._pool.queries, "query"), encode(self._pool.documents, "document")).judge

    def _cross_encoder(self, name: str) -> Judge:
        score, pool = load_cross_encoder(name, self._device), self._pool

        def judge(queries: "NDArray[np.int64]", documents: "NDArray[np.int64]") -> "NDArray[np.float32]":
            pairs = zip(pool.queries.select(queries), pool.documents.select(documents), strict=True)
            return score(list(pairs))

        return judge

    def _tell(self, mined: Mined, seconds: float) -> None:
        """Writes the negatives, the suspects and their numbers."""
        pool, folder = self._pool, self._workspace.data
        taken = (mined.negatives >= 0).sum(axis=1)
        if not taken.any():
            problem = f"data.mining found no negative among {len(pool.documents)} documents"
            raise UsageError(problem, "lower data.mining.range_min or data.mining.relative_margin, or leave it out")
        rows = zip(self._examples, mined_texts(pool, mined.negatives), mined.scores.tolist(), strict=True)
        lines = (
            {"id": e.id, "negatives": [{"text": t, "score": round(s, 4)} for t, s in zip(texts, scores, strict=False)]}
            for e, texts, scores in rows
        )
        write_jsonl(folder / "negatives.jsonl", lines)
        write_jsonl(folder / "false_negatives.jsonl", suspect_lines(self._examples, pool, mined))
        counts = {
            "kind": self._miner.kind,
            "documents": len(pool.documents),
            "negatives": int(taken.sum()),
            "rows_without": int((taken == 0).sum()),
            "suspects": mined.suspected,
            "rows_with_suspects": len(np.unique(mined.suspects[:, 0])),
            "seconds": round(seconds, 1),
        }
        write_json(folder / "mining.json", counts)

    def _path(self, turn: int) -> Path:
        return self._workspace.cache / f"negatives-{turn}.npz"

    def _with(self, table: PairTable, features: "NDArray[np.int64]", negatives: "NDArray[np.int64]") -> PairTable:
        """The table with these negatives behind those that were given."""
        given = self._pool.given
        of_rows = [features[np.concatenate([given[row], found[found >= 0]])] for row, found in enumerate(negatives)]
        counts = np.array([len(of_row) for of_row in of_rows])
        return table.with_negatives(Ragged(np.concatenate(of_rows), starts_of(counts), np.arange(len(table))))


def others_of(prepared: Prepared) -> list[str]:
    """Documents that the training source lists apart, less those that dev or test know as right for their queries."""
    judged = {
        normalized(task.documents[document])
        for task in (prepared.dev, prepared.test)
        if isinstance(task, RetrievalTask)
        for right in task.relevant
        for document in right
    }
    return [text for text in prepared.dataset.documents.values() if normalized(text) not in judged]


class _Vectors:
    """Unit vectors of queries [Q, D] and of documents [M, D]."""

    def __init__(self, queries: "NDArray[np.float32]", documents: "NDArray[np.float32]") -> None:
        self._queries, self._documents = queries, documents

    def rank(self, queries: "NDArray[np.int64]", depth: int) -> "NDArray[np.int64]":
        """The documents that are nearest [N, depth], the nearest first."""
        some: list[dict[int, int]] = [{0: 1}] * len(queries)  # where right documents stand is not asked
        return rank_documents(self._queries[queries], self._documents, some, top_k=depth).top_rows

    def judge(self, queries: "NDArray[np.int64]", documents: "NDArray[np.int64]") -> "NDArray[np.float32]":
        """Cosines [P]."""
        cosines = np.empty(len(queries), np.float32)
        for start in range(0, len(queries), _PRODUCTS):
            few = slice(start, start + _PRODUCTS)
            cosines[few] = (self._queries[queries[few]] * self._documents[documents[few]]).sum(axis=1)
        return cosines

    def spread(self, queries: "NDArray[np.int64]") -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
        """Mean and standard deviation of the cosines with all documents [N]."""
        asked = self._queries[queries].astype(np.float64)
        center, moment = self._moments
        mean = asked @ center
        variance = np.einsum("nd,de,ne->n", asked, moment, asked, optimize=True) - mean**2
        return mean.astype(np.float32), np.sqrt(np.maximum(variance, 0)).astype(np.float32)

    @cached_property
    def _moments(self) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
        """Mean [D] and second moment [D, D] of the documents."""
        count = len(self._documents)
        center = self._documents.mean(axis=0, dtype=np.float64)
        return center, (self._documents.T @ self._documents).astype(np.float64) / count


def _keep(path: Path, mined: Mined) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".tmp.npz")
    np.savez(staged, allow_pickle=False, **{name: getattr(mined, name) for name in _KEPT})
    staged.replace(path)


def _read(path: Path) -> "dict[str, NDArray[Any]]":
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
