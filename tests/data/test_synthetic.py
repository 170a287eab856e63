"""Pairs and tests out of texts alone: the round trip against a plain count, and tests that hold each text once."""

import random
from pathlib import Path

import numpy as np
import pytest

from acclimate.data.bm25 import Bm25
from acclimate.data.examples import Example, normalized
from acclimate.data.query_makers import QUERY_MAKERS, rarities
from acclimate.data.readers import read
from acclimate.data.synthetic import (
    Asked,
    ask,
    distinct_texts,
    held_out_set,
    no_writer,
    ranks_by_vectors,
    ranks_by_words,
    some_of,
)

_WORDS = [f"w{number}" for number in range(60)]


def texts(count: int, seed: int = 0) -> list[Example]:
    draw = random.Random(seed)
    return [Example(f"t{n}", n, text=" ".join(draw.choices(_WORDS, k=14))) for n in range(1, count + 1)]


def asked(rows: list[Example], kind: str = "mixed", seed: int = 3, of_each: int = 3) -> list[Asked]:
    return ask(rows, QUERY_MAKERS.parse(kind), rarities(e.text for e in rows), seed, of_each, no_writer)


def test_what_a_text_gives_does_not_depend_on_the_others_beside_it() -> None:
    rows, maker = texts(30), QUERY_MAKERS.parse("span")
    rare = rarities(e.text for e in rows)
    every = ask(rows, maker, rare, 3, 2, no_writer)
    some = ask(rows[10:20][::-1], maker, rare, 3, 2, no_writer)
    assert {one.id: one.made for one in some}.items() <= {one.id: one.made for one in every}.items()
    assert [one.made for one in ask(rows, maker, rare, 4, 2, no_writer)] != [one.made for one in every]
    assert len({one.id for one in every}) == len(every) > 55


def test_pairs_name_their_text_as_their_document() -> None:
    rows = [row._replace(group="g", domain="d", weight=0.5, title="a title") for row in texts(5)]
    for one in asked(rows):
        pair = one.pair()
        assert (pair.query, pair.positives) == (one.made.query, (one.made.document,))
        assert (pair.doc_id, pair.line, pair.group, pair.domain, pair.weight) == (
            one.source.id,
            one.source.line,
            "g",
            "d",
            0.5,
        )
        assert pair.text == pair.title == ""
        assert rows[one.place] == one.source
    assert asked([texts(1)[0]._replace(doc_id="given")])[0].pair().doc_id == "given"


def test_ranks_by_vectors_are_a_plain_count() -> None:
    rows = texts(50)
    found = asked(rows)
    generator = np.random.default_rng(0)

    def unit(count: int) -> np.ndarray:
        vectors = generator.normal(size=(count, 6)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    queries, documents, corpus = unit(len(found)), unit(len(found)), unit(len(rows))
    own = np.array([one.place for one in found])
    expected = []
    for number, place in enumerate(own.tolist()):
        right = float(queries[number] @ documents[number])
        others = [float(queries[number] @ corpus[other]) for other in range(len(rows)) if other != place]
        expected.append(1 + sum(score > right for score in others))
    assert ranks_by_vectors(queries, documents, corpus, own).tolist() == expected
    assert min(expected) < 5 < 40 < max(expected)


def test_ranks_by_words_are_a_plain_count() -> None:
    rows = texts(300)
    found = asked(rows, "span")
    corpus, documents = [e.text for e in rows], [one.made.document for one in found]
    own = np.array([one.place for one in found])
    queries = [one.made.query for one in found]
    ranks = ranks_by_words(queries, documents, corpus, own)
    index = Bm25([*corpus, *documents])
    for number in range(0, len(found), 7):
        scores = index.scores(queries[number : number + 1]).toarray()[0]
        right = scores[len(corpus) + number]
        others = np.delete(scores[: len(corpus)], own[number])
        assert ranks[number] == (1 + np.count_nonzero(others > right) if right else 1 + len(corpus))
    assert ranks.max() == 301  # a span that shares no word with the rest of its text
    whole = ranks_by_words(corpus, corpus, corpus, np.arange(len(corpus)))
    assert (whole == 1).all()


def test_texts_count_once() -> None:
    rows = [{"text": "The same"}, {"text": "another"}, {"text": "the  SAME"}, {"text": "another"}, {"text": "third"}]
    assert [e.text for e in distinct_texts(read(rows))] == ["The same", "another", "third"]


def test_of_many_texts_some_are_drawn_in_their_order() -> None:
    rows = texts(50)
    some = list(some_of(rows, 20, 1))
    assert len(some) == 20
    assert [e.line for e in some] == sorted(e.line for e in some)
    assert some == list(some_of(rows, 20, 1)) != list(some_of(rows, 20, 2))
    assert list(some_of(rows, 100, 1)) == rows


@pytest.mark.parametrize("kind", ["span", "mixed"])
def test_a_test_holds_each_text_once_and_what_is_asked_without_its_query(kind: str) -> None:
    rows = texts(40)
    held_out = asked(rows[:10], kind, of_each=1)
    found = held_out_set("dev", held_out, rows)
    assert list(found.documents) == [e.id for e in rows]
    assert len(found.queries) == 10
    for one in held_out:
        assert found.relevant[one.id] == {one.source.id: 1}
        assert found.queries[one.id] == one.made.query
        assert found.documents[one.source.id] == one.made.document
    assert [found.documents[e.id] for e in rows[10:]] == [e.text for e in rows[10:]]


def test_titles_are_read_apart_and_written_again(tmp_path: Path) -> None:
    rows = [{"title": "Mend a tire", "text": f"Take off number {n}."} for n in range(3)]
    examples = read(rows).examples
    assert [(e.title, e.text) for e in examples] == [
        ("Mend a tire", f"Mend a tire Take off number {n}.") for n in range(3)
    ]
    from acclimate.data.cleaning import cleaned

    again = read([dict(row) for row in cleaned(read(rows).examples).rows]).examples
    assert [(e.title, normalized(e.text)) for e in again] == [(e.title, normalized(e.text)) for e in examples]
