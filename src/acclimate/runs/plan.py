"""``plan``: what ``fit`` would do, why, and what it would cost, without training."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from acclimate.advisor import Headroom, headroom
from acclimate.core.errors import InterruptedRunError
from acclimate.evaluation import evaluate
from acclimate.evaluation.efficiency import count_peak_from_here
from acclimate.model.store import load_encoder
from acclimate.runs.cut import size
from acclimate.runs.machine import choose_device
from acclimate.runs.pilot import pilot_runs
from acclimate.runs.planning import Request, known_only, load_base, read_inputs
from acclimate.runs.prepare import Prepared
from acclimate.runs.rehearsal import Rehearsal
from acclimate.runs.shift import measure_shift
from acclimate.runs.show import Show

SCHEMA = 1
_CHEAP = 10.0  # seconds that scoring the base may take, where nothing else asks for its scores


def plan(request: Request, show: Show, *, pilot: bool = False) -> dict[str, Any]:
    """Reads the data, decides what ``fit`` would decide, and rehearses it on a few rows, in a folder that goes again.

    Returns:
        ``method``, ``advice`` (`Advice`; None where the method is given), ``reasons``, ``warnings``, ``notes``,
        ``rows`` by part, ``recipe`` (resolved), ``cost`` (see `Cost`), ``headroom`` (`Headroom`; None where scoring the
        base would take long, or the test is no search), with a source ``shift`` (`acclimate.evaluation.shift`), and
        with a pilot ``pilot`` and ``pilot_takes`` (see `pilot_runs`).

    Raises:
        AcclimateError: what ``fit`` would raise before it trains.
        InterruptedRunError: it was stopped; nothing is left behind.
    """
    count_peak_from_here()
    began = time.perf_counter()
    base, prepared = read_inputs(request, show)
    reading = time.perf_counter() - began
    show.data(prepared)
    with tempfile.TemporaryDirectory(prefix="acclimate-plan-") as folder:
        rehearsal = Rehearsal(replace(request, out=Path(folder)), base, prepared, reading)
        show.plan(rehearsal.whole)
        if rehearsal.advice is not None:
            show.advice(rehearsal.advice)
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "method": rehearsal.whole.decided.method.kind,
            "advice": None if rehearsal.advice is None else rehearsal.advice.as_dict(),
            "reasons": list(rehearsal.whole.reasons),
            "warnings": list(rehearsal.whole.warnings),
            "notes": list(prepared.notes),
            "rows": _rows(prepared),
            "recipe": rehearsal.whole.recipe.model_dump(mode="json"),
        }
        if prepared.source is not None:
            shift = measure_shift(prepared.dataset, prepared.source.dataset, load_encoder(base), show.encoding)
            document["shift"] = shift
            show.shift(prepared.dataset.name, prepared.source.dataset.name, request.recipe.base, shift)
        show.stage("cost", "rehearsing the run on a few rows")
        try:
            cost = rehearsal.cost()
        except InterruptedRunError:
            raise InterruptedRunError("stopped before the cost was known", "run the same command again") from None
    document["cost"] = cost.as_dict()
    show.cost(document["cost"])
    left = _headroom(request, base, prepared) if cost.seconds.get("before", 0.0) < _CHEAP else None
    document["headroom"] = None if left is None else left.as_dict()
    if left is not None and left.warning:
        document["warnings"].append(left.warning)
        show.detail(f"warning: {left.warning}")
    if pilot:
        document |= pilot_runs(request, base, prepared, rehearsal.whole, rehearsal.advice, show)
    return document


def _headroom(request: Request, base: Path, prepared: Prepared) -> Headroom | None:
    """What the base leaves to gain on the test."""
    encoder = load_base(request.recipe, base).to(choose_device(request.recipe.training.device))
    return headroom(evaluate(prepared.test, known_only(encoder, base, known=request.recipe.training.cache)))


def _rows(prepared: Prepared) -> dict[str, int]:
    beside = {"source": prepared.source, "replay": prepared.replay}
    return {
        "train": len(prepared.train),
        **{name: len(part.rows) for name, part in beside.items() if part is not None},
        **{name: len(task.train) for name, task in prepared.tasks.items()},
        "dev": size(prepared.dev),
        "test": size(prepared.test),
        "left_out": prepared.leaked,
    }
