"""Builds ``report.html`` of a run: one file without scripts, network or clock, made from the run's own files."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from acclimate.core.files import write_atomic
from acclimate.report.curves import Figure, change_figure, merge_figure, rank_figure, training_figures
from acclimate.report.data import data_tables, quarantine_table
from acclimate.report.page import rendered
from acclimate.report.plane import plane_figure
from acclimate.report.queries import Case, wins_and_losses
from acclimate.report.source import RunFiles, read_run
from acclimate.report.tables import Table, pairs_table
from acclimate.report.words import MetricRow, Verdict, is_main, metric_rows, primary_metric, verdict

_CASES = 20
_IN_ORIGIN = frozenset({"command", "seed", "data", "versions", "packages", "python"})


@dataclass(frozen=True, slots=True)
class _Page:
    """Everything that the template shows. Empty parts are left out with their heading."""

    name: str
    method: str
    base: str
    verdict: Verdict
    command: str
    origin: Table
    primary: str | None
    test: list[MetricRow]
    tasks: list[tuple[str, list[MetricRow], str]]
    general: list[MetricRow]
    general_rest: list[MetricRow]
    change: Figure | None
    plane: Figure | None
    cost: Table | None
    training: list[Figure]
    ranks: Figure | None
    wins: list[Case]
    losses: list[Case]
    texts: bool
    data: list[Table]
    quarantine: Table | None
    resolved: str
    environment: Table | None


def write_report(run: Path, *, texts: bool = True, out: Path | None = None) -> Path:
    """Writes the report of a run, atomically. Equal run folders give equal bytes.

    Args:
        run: the folder of a run. ``scores.json`` must be there; what else is missing leaves its section out.
        texts: whether the users' queries, documents and rejected rows are shown.
        out: the file to write, by default ``RUN/report.html``.

    Returns:
        the path of the report.

    Raises:
        DataError: when the folder holds no ``scores.json`` or a damaged file.
    """
    target = out or run / "report.html"
    write_atomic(target, rendered("report.html.j2", page=_page(read_run(run), texts=texts)))
    return target


def _page(run: RunFiles, *, texts: bool) -> _Page:
    scores, primary = run.scores, primary_metric(run.scores)
    wins, losses = wins_and_losses(run.queries, _CASES, texts=texts)
    limit = (run.resolved.get("evaluation") or {}).get("general_drop_limit", 0.01)
    environment = {name: value for name, value in run.environment.items() if name not in _IN_ORIGIN}
    general = metric_rows(scores.get("general") or {}, "score")
    merged = merge_figure(scores)
    return _Page(
        name=run.name,
        method=str(scores.get("method", "")),
        base=str(scores.get("base", "")),
        verdict=verdict(scores, limit=limit, rejected=run.has_rejected_model),
        command=_command(run.environment.get("command", "")),
        origin=_origin(run),
        primary=primary,
        test=metric_rows(scores.get("test") or {}, primary),
        tasks=[
            (name, metric_rows(task, task["primary_metric"]), task["primary_metric"])
            for name, task in (scores.get("tasks") or {}).items()
        ],
        general=[row for row in general if is_main(row.name)],
        general_rest=[row for row in general if not is_main(row.name)],
        change=change_figure(scores),
        plane=plane_figure(scores, limit),
        cost=pairs_table("What the run cost", scores["cost"]) if scores.get("cost") else None,
        training=[*training_figures(run.metrics, run.resolved), *([merged] if merged else [])],
        ranks=rank_figure(run.queries),
        wins=wins,
        losses=losses,
        texts=texts,
        data=data_tables(run, texts=texts),
        quarantine=quarantine_table(run.quarantine, texts=texts),
        resolved=run.resolved_text,
        environment=pairs_table("Environment", environment) if environment else None,
    )


def _command(command: str | list[str]) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def _origin(run: RunFiles) -> Table:
    """Seed, SHA-256 of the data, versions: what one needs to get the same numbers again."""
    environment = run.environment
    found = {
        "seed": environment.get("seed", (run.resolved.get("training") or {}).get("seed")),
        "SHA-256 of": environment.get("data") or {"train": run.profile.get("sha256")},
        "python": environment.get("python"),
        "version of": environment.get("versions", environment.get("packages")),
    }
    return pairs_table("Seed, data and versions", {name: value for name, value in found.items() if value is not None})
