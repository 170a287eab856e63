"""What people see while a program works: lines, one live progress line, and the table at the end."""

import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from acclimate.recipe.resolve import Plan
    from acclimate.runs.merging import Curve
    from acclimate.runs.prepare import Prepared
    from acclimate.runs.training import Sizes

_SHOWN = ("ndcg@10", "mrr@10", "recall@10", "median_rank", "spearman", "pearson", "macro_f1", "accuracy")
_DECIDING = ("mean", *_SHOWN[:1], *_SHOWN[4:])  # on dev
_NAMED = 8  # words
_WORST = 3
_CUT = 60  # characters of a text that is named in a line
_PLAIN_EVERY = 10.0  # seconds between lines where there is no terminal to draw on


class _Console(Console):
    """A console whose reader may leave: a run goes on without it, and its exit status stays the gate's."""

    def on_broken_pipe(self) -> None:
        """Called by Rich instead of raising BrokenPipeError."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


class Show:
    """Writes for people, on standard error while ``json`` owns standard output.

    Args:
        quiet: only errors.
        json: nothing for people goes to standard output.
    """

    def __init__(self, *, quiet: bool = False, json: bool = False) -> None:
        self._console = _Console(file=sys.stderr if json else sys.stdout, quiet=quiet, highlight=False, soft_wrap=True)
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._steps, self._timed = 0, False
        self._dev: dict[str, float] = {}
        self._last_line = 0.0
        self._encoded = (
            0.0,
            0,
            0,
            0,
        )  # when and where the texts that are being encoded began, how many are done, of all

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False)

    def stage(self, name: str, text: str) -> None:
        """The beginning of a stage."""
        self._console.print(f"[bold]{name:<7}[/] {text}")

    def data(self, prepared: "Prepared") -> None:
        """What was read and taken for what."""
        dataset = prepared.dataset
        roles = ", ".join(f"{column} -> {role}" for column, role in dataset.roles.items())
        self.stage("data", f"{dataset.name}: {len(dataset.examples)} rows ({dataset.format}); {roles}")
        if dataset.unused:
            self.say(f"        unused columns: {', '.join(dataset.unused)}")
        if dataset.rejected:
            self.say(f"        {len(dataset.rejected)} rows set aside, the first: {dataset.rejected[0]}")
        self.say(f"        {len(prepared.train)} rows train; {prepared.leaked} left out that the test would know")
        for part, beside in (("source", prepared.source), ("replay", prepared.replay)):
            if beside is not None:
                told = ", ".join(f"{column} -> {role}" for column, role in beside.dataset.roles.items())
                all_rows = f"{len(beside.dataset.examples)} rows ({beside.dataset.format})"
                self.say(f"        {part} {beside.dataset.name}: {all_rows}; {told}; {len(beside.rows)} train")
        for name, task in prepared.tasks.items():
            rows = f"{len(task.dataset.examples)} rows of kind {task.dataset.kind} ({task.dataset.format})"
            self.say(
                f"        task {name}: {task.dataset.name}, {rows}; {len(task.train)} train, {task.leaked} left out"
            )
        for note in prepared.notes:
            self.say(f"        note: {note}")

    def profile(self, document: Mapping[str, Any]) -> None:
        """What `check` found."""
        rows = document["rows"]
        roles = ", ".join(f"{column} -> {role}" for column, role in document["roles"].items())
        self.say(f"{document['name']}: {document['kind']}, {document['format']}; {roles}")
        if document["unused"]:
            self.say(f"unused columns: {', '.join(document['unused'])}")
        self.say(f"{rows['total']} rows: {rows['kept']} kept, {rows['rejected']} set aside")
        table = Table(header_style="bold")
        for name in ("texts", "characters p50", "p95", "max", "tokens p50", "p95", "max", "truncated"):
            table.add_column(name, justify="left" if name == "texts" else "right")
        for role, lengths in document["lengths"].items():
            characters, tokens = lengths["characters"], lengths.get("tokens")
            cells = [str(characters[key]) for key in ("p50", "p95", "max")]
            cells += [str(tokens[key]) for key in ("p50", "p95", "max")] if tokens else ["-"] * 3
            table.add_row(role, *cells, f"{lengths['truncated']:.1%}" if tokens else "-")
        self._console.print(table)
        for note in document["notes"]:
            self.say(f"note: {note}")
        if synthetic := document.get("synthetic"):
            counts = ", ".join(f"{count} {kind}" for kind, count in synthetic["queries"].items()) or "none"
            self.say(
                f"queries that fit would make of {synthetic['texts']} texts: {counts}; {synthetic['without']} give none"
            )
        for role, shares in document["scripts"].items():
            if len(shares) > 1:
                self.say(f"writing of {role}: {', '.join(f'{name} {share:.1%}' for name, share in shares.items())}")
        if labels := document["labels"]:
            self.say(
                f"{labels['distinct']} labels, as even as {labels['effective']:.1f} equal ones; "
                f"{labels['smallest']} to {labels['largest']} rows, {labels['single']} with a single one"
            )
        for problem in document["problems"]:
            first = problem["places"][0]
            self.say(f"{_rows(problem['rows'])}: {problem['what']} ({_at(first)}): {problem['remedy']}")
        self._vectors(document["vectors"])
        several = [row for row in document["worst"] if len(row["problems"]) > 1]
        for row in several[:_WORST]:
            self.say(f"several at once: {_at(row)}: {', '.join(row['problems'])}")
        for rejected in document["rejected"]["first"][:5]:
            place = ":".join(str(rejected[key]) for key in ("file", "line", "column") if rejected[key] is not None)
            self.say(f"set aside: {place}: {rejected['reason']}")

    def _vectors(self, vectors: Mapping[str, Any] | None) -> None:
        """What a base's vectors say beside the problems of rows, which are told with the others."""
        if vectors is None:
            missing = "documents that are right too, wrong pairs and labels, hubs"
            self.say(f"not looked at: {missing}; --base all-MiniLM-L6-v2 does")
            return
        self.say(
            f"vectors of {vectors['base']}: {vectors['rows']:,} of {vectors['of']:,} rows looked at, "
            f"{vectors['documents']:,} documents ({vectors['seconds']:.0f} s)"
        )
        for found in vectors.get("false_negatives", {}).get("worst", [])[:_WORST]:
            labeled = f"{_quoted(found['positive'])} at {found['positive_score']:.2f}"
            suspect = f"{_quoted(found['suspect']['text'])} ({_at(found['suspect'])}) at {found['suspect_score']:.2f}"
            self.say(f"perhaps right too: {_at(found)}: {_quoted(found['query'])} has {labeled}; {suspect}")
        for found in vectors.get("weak_pairs", {}).get("worst", [])[:_WORST]:
            told = f"{found['nearer_documents']:.0%} of all documents are nearer"
            self.say(f"perhaps wrong: {_at(found)}: {_quoted(found['query'])}, {_quoted(found['positive'])}: {told}")
        for found in vectors.get("label_suspects", {}).get("worst", [])[:_WORST]:
            told = f"{found['label']!r}, and {found['share']:.0%} of its neighbors are {found['label_of_neighbors']!r}"
            self.say(f"perhaps wrong: {_at(found)}: {_quoted(found['text'])} is {told}")
        if hubness := vectors["hubness"]:
            self.say(
                f"hubs: neighbors are shared with skewness {hubness['skewness']:.1f} (0: evenly); "
                f"{hubness['nobodys_neighbor']:.1%} of the documents are among nobody's {hubness['k']} nearest"
            )
            hub = hubness["hubs"][0]
            self.say(f"the greatest hub, a neighbor of {hub['occurrences']}: {_at(hub)}: {_quoted(hub['text'])}")

    def fixed(self, document: Mapping[str, Any]) -> None:
        """What the cleaned copy has, and what it has not."""
        self.say(f"{document['rows']} clean rows in {document['path']}")
        for name, what in (("removed", "rows left out"), ("taken_out", "texts taken out of rows")):
            if counts := document[name]:
                self.say(f"{what}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")

    def shift(self, name: str, against: str, base: str, shift: Mapping[str, Any]) -> None:
        """How far the data that was looked at lies from other data."""
        self.say(f"shift of {name} from {against}, by {base}")
        sides = {kind: shift[kind] for kind in ("queries", "documents") if kind in shift}
        table = Table(header_style="bold")
        for name in ("", *sides):
            table.add_column(name, justify="right" if name else "left")
        for title, cell in _SHIFT.items():
            table.add_row(title, *map(cell, sides.values()))
        self._console.print(table)

    def plan(self, plan: "Plan") -> None:
        """What was decided and why."""
        for number, reason in enumerate(plan.reasons):
            if number == 0:
                self.stage("plan", reason)
            else:
                self.say(f"        {reason}")
        for warning in plan.warnings:
            self.say(f"warning: {warning}")

    def cost(self, cost: Mapping[str, Any]) -> None:
        """What a run is expected to take."""
        self.say(
            f"        about {_duration(cost['total_seconds'])}, {_duration(cost['train_seconds'])} of it for about "
            f"{cost['steps']} steps that train {cost['trainable_parameters']:,} of {cost['total_parameters']:,} weights"
        )
        told = ", ".join(f"{stage} {_duration(seconds)}" for stage, seconds in cost["seconds"].items())
        self.say(f"        by stage: {told}")
        memory, disk, model = (cost[name] / 1e9 for name in ("peak_memory_bytes", "disk_bytes", "model_bytes"))
        self.say(
            f"        memory {memory:.1f} GB or more, disk {disk:.1f} GB while it runs, {model:.2f} GB for the model"
        )
        rehearsed = "{steps} steps on {rows} rows".format_map(cost["rehearsed"])
        self.say(f"        as a rehearsal with {rehearsed} tells, on this machine as it is now")

    def scores(self, metrics: Mapping[str, float], general: float | None) -> None:
        """The base's figures."""
        kept = "" if general is None else f"  general {general:.4f}"
        shown = "  ".join(f"{name} {metrics[name]:.4f}" for name in _SHOWN if name in metrics)
        self.say(f"        {shown}{kept}")

    def encoding(self, done: int, total: int) -> None:
        """Progress of encoding; a line now and then."""
        self._counted("encoded", "texts", done, total)

    def weighed(self, document: Mapping[str, Any]) -> None:
        """What rows of a source count."""
        self.say(
            f"        {document['rows']:,} rows count as much as {document['effective_sample_size']:,.0f} equal ones "
            f"would ({document['kind']}), listed in data/source_weights.jsonl"
        )
        for name in ("most_alike", "least_alike"):
            rows = ((shorten(row["query"], _CUT, placeholder=" ..."), row["weight"]) for row in document[name])
            told = ", ".join(f"{query} ({weight:.2f})" for query, weight in rows)
            self.say(f"        {name.replace('_', ' ')}: {told}")

    def writing(self, done: int, total: int) -> None:
        """Progress of a model that writes; a line now and then."""
        self._counted("wrote for", "texts", done, total)

    def mining(self, done: int, total: int) -> None:
        """Progress of mining; a line now and then."""
        self._counted("mined", "queries", done, total)

    def mined(self, counts: Mapping[str, Any], folder: Path) -> None:
        """What was found."""
        self.say(
            f"        {counts['negatives']:,} negatives among {counts['documents']:,} documents; "
            f"{counts['rows_without']:,} rows have none"
        )
        if counts["suspects"]:
            rows, suspects = f"{counts['rows_with_suspects']:,} rows", f"{counts['suspects']:,}"
            self.say(f"        for {rows} other documents score as right ones do ({suspects} in all), listed in")
            self.say(f"        {folder / 'false_negatives.jsonl'}")

    def vocabulary(self, document: Mapping[str, Any]) -> None:
        """Which words became tokens, and what that does to texts."""
        words, tokens, cosine = document["words"], document["tokens_a_text"], document["cosine"]
        some = ", ".join(word["word"] for word in words[:_NAMED])
        share = tokens["after"] / tokens["before"] - 1
        self.say(f"        {len(words)} new tokens, the first: {some}")
        self.say(f"        {tokens['before']:.1f} -> {tokens['after']:.1f} tokens a text ({share:+.1%})")
        moved = f" -> {cosine['distilled']:.4f} distilled" if "distilled" in cosine else ""
        near = f"        cosine with the base, of texts that hold them: {cosine['mean']:.4f} as means of their pieces"
        self.say(f"{near}{moved} ({document['seconds']:.0f} s)")

    def adapting(self, done: int, total: int, loss: float) -> None:
        """Progress of an adaptation; a line now and then."""
        self._counted("adapted", "steps", done, total, f", loss {loss:.3f}")

    def adapted(self, document: Mapping[str, Any]) -> None:
        """What came of an adaptation."""
        loss, dev = document["loss"], document["dev"]
        texts, seconds = f"{document['texts']:,} texts", f"{document['seconds']:.0f} s"
        self.say(
            f"        {document['steps']} steps on {texts}, loss {loss['first']:.3f} -> {loss['last']:.3f} ({seconds})"
        )
        figures = [
            f"{name} {dev['before'][name]:.4f} -> {dev['after'][name]:.4f}"
            for name in _DECIDING
            if name in dev["after"]
        ]
        self.say(f"        dev {', '.join(figures)}, before anything is learned from labels")

    def _counted(self, verb: str, items: str, done: int, total: int, told: str = "") -> None:
        now = time.monotonic()
        began, first, before, of = self._encoded
        if total != of or done <= before:
            began, first = now, done  # other texts than in the last call
        self._encoded = (began, first, done, total)
        if first < done < total and now - self._last_line > _PLAIN_EVERY:
            self._last_line = now
            rate = (done - first) / (now - began)
            pace = f"{rate:.0f}" if rate > 9 else f"{rate:.1f}"
            self.say(
                f"        {verb} {done} of {total} {items}{told}, {pace} {items}/s, {(total - done) / rate:.0f} s left"
            )

    def training(self, sizes: "Sizes", start: int) -> None:
        """Training begins."""
        self._steps, self._timed = sizes.steps, math.isfinite(sizes.time_limit)
        most = f", {sizes.time_limit:.0f} s at most" if self._timed else ""
        self.stage(
            "train", f"{sizes.steps} steps{most}, {sizes.trainable_parameters:,} weights; Ctrl-C stops and saves"
        )
        if self._console.is_terminal and not self._console.quiet:
            bar = TextColumn("        "), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
            self._live = Progress(*bar, TextColumn("{task.description}"), console=self._console)
            self._task = self._live.add_task("", total=sizes.steps, completed=start)
            self._live.start()

    def record(self, record: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl, as it is written."""
        if "dev" in record:
            self._dev = record["dev"]
        step = record["step"] + ("loss" in record)
        share = max(record["progress"], step / self._steps)
        figures = [f"dev {name} {self._dev[name]:.4f}" for name in _DECIDING if name in self._dev]
        if record.get("loss"):
            figures.insert(0, f"loss {_number(record['loss']['total'])}  |g| {_number(record['grad_norm'])}")
        if "skipped" in record:
            self.say(
                f"        step {record['step']} skipped: {record['skipped']}; rows {', '.join(record['rows'][:5])} ..."
            )
        if "new_teacher" in record:
            names = ", ".join(record["new_teacher"])
            self.say(f"        step {record['step']}: a new stage, {names} texts are held to what the encoder says now")
        if "rollback" in record:
            step, factor = record["rollback"]["to"], record["rollback"]["lr_factor"]
            self.say(f"        back to step {step}, from there on with {factor:g} of the learning rate")
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=round(share * self._steps), description="  ".join(figures))
        elif "dev" in record or time.monotonic() - self._last_line > _PLAIN_EVERY:
            self._last_line = time.monotonic()
            if share:
                figures.append(f"{record['seconds'] / share * (1 - share):.0f} s left")
            of = f", {share:.0%}" if self._timed else f"/{self._steps}"
            self.say(f"        step {step}{of}  {'  '.join(figures)}")

    def trained(self) -> None:
        """Training ended."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def merged(self, curve: "Curve", *, general: bool) -> None:
        """What dev says of the shares that were tried; ``general``: whether anything general was scored."""
        shares = "by share of the tuned weights"
        if general:
            points = "  ".join(f"{t.alpha:g}: {t.target:.4f}/{t.general:.4f}" for t in curve.trials)
            self.say(f"        dev target/general {shares} (base general {curve.base.general:.4f}): {points}")
        else:
            points = "  ".join(f"{t.alpha:g}: {t.target:.4f}" for t in curve.trials)
            self.say(f"        dev target {shares}: {points}")
        self.say(f"        kept {curve.alpha:g} of the tuned weights")

    def curve(self, curve: "Curve", *, general: bool) -> None:
        """The same as a table, the base in the last row."""
        table = Table(header_style="bold")
        for name in ("share", curve.metric, *(["general"] if general else []), ""):
            table.add_column(name, justify="right" if name else "left")
        for trial in (*curve.trials, curve.base):
            notes = ["taken"] * (trial.alpha == curve.alpha) + ["the base"] * (trial is curve.base)
            notes += ["forgets too much"] * (general and trial.general < curve.floor)
            kept = [f"{trial.general:.4f}"] if general else []
            table.add_row(f"{trial.alpha:g}", f"{trial.target:.4f}", *kept, ", ".join(notes))
        self._console.print(table)

    def result(self, scores: Mapping[str, Any], path: Path) -> None:
        """The verdict, and where things are."""
        self.verdict(scores)
        if scores["gate"]["verdict"] in ("no_gain", "forgotten", "diverged") and (path / "rejected").is_dir():
            self.say(f"        model/ is the base; the tuned model is in {path / 'rejected'} (--keep anyway takes it)")
        self.say(f"model   {path / 'model'}")
        self.say(f"report  {path / 'report.html'}")

    def verdict(self, scores: Mapping[str, Any]) -> None:
        """The before/after table and what the gate says."""
        table = Table(title=None, header_style="bold")
        for name in ("", "before", "after", "change", "95% interval"):
            table.add_column(name, justify="left" if not name else "right")
        tasks = [(name, task, _SHOWN) for name, task in scores.get("tasks", {}).items()]
        for title, part, names in (
            ("test", scores["test"], _SHOWN),
            *tasks,
            ("general", scores["general"], ("score",)),
        ):
            for name in names:
                if name in part["delta"]:
                    table.add_row(*_cells(f"{title} {name}", part, name))
        self._console.print(table)
        domains = scores.get("domains", {"before": {}})
        for kind, before in domains["before"].items():
            after = domains["after"][kind]
            told = f"{before['domain_accuracy']:.1%} -> {after['domain_accuracy']:.1%}"
            distance = f"{before['proxy_a_distance']:.2f} -> {after['proxy_a_distance']:.2f}"
            self.say(f"        {kind} of source and target told apart: {told} (distance {distance}, 0 to 2)")
        gate, cost = scores["gate"], scores["cost"]
        mark = "[green]passed[/]" if gate["passed"] else "[red]not passed[/]"
        self._console.print(f"[bold]{gate['verdict']}[/] ({mark})", "; ".join(gate["reasons"]))
        self.say(f"        trained {cost['train_seconds']:.0f} s, {cost['examples_per_second']:.0f} pairs/s")

    def comparison(self, document: Mapping[str, Any], folder: Path) -> None:
        """Methods side by side."""
        from acclimate.report.comparison import comparison_table

        head, rows = comparison_table(document)
        table = Table(header_style="bold")
        for number, name in enumerate(head):
            table.add_column(name, justify="right" if number else "left")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)
        self.say(f"report  {folder / 'compare.html'}")

    def evaluation(self, document: Mapping[str, Any]) -> None:
        """Metrics of one model, or of two beside each other."""
        table = Table(header_style="bold")
        compared = "delta" in document
        for name in ("metric", *(("baseline", "model", "change", "95% interval") if compared else ("value",))):
            table.add_column(name, justify="left" if name == "metric" else "right")
        for name, value in document["metrics"].items():
            if compared and name in document["delta"]:
                both = {"before": document["baseline"], "after": document["metrics"], "delta": document["delta"]}
                table.add_row(*_cells(name, both, name))
            elif not compared:
                table.add_row(name, f"{value:.4f}")
        self._console.print(table)


