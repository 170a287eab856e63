"""Laws of queries that are made of a text itself, for every way to make them."""

import random

import numpy as np
import pytest

from acclimate.core.seeds import numpy_generator
from acclimate.data.bm25 import words_of
from acclimate.data.examples import Example, normalized
from acclimate.data.query_makers import QUERY_MAKERS, KeyphraseMaker, Made, QueryMaker, Text, Writer, rarities


def english(number: int) -> str:
    """Sentences of different words, so that each part of it stands there once."""
    words = [f"w{number}x{place}" for place in range(30)]
    random.Random(number).shuffle(words)
    return ". ".join(" ".join(words[start : start + 6]) for start in range(0, 30, 6)) + "."


def chinese(number: int) -> str:
    signs = [chr(0x4E00 + 200 * number + place) for place in range(60)]
    return "".join("".join(signs[start : start + 12]) + "。" for start in range(0, 60, 12))


LONG = [english(n) for n in range(40)] + [chinese(n) for n in range(40)]
SHORT = ["penny stock", "credible", "连明连夜", "连夜", "a b", "...", "Rogers, Ginger Rogers", "连"]
TITLED = [f"How to mend {n}\n{english(n)}" for n in range(10)] + [f"# 第{n}章\n{chinese(n)}" for n in range(10)]
ALL = [*LONG, *SHORT, *TITLED]
RARE = rarities(ALL)


def made(maker: QueryMaker, text: str, seed: int = 0, count: int = 4, title: str = "") -> list[Made]:
    return maker.make(Text(Example("a", 1, text=text, title=title)), RARE, numpy_generator(seed, text), count)


#: Every way that needs no model.
WAYS = [kind for kind in QUERY_MAKERS if "model" not in QUERY_MAKERS[kind].model_fields]


@pytest.fixture(params=WAYS)
def maker(request: pytest.FixtureRequest) -> QueryMaker:
    return QUERY_MAKERS.parse(request.param)


def test_queries_are_different_and_say_less_than_the_document(maker: QueryMaker) -> None:
    for text in ALL:
        found = made(maker, text)
        assert len(found) <= 4
        assert len({normalized(one.query) for one in found}) == len(found)
        for one in found:
            assert one.query.strip()
            assert one.document.strip()
            assert normalized(one.query) != normalized(one.document)


def test_what_is_drawn_depends_on_the_generator_alone(maker: QueryMaker) -> None:
    assert [made(maker, text, 1) for text in ALL] == [made(maker, text, 1) for text in ALL]
    if maker.kind != "title":  # there is nothing to draw
        assert [made(maker, text, 1) for text in LONG] != [made(maker, text, 2) for text in LONG]


def test_every_way_but_titles_is_fit_for_long_texts_of_any_script(maker: QueryMaker) -> None:
    for text in TITLED if maker.kind == "title" else LONG:
        assert made(maker, text)


@pytest.mark.parametrize("kind", ["sentence", "span"])
def test_what_is_cut_out_is_gone_unless_it_is_left_in(kind: str) -> None:
    for text in LONG:
        for one in made(QUERY_MAKERS.parse({"kind": kind, "left_in": 0}), text):
            assert text.count(one.query) == 1
            assert one.query not in one.document
            kept = [word for word in words_of(text) if word in set(words_of(one.document))]
            if text.isascii():
                assert words_of(one.document) == kept  # in their order, and nothing new
                assert len(kept) + len(words_of(one.query)) == len(words_of(text))
            assert len(one.query) <= 0.6 * len(text)
        for one in made(QUERY_MAKERS.parse({"kind": kind, "left_in": 1}), text):
            assert one.document == text
            assert one.query in text


def test_a_tenth_is_left_in_by_default() -> None:
    spans = [one for text in LONG for seed in range(8) for one in made(QUERY_MAKERS.parse("span"), text, seed, count=1)]
    share = np.mean([one.query in one.document for one in spans])
    assert len(spans) == 640
    assert abs(share - 0.1) < 4 * (0.1 * 0.9 / len(spans)) ** 0.5


def test_a_span_is_at_most_half_of_a_text() -> None:
    for text in LONG[:40]:
        for one in made(QUERY_MAKERS.parse("span"), text):
            assert 3 <= len(one.query.split()) <= 15


