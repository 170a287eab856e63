"""``demo``: the main job on the data that ships with the package."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any


@contextmanager
def demo_data() -> Iterator[dict[str, Any]]:
    """ICD-10-CM terms with their own dev and test data, as arguments of `fit`; files while the context lasts."""
    with as_file(files("acclimate") / "assets" / "demo") as folder:
        yield {"train": folder / "train.jsonl", "dev": folder / "dev.jsonl", "test": folder / "test"}
