"""Neighbors are exact, and what is said of their ranks is true."""

import numpy as np
import pytest

from acclimate.serve.corpus import Question
from acclimate.serve.layout import mean_of
from acclimate.serve.space import BASE, TUNED

from .conftest import space, unit

TEXTS = [f"text {row}" for row in range(60)]


@pytest.mark.parametrize("count", [1, 10, 100])
def test_neighbors_are_those_of_a_plain_sort(count: int) -> None:
    given = space(TEXTS)
    found = given.neighbors("a query", count)
    for side, share in (("before", BASE), ("after", TUNED)):
        scores = given.documents(share) @ given.encode(["a query"], "query", share)[0]
        expected = sorted(range(60), key=lambda row: -scores[row])
        assert found[side] == expected[:count]
        for row in found[side]:
            said = found["documents"][str(row)]
            assert said[f"rank_{side}"] == expected.index(row) + 1
            assert said[f"score_{side}"] == pytest.approx(scores[row], abs=1e-4)


def test_kept_new_and_lost_are_the_sets_of_both_sides() -> None:
    found = space(TEXTS).neighbors("a query", 10)
    before, after = set(found["before"]), set(found["after"])
    assert (found["kept"], found["new"], found["lost"]) == (
        len(before & after),
        len(after - before),
        len(before - after),
    )
    assert found["kept"] + found["new"] == found["kept"] + found["lost"] == 10


def test_a_document_is_no_neighbor_of_its_own() -> None:
    given = space(TEXTS)
    found = given.neighbors(7, 100)
    assert sorted(found["before"]) == sorted(found["after"]) == [row for row in range(60) if row != 7]
    assert max(found["documents"][str(row)]["rank_after"] for row in found["after"]) == 59


def test_right_documents_are_told_with_their_ranks_however_low() -> None:
    given = space(TEXTS, [Question("What  is THIS", "test", np.arange(50, 60))])
    found = given.neighbors("what is this", 1)
    assert found["query"]["kind"] == "question"
    assert found["right_in_all"] == 10
    assert set(found["right"]) == set(range(50, 60))
    ranks = [found["documents"][str(row)]["rank_after"] for row in found["right"]]
    assert ranks == sorted(ranks)
    assert all(found["documents"][str(row)]["right"] for row in found["right"])


def test_a_share_between_has_its_own_vectors_on_the_side_that_is_after() -> None:
    given = space(TEXTS)
    half, full = given.neighbors("a query", 60, 0.5), given.neighbors("a query", 60)
    assert half["before"] == full["before"]
    assert half["after"] != full["after"]


def test_of_labeled_texts_those_of_one_label_are_right() -> None:
    labels = [f"class {row % 3}" for row in range(60)]
    found = space(TEXTS, labels=labels, judged=False).neighbors(4, 59)
    assert {row for row in found["after"] if found["documents"][str(row)]["right"]} == set(range(1, 60, 3)) - {4}


def test_the_map_is_the_same_each_time_and_a_common_shift_is_no_move() -> None:
    given = space(TEXTS)
    assert (given.points(TUNED) == space(TEXTS).points(TUNED)).all()
    assert given.layout is not None
    vectors = given.documents(TUNED)
    moved = vectors + np.float32(0.25)
    both = [given.layout.place(some, mean_of(some)) for some in (vectors, moved)]
    assert np.abs(both[0] - both[1]).max() <= 1


def test_the_map_keeps_distances_of_vectors_that_lie_in_a_plane() -> None:
    flat = np.zeros((60, 8), np.float32)
    flat[:, [2, 5]] = np.random.default_rng(0).normal(size=(60, 2)) * [3, 1]
    given = space(TEXTS)
    given.__dict__["documents"] = lambda share: flat
    points = given.points(TUNED).astype(float)

    def distances(of: np.ndarray) -> np.ndarray:
        return np.linalg.norm(of[:, None] - of[None], axis=-1)

    scale = distances(points).max() / distances(flat).max()
    assert np.abs(distances(points) - scale * distances(flat)).max() < 3  # of 10,000: rounding


def test_vectors_of_two_sizes_have_no_map_but_neighbors() -> None:
    given = space(TEXTS)
    both = {BASE: unit((60, 8), 1), TUNED: unit((60, 5), 2)}
    given.__dict__["documents"] = both.__getitem__
    given.__dict__["encode"] = lambda texts, role, share: both[share][:1]
    assert given.layout is None
    assert given.neighbors("a query", 3)["before"][0] == 0


def test_the_table_lists_every_document_once_most_changed_first() -> None:
    given = space(TEXTS)
    pages = [given.table("", start, 25)["documents"] for start in (0, 25, 50)]
    rows = [document["row"] for page in pages for document in page]
    cosines = [document["cosine"] for page in pages for document in page]
    assert sorted(rows) == list(range(60))
    assert cosines == sorted(cosines)
    assert {document["text"] for document in given.table("TEXT 5", 0, 99)["documents"]} == {
        "text 5",
        *(f"text 5{n}" for n in range(10)),
    }
