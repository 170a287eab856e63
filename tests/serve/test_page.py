"""The page in a real browser: what a user does with it, and what data cannot do to it."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from acclimate.report.page import style
from acclimate.serve.app import State, explorer
from acclimate.serve.corpus import Question
from browser import CLIPPED, Tab
from browser.payloads import CALL, PAYLOADS
from fake_run import metrics

from .conftest import space

pytestmark = pytest.mark.long

WORDS = ("pain", "skin", "blood", "heart", "bone", "muscle", "brain", "cell", "gene", "drug", "dose", "fever", "acute")
FOREIGN = (
    "script, iframe, object, embed, img, image, video, audio, base, form, style, link, math, foreignObject, marquee"
)


@contextmanager
def served(state: State) -> Iterator[str]:
    """The application on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(lambda *_: None, port=0, log_level="error", lifespan="off"))
    listening = server.config.bind_socket()
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    server.config.app = explorer(state, [address], style())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://{address}/"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def run(state: State, tmp_path: Path) -> State:
    """A run with real-looking texts, long ones among them, questions of both kinds and a training."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, 6 + row % 20)) for row in range(400)]
    texts[5], texts[6] = "Unbreakable" * 60, "长文本" * 200
    questions = [
        Question(f"what helps {texts[row][:60]}", "test", np.array([row]), 1 + row % 30, 1) for row in range(80)
    ]
    questions += [Question(f"trained on {texts[row][:40]}", "train", np.array([row])) for row in range(80, 120)]
    gained = {"method": "full", "verdict": "gained", "tone": "good", "rejected": False}
    state.about = {**state.about, **gained, "run": "a-run-with-a-rather-long-name"}
    state.space, state.notes = space(texts, questions), ("TRAIN has changed since the run",)
    state.metrics.write_text("".join(json.dumps(record) + "\n" for record in metrics()))
    return state


class Page(Tab):
    """The explorer's page in a tab."""

    def open(self, asked: str = "", ready: bool = True) -> "Page":
        self.go(asked)
        if ready:
            self.tab.wait_for_selector("#look:not([hidden])")
        return self

    def ask(self, text: str) -> None:
        self.tab.fill("#query", text)
        self.tab.press("#query", "Enter")
        self.settled(f"row=|query={re.escape(text[:3])}")

    def settled(self, address: str) -> None:
        self.until("pattern => new RegExp(pattern).test(location.search)", address)
        self.until("document.getElementById('results').getAttribute('aria-busy') === 'false'")


@pytest.fixture
def page(chromium: Any, run: State) -> Iterator[Page]:
    with served(run) as address:
        opened = Page(chromium, address)
        yield opened
        opened.context.close()
    assert opened.said == []
    assert opened.elsewhere == []


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(360, "light", "en"), (360, "dark", "zh"), (1440, "light", "zh"), (1440, "dark", "en")],
)
def test_the_page_is_accessible_and_nothing_is_clipped(
    chromium: Any, run: State, width: int, scheme: str, language: str
) -> None:
    run.feedback.add("what helps " + run.space.corpus.texts[0][:60], run.space.corpus.texts[0], "right")  # type: ignore[union-attr]
    with served(run) as address:
        page = Page(
            chromium, address, viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
        )
        for asked in ("", "row=5&", f"query={run.space.corpus.questions[0].text}&"):  # type: ignore[union-attr]
            page.open(f"?{asked}language={language}")
            for part in ("questions", "documents", "training"):
                page.tab.evaluate(f"document.getElementById('{part}-part').open = true")
            page.tab.wait_for_selector("#documents table")
            page.tab.wait_for_selector("#questions table")
            page.tab.wait_for_selector("#charts figure:nth-child(4)")
            page.tab.evaluate("for (const d of document.querySelectorAll('#charts details')) d.open = true")
            page.tab.wait_for_timeout(200)
            assert page.tab.evaluate(CLIPPED) == []
            assert page.violations() == []
        page.context.close()
    assert page.said == []
    assert page.elsewhere == []