_SHIFT: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "different texts, there -> here": lambda side: "{source:,} -> {target:,}".format_map(side["texts"]),
    "distance of the vectors, 0 to 2": lambda side: (
        f"{side['proxy_a_distance']:.2f} ± {1.96 * side['standard_error']:.2f}"
    ),
    "told apart by a plane, 50% by chance": lambda side: f"{side['domain_accuracy']:.1%}",
    "words that are known there": lambda side: f"{side['known_words']:.1%}",
    "the same, each as often as it occurs": lambda side: f"{side['known_occurrences']:.1%}",
    "tokens a word, there -> here": lambda side: "{source:.2f} -> {target:.2f}".format_map(side["tokens_a_word"]),
    "times as many": lambda side: f"{side['tokens_a_word']['ratio']:.2f}",
}


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _at(place: Mapping[str, Any]) -> str:
    return ":".join(str(place[key]) for key in ("file", "line") if place[key] is not None)


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _CUT else f"{line[:_CUT]} ...")


def _cells(title: str, part: Mapping[str, Any], name: str) -> list[str]:
    delta = part["delta"][name]
    low, high = delta["ci95"]
    numbers = [f"{part[side][name]:.4f}" for side in ("before", "after")]
    return [title, *numbers, f"{delta['value']:+.4f}", f"{low:+.4f} .. {high:+.4f}"]


def _duration(seconds: float) -> str:
    """As 40 s, 3 min, 1.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}"