@pytest.mark.parametrize(
    ("text", "title", "query", "document"),
    [
        ("Mend a tire Take it off first.", "Mend a tire", "Mend a tire", "Take it off first."),
        ("## Mend a tire ##\nTake it off.\nThen look.", "", "Mend a tire", "Take it off.\nThen look."),
        ("Mend a tire\n\nTake it off first, then look.", "", "Mend a tire", "Take it off first, then look."),
        ("补胎\n先把轮胎取下来，再看哪里坏了。", "", "补胎", "先把轮胎取下来，再看哪里坏了。"),
    ],
    ids=["column", "Markdown", "first line", "Chinese"],
)
def test_titles(text: str, title: str, query: str, document: str) -> None:
    assert made(QUERY_MAKERS.parse("title"), text, title=title) == [Made("title", query, document)]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("One line alone", ""),
        ("A sentence, not a title.\nAnd the next one of the text.", ""),
        ("long " * 30 + "\n" + "longer " * 40, ""),
        ("A title alone", "A title alone"),
        ("The rest is\nless", ""),
    ],
    ids=["one line", "a sentence", "long", "nothing else", "no body"],
)
def test_what_is_no_title(text: str, title: str) -> None:
    assert made(QUERY_MAKERS.parse("title"), text, title=title) == []


def test_key_phrases_are_the_rare_words_of_a_text_in_its_order() -> None:
    texts = ["the cat of the house sat on the old red mat", *["the of sat on old red house"] * 20]
    maker = KeyphraseMaker(most_words=2)
    queries = set()
    for seed in range(20):
        (one,) = maker.make(Text(Example("a", 1, text=texts[0])), rarities(texts), numpy_generator(seed), 1)
        assert one.document == texts[0]
        queries.add(one.query)
    assert "cat mat" in queries
    assert all(set(query.split()) & {"cat", "mat"} for query in queries)  # two of the three that count most


def test_neighboring_signs_become_one_word() -> None:
    texts = ["今天人工智能很好", *["今天很好"] * 20]
    found = {
        one.query
        for seed in range(40)
        for one in KeyphraseMaker(most_words=3).make(
            Text(Example("a", 1, text=texts[0])), rarities(texts), numpy_generator(seed), 1
        )
    }
    assert "人工智能" in found


def test_mixed_takes_each_way_that_a_text_is_fit_for() -> None:
    for text in LONG:
        kinds = {one.kind for one in made(QUERY_MAKERS.parse("mixed"), text, count=3)}
        assert len(kinds) == 3 or kinds == {"span", "keyphrase"}  # where a span was the sentence
    titled = [{one.kind for one in made(QUERY_MAKERS.parse("mixed"), text, count=4)} for text in TITLED]
    assert titled == [{"title", "sentence", "span", "keyphrase"}] * len(TITLED)
    assert {"penny"} <= {one.query for one in made(QUERY_MAKERS.parse("mixed"), "penny stock")} <= {"penny", "stock"}
    assert made(QUERY_MAKERS.parse("mixed"), "credible") == []


def test_words_count_by_how_many_texts_have_them() -> None:
    rare = rarities(["a a b", "a c", "a"])
    assert rare["b"] == rare["c"] == pytest.approx(np.log(1 + 2.5 / 1.5))
    assert rare["a"] == pytest.approx(np.log(1 + 0.5 / 3.5))


def test_what_a_model_writes_asks_for_the_whole_text() -> None:
    maker = QUERY_MAKERS.parse({"kind": "generated", "model": "named", "prompt": "Text: {}"})
    read = []

    def writer(name: str) -> Writer:
        return lambda *given: read.append((name, *given)) or [["what is it", "  ", "WHAT  is it"], ["why", texts[1]]]

    texts = [english(1), english(2)]
    written = list(maker.written(texts, 3, writer))
    assert read == [("named", "Text: {}", texts, 3, 32)]
    found = [
        maker.make(Text(Example("a", 1, text=text), some), RARE, numpy_generator(0), 3)
        for text, some in zip(texts, written, strict=True)
    ]
    assert found == [[Made("generated", "what is it", texts[0])], [Made("generated", "why", texts[1])]]
    assert list(QUERY_MAKERS.parse("mixed").written(texts, 3, writer)) == [(), ()]
