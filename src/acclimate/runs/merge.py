"""``merge``: weights between models, or a base with the changes of several models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from acclimate.core.errors import UsageError
from acclimate.data.readers import read_test
from acclimate.engine.precision import fastest_precision
from acclimate.evaluation.probe import guard_texts
from acclimate.model.alike import require_alike, same_weights
from acclimate.model.bases import resolve
from acclimate.model.card import card_head
from acclimate.model.license import License, stated_license
from acclimate.model.store import load_encoder, save_encoder
from acclimate.recipe.tree import EvaluationSettings
from acclimate.runs.card import about_base, as_code, license_and_use
from acclimate.runs.evaluate import test_task
from acclimate.runs.export import require_no_other
from acclimate.runs.machine import choose_device
from acclimate.runs.merging import Curve, add_up, choose_share, dev_scores
from acclimate.runs.prepare import general_half
from acclimate.runs.show import Show
from acclimate.runs.tasks import smaller

if TYPE_CHECKING:
    from torch import Tensor

    from acclimate.evaluation import Task
    from acclimate.model.encoder import Encoder

Alphas = Sequence[float] | Literal["auto"]

SCHEMA = 1
_SEED = 42  # of the cut of TARGET, as fit cuts its dev data by default
_TRIED_EVERY = 40  # about 110 general texts, in many languages
_DELTA_FILES = ("delta.json", "adapter_config.json")


@dataclass(frozen=True, slots=True)
class Judges:
    """What ``auto`` chooses by.

    Attributes:
        target: data of the task that was trained for.
        general: what must not be forgotten; the built-in probe by default.
        train: labeled texts to learn from, when ``target`` has labels.
        columns: role -> column of ``target``.
    """

    target: Path | None = None
    general: Path | None = None
    train: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def merge(models: Sequence[str], base: str, alphas: Alphas, out: Path, *, judges: Judges, show: Show) -> dict[str, Any]:
    """Writes the base with a share of what each model changed in it. Settings and heads are those of the first model.

    Args:
        models: tuned models, as `load` takes them.
        base: what they were tuned from.
        alphas: a share in [0, 1] for each model; or ``auto``, one for all of them that dev prefers, chosen as `fit`
            chooses it.
        out: the folder; what lies there is replaced if it is a model.
        judges: for ``auto``.
        show: told the shares that were tried.

    Returns:
        what ``merge --json`` prints: ``models``, ``base``, ``alphas``, ``out``, and for ``auto`` ``curve`` as `fit`
        writes it into ``scores.json``.

    Raises:
        UsageError: models that differ in more than the numbers of their weights, or an argument that cannot act.
        DataError: data that cannot be scored.
        ResourceError: no room.
    """
    _require_usable(models, alphas, judges)
    require_no_other(out)
    folders = [_folder(name) for name in (*models, base)]
    if out.resolve() in [folder.resolve() for folder in folders]:
        raise UsageError(f"{out} is one of the models that are merged", "give another --out")
    task = _target(judges, folders[0], show)
    first, tuned, of_base = _weights(folders, (*models, base))
    parameters = {name: p for name, p in first.named_parameters() if name in of_base}
    document: dict[str, Any] = {"schema": SCHEMA, "models": list(models), "base": base}
    curve = None
    if alphas == "auto":
        assert task is not None
        curve = _chosen(first, tuned, of_base, task, judges, show)
        alphas = [curve.alpha] * len(models)
    else:
        add_up(parameters, of_base, tuned, alphas)
    document |= {"alphas": list(alphas), "out": str(out)} | ({"curve": curve.as_dict()} if curve else {})
    if first.heads and any(alpha < 1 for alpha in alphas):
        show.say(f"the head {', '.join(first.heads)} stays as it was trained, on the vectors of {models[0]}")
    save_encoder(first, out, _card(document, first, stated_license(base, folders[-1])))
    return document


def read_alphas(given: str | float | Sequence[float]) -> Alphas:
    """What ``--alpha`` says: ``auto``, a number, or several with commas between them.

    Raises:
        UsageError: something else.
    """
    if given == "auto":
        return "auto"
    try:
        if isinstance(given, str):
            return [float(number) for number in given.split(",")]
        return [float(given)] if isinstance(given, int | float) else [float(number) for number in given]
    except (TypeError, ValueError):
        raise UsageError(f"--alpha {given!r} is no number", "take one in [0, 1], as 0.5, or auto") from None


def _require_usable(models: Sequence[str], alphas: Alphas, judges: Judges) -> None:
    if alphas == "auto":
        if judges.target is None:
            raise UsageError("--alpha auto needs data to choose by", "give --target FILE, best one that is no test")
        return
    if judges != Judges():
        raise UsageError("data cannot act where --alpha is given", "take --alpha auto, or leave the data out")
    outside = next((alpha for alpha in alphas if not 0 <= alpha <= 1), None)
    if outside is not None:
        raise UsageError(f"--alpha {outside:g} is not between the base (0) and the model (1)", "take one in [0, 1]")
    if len(alphas) != len(models):
        shares = ",".join(["0.5"] * len(models))
        problem = f"--alpha names {len(alphas)} shares for {len(models)} models beside the base"
        raise UsageError(problem, f"give one each, as --alpha {shares}")


def _folder(name: str) -> Path:
    """Where a model is.

    Raises:
        UsageError: there is none, or what a method added to one.
    """
    if any((Path(name) / file).is_file() for file in _DELTA_FILES):
        raise UsageError(f"{name} is a delta, no model", "give the run folder that it lies in, whose model/ is whole")
    return resolve(name)


def _weights(
    folders: Sequence[Path], names: Sequence[str]
) -> "tuple[Encoder, list[dict[str, Tensor]], dict[str, Tensor]]":
    """The first model, the weights of all models, and those of the base, as far as all have them."""
    first, *others = [load_encoder(folder) for folder in folders]
    texts = guard_texts()[::_TRIED_EVERY]
    for other, name in list(zip(others, names[1:], strict=True))[::-1]:  # the base first
        require_alike(first, other, (names[0], name), texts)
    *models, base = [first, *others]
    for model, name in zip(models, names, strict=False):
        if same_weights(model, base):
            problem = f"{name} and {names[-1]} have equal weights, so there is nothing between them"
            raise UsageError(problem, "give a tuned model; one that did not pass its gate is in rejected/ of its run")
    weights = [dict(model.named_parameters()) for model in (first, *others)]
    shared = set.intersection(*map(set, weights))
    found = [{name: p.detach().clone() for name, p in named.items() if name in shared} for named in weights]
    return first, found[:-1], found[-1]


def _target(judges: Judges, model: Path, show: Show) -> "Task | None":
    if judges.target is None:
        return None
    return smaller(test_task(model, judges.target, judges.train, judges.columns, show.say), _SEED)


def _chosen(
    encoder: "Encoder",
    tuned: "Sequence[Mapping[str, Tensor]]",
    base: "Mapping[str, Tensor]",
    task: "Task",
    judges: Judges,
    show: Show,
) -> Curve:
    """Leaves the weights between the base and all changes together that dev prefers in the encoder."""
    general = _general(encoder, judges)
    device = choose_device("auto")
    encoder.to(device)
    parameters = {name: p for name, p in encoder.named_parameters() if name in base}
    base = {name: tensor.to(device) for name, tensor in base.items()}
    add_up(parameters, base, [{n: t.to(device) for n, t in weights.items()} for weights in tuned], [1.0] * len(tuned))
    end = {name: p.detach().clone() for name, p in parameters.items()}
    precision: Literal["fp32", "bf16"] = "bf16" if fastest_precision(device) == "bf16" else "fp32"

    def score() -> tuple[float, float]:
        def encode(texts: Sequence[str], role: str) -> Any:
            return encoder.encode(texts, role, precision=precision)

        return dev_scores(task, task.main_metric, general, encode, encoder.reading)

    show.stage("merge", "choosing how much of the tuned weights to keep")
    add_up(parameters, base, [], [])
    curve = choose_share(
        parameters,
        base,
        end,
        score,
        metric=task.main_metric,
        of_base=score(),
        drop_limit=EvaluationSettings().general_drop_limit,
    )
    show.curve(curve, general=bool(general))
    return curve


def _general(encoder: "Encoder", judges: Judges) -> "list[Task]":
    if encoder.reads == "texts":
        given = None if judges.general is None else read_test(judges.general)
        return general_half(given, str(judges.general), "dev")
    if judges.general is not None:
        raise UsageError("--general is for texts, and the models read ids", "leave it out")
    return []


def _card(document: Mapping[str, Any], encoder: "Encoder", license_: License | None) -> str:
    changes = [f"- {alpha:g} of what {as_code(name)} changed" for name, alpha in _shares(document)]
    curve = document.get("curve")
    return "\n".join(
        [
            card_head(about_base(document["base"], license_), standard=encoder.standard),
            "",
            f"# {as_code(document['base'])}, merged",
            "",
            f"The weights of {as_code(document['base'])} and",
            "",
            *changes,
            "",
            *(_table(curve) if curve else []),
            *license_and_use(license_, standard=encoder.standard),
        ]
    )


def _shares(document: Mapping[str, Any]) -> list[tuple[str, float]]:
    return list(zip(document["models"], document["alphas"], strict=True))


def _table(curve: Mapping[str, Any]) -> list[str]:
    rows = [*curve["trials"], {"alpha": 0.0, **curve["base"]}]
    return [
        "Chosen on dev data:",
        "",
        f"| share | {curve['metric']} | general |",
        "| --- | --- | --- |",
        *(f"| {row['alpha']:g} | {row['dev']:.4f} | {row['general']:.4f} |" for row in rows),
        "",
    ]
