"""What users get wrong: one line with place and remedy, the promised exit status, nothing half-written."""

import gzip
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from small import CommandLine, beir, jsonl, labeled, pairs, run, scored

USAGE, DATA, RESOURCES = 2, 4, 5


@dataclass
class Bench:
    """A folder with good data of every kind, in which each mistake is made.

    Attributes:
        folder: where the user works.
        tiny: the base.
    """

    folder: Path
    tiny: Path
    made: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        jsonl(self / "train.jsonl", pairs(60))
        jsonl(self / "general.jsonl", pairs(20, seed=7, name="general"))

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, content: str | bytes) -> Path:
        """A file of the user's."""
        path = self / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def model(self, name: str = "model") -> Path:
        """A copy of the base, to be damaged."""
        return Path(shutil.copytree(self.tiny, self / name))

    def fit(self, *options: object, train: object = None, base: object = None) -> list[object]:
        """A command that would work but for what is given."""
        usual = ["--base", base or self.tiny, "--out", self / "run", "--epochs", 1]
        general = [] if "--general" in options else ["--general", self / "general.jsonl"]
        return ["fit", train or self / "train.jsonl", *usual, *general, *options]

    def merged(self, alpha: str) -> list[object]:
        """The end of a command that merges."""
        return ["--alpha", alpha, "--out", self / "run"]

    def recipe(self, text: str, *options: object) -> list[object]:
        """A command with a recipe."""
        return self.fit("--recipe", self.write("recipe.yaml", text), *options)

    def trained_on(self, name: str, content: str | bytes, *options: object) -> list[object]:
        """A command with a training file of the user's."""
        return self.fit(*options, train=self.write(name, content))

    def rows(self, name: str, rows: list[Any], *options: object) -> list[object]:
        """A command with training rows of the user's."""
        return self.fit(*options, train=jsonl(self / name, rows))


def _lines(*rows: str) -> str:
    return "".join(row + "\n" for row in rows)


GOOD = '{"query": "what is it", "positive": "a thing"}'
Make = Callable[[Bench], list[object]]

#: name -> (how the mistake is made, exit status, what the line says: a regular expression)
MISTAKES: dict[str, tuple[Make, int, str]] = {}


def mistake(name: str, status: int, said: str, make: Make) -> None:
    assert name not in MISTAKES
    MISTAKES[name] = make, status, said


# -- data ------------------------------------------------------------------------------------------------------------