def test_a_query_shows_both_sides_and_stands_in_the_address(page: Page, run: State) -> None:
    page.open().ask("chronic pain")
    assert run.space is not None
    expected = run.space.neighbors("chronic pain", 10)
    for side in ("before", "after"):
        rows = page.tab.eval_on_selector_all(f"#{side} li", "all => all.map(li => Number(li.dataset.row))")
        assert rows == expected[side]
        fates = page.tab.eval_on_selector_all(f"#{side} .fate", "all => all.map(e => e.textContent)")
        other = expected["after" if side == "before" else "before"]
        assert fates == ["kept" if row in other else "lost" if side == "before" else "new" for row in expected[side]]
    assert f"{expected['kept']} kept, {expected['new']} new" in page.tab.inner_text("#told")


def test_right_answers_are_marked_and_listed_with_their_ranks(page: Page, run: State) -> None:
    assert run.space is not None
    page.open().ask(run.space.corpus.questions[3].text)
    found = run.space.neighbors(run.space.corpus.questions[3].text, 10)["documents"]["3"]
    cells = page.tab.eval_on_selector_all("#right tbody td", "all => all.map(e => e.textContent)")
    assert cells[1:] == [str(found["rank_before"]), str(found["rank_after"])]
    page.tab.select_option("#count", "50")
    page.settled("count=50")
    marked = page.tab.eval_on_selector_all(".gold-mark", "all => all.map(e => e.closest('li').dataset.row)")
    assert marked == ["3"] * ((found["rank_before"] <= 50) + (found["rank_after"] <= 50))


def test_a_question_of_the_list_brings_its_answer_into_view(page: Page, run: State) -> None:
    assert run.space is not None
    page.open().tab.select_option("#questions-order", "gained")
    page.until("document.querySelector('#questions td').textContent === '30'")
    text = page.tab.inner_text("#questions th button")
    page.tab.click("#questions tr:last-child button")
    page.settled("query=what")
    page.until("document.activeElement.id === 'told'")
    page.tab.wait_for_timeout(600)  # it scrolls smoothly
    box = page.tab.locator("#told").bounding_box()
    assert 0 <= box["y"] < 900
    assert text.startswith("what helps")


def test_all_that_is_seen_is_kept_in_the_address(page: Page, run: State) -> None:
    page.open().ask("acute fever")
    page.tab.select_option("#count", "20")
    page.settled("count=20")
    page.tab.focus("#share")
    page.tab.keyboard.press("ArrowLeft")
    page.settled("share=0.5")
    page.tab.check("input[value=before]")
    page.tab.select_option("#language", "zh")
    page.until("/保留|新增/.test(document.querySelector('#after .fate').textContent)")
    seen = page.tab.inner_text("#after"), page.tab.inner_text("#before")
    address = page.tab.url
    other = page.context.new_page()
    other.goto(address)
    page.until("document.querySelectorAll('#after li').length === 20", tab=other)
    assert (other.inner_text("#after"), other.inner_text("#before")) == seen
    assert "保留" in seen[0]
    assert other.is_checked("input[value=before]")
    assert other.input_value("#share") == "1"
    other.close()
    page.tab.click("#after li:nth-child(2) button")
    page.settled("row=")
    page.tab.go_back()
    page.settled("query=acute")
    assert page.tab.input_value("#query") == "acute fever"
    assert page.tab.inner_text("#after") == seen[0]


def test_a_click_on_a_point_shows_the_neighbors_of_its_document(page: Page, run: State) -> None:
    assert run.space is not None
    page.open()
    page.tab.wait_for_timeout(300)
    points = run.space.points(1.0)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(len(points))
    row = int(gaps.min(axis=1).argmax())  # the loneliest, so that no other is hit
    box = page.tab.locator("#map").bounding_box()
    size, margin = box["width"], 14
    x = margin + (size - 2 * margin) * points[row, 0] / 10_000
    y = margin + (size - 2 * margin) * (1 - points[row, 1] / 10_000)
    page.tab.hover("#map", position={"x": x, "y": y})
    page.tab.wait_for_selector("#tip:not([hidden])")
    assert page.tab.inner_text("#tip")[:20] == run.space.corpus.texts[row][:20]
    page.tab.click("#map", position={"x": x, "y": y})
    page.settled(f"row={row}$")
    rows = page.tab.eval_on_selector_all("#after li", "all => all.map(li => Number(li.dataset.row))")
    assert rows == run.space.neighbors(row, 10)["after"]


