"""Labels by their words."""

import pytest

from acclimate.core.errors import UsageError
from acclimate.data.examples import Example
from acclimate.data.label_texts import as_pairs, texts_of_labels


def test_a_pattern_holds_the_label_and_a_mapping_gives_it_words() -> None:
    assert texts_of_labels(["b", "a", "b"], "about {}") == {"a": "about a", "b": "about b"}
    assert texts_of_labels(["b", "a"], {"b": "birds", "a": "apes"}) == {"a": "apes", "b": "birds"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"a": "apes"}, "no text for label 'b'"),
        ({"a": "apes", "b": " "}, "no text for label 'b'"),
        ({"a": "apes", "b": "birds", "c": "cats"}, "names 'c', which is no label of the data; labels are a, b"),
        ({"a": "animals", "b": "animals"}, "one text for two labels"),
    ],
)
def test_texts_that_do_not_fit_the_labels_are_told(given: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        texts_of_labels(["a", "b"], given)


def test_a_labeled_text_asks_for_its_label() -> None:
    (pair,) = as_pairs([Example("x:1", 1, text="it sings", label="b", weight=0.5)], {"b": "birds"})
    assert (pair.query, pair.positives, pair.text, pair.weight) == ("it sings", ("birds",), "", 0.5)
