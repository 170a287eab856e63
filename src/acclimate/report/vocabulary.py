"""How far tokens of the embedding table moved, beside how often training read them."""

from acclimate.report.charts import bar_chart
from acclimate.report.figure import Figure
from acclimate.report.said import known, t
from acclimate.report.source import Document
from acclimate.report.tables import Table


def drift_figure(drift: Document) -> Figure | None:
    """Mean drift of tokens by how often training read them; None where the table did not train."""
    classes = drift.get("by_count") or []
    if not classes:
        return None
    names = [known(str(part["seen"])) for part in classes]
    heading = t("Drift of the vocabulary")
    series = [
        (t("mean"), [part["mean"] for part in classes]),
        (t("90th percentile"), [part["p90"] for part in classes]),
    ]
    chart = bar_chart(
        t("How far tokens moved, relative to their length, by how often training read them"),
        names,
        series,
        y_label=t("drift"),
        x_label=t("occurrences in the texts that training read"),
    )
    note = t(
        "{moved:,} of {rows:,} rows of the embedding table moved. Drift is the length of the change over the length of "
        "the row before; occurrences are counted over the different texts of training, prompts included.",
        moved=drift["moved"], rows=drift["rows"],
    )  # fmt: skip
    rows = tuple(
        (name, f"{part['tokens']:,}", _share(part["mean"]), _share(part["p90"]))
        for name, part in zip(names, classes, strict=True)
    )
    head = (t("occurrences"), t("tokens"), t("mean drift"), t("90th percentile"))
    return Figure(heading, chart, note, Table(heading, head, rows))


def drift_table(drift: Document, *, texts: bool) -> Table | None:
    """The tokens that moved most. They tell what users' texts are about, so that they need ``texts``."""
    most = drift.get("most") or []
    if not most or not texts:
        return None
    rows = tuple((str(token["token"]) or "—", _share(token["drift"]), f"{token['seen']:,}") for token in most)
    return Table(t("Tokens that moved most"), (t("token"), t("drift"), t("occurrences")), rows)


def drift_sentence(drift: Document) -> str:
    """What is said where no token can have moved."""
    if drift.get("trained") is not False:
        return ""
    return t("The embedding table did not train: none of its {rows:,} rows moved.", rows=drift["rows"])


def _share(value: float) -> str:
    return f"{100 * value:.2f}%"
