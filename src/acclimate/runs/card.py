"""The model card: README.md of a model folder, with the figures of the run that made it."""

from collections.abc import Mapping
from textwrap import indent
from typing import Any, Literal

from acclimate.model.bases import hub_id
from acclimate.model.card import card_head, card_use, model_result
from acclimate.model.license import License


def model_card(
    scores: Mapping[str, Any],
    data_sha256: str,
    command: str,
    license_: License | None,
    *,
    standard: bool,
    side: Literal["before", "after"] = "after",
) -> str:
    """The card of a tuned model, in Markdown with the metadata that model hubs read.

    Its ``model-index`` has the model's figures by the names that ``scores.json`` has for them.

    Args:
        scores: what ``scores.json`` holds.
        data_sha256: of the training data.
        command: that made the model.
        license_: what the base states.
        standard: whether standard modules say all of it.
        side: whether it is the tuned model, or the base that stands where no tuned one passed.
    """
    base, method, tasks = scores["base"], scores["method"], scores.get("tasks", {})
    rows = [_row(name, name, scores["test"]) for name in scores["test"]["delta"]]
    for task, part in tasks.items():
        rows += [_row(f"{task}: {name}", name, part) for name in part["delta"]]
    before, after = (scores["general"][at].get("score") for at in ("before", "after"))
    kept = f" General score (what must not be forgotten): {before:.4f} -> {after:.4f}." if before is not None else ""
    results = [model_result(scores["primary_metric"], "test", scores["test"][side])]
    results += [model_result(part["primary_metric"], task, part[side]) for task, part in tasks.items()]
    if before is not None:
        results.append(model_result("score", "general", scores["general"][side]))
    tuned = side == "after"
    index = {"name": f"{base} tuned by {method}" if tuned else base, "results": results}
    head = card_head({**about_base(base, license_), "model-index": [index]}, standard=standard)
    title = f"{as_code(base)}, tuned by `{method}`" if tuned else f"{as_code(base)}, as it was"
    stands = "" if tuned else f" The model tuned by `{method}` did not pass, so this is its base."
    return "\n".join(
        [
            head,
            "",
            f"# {title}",
            "",
            f"Verdict: **{scores['gate']['verdict']}**.{stands}{kept}",
            "",
            "| metric on test | before | after | change (95% interval) |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"Trained in {scores['cost']['train_seconds']:.0f} s on data with SHA-256 `{data_sha256}` by",
            "",
            indent(command, "    "),
            "",
            *license_and_use(license_, standard=standard),
        ]
    )


def about_base(base: str, license_: License | None) -> dict[str, str]:
    """What the metadata says of a base: its name on the Hub, if it is there, and the license that it states."""
    known = hub_id(base)
    return {**({"base_model": known} if known else {}), **(license_.fields if license_ else {})}


def license_and_use(license_: License | None, *, standard: bool) -> list[str]:
    """The last lines of a card. Of the data's license nothing is known, so nothing is said."""
    told = "The base states no license."
    if license_ is not None:
        told = f"The base states {as_code(license_.fields.get('license_name') or license_.fields['license'])} "
        told += f"{license_.where}."
    theirs = "What the training data allows is for those to say who know where it is from."
    return ["## License", "", f"{told} {theirs}", "", "## Use", "", card_use(standard=standard), ""]


def as_code(text: str) -> str:
    """A text of the user's as Markdown that starts nothing else."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"


def _row(title: str, name: str, test: Mapping[str, Any]) -> str:
    delta = test["delta"][name]
    low, high = delta["ci95"]
    numbers = f"{test['before'][name]:.4f} | {test['after'][name]:.4f}"
    return f"| {title} | {numbers} | {delta['value']:+.4f} ({low:+.4f} to {high:+.4f}) |"