mistake(
    "no such file",
    DATA,
    r"trian\.jsonl: there is no such file.*did you mean .*train\.jsonl",
    lambda b: b.fit(train=b / "trian.jsonl"),
)
mistake("empty file", DATA, r"t\.jsonl: the file is empty; give", lambda b: b.trained_on("t.jsonl", ""))
mistake(
    "bad JSON at line 2",
    DATA,
    r"t\.jsonl:2:1\d: not JSON",
    lambda b: b.trained_on("t.jsonl", _lines(GOOD, '{"query": "c", "posi', '{"query"')),
)
mistake(
    "mixed types",
    DATA,
    r"t\.jsonl:1:2: query is a number",
    lambda b: b.rows("t.jsonl", [{"query": i, "positive": ["a", 2]} for i in range(20)]),
)
mistake(
    "wrong column",
    DATA,
    r"t\.jsonl:1: .*'foo'.*'bar'.*--columns",
    lambda b: b.rows("t.jsonl", [{"foo": "a", "bar": "b"}] * 20),
)
mistake("one column", DATA, r"t\.csv:1: .*positive", lambda b: b.trained_on("t.csv", "query\na\nb\n"))
mistake("no header", DATA, r"t\.csv:1: .*no column", lambda b: b.trained_on("t.csv", "how do I,like this\n" * 20))
mistake(
    "texts of one word alone",
    DATA,
    r"t\.jsonl: 40 texts give 0 queries of kind mixed.*; give longer texts",
    lambda b: b.rows("t.jsonl", [{"text": f"t{i}"} for i in range(50)]),
)
mistake("too few rows", DATA, r"t\.jsonl: 5 usable rows are too few", lambda b: b.rows("t.jsonl", pairs(5)))
mistake("all rows equal", DATA, r"t\.jsonl: .*; ", lambda b: b.rows("t.jsonl", pairs(1) * 100))
mistake(
    "one class",
    DATA,
    r"t\.jsonl: all rows have one label.*two labels",
    lambda b: b.rows("t.jsonl", labeled(60, labels=1)),
)
mistake(
    "a class a row",
    DATA,
    r"t\.jsonl: .*; ",
    lambda b: b.rows("t.jsonl", [{"text": r["text"], "label": str(i)} for i, r in enumerate(labeled(40))]),
)
mistake(
    "all scores equal",
    DATA,
    r"t\.jsonl: .*score.*; ",
    lambda b: b.rows("t.jsonl", [{**row, "score": 0.5} for row in scored(60)]),
)
mistake(
    "score is not a number",
    DATA,
    r"t\.jsonl:1:\d+: score is NaN, not a finite number",
    lambda b: b.trained_on("t.jsonl", '{"sentence1": "a", "sentence2": "b", "score": NaN}\n' * 20),
)
mistake("binary file", DATA, r"t\.jsonl: the file is binary", lambda b: b.trained_on("t.jsonl", bytes(range(256)) * 20))
mistake("wrong gz", DATA, r"t\.jsonl\.gz:.*gzip", lambda b: b.trained_on("t.jsonl.gz", gzip.compress(b"a" * 9999)[:25]))
mistake(
    "spreadsheet",
    DATA,
    r"t\.xlsx: the file is a zip archive or a spreadsheet",
    lambda b: b.trained_on("t.xlsx", b"PK\x03\x04" + bytes(99)),
)
mistake(
    "folder without known layout",
    DATA,
    r"stuff: the folder holds no data",
    lambda b: b.fit(train=b.write("stuff/notes.md", "hello").parent),
)
mistake(
    "test is train",
    DATA,
    r"train\.jsonl: 0 usable rows.*the test or dev data knows 60 others; give",
    lambda b: b.fit("--test", shutil.copy(b / "train.jsonl", b / "test.jsonl")),
)
mistake("no such test", DATA, r"test\.jsonl: there is no such file", lambda b: b.fit("--test", b / "test.jsonl"))


def _without_qrels(b: Bench) -> list[object]:
    shutil.rmtree(beir(b / "test", pairs(20, seed=3)) / "qrels")
    return b.fit("--test", b / "test")


def _qrels_of_another_corpus(b: Bench) -> list[object]:
    folder = beir(b / "test", pairs(20, seed=3))
    jsonl(folder / "corpus.jsonl", [{"_id": f"x{i}", "text": f"text {i}"} for i in range(20)])
    return b.fit("--test", folder)


mistake("test folder without qrels", DATA, r"test: .*qrels", _without_qrels)
mistake("qrels of another corpus", DATA, r"test.*: .*d0.*corpus", _qrels_of_another_corpus)
mistake(
    "dev of texts alone",
    DATA,
    r"dev\.jsonl: texts alone cannot be scored; give",
    lambda b: b.fit("--dev", jsonl(b / "dev.jsonl", [{"text": f"a text {i}"} for i in range(20)])),
)
mistake(
    "test of another kind",
    DATA,
    r"test\.jsonl: test has labels.*; give pairs",
    lambda b: b.fit("--test", jsonl(b / "test.jsonl", labeled(40))),
)
mistake(
    "general of one row",
    DATA,
    r"g\.jsonl: .*1 different items, too few",
    lambda b: b.fit("--general", jsonl(b / "g.jsonl", pairs(1))),
)
mistake(
    "evaluate labels without train",
    DATA,
    r"test\.jsonl: labeled texts need.*--train",
    lambda b: ["evaluate", b.tiny, jsonl(b / "test.jsonl", labeled(40))],
)
mistake("check of nothing", DATA, r"nothing\.csv: there is no such file", lambda b: ["check", b / "nothing.csv"])
mistake(
    "encode a column that is not there",
    DATA,
    r"train\.jsonl: .*'querry'.*'query'",
    lambda b: ["encode", b.tiny, b / "train.jsonl", "--column", "querry", "--out", b / "v.npy"],
)
mistake(
    "encode nothing",
    DATA,
    r"t\.txt: the file holds no text",
    lambda b: ["encode", b.tiny, b.write("t.txt", ""), "--out", b / "v.npy"],
)
mistake("encode no such file", DATA, r"t\.txt: .*; ", lambda b: ["encode", b.tiny, b / "t.txt", "--out", b / "v.npy"])
mistake(
    "encode with a byte that is not UTF-8",
    DATA,
    r"t\.txt:2:4: a byte is not UTF-8; save",
    lambda b: ["encode", b.tiny, b.write("t.txt", b"tea\ncaf\xe9\n" + "é\n".encode() * 9), "--out", b / "v.npy"],
)

