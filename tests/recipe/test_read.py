"""Recipes in and out of YAML, and one line for every mistake."""

from pathlib import Path

import pytest
import yaml

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.methods.full import Full
from acclimate.methods.last_layers import LastLayers
from acclimate.objectives import OBJECTIVES
from acclimate.objectives.cosent import CoSentSpec
from acclimate.objectives.infonce import InfoNCESpec
from acclimate.recipe import Recipe, read_recipe, write_recipe
from acclimate.recipe.tree import DataSettings, EvaluationSettings, TrainingSettings
from acclimate.regularizers import REGULARIZERS
from acclimate.regularizers.distill import DistillSpec
from acclimate.regularizers.l2sp import L2SPSpec

SHIPPED = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))

WHOLE = """
base: some/model
data: {train: pairs.jsonl, columns: {query: question, positive: answer}, negatives_a_row: 2}
method: {kind: last_layers, layers: 2}
objectives:
  - {kind: infonce, temperature: 0.02, weight: 0.5}
  - infonce
regularizers:
  - {kind: distill, weight: 2, keep: relations}
  - l2sp
training: {lr: 1e-4, batch_size: 32, epochs: 1.5, dropout: off, precision: bf16, seed: 7}
evaluation: {keep_best: mrr@10, merge: 0.5}
"""


def read(tmp_path: Path, text: str, *settings: str, **values: object) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return read_recipe(path, settings, {key.replace("__", "."): value for key, value in values.items()})


def mistake(tmp_path: Path, text: str, *settings: str) -> str:
    """The one line, from the file's name on."""
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text, *settings)
    line = str(caught.value)
    assert caught.value.exit_status == 2
    assert "\n" not in line
    assert "; " in line
    assert caught.value.remedy
    return line.removeprefix(f"{tmp_path}/")


def test_a_whole_recipe_is_read(tmp_path: Path) -> None:
    recipe = read(tmp_path, WHOLE)
    assert recipe.method == LastLayers(layers=2)
    assert recipe.objectives == (InfoNCESpec(temperature=0.02, weight=0.5), InfoNCESpec())
    assert recipe.regularizers == (DistillSpec(weight=2.0, keep="relations"), L2SPSpec())
    assert recipe.training.lr == 1e-4
    assert recipe.training.dropout is False
    assert recipe.data.columns == {"query": "question", "positive": "answer"}


