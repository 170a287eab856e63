"""The report in a real browser: what its reader sees and does, and what texts of the data cannot do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import acclimate
from acclimate.report.build import write_report
from browser import CLIPPED, Tab
from browser.payloads import CALL, PAYLOADS
from fake_run import DRIFT, map_document, queries, scores, write_run
from small import pairs
from tiny import make_tiny_model

pytestmark = pytest.mark.long

OPEN_ALL = "for (const d of document.querySelectorAll('details')) d.open = true"
SHOWN = (
    "[...document.querySelectorAll('[data-case]')].filter(e => e.offsetParent !== null || e.getClientRects().length)"
)
LINES = f"{SHOWN}.map(e => Number(e.dataset.line))"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of seconds, with a column of labels and texts in two scripts."""
    place = tmp_path_factory.mktemp("page")
    rows = [row | {"label": "abc"[n % 3]} for n, row in enumerate(pairs(300))]
    signs = [chr(0x4E00 + 7 * n) + chr(0x5E00 + 11 * n) + chr(0x6E00 + 13 * n) for n in range(40)]
    rows += [{"query": f"查询{sign}", "positive": f"回答{sign}在{sign[1]}里", "label": "zh"} for sign in signs]
    done = acclimate.fit(
        rows, base=str(make_tiny_model(place / "tiny")), out=place / "a-run-with-a-rather-long-name", epochs=2, lr=2e-3,
        batch_size=16, quiet=True,
    )  # fmt: skip
    return done.path


@pytest.fixture
def page(chromium: Any, run: Path) -> Iterator[Tab]:
    opened = Tab(chromium, (run / "report.html").as_uri(), locale="en-US").go()
    yield opened
    opened.context.close()
    assert opened.said == []
    assert opened.elsewhere == []


def told(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "data" / "queries.jsonl").read_text(encoding="utf-8").splitlines()]


def shown(page: Tab) -> list[int]:
    return list(page.tab.evaluate(LINES))


def choose(page: Tab, **values: str) -> None:
    for name, value in values.items():
        page.tab.select_option(f"#{name}", value)
    page.tab.wait_for_timeout(250)


@pytest.mark.parametrize(
    ("width", "scheme", "locale", "texts"),
    [
        (360, "light", "en-US", True),
        (360, "dark", "zh-CN", True),
        (1440, "light", "zh-CN", True),
        (1440, "dark", "en-US", True),
        (360, "dark", "en-US", False),
    ],
)
def test_the_page_is_accessible_and_nothing_is_clipped(
    chromium: Any, run: Path, tmp_path: Path, width: int, scheme: str, locale: str, texts: bool
) -> None:
    written = write_report(run, texts=texts, out=tmp_path / "report.html")
    view = {"width": width, "height": 800}
    page = Tab(
        chromium, written.as_uri(), viewport=view, color_scheme=scheme, locale=locale, reduced_motion="reduce"
    ).go()
    page.tab.evaluate(OPEN_ALL)
    assert page.tab.evaluate(CLIPPED) == []
    assert page.violations() == []
    page.context.close()
    assert page.said == []
    assert page.elsewhere == []


@pytest.mark.parametrize(("locale", "language"), [("zh-CN", "zh"), ("zh-TW", "zh"), ("en-GB", "en"), ("de-DE", "en")])
def test_the_language_is_the_browsers_and_can_be_changed(chromium: Any, run: Path, locale: str, language: str) -> None:
    page = Tab(chromium, (run / "report.html").as_uri(), locale=locale).go()
    said = {"zh": "微调前后", "en": "Before and after"}
    labels = {"zh": "词表的漂移", "en": "Drift of the vocabulary"}
    for wanted in (language, "zh", "en", "zh"):
        page.tab.select_option("#language", wanted)
        assert page.tab.inner_text("#scores-title") == said[wanted]
        assert page.tab.inner_text("#vocabulary h3") == labels[wanted]
        assert page.tab.get_attribute("#map-before", "aria-label").startswith({"zh": "微调前", "en": "Map"}[wanted])
        assert page.tab.get_attribute("html", "lang") == {"zh": "zh-Hans", "en": "en"}[wanted]
        title = page.tab.title()
        assert ("报告" in title) == (wanted == "zh")
    page.context.close()
    assert page.said == []


