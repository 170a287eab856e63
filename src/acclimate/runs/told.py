"""What became of each test query: ``data/queries.jsonl``, from which the report tells wins, losses and slices."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from acclimate.data.bm25 import words_of
from acclimate.data.examples import Example
from acclimate.evaluation import Outcome, RetrievalTask
from acclimate.evaluation.retrieval import RetrievalScores

_READ = 100_000  # training rows whose words are looked at: of more, hardly a word of a query is new
_COLUMNS = ("label", "group", "domain")


def columns_of(tested: Iterable[Example]) -> dict[str, dict[str, str]]:
    """What columns beside the texts say of test rows: id -> column -> value."""
    found = {row.id: {name: value for name in _COLUMNS if (value := getattr(row, name))} for row in tested}
    return {identity: said for identity, said in found.items() if said}


def unseen_words(queries: Sequence[str], train: Sequence[Example]) -> list[list[str]] | None:
    """The words of each query that no text of the training rows has, in their order.

    None where the rows are so many that looking at all of them would take its time.
    """
    if len(train) > _READ:
        return None
    words = [list(dict.fromkeys(words_of(query))) for query in queries]
    unseen = {word for of_query in words for word in of_query}
    for row in train:
        if not unseen:
            break
        for text in (*row.texts(), *row.negatives):
            unseen.difference_update(words_of(text))
    return [[word for word in of_query if word in unseen] for of_query in words]


def told_of_queries(
    task: RetrievalTask,
    before: Outcome,
    after: Outcome,
    words: RetrievalScores | None = None,
    unseen: Sequence[Sequence[str]] | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """A document for each test query.

    Args:
        task: the test.
        before: what the base makes of it.
        after: what the tuned model makes of it.
        words: what BM25 makes of it.
        unseen: words of each query that training did not see.
        columns: what else is known of a query, by its id.
    """
    for row, (identity, query) in enumerate(zip(task.query_ids, task.queries, strict=True)):
        relevant = task.relevant[row]
        record: dict[str, Any] = {
            "query_id": identity,
            "query": query,
            "relevant": [{"id": task.document_ids[d], "text": task.documents[d]} for d in relevant],
            **((columns or {}).get(identity, {})),
        }
        if unseen is not None:
            record["unseen_words"] = list(unseen[row])
        for name, outcome in (("before", before), ("after", after)):
            record |= _figures(name, outcome.per_item, row)
            top = zip(outcome.top.rows[row, :3], outcome.top.scores[row, :3], strict=True)
            record[f"top_{name}"] = [
                {
                    "id": task.document_ids[d],
                    "text": task.documents[d],
                    "score": float(s),
                    "relevant": int(d) in relevant,
                }
                for d, s in top
            ]
        if words is not None:
            record |= _figures("bm25", words.per_query, row)
        yield record


def _figures(name: str, per_query: Mapping[str, Any], row: int) -> dict[str, float | None]:
    rank = float(per_query["mean_rank"][row])
    found = int(rank) if math.isfinite(rank) else None  # BM25 looks no further than its first hundred
    return {f"rank_{name}": found, f"ndcg_{name}": float(per_query["ndcg@10"][row])}