@pytest.mark.parametrize("text", ["", WHOLE, "objective: cosent", "method: full"])
def test_written_and_read_again_it_is_the_same(text: str, tmp_path: Path) -> None:
    recipe = read(tmp_path, text)
    written = write_recipe(recipe)
    assert read(tmp_path, written) == recipe
    assert write_recipe(read(tmp_path, written)) == written
    assert "!!" not in written


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_are_read(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe != Recipe()
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert yaml.safe_load(write_recipe(recipe))


def test_every_technique_has_a_recipe_that_uses_it() -> None:
    used = {spec for path in SHIPPED for spec in _kinds(read_recipe(path))}
    assert set(METHODS) | set(OBJECTIVES) | set(REGULARIZERS) <= used


def _kinds(recipe: Recipe) -> set[str]:
    parts = [recipe.method], recipe.objectives, recipe.regularizers
    return {spec.kind for part in parts if part != "auto" for spec in part if spec != "auto"}


def test_no_file_and_no_settings_are_the_defaults() -> None:
    assert read_recipe(None) == Recipe()


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().base = "other"  # type: ignore[misc]


def test_objective_is_short_for_a_list_of_one(tmp_path: Path) -> None:
    long = read(tmp_path, "objectives: [{kind: infonce, temperature: 0.1}]")
    assert read(tmp_path, "objective: {kind: infonce, temperature: 0.1}") == long
    assert read(tmp_path, "objective: infonce").objectives == (InfoNCESpec(),)
    assert read(tmp_path, "objective: auto").objectives == "auto"
    assert "give either objective or objectives" in mistake(tmp_path, "objective: infonce\nobjectives: [infonce]")


@pytest.mark.parametrize("written", ["1e-4", "1.0e-4", "0.0001", '"1e-4"'])
def test_numbers_are_numbers_however_yaml_reads_them(written: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"training: {{lr: {written}}}").training.lr == 1e-4
    assert read_recipe(None, [f"training.lr={written}"]).training.lr == 1e-4


# -- settings --------------------------------------------------------------------------------------------------------


def test_settings_change_single_values(tmp_path: Path) -> None:
    recipe = read(
        tmp_path, WHOLE, "training.lr=3e-5", "method.layers=1", "evaluation.merge=auto", "data.columns.positive=a"
    )
    assert recipe.training.lr == 3e-5
    assert recipe.training.batch_size == 32
    assert recipe.method == LastLayers(layers=1)
    assert recipe.evaluation.merge == "auto"
    assert recipe.data.columns == {"query": "question", "positive": "a"}


def test_settings_of_a_technique_given_by_name(tmp_path: Path) -> None:
    assert read(tmp_path, "method: last_layers", "method.layers=2").method == LastLayers(layers=2)
    assert read(tmp_path, "objective: cosent", "objective.temperature=0.1").objectives == (CoSentSpec(temperature=0.1),)
    assert read_recipe(None, ["method=full", "method.table_lr_scale=0"]).method == Full(table_lr_scale=0)


def test_settings_hold_any_yaml() -> None:
    recipe = read_recipe(None, ["regularizers=[{kind: distill, weight: 2}]", "base=a=b"])
    assert recipe.regularizers == (DistillSpec(weight=2),)
    assert recipe.base == "a=b"
    assert read_recipe(None, ["regularizers=[]"]).regularizers == ()


def test_settings_come_after_values_and_values_after_the_file(tmp_path: Path) -> None:
    text = "training: {lr: 1e-5, epochs: 1, seed: 1}"
    recipe = read(tmp_path, text, "training.lr=2e-5", training__lr=3e-5, training__epochs=2)
    assert (recipe.training.lr, recipe.training.epochs, recipe.training.seed) == (2e-5, 2.0, 1)
    assert read(tmp_path, text, "method.layers=2", method="last_layers").method == LastLayers(layers=2)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("training.lr", ["no '='", "--set training.lr=5e-5"]),
        ("training.lr=[", ["no YAML"]),
        ("training.lrr=1", ["unknown key 'training.lrr'", "did you mean 'lr'?"]),
        ("lr=1", ["unknown key 'lr'", "'training.lr'"]),
        ("training.lr=fast", ["training.lr='fast'", "valid number"]),
        ("base.x=1", ["holds no settings"]),
        ("method.layers=2", ["needs a kind", "last_layers"]),
        ("=1", ["unknown key ''"]),
    ],
)
def test_mistaken_settings(setting: str, words: list[str], tmp_path: Path) -> None:
    line = mistake(tmp_path, "base: a\n", setting)
    assert all(word in line for word in words), line
    assert "recipe.yaml" not in line  # the file is not at fault


# -- mistakes --------------------------------------------------------------------------------------------------------

SECTIONS = {"data": DataSettings, "training": TrainingSettings, "evaluation": EvaluationSettings}


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("wrong", ["colour", "float", "int", "str", "a-b", "a(b)", "list[int]", "no key"])
def test_an_unknown_key_is_named_with_its_place_and_what_is_known(section: str, wrong: str, tmp_path: Path) -> None:
    line = mistake(tmp_path, f"base: x\n{section}:\n    {wrong}: 1\n")
    assert line.startswith(f"recipe.yaml:3:5: unknown key '{section}.{wrong}'; ")
    assert all(name in line for name in SECTIONS[section].model_fields) or "did you mean" in line


@pytest.mark.parametrize(
    "key", [(section, name) for section, model in SECTIONS.items() for name in model.model_fields], ids=".".join
)
def test_a_misspelt_key_is_answered_with_the_right_one(key: tuple[str, str], tmp_path: Path) -> None:
    section, name = key
    for wrong in {name + "s", name.replace("_", "-")} - {name}:
        line = mistake(tmp_path, f"{section}: {{{wrong}: 1}}")
        assert line.startswith(f"recipe.yaml:1:{len(section) + 4}: unknown key '{section}.{wrong}'; did you mean '")
        if wrong != "devs":
            assert f"did you mean '{name}'?" in line