# -- settings --------------------------------------------------------------------------------------------------------

mistake(
    "unknown method",
    USAGE,
    r"method.*'last_layer'.*did you mean 'last_layers'",
    lambda b: b.fit("--method", "last_layer"),
)
mistake(
    "typo in a recipe key",
    USAGE,
    r"recipe\.yaml:2:3: unknown key 'training\.lrr'; did you mean 'lr'",
    lambda b: b.recipe("training:\n  lrr: 1\n"),
)
mistake("YAML syntax", USAGE, r"recipe\.yaml:\d:\d+: not YAML", lambda b: b.recipe("training: {lr: 1\nmethod: full\n"))
mistake(
    "wrong type of value",
    USAGE,
    r"recipe\.yaml:1:12: training\.lr='many'.*number",
    lambda b: b.recipe("training: {lr: many}\n"),
)
mistake(
    "value out of range",
    USAGE,
    r"recipe\.yaml:2:3: evaluation\.merge=7",
    lambda b: b.recipe("evaluation:\n  merge: 7\n"),
)
mistake(
    "two teachers of the same texts",
    USAGE,
    r"regularizers distill and distill_2 read the same general texts, .*; give both the same stages, or leave one out",
    lambda b: b.recipe("regularizers: [distill, {kind: distill, keep: relations, stages: 3}]\n"),
)
mistake(
    "a stage without a step",
    USAGE,
    r"9 stages of a teacher of general texts are too many for \d+ steps; take at most \d+, or more training\.epochs",
    lambda b: b.recipe("regularizers: [{kind: distill, stages: 9}]\n"),
)
mistake(
    "an earlier run that is not there",
    USAGE,
    r"regularizer ewc cannot go on from runs/first: there is no file runs/first; name the folder of a run",
    lambda b: b.recipe("regularizers: [{kind: ewc, previous: runs/first}]\n"),
)
mistake(
    "decay of nothing",
    USAGE,
    r"recipe\.yaml:1:16: regularizers.*ewc.* is not accepted; it should have previous, the folder of an earlier run",
    lambda b: b.recipe("regularizers: [{kind: ewc, decay: 0.9}]\n"),
)
mistake(
    "importance of weights that no later run has",
    USAGE,
    r"regularizer ewc leaves importance to later runs, and method adapter trains what it adds itself, .*; take a",
    lambda b: b.recipe("regularizers: [{kind: ewc, keep_importance: true}]\n", "--method", "adapter"),
)
mistake(
    "two that leave importance",
    USAGE,
    r"regularizers ewc and ewc_2 would both leave their importance; let one of them keep it",
    lambda b: b.recipe(f"regularizers: [{', '.join(['{kind: ewc, keep_importance: true}'] * 2)}]\n"),
)
mistake("recipe is a list", USAGE, r"recipe\.yaml:1: a recipe is a mapping", lambda b: b.recipe("- lr\n- epochs\n"))
mistake("no such recipe", USAGE, r"none\.yaml.*; give", lambda b: b.fit("--recipe", b / "none.yaml"))
mistake("recipe is a folder", USAGE, r"folder.*; give", lambda b: b.fit("--recipe", b.write("folder/x", "").parent))
mistake(
    "unknown objective",
    USAGE,
    r"recipe\.yaml:1:\d+: .*unknown objective 'infonse'.*'infonce'",
    lambda b: b.recipe("objective: infonse\n"),
)
mistake(
    "a setting of another method",
    USAGE,
    r"recipe\.yaml:1:\d+: .*layers",
    lambda b: b.recipe("method: {kind: full, layers: 2}\n"),
)
mistake(
    "more layers than there are",
    USAGE,
    r"method\.layers=9.*2 blocks; take 1 to 2",
    lambda b: b.fit("--method", "last_layers", "--set", "method.layers=9"),
)
mistake("--set without =", USAGE, r"--set 'training\.lr' has no '='", lambda b: b.fit("--set", "training.lr"))
mistake(
    "--set of an unknown key",
    USAGE,
    r"unknown key 'trainig'; did you mean 'training'",
    lambda b: b.fit("--set", "trainig.lr=1"),
)
mistake(
    "--set below a value",
    USAGE,
    r"'training\.lr\.x'",
    lambda b: b.fit("--set", "training.lr=1", "--set", "training.lr.x=1"),
)
mistake("negative epochs", USAGE, r"training\.epochs=-1.*greater than 0", lambda b: b.fit("--epochs", "-1"))
mistake("batch of none", USAGE, r"training\.batch_size=0.*greater than 0", lambda b: b.fit("--batch-size", "0"))
mistake("rate that is no number", USAGE, r"training\.lr=nan", lambda b: b.fit("--lr", "nan"))
mistake(
    "yes for a number",
    USAGE,
    r"training\.lr=True.*should not be a yes or no",
    lambda b: b.fit("--set", "training.lr=yes"),
)
mistake(
    "weights on scored pairs",
    DATA,
    r"weights cannot act on scored pairs.*remove",
    lambda b: b.rows("w.jsonl", [{**row, "weight": 2} for row in scored(40)]),
)
mistake(
    "dev that is the test",
    DATA,
    r"dev and test are the same data",
    lambda b: b.fit("--dev", b / "general.jsonl", "--test", b / "general.jsonl"),
)
mistake("texts of two tokens", USAGE, r"training\.max_length=2", lambda b: b.fit("--max-length", "2"))
mistake(
    "texts longer than the base reads", USAGE, r"max_length 500 .*at most 128", lambda b: b.fit("--max-length", "500")
)
mistake("unknown precision", USAGE, r"training\.precision='fp8'.*fp32", lambda b: b.fit("--precision", "fp8"))
mistake("unknown device", USAGE, r"device 'gpu' is not available; take cpu", lambda b: b.fit("--device", "gpu"))
mistake(
    "fp16 on a CPU",
    USAGE,
    r"training\.precision=fp16 needs a CUDA device; take",
    lambda b: b.fit("--precision", "fp16", "--device", "cpu"),
)
mistake(
    "unknown metric to keep by",
    USAGE,
    r"evaluation\.keep_best='ndcg'.*ndcg@10",
    lambda b: b.fit("--set", "evaluation.keep_best=ndcg"),
)
mistake(
    "cosent on pairs",
    USAGE,
    r"objective cosent learns from scored pairs.*infonce",
    lambda b: b.fit("--set", "objective=cosent"),
)
mistake(
    "infonce on scores",
    USAGE,
    r"objective infonce learns from pairs or labeled texts.*cosent",
    lambda b: b.rows("t.jsonl", scored(60), "--set", "objective=infonce"),
)
mistake("--keep maybe", USAGE, r"keep='maybe'.*anyway", lambda b: b.fit("--keep", "maybe"))
mistake("--columns without =", USAGE, r"--columns 'query' is not role=column", lambda b: b.fit("--columns", "query"))
mistake("--columns of an unknown role", USAGE, r"'quary'.*query", lambda b: b.fit("--columns", "quary=query"))
mistake("--columns of an unknown column", USAGE, r"'question'.*; ", lambda b: b.fit("--columns", "query=question"))
mistake(
    "two columns for one role",
    DATA,
    r"t\.jsonl:1: .*'query'.*'question'.*--columns",
    lambda b: b.rows("t.jsonl", [{**row, "question": "x"} for row in pairs(20)]),
)

