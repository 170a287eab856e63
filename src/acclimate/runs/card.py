"""The model card: README.md of a model folder, with the figures of the run that made it."""

from typing import Any


def model_card(scores: dict[str, Any], data_sha256: str, command: str) -> str:
    """The card of a tuned model, in Markdown with the metadata that model hubs read."""
    rows = [_row(name, scores["test"]) for name in scores["test"]["delta"]]
    general = scores["general"]
    change = f"{general['before']['score']:.4f} -> {general['after']['score']:.4f}"
    return "\n".join(
        [
            "---",
            "library_name: sentence-transformers",
            "pipeline_tag: sentence-similarity",
            f"base_model: {scores['base']}",
            "tags: [sentence-transformers, sentence-similarity, feature-extraction, acclimate]",
            "---",
            "",
            f"# {scores['base']}, tuned by `{scores['method']}`",
            "",
            f"Verdict: **{scores['gate']['verdict']}**. General score (what must not be forgotten): {change}.",
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
            "```python",
            "from sentence_transformers import SentenceTransformer",
            "",
            'model = SentenceTransformer("path/to/this/folder")',
            "",
            "import acclimate",
            "",
            'encoder = acclimate.load("path/to/this/folder")',
            "```",
            "",
        ]
    )


def _row(name: str, test: dict[str, Any]) -> str:
    delta = test["delta"][name]
    low, high = delta["ci95"]
    numbers = f"{test['before'][name]:.4f} | {test['after'][name]:.4f}"
    return f"| {name} | {numbers} | {delta['value']:+.4f} ({low:+.4f} to {high:+.4f}) |"