@pytest.mark.parametrize("name", [name for model in SECTIONS.values() for name in model.model_fields])
def test_a_key_in_the_wrong_section_is_sent_home(name: str, tmp_path: Path) -> None:
    home = next(section for section, model in SECTIONS.items() if name in model.model_fields)
    assert mistake(tmp_path, f"{name}: 1") == f"recipe.yaml:1:1: unknown key '{name}'; did you mean '{home}.{name}'?"


TECHNIQUES = [
    *(("method: {{kind: {}, wrong: 1}}", "method.wrong", kind, METHODS) for kind in METHODS),
    *(("objective: {{kind: {}, wrong: 1}}", "objective.wrong", kind, OBJECTIVES) for kind in OBJECTIVES),
    *(("objectives: [{{kind: {}, wrong: 1}}]", "objectives.0.wrong", kind, OBJECTIVES) for kind in OBJECTIVES),
    *(("regularizers: [{{kind: {}, wrong: 1}}]", "regularizers.0.wrong", kind, REGULARIZERS) for kind in REGULARIZERS),
]


@pytest.mark.parametrize(("text", "name", "kind", "table"), TECHNIQUES)
def test_an_unknown_setting_of_a_technique(text: str, name: str, kind: str, table: object, tmp_path: Path) -> None:
    written = text.format(kind)
    line = mistake(tmp_path, written)
    assert line.startswith(f"recipe.yaml:1:{written.index('wrong') + 1}: unknown key '{name}'; known here are ")
    assert all(known in line for known in table[kind].model_fields)  # type: ignore[index]