# -- models ----------------------------------------------------------------------------------------------------------


def _pickled(b: Bench) -> list[object]:
    (b.model() / "model.safetensors").rename(b / "model" / "pytorch_model.bin")
    return b.fit(base=b / "model")


def _damaged(b: Bench) -> list[object]:
    weights = b.model() / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    return b.fit(base=b / "model")


def _with_code(b: Bench) -> list[object]:
    config = b.model() / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"auto_map": {"AutoModel": "evil.Model"}}))
    return b.fit(base=b / "model")


mistake("no such base", USAGE, r"there is no model .*nobase.*; give", lambda b: b.fit(base=b / "nobase"))
mistake(
    "a letter too many in a base",
    USAGE,
    r"there is no model 'all-MiniLM-L6-v22'; did you mean all-MiniLM-L6-v2\?",
    lambda b: b.fit(base="all-MiniLM-L6-v22"),
)
mistake(
    "a folder of a model misspelled",
    USAGE,
    r"there is no model '.*modle'; did you mean .*model\?",
    lambda b: b.fit(base=b.model().with_name("modle")),
)
mistake(
    "a file for a model",
    USAGE,
    r"train\.jsonl is a file and no model; give",
    lambda b: ["evaluate", b / "train.jsonl", b / "train.jsonl"],
)
mistake("base is a pickle", USAGE, r"pytorch_model\.bin: the weights are a pickle", _pickled)
mistake("base is no model", USAGE, r"stuff holds no model", lambda b: b.fit(base=b.write("stuff/a.txt", "").parent))
mistake("base with damaged weights", DATA, r"model: the weights cannot be read", _damaged)
mistake("base with code of its own", USAGE, r"config\.json: .*auto_map", _with_code)
mistake("base is a file", USAGE, r"train\.jsonl.*; give", lambda b: b.fit(base=b / "train.jsonl"))
mistake("evaluate no model", USAGE, r"there is no model .*; give", lambda b: ["evaluate", b / "m", b / "train.jsonl"])
mistake(
    "no such baseline",
    USAGE,
    r"there is no model .*; give",
    lambda b: ["evaluate", b.tiny, b / "train.jsonl", "--baseline", b / "m"],
)
mistake("verify no model", USAGE, r"stuff holds no model", lambda b: ["verify", b.write("stuff/a.txt", "").parent])
mistake("explore no run", USAGE, r"holds no run of fit; name", lambda b: ["explore", b / "run", "--no-open"])
mistake(
    "feedback without documents",
    DATA,
    r"said\.jsonl.*no column holds the query, or none a right or wrong document; give rows such as",
    lambda b: b.fit("--feedback", b.write("said.jsonl", '{"query": "q"}\n')),
)
mistake(
    "feedback of unknown queries",
    DATA,
    r"said\.jsonl: none of 1 pairs can act: .*no right document is named; mark",
    lambda b: b.fit("--feedback", b.write("said.jsonl", '{"query": "q", "negative": "d"}\n')),
)
mistake("merge one model", USAGE, r"a MODEL and its BASE; write", lambda b: ["merge", b.tiny, *b.merged("0.5")])
mistake("merge a model with itself", USAGE, r"equal weights", lambda b: ["merge", b.model(), b.tiny, *b.merged("0.5")])
mistake("merge no model", USAGE, r"there is no model .*; give", lambda b: ["merge", b / "m", b.tiny, *b.merged("1")])
mistake("merge beyond", USAGE, r"1\.2 is not between.*\[0, 1\]", lambda b: ["merge", b.tiny, b.tiny, *b.merged("1.2")])
mistake("merge by words", USAGE, r"'most' is no number; take", lambda b: ["merge", b.tiny, b.tiny, *b.merged("most")])
mistake(
    "merge with too few shares",
    USAGE,
    r"names 1 shares for 2 models.*--alpha 0\.5,0\.5",
    lambda b: ["merge", b.tiny, b.tiny, b.tiny, *b.merged("0.5")],
)
mistake("merge by nothing", USAGE, r"auto needs data.*--target", lambda b: ["merge", b.tiny, b.tiny, *b.merged("auto")])
mistake(
    "merge with data that cannot act",
    USAGE,
    r"data cannot act.*auto",
    lambda b: ["merge", b.tiny, b.tiny, *b.merged("0.5"), "--target", b / "train.jsonl"],
)
mistake(
    "merge by no such file",
    DATA,
    r"there is no such file",
    lambda b: ["merge", b.model(), b.tiny, *b.merged("auto"), "--target", b / "dev.jsonl"],
)
mistake(
    "encode with an unknown role",
    USAGE,
    r"'passage'; use one of document, query",
    lambda b: ["encode", b.tiny, b.write("t.txt", "a\n"), "--role", "passage", "--out", b / "v.npy"],
)
mistake(
    "encode into a text file",
    USAGE,
    r"v\.txt is no \.npy file",
    lambda b: ["encode", b.tiny, b.write("t.txt", "a\n"), "--out", b / "v.txt"],
)
mistake(
    "encode a table without a column",
    USAGE,
    r"train\.jsonl: .*--column.*query, positive",
    lambda b: ["encode", b.tiny, b / "train.jsonl", "--out", b / "v.npy"],
)

