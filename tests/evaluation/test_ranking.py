"""Exact ranks and the top of all documents: against a full sort, and laws that any ranking obeys."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from acclimate.core.errors import DataError
from acclimate.evaluation.ranking import Ranking, document_order, rank_documents

Vectors = NDArray[np.float32]


def grid_vectors(generator: np.random.Generator, count: int) -> Vectors:
    """Small whole numbers: dot products are exact in float32, and full of ties."""
    return generator.integers(-2, 3, (count, 4)).astype(np.float32)


def sorted_in_full(queries: Vectors, documents: Vectors) -> NDArray[np.int64]:
    """Document rows from the first rank down, by scores of 64 bits of mantissa rounded to float32."""
    scores = np.einsum("qd,nd->qn", queries.astype(np.longdouble), documents.astype(np.longdouble)).astype(np.float32)
    later_first = np.broadcast_to(-np.arange(len(documents)), scores.shape)
    return np.lexsort((later_first, -scores))


@pytest.mark.parametrize("block_bytes", [1, 4 * 90 * 3, 1 << 30])
def test_blocks_do_not_change_anything(block_bytes: int) -> None:
    generator = np.random.default_rng(3)
    queries, documents = grid_vectors(generator, 40), grid_vectors(generator, 90)
    relevant = [{int(row): 1 for row in generator.choice(90, 3, replace=False)} for _ in range(40)]
    expected = rank_documents(queries, documents, relevant)
    got = rank_documents(queries, documents, relevant, block_bytes=block_bytes)
    for name in Ranking.__slots__:
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


def test_the_order_of_documents_does_not_matter() -> None:
    generator = np.random.default_rng(4)
    queries, documents = grid_vectors(generator, 30), grid_vectors(generator, 80)
    ids = [f"d{number}" for number in generator.permutation(80)]
    relevant = [{int(row): 2 for row in generator.choice(len(ids), 4, replace=False)} for _ in range(30)]
    shuffled = generator.permutation(len(ids))  # new row -> old row
    new_row = np.argsort(shuffled)
    first = rank_documents(queries, documents, relevant, document_order=document_order(ids))
    second = rank_documents(
        queries,
        documents[shuffled],
        [{int(new_row[row]): grade for row, grade in of_query.items()} for of_query in relevant],
        document_order=document_order([ids[row] for row in shuffled]),
    )
    np.testing.assert_array_equal(first.ranks, second.ranks)
    np.testing.assert_array_equal(first.top_rows, shuffled[second.top_rows])


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4, 1e-6, 0.0])
@pytest.mark.parametrize("block_bytes", [1 << 12, 1 << 24])
def test_ranks_and_top_agree_with_a_full_sort(spread: float, block_bytes: int) -> None:
    # At 1e-4 and below, as after a collapse, float32 products can no longer tell neighbors apart.
    generator = np.random.default_rng(5)
    documents = generator.standard_normal(48) + spread * generator.standard_normal((600, 48))
    documents = (documents / np.linalg.norm(documents, axis=1, keepdims=True)).astype(np.float32)
    queries = generator.standard_normal((30, 48), dtype=np.float32)
    relevant = [{int(row): 1 for row in generator.choice(600, 5, replace=False)} for _ in queries]
    ranking = rank_documents(queries, documents, relevant, top_k=20, block_bytes=block_bytes)
    order = sorted_in_full(queries, documents)
    np.testing.assert_array_equal(ranking.top_rows, order[:, :20])
    place = np.argsort(order, axis=1) + 1
    expected = [place[query, row] for query, of_query in enumerate(relevant) for row in of_query]
    np.testing.assert_array_equal(ranking.ranks, expected)


def test_documents_of_very_different_lengths_are_ranked_exactly() -> None:
    generator = np.random.default_rng(11)
    documents = generator.standard_normal((400, 8)) * np.logspace(-6, 6, 400)[:, None]
    documents = documents.astype(np.float32)
    queries = (generator.standard_normal((5, 8)) * np.logspace(-4, 4, 5)[:, None]).astype(np.float32)
    ranking = rank_documents(queries, documents, [dict.fromkeys(range(400), 1)] * 5)
    place = np.argsort(sorted_in_full(queries, documents), axis=1) + 1
    np.testing.assert_array_equal(ranking.ranks.reshape(5, 400), place)


def test_a_memory_map_is_ranked_like_the_array(tmp_path: Path) -> None:
    generator = np.random.default_rng(12)
    documents = generator.standard_normal((300, 16), dtype=np.float32)
    np.save(tmp_path / "documents.npy", documents)
    mapped = np.load(tmp_path / "documents.npy", mmap_mode="r")
    relevant = [{row: 1} for row in range(20)]
    np.testing.assert_array_equal(
        rank_documents(documents[20:40], mapped, relevant).ranks,
        rank_documents(documents[20:40], documents, relevant).ranks,
    )


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_equal_documents_tie_whatever_the_matrix_product_rounds(block_bytes: int) -> None:
    generator = np.random.default_rng(6)
    documents = generator.standard_normal((1001, 383), dtype=np.float32)
    copies = generator.permutation(1001)
    documents[copies[:500]] = documents[copies[500:1000]]
    queries = generator.standard_normal((7, 383), dtype=np.float32)
    relevant = [dict.fromkeys(range(1001), 1)] * 7
    ranks = rank_documents(queries, documents, relevant, block_bytes=block_bytes).ranks.reshape(7, 1001)
    # The later row stands directly before its copy, with nothing between.
    distance = ranks[:, copies[:500]] - ranks[:, copies[500:1000]]
    np.testing.assert_array_equal(distance, np.broadcast_to(np.sign(copies[500:1000] - copies[:500]), (7, 500)))


def test_memory_stays_bounded() -> None:
    generator = np.random.default_rng(9)
    queries = generator.standard_normal((2000, 8), dtype=np.float32)
    documents = generator.standard_normal((5000, 8), dtype=np.float32)
    tracemalloc.start()
    rank_documents(queries, documents, [{0: 1}] * 2000, top_k=10, block_bytes=1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 << 20  # all scores would be 40 MB


def test_what_cannot_be_scored_is_refused_with_a_remedy() -> None:
    two = np.eye(2, dtype=np.float32)
    with pytest.raises(DataError, match="query 1 has no relevant document; add"):
        rank_documents(two, two, [{0: 1}, {}])
    with pytest.raises(DataError, match="query 1 has no relevant document"):
        rank_documents(two, two, [{0: 1}, {1: 0}])
    with pytest.raises(DataError, match="query 1 names document 2, but documents are 0 to 1"):
        rank_documents(two, two, [{0: 1}, {2: 1}])
    with pytest.raises(DataError, match="2 queries but relevance for 1"):
        rank_documents(two, two, [{0: 1}])
    with pytest.raises(DataError, match="2 dimensions, documents 3"):
        rank_documents(two, np.eye(3, dtype=np.float32), [{0: 1}, {1: 1}])
    with pytest.raises(DataError, match="NaN or infinity in row 1"):
        rank_documents(two, np.array([[0, 1], [np.nan, 0]], np.float32), [{0: 1}, {1: 1}])


@pytest.mark.parametrize("block_bytes", [1, 4 * 90 * 3, 1 << 30])
def test_what_is_excluded_is_as_if_it_were_not_there(block_bytes: int) -> None:
    generator = np.random.default_rng(7)
    queries, documents = grid_vectors(generator, 12), grid_vectors(generator, 40)
    relevant = [{int(row): 1 for row in generator.choice(40, 3, replace=False)} for _ in range(12)]
    excluded = [[row for row in range(40) if row not in right and generator.random() < 0.6] for right in relevant]
    got = rank_documents(queries, documents, relevant, excluded=excluded, block_bytes=block_bytes)
    for query in range(12):
        left = [row for row in range(40) if row not in excluded[query]]
        alone = rank_documents(
            queries[[query]], documents[left], [{left.index(row): 1 for row in relevant[query]}], top_k=40
        )
        place = slice(got.starts[query], got.starts[query + 1])
        np.testing.assert_array_equal(got.ranks[place], alone.ranks)
        count = got.top_rows.shape[1]
        assert count == 40 - max(map(len, excluded))
        np.testing.assert_array_equal(got.top_rows[query], np.array(left)[alone.top_rows[0, :count]])
