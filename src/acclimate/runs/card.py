"""The model card: README.md of a model folder, with the figures of the run that made it."""

from typing import Any

from acclimate.model.card import card_head, card_use


def model_card(scores: dict[str, Any], data_sha256: str, command: str, *, standard: bool) -> str:
    """The card of a tuned model, in Markdown with the metadata that model hubs read.

    Args:
        scores: what ``scores.json`` holds.
        data_sha256: of the training data.
        command: that made the model.
        standard: whether standard modules say all of it.
    """
    rows = [_row(name, name, scores["test"]) for name in scores["test"]["delta"]]
    for task, part in scores.get("tasks", {}).items():
        rows += [_row(f"{task}: {name}", name, part) for name in part["delta"]]
    before, after = (scores["general"][side].get("score") for side in ("before", "after"))
    kept = f" General score (what must not be forgotten): {before:.4f} -> {after:.4f}." if before is not None else ""
    return "\n".join(
        [
            "---",
            card_head(standard=standard),
            f"base_model: {scores['base']}",
            "---",
            "",
            f"# {scores['base']}, tuned by `{scores['method']}`",
            "",
            f"Verdict: **{scores['gate']['verdict']}**.{kept}",
            "",
            "| metric on test | before | after | change (95% interval) |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"Trained in {scores['cost']['train_seconds']:.0f} s on data with SHA-256 `{data_sha256}` by",
            "",
            f"    {command}",
            "",
            "## Use",
            "",
            card_use(standard=standard),
            "",
        ]
    )


def _row(title: str, name: str, test: dict[str, Any]) -> str:
    delta = test["delta"][name]
    low, high = delta["ci95"]
    numbers = f"{test['before'][name]:.4f} | {test['after'][name]:.4f}"
    return f"| {title} | {numbers} | {delta['value']:+.4f} ({low:+.4f} to {high:+.4f}) |"