# -- places and words ------------------------------------------------------------------------------------------------

mistake(
    "out below a file",
    RESOURCES,
    r"train\.jsonl.run.*; give an --out",
    lambda b: b.fit("--out", b / "train.jsonl" / "run"),
)
mistake("out is a file", RESOURCES, r"train\.jsonl.*; give an --out", lambda b: b.fit("--out", b / "train.jsonl"))
mistake(
    "encode to below a file",
    RESOURCES,
    r"v\.npy.*; give an --out",
    lambda b: ["encode", b.tiny, b.write("t.txt", "a\n"), "--out", b / "train.jsonl" / "v.npy"],
)
mistake(
    "out holds other things",
    USAGE,
    r"stuff is not empty and holds no run \(a\.txt\); give another --out",
    lambda b: b.fit("--out", b.write("stuff/a.txt", "precious").parent),
)
mistake(
    "restart on other things",
    USAGE,
    r"stuff is not empty and holds no run \(data\); give another --out",
    lambda b: b.fit("--restart", "--out", b.write("stuff/data/a.txt", "precious").parents[1]),
)
mistake("unknown verb", USAGE, r"'frobnicate'; see acclimate --help", lambda b: ["frobnicate"])
mistake(
    "a letter too many in a verb",
    USAGE,
    r"'encodee'. Did you mean 'encode'\?; see acclimate --help",
    lambda b: ["encodee", b.tiny, b.write("t.txt", "a\n"), "--out", b / "v.npy"],
)
mistake(
    "another suffix",
    DATA,
    r"train\.csv: there is no such file.*did you mean .*train\.jsonl\?",
    lambda b: b.fit(train=b / "train.csv"),
)
mistake("unknown option", USAGE, r"--epoch\b.*--epochs.*; see acclimate fit --help", lambda b: b.fit("--epoch", "3"))
mistake("missing argument", USAGE, r"Missing argument.*; see acclimate fit --help", lambda b: ["fit"])
mistake("word for a number", USAGE, r"'--epochs'.*; see acclimate fit --help", lambda b: b.fit("--epochs", "three"))