def test_queries_are_filtered_by_words_outcome_and_group(page: Tab, run: Path) -> None:
    given = told(run)
    fates = {
        n: (q["rank_after"] < q["rank_before"]) - (q["rank_after"] > q["rank_before"]) for n, q in enumerate(given, 1)
    }
    for name, sign in (("won", 1), ("lost", -1), ("same", 0)):
        choose(page, fate=name)
        assert sorted(shown(page)) == [n for n, fate in fates.items() if fate == sign]
    choose(page, fate="", part="label-3")
    label = page.tab.inner_text("#part option[value=label-3]")
    assert sorted(shown(page)) == [n for n, q in enumerate(given, 1) if q["label"] == label]
    count = f"{len(shown(page))} of {len(given)} queries are shown."
    assert page.tab.inner_text("#found") == count
    choose(page, part="")
    page.tab.fill("#words", "TEACHER near")
    page.tab.wait_for_timeout(250)
    for n in shown(page):
        texts = [
            given[n - 1]["query"],
            *(hit["text"] for side in ("relevant", "top_before", "top_after") for hit in given[n - 1][side]),
        ]
        assert "teacher" in "\n".join(texts)
        assert "near" in "\n".join(texts)
    assert 0 < len(shown(page)) < len(given)
    page.tab.fill("#words", "nothing says this")
    page.tab.wait_for_timeout(250)
    assert shown(page) == []
    page.tab.click("#reset")
    assert page.tab.input_value("#words") == ""
    assert page.tab.is_hidden("#found")
    page.tab.evaluate(OPEN_ALL)
    assert sorted(shown(page)) == list(range(1, len(given) + 1))


def test_queries_are_sorted(page: Tab, run: Path) -> None:
    given = told(run)
    gain = [q["ndcg_after"] - q["ndcg_before"] for q in given]
    choose(page, order="line")
    assert shown(page) == list(range(1, len(given) + 1))
    choose(page, order="lost")
    found = [gain[n - 1] for n in shown(page)]
    assert found == sorted(found)
    choose(page, order="gained", fate="won")
    found = [gain[n - 1] for n in shown(page)]
    assert found == sorted(found, reverse=True)


def points_of(run: Path) -> list[dict[str, Any]]:
    return list(json.loads((run / "data" / "map.json").read_text(encoding="utf-8"))["points"])


def marked(page: Tab, side: str) -> list[int]:
    path = f"[...document.querySelectorAll('#map-{side} g:first-child > *')]"
    return list(page.tab.evaluate(f"{path}.flatMap((e, n) => e.classList.contains('on') ? [n] : [])"))


def drag(page: Tab, side: str, left: float, top: float, right: float, bottom: float) -> None:
    """Over a region in coordinates of the drawing, from 0 to 400."""
    page.tab.locator(f"#map-{side}").scroll_into_view_if_needed()
    box = page.tab.locator(f"#map-{side}").bounding_box()
    x, y, scale = box["x"], box["y"], box["width"] / 400
    page.tab.mouse.move(x + left * scale, y + top * scale)
    page.tab.mouse.down()
    page.tab.mouse.move(x + (left + right) / 2 * scale, y + (top + bottom) / 2 * scale)
    page.tab.mouse.move(x + right * scale, y + bottom * scale)
    page.tab.mouse.up()


def inside(run: Path, side: str, left: float, top: float, right: float, bottom: float) -> list[int]:
    found = []
    for n, point in enumerate(points_of(run)):
        x, y = (12 + 376 * value / 1000 for value in point[side])
        if left <= x <= right and top <= 400 - y <= bottom:
            found.append(n)
    return found


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_region_of_one_side_is_marked_on_both_and_filters_the_queries(page: Tab, run: Path, side: str) -> None:
    region = (150.5, 130.5, 260.5, 270.5)
    drag(page, side, *region)
    expected = inside(run, side, *region)
    assert 5 < len(expected) < len(points_of(run))
    assert marked(page, "before") == marked(page, "after") == expected
    lines = sorted({line for n in expected for line in points_of(run)[n]["lines"]})
    assert sorted(shown(page)) == lines
    assert page.tab.inner_text("#marked") == f"{len(expected)} texts are marked."
    page.tab.evaluate("document.getElementById('points').open = true")
    rows = page.tab.eval_on_selector_all("#points tbody tr", "all => all.flatMap((e, n) => e.hidden ? [] : [n])")
    assert rows == expected
    choose(page, fate="won")
    assert set(shown(page)) <= set(lines)
    page.tab.click("#unmark")
    assert marked(page, "before") == marked(page, "after") == []


def test_a_click_marks_what_lies_around_it(page: Tab, run: Path) -> None:
    n = len(points_of(run)) // 2
    x, y = (12 + 376 * value / 1000 for value in points_of(run)[n]["after"])
    box = page.tab.locator("#map-after").bounding_box()
    scale = box["width"] / 400
    page.tab.click("#map-after", position={"x": x * scale, "y": (400 - y) * scale})
    assert n in marked(page, "before")
    assert marked(page, "before") == marked(page, "after")


def test_a_region_is_marked_by_keys(page: Tab, run: Path) -> None:
    for _ in range(60):
        page.tab.keyboard.press("Tab")
        if page.tab.evaluate("document.activeElement.id") == "map-before":
            break
    assert page.tab.evaluate("document.activeElement.id") == "map-before"
    page.tab.keyboard.press("Enter")
    middle = inside(run, "before", 176, 176, 224, 224)
    assert marked(page, "after") == middle
    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("ArrowUp")
    for _ in range(4):
        page.tab.keyboard.press("+")
    page.tab.keyboard.press("Space")
    half = 24 * 1.25**4
    assert marked(page, "after") == inside(run, "before", 212 - half, 188 - half, 212 + half, 188 + half)
    assert len(marked(page, "after")) > len(middle)
    page.tab.keyboard.press("Escape")
    assert marked(page, "after") == []


