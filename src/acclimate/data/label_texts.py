"""Labels by their words: what each label is called, and labeled texts as pairs of a text and its label's text."""

from collections.abc import Iterable, Mapping, Sequence

from acclimate.core.errors import UsageError
from acclimate.data.examples import Example, on_disk

NAME = "{}"  # in a pattern: the label itself


def texts_of_labels(labels: Iterable[str], given: str | Mapping[str, str]) -> dict[str, str]:
    """The text of each label, in the order of the labels' names.

    Args:
        labels: of training and test.
        given: the text of each label, or a pattern with ``{}`` for the label.

    Raises:
        UsageError: a label without a text, two labels with one text, or a text of no label.
    """
    names = sorted(set(labels))
    texts = {name: given.replace(NAME, name) if isinstance(given, str) else given.get(name, "") for name in names}
    lacking = [name for name in names if not texts[name].strip()]
    if lacking:
        raise UsageError(f"data.label_texts has no text for label {lacking[0]!r}", "give one for every label")
    unknown = sorted(set(given) - set(names)) if isinstance(given, Mapping) else []
    if unknown:
        problem = f"data.label_texts names {unknown[0]!r}, which is no label of the data"
        raise UsageError(problem, f"labels are {', '.join(names[:10])}{' ...' * (len(names) > 10)}")
    if len(set(texts.values())) < len(names):
        raise UsageError("data.label_texts has one text for two labels", "give each label a text of its own")
    return texts


def as_pairs(examples: Iterable[Example], texts: Mapping[str, str]) -> Sequence[Example]:
    """Labeled texts as queries whose right document is the text of their label."""
    return on_disk(
        e._replace(query=e.text, text="", positives=(texts[str(e.label)],), doc_id=f"label:{e.label}") for e in examples
    )