def _seen(folder: Path) -> dict[str, bytes]:
    """Every file that a user sees, and what is in it."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", MISTAKES)
def test_one_line_and_nothing_written(name: str, acclimate: CommandLine, tmp_path: Path, tiny_model: Path) -> None:
    make, status, said = MISTAKES[name]
    command = make(Bench(tmp_path, tiny_model))
    before = _seen(tmp_path)
    result = acclimate(*command)
    assert result.err.count("\n") == 1, result
    assert re.search(said, result.err)
    assert result.status == status
    problem, semicolon, remedy = result.err.partition("; ")
    assert problem
    assert semicolon
    assert remedy.strip()
    assert len(result.err) < 700
    assert _seen(tmp_path) == before


# -- the remedies ----------------------------------------------------------------------------------------------------

Cure = Callable[[Bench, list[str], str], list[str]]

#: name -> what the line says to do, done: the bench, the command and the line give the command that should work
REMEDIES: dict[str, Cure] = {}


def _meant(b: Bench, command: list[str], said: str) -> list[str]:
    """The word that was not known, replaced by the one that "did you mean" names, in the command or the recipe."""
    wrong = re.findall(r"'([^']+)'", said)
    right = re.search(r"[Dd]id you mean '?([^'?]+)'?\?", said)
    assert right is not None
    unknown = wrong[0].split(".")[-1] if "'" in said else said.partition(":")[0]
    if (recipe := b / "recipe.yaml").is_file():
        recipe.write_text(recipe.read_text().replace(unknown, right[1]))
    return [word.replace(unknown, right[1]) for word in command]


def _instead(word: str, pattern: str, template: str = "{}") -> Cure:
    """A word of the command, or what follows an option, replaced by what the line names: the group of the pattern."""

    def cure(b: Bench, command: list[str], said: str) -> list[str]:
        found = re.search(pattern, said)
        assert found is not None, said
        at = len(command) - 1 - command[::-1].index(word) + word.startswith("--")
        return [*command[:at], template.format(*found.groups()), *command[at + 1 :]]

    return cure


def _without(option: str, pattern: str) -> Cure:
    """An option left out."""

    def cure(b: Bench, command: list[str], said: str) -> list[str]:
        assert re.search(pattern, said), said
        at = command.index(option)
        return [*command[:at], *command[at + 2 :]]

    return cure


def _with(pattern: str) -> Cure:
    """Options that the line names, added: the groups of the pattern."""

    def cure(b: Bench, command: list[str], said: str) -> list[str]:
        found = re.search(pattern, said)
        assert found is not None, said
        return [*command, *found.groups()]

    return cure


def _edited(name: str, old: str, new: str, pattern: str) -> Cure:
    """A file of the user's, mended at the place that the line names."""

    def cure(b: Bench, command: list[str], said: str) -> list[str]:
        assert re.search(pattern, said), said
        (b / name).write_text(re.sub(old, new, (b / name).read_text()))
        return command

    return cure


