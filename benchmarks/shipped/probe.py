"""The general probe: seven small tasks of several kinds and languages, each cut into a dev and a test half."""

from pathlib import Path

from shipped import other_tasks, wordnet_tasks


def build(work: Path, folder: Path) -> None:
    """Writes one file a task under ``probe/``."""
    (folder / "probe").mkdir(parents=True, exist_ok=True)
    wordnet_tasks.build(work, folder / "probe")
    other_tasks.build(work, folder / "probe")
