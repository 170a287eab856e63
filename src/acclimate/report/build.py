"""Builds ``report.html`` of a run: one file without network or clock, made from the run's own files."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from acclimate.core.files import write_atomic
from acclimate.report.curves import change_figure, evaluations_of, merge_figure, rank_figure, training_figures
from acclimate.report.data import data_tables, quarantine_table
from acclimate.report.embedding import EmbeddingMap, embedding_map
from acclimate.report.figure import Figure
from acclimate.report.geometry import geometry_figure
from acclimate.report.page import rendered
from acclimate.report.plane import plane_figure
from acclimate.report.queries import Cases, cases_of
from acclimate.report.said import t
from acclimate.report.slices import Slicing, keys_of, slice_figure, slicings
from acclimate.report.source import Document, RunFiles, read_run
from acclimate.report.tables import Table, pairs_table
from acclimate.report.vocabulary import drift_figure, drift_sentence, drift_table
from acclimate.report.words import MetricRow, Verdict, is_main, metric_rows, primary_metric, verdict

_OF_USE = frozenset({"latency_ms_p50", "base_latency_ms_p50", "model_bytes", "base_bytes"})
_IN_ORIGIN = frozenset({"command", "seed", "data", "versions", "packages", "python"})


@dataclass(frozen=True, slots=True)
class _Scores:
    """Before and after in numbers."""

    primary: str | None
    test: list[MetricRow]
    by_words: bool
    tasks: list[tuple[str, list[MetricRow], str]]
    general: list[MetricRow]
    general_rest: list[MetricRow]
    use: list[MetricRow]
    figures: list[Figure]


@dataclass(frozen=True, slots=True)
class _Queries:
    """Test queries one by one and in groups."""

    ranks: Figure
    slicings: list[Slicing]
    slices: list[Figure]
    cases: Cases


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What became of the tokens."""

    sentence: str
    figure: Figure | None
    table: Table | None


@dataclass(frozen=True, slots=True)
class _Page:
    """Everything that the template shows. Empty parts are left out with their heading."""

    name: str
    method: str
    base: str
    texts: bool
    verdict: Verdict
    command: str
    origin: Table
    scores: _Scores
    cost: Table | None
    training: list[Figure]
    queries: _Queries | None
    map: EmbeddingMap | None
    vocabulary: _Vocabulary | None
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
    write_atomic(target, rendered("report.html.j2", scripted=True, page=_page(read_run(run), texts=texts)))
    return target


def _page(run: RunFiles, *, texts: bool) -> _Page:
    scores = run.scores
    limit = (run.resolved.get("evaluation") or {}).get("general_drop_limit", 0.01)
    environment = {name: value for name, value in run.environment.items() if name not in _IN_ORIGIN}
    cost = {name: value for name, value in (scores.get("cost") or {}).items() if name not in _OF_USE}
    after_curves = (geometry_figure(evaluations_of(run.metrics), scores), merge_figure(scores))
    return _Page(
        name=run.name,
        method=str(scores.get("method", "")),
        base=str(scores.get("base", "")),
        texts=texts,
        verdict=verdict(scores, limit=limit, rejected=run.has_rejected_model),
        command=_command(run.environment.get("command", "")),
        origin=_origin(run),
        scores=_scores(scores, limit),
        cost=pairs_table(t("What the run cost"), cost) if cost else None,
        training=[*training_figures(run.metrics, run.resolved), *(figure for figure in after_curves if figure)],
        queries=_queries(run.queries, texts=texts),
        map=embedding_map(run.map, texts=texts),
        vocabulary=_vocabulary(run.drift, texts=texts),
        data=data_tables(run, texts=texts),
        quarantine=quarantine_table(run.quarantine, texts=texts),
        resolved=run.resolved_text,
        environment=pairs_table(t("Environment"), environment) if environment else None,
    )


def _scores(scores: Document, limit: float) -> _Scores:
    primary, words = primary_metric(scores), scores.get("bm25") or {}
    general = metric_rows(scores.get("general") or {}, "score")
    found = (change_figure(scores), plane_figure(scores, limit))
    return _Scores(
        primary=primary,
        test=metric_rows(scores.get("test") or {}, primary, words),
        by_words=bool(words),
        tasks=[
            (name, metric_rows(task, task["primary_metric"]), task["primary_metric"])
            for name, task in (scores.get("tasks") or {}).items()
        ],
        general=[row for row in general if is_main(row.name)],
        general_rest=[row for row in general if not is_main(row.name)],
        use=_of_use(scores.get("cost") or {}),
        figures=[figure for figure in found if figure is not None],
    )


def _of_use(cost: Document) -> list[MetricRow]:
    """What a query takes and how large the model is, base and tuned model beside each other."""
    sides = (
        {"before": "base_latency_ms_p50", "after": "latency_ms_p50"},
        {"before": "base_bytes", "after": "model_bytes"},
    )
    found = dict(zip(("latency_ms_p50", "model_bytes"), sides, strict=True))
    return metric_rows(
        {
            side: {name: cost[key[side]] for name, key in found.items() if key[side] in cost}
            for side in ("before", "after")
        },
        None,
    )


def _queries(queries: list[Document], *, texts: bool) -> _Queries | None:
    ranks = rank_figure(queries)
    if ranks is None:
        return None
    cuts = slicings(queries, texts=texts)
    figures = [slice_figure(cut, queries) for cut in cuts]
    return _Queries(ranks, cuts, figures, cases_of(queries, keys_of(cuts), texts=texts))


def _vocabulary(drift: Document, *, texts: bool) -> _Vocabulary | None:
    if not drift:
        return None
    return _Vocabulary(drift_sentence(drift), drift_figure(drift), drift_table(drift, texts=texts))


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
    return pairs_table(t("Seed, data and versions"), {name: v for name, v in found.items() if v is not None})