for name in (
    "no such file",
    "another suffix",
    "unknown method",
    "typo in a recipe key",
    "unknown objective",
    "--set of an unknown key",
    "encode a column that is not there",
    "--columns of an unknown role",
    "a folder of a model misspelled",
    "a letter too many in a verb",
):
    REMEDIES[name] = _meant
REMEDIES |= {
    "more layers than there are": _instead("method.layers=9", r"take 1 to (\d)", "method.layers={}"),
    "--set without =": _instead("--set", r"write --set (\S+)"),
    "--set below a value": _instead("training.lr.x=1", r"as (training\.lr)", "{}=1e-4"),
    "negative epochs": _instead("--epochs", r"greater than (0)", "{}.5"),
    "batch of none": _instead("--batch-size", r"greater than (0)", "1{}"),
    "weights on scored pairs": _edited("w.jsonl", r', "weight": 2', "", "remove the weight column"),
    "dev that is the test": _without("--dev", "or none"),
    "texts longer than the base reads": _instead("--max-length", r"at most (\d+)"),
    "unknown precision": _instead("--precision", r"'(fp32)'"),
    "unknown device": _instead("--device", r"take (cpu)"),
    "fp16 on a CPU": _instead("--precision", r"take bf16, (fp32)"),
    "unknown metric to keep by": _instead("--set", r"take (\S+)", "evaluation.keep_best={}"),
    "cosent on pairs": _instead("--set", r"one of .*(infonce)", "objective={}"),
    "infonce on scores": _instead("--set", r"one of .*(cosent)", "objective={}"),
    "--keep maybe": _instead("--keep", r"write --keep (\w+)"),
    "two columns for one role": _with(r"with (--columns) (query=query)"),
    "encode with an unknown role": _instead("--role", r"one of (\w+)"),
    "encode a table without a column": _with(r"the column with (--column), one of (\w+)"),
    "encode into a text file": lambda b, c, said: _instead("--out", r"end the name in (\.npy)", f"{b / 'v'}{{}}")(
        b, c, said
    ),
    "evaluate labels without train": lambda b, c, said: [
        *_with(r"add (--train) FILE")(b, c, said),
        str(jsonl(b / "labeled.jsonl", labeled(60, seed=2))),
    ],
    "out holds other things": lambda b, c, said: _instead("--out", r"give another (--out)", f"{b / 'another'}")(
        b, c, said
    ),
    "unknown option": lambda b, c, said: [*c[:-2], *_with(r"options: (--epochs)")(b, c[-1:], said)[::-1]],
}
# The general texts and the choice of a share serve none of them.
QUICK = ["--set", "regularizers=[]", "--set", "evaluation.merge=1"]


@pytest.mark.parametrize("name", REMEDIES)
def test_the_remedy_does_what_it_says(name: str, acclimate: CommandLine, tmp_path: Path, tiny_model: Path) -> None:
    bench = Bench(tmp_path, tiny_model)
    command = [str(word) for word in MISTAKES[name][0](bench)]
    said = acclimate(*command).err.strip()
    mended = REMEDIES[name](bench, command, said)
    result = acclimate(*mended, *(QUICK if mended[0] == "fit" else []))
    assert result.status in (0, 3), result.err  # 3: a small random model has gained nothing
    assert result.err == ""


OUTSIDE = ("typo in a recipe key", "no such base", "out below a file", "unknown verb")


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_same_in_a_process_of_its_own(name: str, tmp_path: Path, tiny_model: Path) -> None:
    make, status, said = MISTAKES[name]
    result = run(*make(Bench(tmp_path, tiny_model)))
    assert (result.status, result.err.count("\n")) == (status, 1), result
    assert re.search(said, result.err)


def test_there_are_sixty_and_many_can_be_mended_by_what_they_say() -> None:
    assert len(MISTAKES) >= 60
    assert len(REMEDIES) >= 30