def test_everything_can_be_done_with_the_keyboard(page: Page, run: State) -> None:
    page.open()

    def focused() -> str:
        return str(page.tab.evaluate("document.activeElement.id || document.activeElement.className"))

    def tab_to(wanted: Callable[[], bool]) -> None:
        for _ in range(200):
            page.tab.keyboard.press("Tab")
            if wanted():
                return
        raise AssertionError("the focus never comes there")

    tab_to(lambda: focused() == "query")
    page.tab.keyboard.type("chronic pain")
    page.tab.keyboard.press("Enter")
    page.settled("query=chronic")
    tab_to(lambda: focused() == "small wrong")
    page.tab.keyboard.press("Space")
    page.until("document.activeElement.getAttribute('aria-pressed') === 'true'")
    assert len(run.feedback.path.read_text().splitlines()) == 1
    tab_to(lambda: focused() == "small" and page.tab.evaluate("document.activeElement.textContent") == "Neighbors")
    page.tab.keyboard.press("Enter")
    page.settled("row=")
    page.until("document.activeElement.id === 'told'")
    page.tab.go_back()
    page.settled("query=chronic")
    tab_to(lambda: focused() == "map")
    for key in ("ArrowRight", "ArrowUp", "ArrowRight"):
        page.tab.keyboard.press(key)
    page.until("document.getElementById('map-said').textContent.length > 0")
    page.tab.keyboard.press("Enter")
    page.settled("row=")
    tab_to(lambda: page.tab.evaluate("document.activeElement.localName") == "summary")
    is_open = "document.activeElement.parentElement.open"
    before = page.tab.evaluate(is_open)
    page.tab.keyboard.press("Enter")
    assert page.tab.evaluate(is_open) is not before


def test_what_a_user_flags_is_a_line_of_the_file(page: Page, run: State) -> None:
    assert run.space is not None
    page.open().ask("chronic pain")
    row = run.space.neighbors("chronic pain", 10)["after"][2]
    wrong = f'#after li[data-row="{row}"] button.wrong'

    def pressed(value: str) -> None:
        page.until(
            "([path, value]) => document.querySelector(path)?.getAttribute('aria-pressed') === value", [wrong, value]
        )

    page.tab.click(wrong)
    pressed("true")
    page.tab.reload()
    page.settled("query=chronic")
    pressed("true")
    page.tab.click(wrong)
    pressed("false")
    lines = [json.loads(line) for line in run.feedback.path.read_text().splitlines()]
    text = run.space.corpus.texts[row]
    assert lines == [{"query": "chronic pain", "negative": text}, {"query": "chronic pain", "withdrawn": text}]


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_documents_slide_to_their_new_ranks_unless_motion_is_unwanted(chromium: Any, run: State, motion: str) -> None:
    with served(run) as address:
        page = Page(chromium, address, reduced_motion=motion).open()
        page.tab.evaluate(
            "() => { window.slides = 0; const own = Element.prototype.animate;"
            " Element.prototype.animate = function (...said) { window.slides++; return own.apply(this, said); }; }"
        )
        page.ask("chronic pain")
        assert (page.tab.evaluate("window.slides") > 0) == (motion == "no-preference")
        page.context.close()


