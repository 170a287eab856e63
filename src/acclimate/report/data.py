"""The data section: the profile of the training file as tables."""

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from acclimate.report.said import joined, known, recognized, t
from acclimate.report.source import Document, RunFiles
from acclimate.report.tables import Table, pairs_table
from acclimate.report.words import number, quantity

_QUARANTINED = 20
_PLACES = 8
_WORDS = 20
_CUT = 80  # characters of a query
_WHAT = ("{role} longer than {most} tokens, the rest is not read",)
_OF_DEV = ("mean", "ndcg@10", "spearman", "macro_f1")  # what an adaptation is looked at by


def data_tables(run: RunFiles, *, texts: bool) -> list[Table]:
    """Counts, splits, queries made, weights, negatives, new words, adaptation, lengths, scripts, labels and problems.

    Without ``texts``, nothing that quotes a row is in it.
    """
    profile = run.profile
    tables = (
        _counts(profile, texts=texts),
        _splits(profile),
        _made(run.synthetic, texts=texts),
        _weighed(run.weighting, texts=texts),
        _mined(run.mining),
        _words(run.vocabulary, texts=texts),
        _adapted(run.adaptation),
        _lengths(profile.get("lengths") or {}),
        _shares(t("Writing systems (share of letters)"), profile.get("scripts") or {}),
        _problems(profile.get("problems") or []),
        _labels(profile.get("labels") or {}) if texts else None,
        pairs_table(t("Scores of the pairs"), profile["scores"]) if profile.get("scores") else None,
    )
    return [table for table in tables if table is not None]


def quarantine_table(rejected: Sequence[Document], *, texts: bool) -> Table | None:
    """The first rows that were set aside. Reasons and rows may quote texts, so that both need ``texts``."""
    if not rejected:
        return None
    columns = ("line", "column", "reason", "raw") if texts else ("line", "column")
    shown = rejected[:_QUARANTINED]
    counts = {"count": len(rejected), "shown": len(shown)}
    caption = (
        t("Rows that were set aside: {count:,}, the first {shown}", **counts)
        if len(rejected) > len(shown)
        else t("Rows that were set aside: {count:,}", **counts)
    )
    rows = tuple(tuple(str(r[c])[:200] if r.get(c) is not None else "—" for c in columns) for r in shown)
    return Table(caption, tuple(known(column) for column in columns), rows)


def _counts(profile: Document, *, texts: bool) -> Table | None:
    rows = profile.get("rows") or {}
    counts = {
        "file": profile.get("name"),
        "format": profile.get("format"),
        "kind": profile.get("kind"),
        "rows kept": rows.get("kept"),
        "rows set aside": rows.get("rejected"),
        "distinct queries": (profile.get("queries") or {}).get("distinct"),
        "distinct documents": (profile.get("documents") or {}).get("distinct"),
        "pairs of near-duplicate texts": (profile.get("near_duplicates") or {}).get("pairs"),
        "rows left out because the test would know them": profile.get("leaks_removed"),
        "classes": (profile.get("labels") or {}).get("distinct"),
        "as even as so many classes of equal size": (profile.get("labels") or {}).get("effective"),
        "columns taken": joined(
            (
                t("{column} as {role}", column=column, role=role)
                for column, role in (profile.get("roles") or {}).items()
            ),
            ", ",
            "，",
        ),
        "columns not used": ", ".join(profile.get("unused") or []),
        "notes": "; ".join(profile.get("notes") or []) if texts else None,
    }
    found = {name: value for name, value in counts.items() if value not in (None, "")}
    return pairs_table(t("The training file"), found) if found else None


def _splits(profile: Document) -> Table | None:
    splits = profile.get("splits")
    if not splits:
        return None
    rows = tuple((known(name), quantity("", size)) for name, size in splits.items())
    return Table(t("What was used for what"), (t("part"), t("rows or queries")), rows)


def _made(synthetic: Sequence[Document], *, texts: bool) -> Table | None:
    """How many queries texts gave that train, by how they were made, with the first of each that is kept."""
    training = [query for query in synthetic if query["part"] == "train"]
    if not training:
        return None
    head = (
        t("made of the texts (data/synthetic.jsonl)"),
        t("queries"),
        t("kept"),
        *((t("the first"),) if texts else ()),
    )
    rows = []
    for kind in sorted({query["kind"] for query in training}):
        of_kind = [query for query in training if query["kind"] == kind]
        kept = [query["query"] for query in of_kind if query["kept"]]
        shown = (shorten(kept[0], _CUT, placeholder=" ...") if kept else "",) if texts else ()
        rows.append((kind, number(len(of_kind)), number(len(kept)), *shown))
    return Table(t("Queries that train"), head, tuple(rows))


