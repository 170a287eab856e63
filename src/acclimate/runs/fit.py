"""``fit``: from a user's file to a proven model."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, UsageError
from acclimate.core.files import replace_folder, sha256_file, write_json
from acclimate.evaluation import passes
from acclimate.evaluation.efficiency import count_peak_from_here, model_bytes
from acclimate.model.bases import files_of
from acclimate.recipe.tree import Recipe
from acclimate.report.build import write_report
from acclimate.runs.planning import Request, read_inputs
from acclimate.runs.prepare import Prepared
from acclimate.runs.show import Show
from acclimate.runs.stages import Stages
from acclimate.runs.tracking import Tracking
from acclimate.runs.workspace import Workspace


def fit(request: Request, show: Show) -> dict[str, Any]:
    """Checks, plans, scores the base, trains, scores the result, judges, saves, reports. Resumes where it stopped.

    Returns:
        what ``scores.json`` holds.

    Raises:
        AcclimateError: see its kinds; nothing is half-written.
    """
    count_peak_from_here()
    workspace = Workspace(request.out)
    tracking = Tracking(request.track, workspace, show.detail)
    base, prepared = read_inputs(request, show)
    # Before anything is written: it finds mistakes in the plan.
    run = Stages(request, workspace, base, prepared, show, tracking)
    with workspace.locked():
        identity = _identity(request.recipe, base, prepared) | run.identity
        new = workspace.claim(identity, restart=request.restart)
        if workspace.scores.is_file() and workspace.model.is_dir():
            return _finished(request, workspace, show, tracking)
        try:
            with closing(tracking):
                return run.execute()
        except (UsageError, DataError):
            if new:  # the corrected command would be refused as one with another recipe
                workspace.clear()
            raise


def _identity(recipe: Recipe, base: Path, prepared: Prepared) -> dict[str, Any]:
    """What decides the result, by name. Data is told apart by its content: a run can be resumed from another folder."""
    weights = files_of(base) if base.is_file() else sorted(base.glob("**/*.safetensors"))
    document = recipe.model_dump(mode="json")
    parts = {part: document.pop(part) for part in ("data", "training", "evaluation")}
    settings = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
    return {
        **{name: value for name, value in settings.items() if name.removeprefix("data.") not in prepared.hashes},
        **document,
        **{f"{name} data": digest for name, digest in prepared.hashes.items()},
        "weights of the base": " ".join(sha256_file(path) for path in weights),
    }


def _finished(request: Request, workspace: Workspace, show: Show, tracking: Tracking) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(workspace.scores.read_text())
    show.say(f"{workspace.path} is finished; --restart trains again")
    workspace.remove_working_files()
    swapped = request.keep_anyway and workspace.rejected.is_dir()
    if swapped:
        replace_folder(workspace.rejected, workspace.model)
        scores["cost"]["model_bytes"] = model_bytes(workspace.model)
    gate = scores["gate"]
    passed = passes(gate["verdict"], strict=request.strict)
    if swapped or passed != gate["passed"]:
        gate["passed"] = passed
        write_json(workspace.scores, scores)
        write_report(workspace.path)
    elif not (workspace.path / "report.html").is_file():
        write_report(workspace.path)
    tracking.begin()
    tracking.catch_up()
    tracking.end(scores)
    tracking.close()
    show.result(scores, workspace.path)
    return scores
