"""``demo``: the main job on the data that ships with the package."""

from importlib.resources import as_file, files
from pathlib import Path

from acclimate.api import Run, fit


def run_demo(out: Path, *, restart: bool, quiet: bool, json: bool) -> Run:
    """Tunes the default base on ICD-10-CM terms, with its own dev and test data."""
    with as_file(files("acclimate") / "assets" / "demo") as folder:
        return fit(
            folder / "train.jsonl",
            dev=folder / "dev.jsonl",
            test=folder / "test",
            out=out,
            restart=restart,
            quiet=quiet,
            json=json,
            command="acclimate demo",
        )
