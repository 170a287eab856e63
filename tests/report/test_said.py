"""Two languages: whatever the report says has its Chinese, with the same values in the same words."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import acclimate.report
from acclimate.report.build import write_report
from acclimate.report.chinese import CHINESE
from acclimate.report.said import Said, attributes, in_chinese, joined, known, recognized, t
from acclimate.report.words import METRICS
from fake_run import QUARANTINE, write_run

FOLDER = Path(acclimate.report.__file__).parent
VOID = {"meta", "input"}
# Names of metrics, files, columns, packages and units are the same in any language.
SAME = """
BM ndcg nDCG mrr recall map mean rank median alignment uniformity effective score latency ms documents per second
spearman pearson chinese dictionary words total infonce distill encoder no decay general embedding table embeddings
block yaml resolved json jsonl SHA train dev test split builtin run query positive pairs rows
Python python version of torch acclimate transformers Linux cuda GB MB kB bytes model min
"""
PRIVATE = ("private topic", "a private class", "secrettoken", "itis")


def said_in_code() -> Iterator[str]:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t":
                yield from (c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant))
    for path in (FOLDER / "templates").glob("*.j2"):
        yield from re.findall(r'\bt\("((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8"))


def test_every_sentence_of_code_and_templates_is_in_the_catalog() -> None:
    said = set(said_in_code()) | {meaning for meaning, _ in METRICS.values() if meaning}
    assert len(said) > 150
    assert sorted(said - set(CHINESE)) == []


def places(text: str) -> list[tuple[str, str | None]]:
    return sorted((name, form) for _, name, form, _ in Formatter().parse(text) if name is not None)


def test_both_languages_have_the_same_places() -> None:
    assert [english for english, chinese in CHINESE.items() if places(english) != places(chinese)] == []
    assert all(chinese.strip() for chinese in CHINESE.values())


def test_values_are_said_in_their_own_language() -> None:
    said = t("change of {name}", name=t("general score"))
    assert (said, said.chinese) == ("change of general score", "通用得分 的变化")
    both = joined([said, "x", known("yes")], ", ", "、")
    assert (both, in_chinese(both)) == ("change of general score, x, yes", "通用得分 的变化、x、是")
    assert not isinstance(joined(["a", "b"]), Said)


def test_sentences_of_other_rooms_are_recognized() -> None:
    reason = "test changed by +0.1000 (95% interval +0.0500 to +0.1500): above zero"
    found = recognized(reason, ["{of} changed by {change} (95% interval {low} to {high}): above zero"])
    assert found == reason
    assert in_chinese(found) == "测试集变化 +0.1000（95% 区间 +0.0500 到 +0.1500）：高于零"
    assert not isinstance(recognized("something else", ["{of} changed"]), Said)


def test_attributes_and_texts_are_escaped_in_both_languages() -> None:
    hostile = Said("\"><i>'", "\"><b>'")
    assert "<i>" not in attributes("aria-label", hostile)
    assert "<b>" not in attributes("aria-label", hostile)
    assert hostile.__html__().count("<") == 2


class Untranslated(HTMLParser):
    """Collects words that stay English in Chinese: outside of what is translated, of code, and of users' texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[bool] = []
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        assert not [value for value in names.values() if value and "<span" in value]
        for name in ("aria-label", "label"):
            if name in names and f"data-zh-{name}" not in names:
                self.found.append(str(names[name]))
        if tag not in VOID:
            own = (
                tag in {"code", "script", "style", "bdi"}
                or names.get("dir") == "auto"
                or ("lang" in names and tag != "html")
            )
            self.open.append("data-zh" in names or own)

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.open):
            self.found.append(data)


def test_in_chinese_no_sentence_stays_english(tmp_path: Path) -> None:
    found = Untranslated(write_report(write_run(tmp_path / "run")).read_text(encoding="utf-8")).found
    words = {word for text in found for word in re.findall(r"[A-Za-z]{2,}", text)}
    own = set(re.findall(r"\w+", " ".join([*PRIVATE, *(f"{row['reason']} {row['raw']}" for row in QUARANTINE)])))
    assert " ".join(sorted(words - set(SAME.split()) - own)) == ""