def test_queries_without_texts_are_filtered_and_marked_too(chromium: Any, run: Path, tmp_path: Path) -> None:
    page = Tab(chromium, write_report(run, texts=False, out=tmp_path / "bare.html").as_uri(), locale="en-US").go()
    assert page.tab.query_selector("#words") is None
    choose(page, fate="lost", order="line")
    fates = [n for n, q in enumerate(told(run), 1) if q["rank_after"] > q["rank_before"]]
    assert shown(page) == fates
    page.tab.click("#reset")
    region = (100.5, 100.5, 300.5, 300.5)
    drag(page, "after", *region)
    assert marked(page, "before") == inside(run, "after", *region)
    page.context.close()
    assert page.said == []


def test_without_scripts_and_in_print_the_report_is_whole_and_english(chromium: Any, run: Path) -> None:
    page = Tab(chromium, (run / "report.html").as_uri(), locale="zh-CN", java_script_enabled=False).go()
    for hidden in ("#language", "#filters", "#unmark", "#marked"):
        assert page.tab.is_hidden(hidden)
    assert page.tab.inner_text("#scores-title") == "Before and after"
    assert page.tab.locator("[data-case]").count() == len(told(run))
    assert page.tab.locator("#map-before circle").first.is_visible()
    page.tab.emulate_media(media="print")
    assert page.tab.is_hidden("nav")
    first = page.tab.locator("[data-case]").nth(1)
    assert first.locator(".answers").is_visible()
    assert len(page.tab.pdf()) > 50_000
    page.context.close()


def test_no_text_of_the_data_ever_runs(chromium: Any, tmp_path: Path) -> None:
    assert len(PAYLOADS) >= 100
    assert all(CALL in payload or "evil.example" in payload for payload in PAYLOADS)
    given = queries(len(PAYLOADS))
    for query, payload in zip(given, PAYLOADS, strict=True):
        query |= {
            "query": payload,
            "label": payload,
            "group": PAYLOADS[query["rank_after"] % 7],
            "unseen_words": [payload],
        }
        for hit in (*query["relevant"], *query["top_before"], *query["top_after"]):
            hit["text"] = payload
    document = map_document(len(PAYLOADS))
    for point in document["points"]:
        point["text"] = PAYLOADS[point["number"] - 1]
    most = [{"token": payload, "drift": 0.1, "seen": 3} for payload in PAYLOADS]
    classes = dict.fromkeys(PAYLOADS, 1)
    marked_scores = scores() | {"method": PAYLOADS[0], "base": PAYLOADS[1]}
    marked_scores["gate"]["reasons"] = PAYLOADS
    folder = write_run(
        tmp_path / "run", scores=marked_scores, queries=given, map=document, drift={**DRIFT, "most": most},
        resolved="\n".join(f"# {payload!r}" for payload in PAYLOADS), environment={"command": PAYLOADS},
        profile={"name": PAYLOADS[2], "notes": PAYLOADS, "labels": {"distinct": 9, "counts": classes}},
        quarantine=[{"file": "f", "line": 1, "column": 1, "reason": p, "raw": p} for p in PAYLOADS[:20]],
    )  # fmt: skip
    page = Tab(chromium, write_report(folder).as_uri())
    fired: list[Any] = []
    page.context.expose_function("fired", lambda *said: fired.append(said))
    page.go()
    page.tab.evaluate(OPEN_ALL)
    foreign = "iframe, object, embed, img, image, video, audio, base, form, link, math, foreignObject, [onclick]"
    for language in ("en", "zh", "en"):
        page.tab.select_option("#language", language)
        for part in page.tab.eval_on_selector_all("#part option", "all => all.map(e => e.value)"):
            choose(page, part=part)
        choose(page, part="", order="lost" if language == "zh" else "gained")
        for payload in PAYLOADS[::10]:
            page.tab.fill("#words", payload)
        page.tab.click("#reset")
        drag(page, "before", 20, 20, 380, 380)
        page.tab.click("#unmark")
        page.tab.evaluate(
            "for (const e of document.querySelectorAll('main *'))"
            " for (const n of ['mouseover', 'mouseenter', 'focus', 'pointerover']) e.dispatchEvent(new Event(n))"
        )
        assert page.tab.locator(foreign).count() == 0
        assert page.tab.locator("script").count() == page.tab.locator("style").count() == 1
    page.go("#<img src=x onerror=window.fired(1)>")
    page.tab.wait_for_timeout(300)
    page.context.close()
    assert fired == []
    assert page.said == []
    assert page.elsewhere == []