MISTAKES = {
    "training: {time_limit: soon}": (
        "1:12: training.time_limit='soon' is not accepted; it should be seconds, or a time like 90s, 10m, 1.5h"
    ),
    "baze: x": "1:1: unknown key 'baze'; did you mean 'base'?",
    "colour: red": "1:1: unknown key 'colour'; known here are adaptation, base, data, evaluation, gradients, ",
    "method: ful": "1:1: method: unknown method 'ful'; did you mean 'full'?",
    "method: qlora": "1:1: method: unknown method 'qlora'; did you mean 'lora'?",
    "method: {layers: 2}": (
        "1:1: method: needs a kind: one of adapter, bitfit, embedding_and_last, embedding_table, full, ia3, "
        "last_layers, lora, prompt, residual, unfreeze; add kind: NAME"
    ),
    "method: 7": "1:1: method: needs a kind",
    "method: {kind: last_layers, layers: 0}": "1:29: method.layers=0 is not accepted; it should be greater than 0",
    "objective: infonse": "1:1: objective: unknown objective 'infonse'; did you mean 'infonce'?",
    "objectives:\n- infonce\n- infonse": "3:3: objectives.1: unknown objective 'infonse'; did you mean 'infonce'?",
    "objectives: infonce": "1:1: objectives='infonce' is not accepted; it should be a list",
    "objectives: []": "1:1: objectives=[] is not accepted; it ",
    "regularizers: distill": "1:1: regularizers='distill' is not accepted; it should be a list",
    "regularizers:\n  - kind: distill\n    weight: much": "3:5: regularizers.0.weight='much' is not accepted",
    "regularizers: [{kind: distill, weight: -1}]": "1:32: regularizers.0.weight=-1 is not accepted",
    "gradients: agme": "1:1: gradients: unknown gradient rule 'agme'; did you mean 'agem'?",
    "gradients: {kind: agem, weight: 2}": "1:25: unknown key 'gradients.weight'; known here are kind",
    "data: {mining: bm52}": "1:8: data.mining: unknown miner 'bm52'; did you mean 'bm25'?",
    "data: {mining: {kind: bm25, sampler: top}}": "1:29: unknown key 'data.mining.sampler'; did you mean 'sampling'?",
    "data: {mining: {kind: cross_encoder}}": "1:8: data.mining lacks 'model'; add model: VALUE",
    "data: {mining: {kind: base, range_max: 12}}": (
        "1:8: data.mining={'kind': 'base', 'range_max': 12} is not accepted; "
        "it should have range_max at least per_query above range_min"
    ),
    "vocabulary: extent": "1:1: vocabulary: unknown vocabulary 'extent'; did you mean 'extend'?",
    "vocabulary: {most_words: 5}": "1:1: vocabulary: needs a kind: one of extend; add kind: NAME",
    "vocabulary: {kind: extend, least_pieces: 1}": (
        "1:28: vocabulary.least_pieces=1 is not accepted; it should be greater than or equal to 2"
    ),
    "vocabulary: {kind: extend, words: 5}": "1:28: unknown key 'vocabulary.words'; ",
    "adaptation: tsdea": "1:1: adaptation: unknown adaptation 'tsdea'; did you mean 'tsdae'?",
    "adaptation: {kind: tsdae, masked: 0.2}": "1:27: unknown key 'adaptation.masked'; ",
    "adaptation: {kind: tsdae, deleted: 1}": "1:27: adaptation.deleted=1 is not accepted; it should be less than 1",
    "training: 5": "1:1: training=5 is not accepted; it should be a mapping of keys to settings",
    "training: [lr]": "1:1: training=['lr'] is not accepted; it should be a mapping of keys to settings",
    "training:\n  lr: fast": "2:3: training.lr='fast' is not accepted; it should be a valid number",
    "training:\n  lr: 0": "2:3: training.lr=0 is not accepted; it should be greater than 0",
    "training:\n  lr: .inf": "2:3: training.lr=inf is not accepted; it should be a finite number",
    "training:\n  epochs: .nan": "2:3: training.epochs=nan is not accepted; it should be a finite number",
    "training:\n  batch_size: 1.5": "2:3: training.batch_size=1.5 is not accepted",
    "training:\n  precision: fp8": "2:3: training.precision='fp8' is not accepted; it should be 'auto', 'fp32', 'bf16'",
    "training:\n  seed: -1": "2:3: training.seed=-1 is not accepted",
    "training:\n  lr: 1e-4\n  lr: 2e-4": "3:3: key 'lr' stands here twice; keep one of them",
    "base: a\nmethod: full\nbase: b": "3:1: key 'base' stands here twice; keep one of them",
    "evaluation: {merge: 0}": "1:14: evaluation.merge=0 is not accepted; it should be greater than 0",
    "evaluation: {merge: 2}": "1:14: evaluation.merge=2 is not accepted; it should be less than or equal to 1",
    "data: {dev_share: 1}": "1:8: data.dev_share=1 is not accepted; it should be less than 1",
    "data: {columns: {query: [a]}}": "1:18: data.columns.query=['a'] is not accepted; it should be a valid string",
    "base:": "1:1: base=None is not accepted; it should be a valid string",
    "1: 2": "1:1: key 1 is no word",
    "- base": "1: a recipe is a mapping of keys to settings; start with 'base: ",
    "just text": "1: a recipe is a mapping of keys to settings",
    "a: b: c": "1:5: not YAML: ",
    "base: [": "1:8: not YAML: ",
    "training:\n\tlr: 1": "2:1: not YAML: ",
    "base: !!python/object/apply:os.system [ls]": "1:7: not YAML: ",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_line_with_place_and_remedy(text: str, tmp_path: Path) -> None:
    assert mistake(tmp_path, text).startswith(f"recipe.yaml:{MISTAKES[text]}")


def test_a_mistake_behind_an_alias_that_holds_itself_is_still_one_line(tmp_path: Path) -> None:
    assert "unknown key 'x'" in mistake(tmp_path, "x: &a [*a]\n")


def test_a_technique_that_lacks_a_setting_says_which(tmp_path: Path) -> None:
    from acclimate.methods.base import Method

    class Needy(Full):
        kind: str = "needy"  # type: ignore[assignment]
        rank: int

    METHODS.add(Needy)
    try:
        line = mistake(tmp_path, "base: x\nmethod: needy")
    finally:
        METHODS.remove("needy")
    assert line == "recipe.yaml:2:1: method lacks 'rank'; add rank: VALUE"
    assert issubclass(Needy, Method)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the recipe .*none\.yaml: No such file"):
        read_recipe(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="cannot read the recipe"):
        read_recipe(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("base: été".encode("latin-1"))
    with pytest.raises(UsageError, match="not UTF-8 text; save it as UTF-8"):
        read_recipe(tmp_path / "latin.yaml")
    (tmp_path / "control.yaml").write_bytes(b"base: a\x00b")
    with pytest.raises(UsageError, match=r"control\.yaml.*not YAML"):
        read_recipe(tmp_path / "control.yaml")