def _weighed(weighting: Document, *, texts: bool) -> Table | None:
    if not weighting:
        return None
    alike = {
        f"{name.replace('_', ' ')} to TRAIN": ", ".join(
            f"{row['query'] if texts else row['id']} ({row['weight']:.2f})" for row in weighting[name]
        )
        for name in ("most_alike", "least_alike")
    }
    counts = {
        "weighed by": weighting["kind"],
        "rows (data/source_weights.jsonl)": weighting["rows"],
        "as good as so many equal ones": weighting["effective_sample_size"],
        "different queries of TRAIN": weighting["queries_of_train"],
    }
    return pairs_table(t("Weights of the source"), counts | alike)


def _mined(mining: Document) -> Table | None:
    if not mining:
        return None
    counts = {
        "found by": mining["kind"],
        "negatives": mining["negatives"],
        "among so many documents": mining["documents"],
        "rows without any": mining["rows_without"],
        "rows for which other documents score as right ones do": mining["rows_with_suspects"],
        "these documents in all (data/false_negatives.jsonl)": mining["suspects"],
        "seconds": mining["seconds"],
    }
    return pairs_table(t("Mined negatives"), counts)


def _words(vocabulary: Document, *, texts: bool) -> Table | None:
    if not vocabulary:
        return None
    words, tokens = vocabulary["words"], vocabulary["tokens_a_text"]
    counts = {
        "words that became tokens (data/vocabulary.json)": len(words),
        "the first of them": ", ".join(word["word"] for word in words[:_WORDS]) if texts else None,
        "tokens a text before": tokens["before"],
        "tokens a text with them": tokens["after"],
        **{f"cosine with the base, {start}": value for start, value in vocabulary["cosine"].items()},
        "seconds": vocabulary["seconds"],
    }
    return pairs_table(t("New words"), {name: value for name, value in counts.items() if value is not None})


def _adapted(adaptation: Document) -> Table | None:
    if not adaptation:
        return None
    loss, dev = adaptation["loss"], adaptation["dev"]
    told = {
        "kind (data/adaptation.json)": adaptation["kind"],
        **{name: adaptation[name] for name in ("texts", "steps", "seconds")},
        **{f"loss, {where} steps": value for where, value in loss.items()},
    }
    for when, scores in dev.items():
        told |= {f"dev {name} {when}": value for name, value in scores.items() if name in _OF_DEV}
    return pairs_table(t("Adaptation to texts"), told)


def _lengths(lengths: Mapping[str, Mapping[str, Any]]) -> Table | None:
    if not lengths:
        return None
    columns = [(unit, mark) for unit in ("characters", "tokens") for mark in ("p50", "p95", "max")]
    head = (t("role"), t("texts"), *(joined((known(unit), mark)) for unit, mark in columns), t("cut off"))
    rows = tuple(
        (
            known(role),
            number(described.get("count")),
            *(number((described.get(unit) or {}).get(mark)) for unit, mark in columns),
            quantity("truncated_share", described.get("truncated")),
        )
        for role, described in lengths.items()
    )
    return Table(t("Lengths of texts"), head, rows)


def _shares(caption: str, shares: Mapping[str, Mapping[str, float]]) -> Table | None:
    rows = tuple(
        (
            known(role),
            joined((joined((known(n), f" {100 * s:.1f}%"), "") for n, s in of_role.items()), ", ", "，") or "—",
        )
        for role, of_role in shares.items()
    )
    return Table(caption, (t("role"), t("shares")), rows) if rows else None


def _problems(problems: Sequence[Mapping[str, Any]]) -> Table | None:
    rows = tuple(
        (
            recognized(str(problem["what"]), _WHAT),
            number(problem["rows"]),
            ", ".join(str(place["line"]) for place in problem.get("places", [])[:_PLACES]),
            known(str(problem.get("remedy", ""))),
        )
        for problem in problems
    )
    return (
        Table(
            t("Problems that were found"),
            (t("what"), t("rows"), t("worst lines"), t("what would help (acclimate check)")),
            rows,
        )
        if rows
        else None
    )


def _labels(labels: Mapping[str, Any]) -> Table | None:
    counts = labels.get("counts") or {}
    rows = tuple((name, number(count)) for name, count in counts.items())
    if not rows:
        return None
    caption = t("Classes, {shown} of {count}", shown=len(rows), count=labels["distinct"])
    return Table(caption, (t("class"), t("rows")), rows)
