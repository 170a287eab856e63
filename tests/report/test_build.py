"""The report as its reader gets it: complete, self-contained, safe to open, and silent about texts when told to be."""

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from acclimate.core.errors import DataError
from acclimate.report.build import write_report
from fake_run import DRIFT, QUARANTINE, map_document, queries, scores, write_run

VOID = {"meta", "link", "br", "img", "input", "hr"}
SECTIONS = ["verdict", "scores", "cost", "training", "map", "queries", "vocabulary", "data", "reproduce"]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</style></table>{{ 7*7 }}"


class Page(HTMLParser):
    """Parses strictly: every element is closed by its own end tag. Collects what the tests ask for."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def report(folder: Path, *, texts: bool = True) -> str:
    return write_report(folder, texts=texts).read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "labs")


def test_all_sections_are_there_and_the_menu_leads_to_them(run: Path) -> None:
    page = Page(report(run))
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a" and attributes.get("class") != "skip"]
    assert links == [f"#{section}" for section in SECTIONS]
    assert set(SECTIONS) <= ids


def test_headings_tables_and_charts_can_be_read_aloud(run: Path) -> None:
    page = Page(report(run))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(levels))
    assert sum(tag == "table" for tag, _ in page.tags) == sum(tag == "caption" for tag, _ in page.tags)
    charts = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("role") == "img"]
    assert len(charts) == 17
    assert all(chart["aria-label"] for chart in charts)


def test_every_chart_is_followed_by_its_numbers(run: Path) -> None:
    html = report(run)
    of_map = html[html.index('<section id="map"') : html.index('<section id="queries"')]
    assert of_map.index("<svg") < of_map.index('<details class="numbers" id="points"') < of_map.rindex("<td>")
    figures = re.findall(r"<figure>.*?</figure>", html.replace(of_map, ""), re.DOTALL)
    assert len(figures) == 14
    for figure in figures:
        assert figure.index("<svg") < figure.index("<details") < figure.index("<td>")


def test_opens_without_network_and_with_no_script_but_its_own(run: Path) -> None:
    html = report(run)
    page = Page(html)
    assert not {"iframe", "object", "embed", "form", "link", "img", "base"} & {tag for tag, _ in page.tags}
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}]
    assert not re.findall(r"(?:https?:)?//(?!www.w3.org/2000/svg|[ -])|@import|url\(", html)
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src"}]
        assert (attributes.get("href") or "#").startswith("#")


def test_the_policy_allows_the_style_sheet_and_the_script_alone(run: Path) -> None:
    html = report(run)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    (css,), (script,) = (re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL) for tag in ("style", "script"))
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in (css, script)
    )
    assert policy.replace("&#39;", "'").split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{script_hash}'",
        f"style-src 'sha256-{style_hash}'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]


def test_the_script_makes_no_markup_of_texts(run: Path) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", report(run), re.DOTALL)
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|import\(|fetch", script
    )


def test_equal_runs_give_equal_bytes(run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "elsewhere" / "labs")
    assert write_report(run).read_bytes() == write_report(other).read_bytes() == write_report(run).read_bytes()


def test_hostile_texts_are_shown_not_run(tmp_path: Path) -> None:
    hits = [{"id": HOSTILE, "text": HOSTILE, "score": 0.5, "relevant": True}]
    query = queries(1)[0] | {"query": HOSTILE, "relevant": [{"id": "1", "text": HOSTILE}], "top_before": hits}
    query |= {"label": HOSTILE, "unseen_words": [HOSTILE]}
    points = map_document(2)
    points["points"][0]["text"] = HOSTILE
    marked = scores() | {"method": HOSTILE, "base": HOSTILE}
    marked["general"]["before"] |= {HOSTILE: 0.5}
    marked["gate"]["reasons"] = [HOSTILE]
    folder = write_run(
        tmp_path / "<b>run",
        scores=marked,
        queries=[query, query, queries(2)[1], queries(2)[1]],
        resolved=f"# {HOSTILE}\n",
        environment={"command": ["acclimate", HOSTILE], HOSTILE: HOSTILE},
        profile={"name": HOSTILE, "labels": {"distinct": 1, "counts": {HOSTILE: 1}}, "notes": [HOSTILE]},
        map=points,
        drift={**DRIFT, "most": [{"token": HOSTILE, "drift": 0.1, "seen": 1}]},
        quarantine=[{"file": "f", "line": 1, "column": 1, "reason": HOSTILE, "raw": HOSTILE}],
        metrics=[
            {"step": 0, "loss": {HOSTILE: 1.0}, "lr": {HOSTILE: 1.0, "b": 2.0}, "grad_norm_by_block": {HOSTILE: 1.0}}
        ],
    )
    html = report(folder)
    page = Page(html)
    assert not {"img", "b"} & {tag for tag, _ in page.tags}
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}]
    assert html.count("</style>") == 1
    assert html.count("</script>") == 1
    assert page.words.count("<script>alert(1)</script>") >= 12
    assert "{{ 7*7 }}" in page.words


def test_control_characters_and_broken_unicode_do_not_break_the_file(tmp_path: Path) -> None:
    query = queries(1)[0] | {"query": "a\x00b\x1b\ud800c"}
    html = report(write_run(tmp_path / "run", queries=[query]))
    assert "a\ufffdb\ufffd?c" in html


def test_without_texts_no_text_of_the_user_is_left(run: Path) -> None:
    shown, hidden = report(run), report(run, texts=False)
    user_texts = [query["query"] for query in queries()]
    user_texts += [hit["text"] for query in queries() for hit in [*query["relevant"], *query["top_before"]]]
    user_texts += [word for query in queries() for word in [query["label"], *query["unseen_words"]]]
    user_texts += [
        "secrettoken",
        "##itis",
        "a private class",
        "Another answer",
        "a private row",
        "secret",
        QUARANTINE[1]["reason"],
    ]
    assert any(text in shown for text in user_texts)
    assert [text for text in user_texts if text in hidden] == []
    assert "Largest wins: 20" in Page(hidden).words


def test_queries_that_texts_gave_are_counted_by_how_they_were_made(tmp_path: Path) -> None:
    made = [("train", "span", "a span kept", True), ("train", "span", "a span lost", False)]
    made += [("train", "title", "a title kept", True), ("dev", "title", "a title held out", True)]
    lines = [
        {"id": f"{n}", "line": n, "part": part, "kind": kind, "query": query, "document": "the rest", "kept": kept}
        for n, (part, kind, query, kept) in enumerate(made)
    ]
    folder = write_run(tmp_path / "run", synthetic=lines)
    words = Page(report(folder)).words
    assert "span 2 1 a span kept" in words
    assert "title 1 1 a title kept" in words
    hidden = Page(report(folder, texts=False)).words
    assert "span 2 1" in hidden
    assert "a span kept" not in hidden


@pytest.mark.parametrize(
    ("word", "gain", "title", "model"),
    [
        ("gained", 0.1, "Gained", "model/ holds the tuned model."),
        ("unproven", 0.001, "Unproven", "model/ holds the tuned model."),
        ("no_gain", -0.02, "No gain", "model/ holds the base, unchanged; the tuned model is in rejected/."),
        ("forgotten", 0.1, "Forgotten", "model/ holds the base, unchanged; the tuned model is in rejected/."),
        ("diverged", -0.3, "Diverged", "model/ holds the base, unchanged; the tuned model is in rejected/."),
    ],
)
def test_the_verdict_is_said_in_words_with_its_numbers(
    tmp_path: Path, word: str, gain: float, title: str, model: str
) -> None:
    document = scores(word, gain)
    folder = write_run(tmp_path / "run", scores=document)
    if word not in {"gained", "unproven"}:
        (folder / "rejected").mkdir()
    (banner,) = re.findall(r'<section id="verdict".*?</section>', report(folder), re.DOTALL)
    words = Page(banner).words
    before, after = (document["test"][side]["ndcg@10"] for side in ("before", "after"))
    low, high = document["test"]["delta"]["ndcg@10"]["ci95"]
    assert words.startswith(title)
    assert (
        f"from {before:.4f} to {after:.4f} ({gain:+.4f}, 95% interval {low:+.4f} to {high:+.4f}, p = 0.0001)" in words
    )
    assert "from 0.5031 to 0.5010 (-0.0021)" in words
    assert model in words


def test_a_rejected_model_that_was_to_be_kept_is_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", scores=scores("forgotten"))
    assert "model/ holds the tuned model, because it was to be kept anyway." in Page(report(folder)).words


def test_command_seed_data_and_versions_are_exact(run: Path) -> None:
    words = Page(report(run)).words
    assert "acclimate fit 'my train.jsonl' --test test/ --out runs/labs" in words
    assert "seed 42" in words
    assert "3b1f" * 16 in words
    assert "version of · torch 2.13.0" in words


def test_the_profile_is_told_in_tables(run: Path) -> None:
    words = Page(report(run)).words
    assert "rows kept 62" in words
    assert "rows left out because the test would know them 2" in words
    assert "train 40 dev 10 test 10" in words
    assert "the same row again 1 61" in words
    assert "the same query with other positives 2 2, 62" in words
    assert "a private class 62" in words
    assert "Rows that were set aside: 3" in words
    lengths = json.loads((run / "data" / "profile.json").read_text())["lengths"]["query"]
    assert lengths["truncated"] == 0
    assert f"query 62 {lengths['characters']['p50']} {lengths['characters']['p95']}" in words


def test_a_run_without_queries_has_no_wins_and_losses(tmp_path: Path) -> None:
    similarity = {
        "before": {"spearman": 0.71},
        "after": {"spearman": 0.78},
        "delta": {"spearman": {"value": 0.07, "ci95": [0.03, 0.11], "p": 0.0002}},
    }
    folder = write_run(tmp_path / "run", queries=None, scores=scores() | {"test": similarity})
    page = Page(report(folder))
    assert "#queries" not in [attributes.get("href") for _, attributes in page.tags]
    assert "spearman went from 0.7100 to 0.7800" in page.words


def test_scores_alone_make_a_report(tmp_path: Path) -> None:
    files = ("metrics", "queries", "resolved", "recipe", "environment", "profile", "quarantine", "map", "drift")
    rest = dict.fromkeys(files)
    words = Page(report(write_run(tmp_path / "run", **rest))).words
    assert "Gained" in words
    assert "Training loss" not in words


def test_a_diverged_run_without_scores_after_it_is_told(tmp_path: Path) -> None:
    document = scores("diverged")
    for block in ("test", "general"):
        document[block] |= {"after": None, "delta": None}
    assert "Training did not converge" in Page(report(write_run(tmp_path / "run", scores=document))).words


def test_a_folder_that_is_no_run_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no scores.json; name the folder of a finished run"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_torn_last_line_is_left_out_and_a_damaged_one_named(tmp_path: Path) -> None:
    lines = '{"step": 0, "loss": {"total": 1.0}}\n{"step": 1, "lo'
    assert "Training loss" in report(write_run(tmp_path / "torn", metrics=lines))
    with pytest.raises(DataError, match=r"metrics\.jsonl:1: the file is damaged"):
        write_report(write_run(tmp_path / "damaged", metrics='{"step"\n{"step": 1}\n'))