def test_a_training_is_followed_until_its_neighbors_are_there(chromium: Any, run: State) -> None:
    ready, run.space, run.phase = run.space, None, "waiting"
    records = metrics()
    run.metrics.write_text("".join(json.dumps(record) + "\n" for record in records[:150]))
    with served(run) as address:
        page = Page(chromium, address).open(ready=False)
        page.tab.wait_for_selector("#charts figure:nth-child(4)")
        assert "Step 146" in page.tab.inner_text("#training-said")
        assert "left" in page.tab.inner_text("#training-said")
        with run.metrics.open("a") as file:
            file.write("".join(json.dumps(record) + "\n" for record in records[150:250]))
        page.until("document.getElementById('training-said').textContent.includes('Step 244')")
        page.tab.focus("#charts figure:nth-child(2) summary")
        page.tab.keyboard.press("Enter")
        with run.metrics.open("a") as file:
            file.write("".join(json.dumps(record) + "\n" for record in records[250:260]))
        page.until("document.getElementById('training-said').textContent.includes('Step 254')")
        assert page.tab.evaluate("document.activeElement.closest('details').open") is True
        run.phase, run.done, run.total = "encoding", 100, 400
        page.tab.wait_for_selector("#progress:not([hidden])")
        assert "100" in page.tab.inner_text("#phase")
        run.space, run.phase = ready, "ready"
        page.tab.wait_for_selector("#look:not([hidden])")
        page.ask("chronic pain")
        page.context.close()
    assert page.said == []


def test_a_server_that_has_ended_is_told(chromium: Any, run: State) -> None:
    with served(run) as address:
        page = Page(chromium, address).open()
        page.ask("chronic pain")
    page.tab.fill("#query", "another")
    page.tab.press("#query", "Enter")
    page.until("document.getElementById('told').textContent.includes('does not answer')")
    page.context.close()


def test_no_text_of_the_data_ever_runs(chromium: Any, run: State) -> None:
    assert len(PAYLOADS) >= 100
    assert all(CALL in payload or "evil.example" in payload for payload in PAYLOADS)
    questions = [Question(f"{payload} ", "test", np.array([row]), 3, 1) for row, payload in enumerate(PAYLOADS)]
    run.space = space(PAYLOADS, questions)
    run.space.corpus.ids[:] = PAYLOADS  # type: ignore[index]
    run.notes, run.problem = tuple(PAYLOADS), PAYLOADS[0]
    run.about = {**run.about, **dict.fromkeys(("run", "method", "base", "verdict"), PAYLOADS[15])}
    for payload in PAYLOADS[:20]:
        run.feedback.add(payload, payload, "wrong")
    with served(run) as address:
        page = Page(chromium, address)
        fired: list[Any] = []
        page.context.expose_function("fired", lambda *said: fired.append(said))
        page.open()
        elements = f"document.querySelectorAll('{FOREIGN}').length"
        usual = page.tab.evaluate(elements)
        for part in ("questions", "documents"):
            page.tab.evaluate(f"document.getElementById('{part}-part').open = true")
            page.tab.wait_for_selector(f"#{part} table")
            while page.tab.is_enabled(f"#{part} .pages button:last-child"):
                before = page.tab.inner_text(f"#{part} .pages")
                page.tab.click(f"#{part} .pages button:last-child")
                page.until("([id, old]) => document.querySelector(`#${id} .pages`).innerText !== old", [part, before])
        for payload in PAYLOADS:
            page.tab.fill("#query", payload)
            page.tab.press("#query", "Enter")
        page.tab.wait_for_timeout(500)
        for row in range(0, len(PAYLOADS), 9):
            page.open(f"?row={row}&count=50")
            page.until("document.querySelectorAll('#after li').length === 50")
            page.tab.evaluate(
                "for (const e of document.querySelectorAll('#after *'))"
                " for (const n of ['mouseover', 'mouseenter', 'focus', 'pointerover']) e.dispatchEvent(new Event(n))"
            )
            assert page.tab.evaluate(elements) == usual
        for strange in (
            "?query=" + "%3Cimg%20src%3Dx%20onerror%3Dwindow.fired(1)%3E",
            "?language=<script>",
            "?row=__proto__",
            "#<img src=x onerror=window.fired(1)>",
        ):
            page.open(strange)
            page.tab.wait_for_timeout(100)
        assert page.tab.inner_text("h1") == PAYLOADS[15]
        time.sleep(0.2)
        page.context.close()
    assert fired == []
    assert page.said == []
    assert page.elsewhere == []
