"""Builds ``report.html`` of a run: one file without scripts, network or clock, made from the run's own files."""

import base64
import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from acclimate.core.files import write_atomic
from acclimate.report.curves import Figure, change_figure, rank_figure, training_figures
from acclimate.report.queries import Case, wins_and_losses
from acclimate.report.source import Document, RunFiles, read_run
from acclimate.report.tables import Table, pairs_table, without_texts
from acclimate.report.words import MetricRow, Verdict, metric_rows, primary_metric, verdict

_CASES = 20
_QUARANTINED = 20
_SAFE_STRINGS = frozenset({"name", "path", "file", "format", "kind", "sha256", "roles", "unused", "columns"})
_NOT_IN_HTML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


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
    general: list[MetricRow]
    change: Figure | None
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


def write_report(run: Path, *, texts: bool = True) -> Path:
    """Writes ``RUN/report.html``, atomically. Equal run folders give equal bytes.

    Args:
        run: the folder of a run. ``scores.json`` must be there; what else is missing leaves its section out.
        texts: whether the users' queries, documents and rejected rows are shown.

    Returns:
        the path of the report.

    Raises:
        DataError: when the folder holds no ``scores.json`` or a damaged file.
    """
    target = run / "report.html"
    write_atomic(target, _render(_page(read_run(run), texts=texts)))
    return target


def _page(run: RunFiles, *, texts: bool) -> _Page:
    scores, primary = run.scores, primary_metric(run.scores)
    wins, losses = wins_and_losses(run.queries, _CASES, texts=texts)
    limit = (run.resolved.get("evaluation") or {}).get("general_drop_limit", 0.01)
    environment = {k: v for k, v in run.environment.items() if k not in {"command", "seed", "data", "versions"}}
    return _Page(
        name=run.name,
        method=str(scores.get("method", "")),
        base=str(scores.get("base", "")),
        verdict=verdict(scores, limit=limit, rejected=run.has_rejected_model),
        command=_command(run.environment.get("command", "")),
        origin=_origin(run),
        primary=primary,
        test=metric_rows(scores.get("test") or {}, primary),
        general=metric_rows(scores.get("general") or {}, "score"),
        change=change_figure(scores),
        cost=pairs_table("What the run cost", scores["cost"]) if scores.get("cost") else None,
        training=training_figures(run.metrics, run.resolved),
        ranks=rank_figure(run.queries),
        wins=wins,
        losses=losses,
        texts=texts,
        data=_data(run.profile if texts else without_texts(run.profile, _SAFE_STRINGS)),
        quarantine=_quarantine(run.quarantine, texts=texts),
        resolved=run.resolved_text,
        environment=pairs_table("Environment", environment) if environment else None,
    )


def _command(command: str | list[str]) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def _origin(run: RunFiles) -> Table:
    """Seed, SHA-256 of the data, versions: what one needs to get the same numbers again."""
    seed = run.environment.get("seed", (run.resolved.get("training") or {}).get("seed"))
    found = {
        "seed": str(seed) if seed is not None else None,
        "data": run.environment.get("data", run.profile.get("sha256")),
        "version": run.environment.get("versions"),
    }
    return pairs_table("Seed, data and versions", {key: value for key, value in found.items() if value})


def _data(profile: Document) -> list[Table]:
    """One table of the profile's single values and one for each group of them."""
    groups = {key: value for key, value in profile.items() if isinstance(value, Mapping) and value}
    single = {key: value for key, value in profile.items() if key not in groups and value not in ({}, [])}
    tables = [pairs_table("The training data", single)] if single else []
    return tables + [pairs_table(key.replace("_", " ").capitalize(), value) for key, value in groups.items()]


def _quarantine(rejected: list[Document], *, texts: bool) -> Table | None:
    if not rejected:
        return None
    columns = ("line", "column", "reason", "raw") if texts else ("line", "column")
    shown = rejected[:_QUARANTINED]
    more = f", the first {len(shown)}" if len(rejected) > len(shown) else ""
    rows = tuple(tuple(str(r[c])[:200] if r.get(c) is not None else "—" for c in columns) for r in shown)
    return Table(f"Rows that were left out: {len(rejected):,}{more}", columns, rows)


def _render(page: _Page) -> str:
    css = files("acclimate.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("acclimate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    html = environment.get_template("report.html.j2").render(page=page, css=Markup(css), css_sha256=digest)  # noqa: S704 - our own file
    # Texts from users may hold control characters and half surrogate pairs, which no HTML file can.
    return _NOT_IN_HTML.sub("\ufffd", html).encode("utf-8", "replace").decode()
