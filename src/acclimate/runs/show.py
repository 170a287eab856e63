"""What people see while a program works: lines, one live progress line, and the table at the end."""

import json as json_module
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from acclimate.advisor import Advice
    from acclimate.data.examples import Dataset
    from acclimate.recipe.resolve import Plan
    from acclimate.runs.merging import Curve
    from acclimate.runs.prepare import Prepared
    from acclimate.runs.training import Sizes

_SHOWN = ("ndcg@10", "mrr@10", "recall@10", "median_rank", "spearman", "pearson", "macro_f1", "accuracy")
_DECIDING = ("mean", *_SHOWN[:1], *_SHOWN[4:])  # on dev
_NUMBERED = ("data", "plan", "before", "train", "after")  # the stages that every run has
_INDENT = 10
_BAR = 10  # signs
_REASONS = 4  # for which rows were set aside, that are named
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
        self._dev, self._keep, self._best = "", "", -math.inf
        self._folder: Path | None = None
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

    def detail(self, text: str) -> None:
        """A sentence about a stage, below its name."""
        for line in self._wrapped(text):
            self._console.print(" " * _INDENT + line, markup=False)

    def stage(self, name: str, text: str) -> None:
        """The beginning of a stage."""
        number = f"{_NUMBERED.index(name) + 1}" if name in _NUMBERED else " "
        self.titled(f"{number} {name.capitalize()}", text)

    def titled(self, title: str, text: str) -> None:
        """A sentence behind a bold word."""
        first, *rest = self._wrapped(text)
        self._console.print(f"{title:<{_INDENT}}", style="bold", end="", markup=False)
        for line in (first, *(" " * _INDENT + line for line in rest)):
            self._console.print(line, markup=False)

    def _wrapped(self, text: str) -> list[str]:
        """Lines that fit; what is to be copied, as a path or a command's option, stays in one piece."""
        width = max(_INDENT, self._console.width - _INDENT)
        return wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]

    def run(self, folder: Path, seed: int, device: str) -> None:
        """What begins, where and with what."""
        import torch

        from acclimate.runs.machine import versions

        self._folder = folder
        threads = f" with {_threads(torch.get_num_threads())}" if device == "cpu" else ""
        known = versions()
        own, of_torch = (known.get(name, "").partition("+")[0] for name in ("acclimate", "torch"))
        self.say(f"acclimate {own}, run {folder}, seed {seed}, {device}{threads}, torch {of_torch}")

    def data(
        self, prepared: "Prepared", quarantine: Path | None = None, problems: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """What was read and taken for what.

        Args:
            prepared: all of it.
            quarantine: the file that lists what was set aside.
            problems: of rows that are used all the same, as `acclimate.data.check.profile` has them.
        """
        dataset = prepared.dataset
        kept, aside = len(dataset.examples), len(dataset.rejected)
        name = dataset.path.name if dataset.path else dataset.name
        self.stage("data", f"{name}: {_rows(kept + aside)}, {_format(dataset)}")
        told = ", ".join(f"{column} -> {role}" for column, role in dataset.roles.items())
        unused = f"; unused: {', '.join(dataset.unused)}" if dataset.unused else ""
        change = "" if dataset.documents else " (by name; --columns ROLE=COLUMN changes it)"
        self.detail(f"columns {told}{change}{unused}")
        listed = f", listed in {quarantine}" if quarantine and aside else ""
        self.detail(f"{kept:,} kept, {aside:,} set aside{listed}")
        if aside:
            counts = Counter(row.reason for row in dataset.rejected)
            reasons = [f"{count:,} {reason}" for reason, count in counts.most_common(_REASONS)]
            if others := counts.total() - sum(count for _, count in counts.most_common(_REASONS)):
                reasons.append(f"{others:,} others")
            self.detail(f"  {'; '.join(reasons)}")
            self.detail(f"  the first: {dataset.rejected[0]}")
        found = [
            f"{problem['rows']:,} {_DOUBTED[problem['kind']]}" for problem in problems if problem["kind"] in _DOUBTED
        ]
        if found:
            look = f"; look: acclimate check {dataset.path}" if dataset.path else ""
            self.detail(f"kept, though perhaps not meant: {', '.join(found)}{look}")
        self._parts(prepared)
        for part, beside in (("source", prepared.source), ("replay", prepared.replay)):
            if beside is not None:
                told = ", ".join(f"{column} -> {role}" for column, role in beside.dataset.roles.items())
                all_rows = f"{_rows(len(beside.dataset.examples))}, {_format(beside.dataset)}"
                self.detail(f"{part} {beside.dataset.name}: {all_rows}; {told}; {len(beside.rows):,} train")
        for name, task in prepared.tasks.items():
            rows = f"{_rows(len(task.dataset.examples))} of kind {task.dataset.kind}, {_format(task.dataset)}"
            self.detail(
                f"task {name}: {task.dataset.name}, {rows}; {len(task.train):,} train, {task.leaked:,} left out"
            )
        for note in prepared.notes:
            self.detail(f"note: {note}")

    def _parts(self, prepared: "Prepared") -> None:
        """What trains, what is scored, and that the one does not know the other."""
        from acclimate.data.items import ItemRows
        from acclimate.evaluation import RetrievalTask
        from acclimate.runs.cut import size

        sizes = f"{len(prepared.train):,} train, {size(prepared.dev):,} dev, {size(prepared.test):,} test"
        left = f" ({_rows(prepared.leaked)} left out for it)" if prepared.leaked else ""
        known = "query or right answer" if isinstance(prepared.test, RetrievalTask) else "text"
        free = "" if isinstance(prepared.train, ItemRows) else f"; no {known} of test occurs in train{left}"
        self.detail(f"{sizes}{free}")

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
        self._keep = plan.decided.keep_best
        for number, reason in enumerate(plan.reasons):
            if number == 0:
                self.stage("plan", reason)
            else:
                self.detail(f"{reason}")
        for warning in plan.warnings:
            self.detail(f"warning: {warning}")

    def advice(self, advice: "Advice") -> None:
        """The rules that did not decide."""
        for rule, why in advice.passed_over:
            self.detail(f"not {rule}: {why}")

    def pilot(self, document: Mapping[str, Any]) -> None:
        """How methods did on a tenth of the steps."""
        rows = document["pilot"]
        for row in rows:
            if "refused" in row:
                self.detail(f"{row['name']}: not tried: {row['refused']}")
                continue
            told = "{value:+.4f} ({ci95[0]:+.4f} .. {ci95[1]:+.4f})"
            other = row["against_first"]
            against = "" if other is None else f", against {rows[0]['name']} {told.format_map(other)}"
            moved = f"dev {row['metric']} {row['before']:.4f} -> {row['after']:.4f}"
            took = f"{row['name']}: {row['steps']} steps in {row['seconds']:.1f} s"
            self.detail(f"{took}, {moved}, {told.format_map(row['gain'])}{against}")
        takes = document["pilot_takes"]
        self.detail(f"take {takes['options']}: {takes['reason']}")

    def cost(self, cost: Mapping[str, Any]) -> None:
        """What a run is expected to take."""
        self.detail(
            f"about {_duration(cost['total_seconds'])}, {_duration(cost['train_seconds'])} of it for about "
            f"{cost['steps']} steps that train {cost['trainable_parameters']:,} of {cost['total_parameters']:,} weights"
        )
        told = ", ".join(f"{stage} {_duration(seconds)}" for stage, seconds in cost["seconds"].items())
        self.detail(f"by stage: {told}")
        memory, disk, model = (cost[name] / 1e9 for name in ("peak_memory_bytes", "disk_bytes", "model_bytes"))
        self.detail(f"memory {memory:.1f} GB, disk {disk:.1f} GB while it runs, {model:.2f} GB for the model")
        rehearsed = "{steps} steps on {rows} rows".format_map(cost["rehearsed"])
        self.detail(f"as a rehearsal with {rehearsed} tells, on this machine as it is now")

    def scores(
        self, metrics: Mapping[str, float], general: float | None, words: Mapping[str, float] | None = None
    ) -> None:
        """The base's figures; ``words``: those of BM25."""
        self.detail(", ".join(f"{name} {_figure(name, metrics[name])}" for name in _SHOWN if name in metrics))
        beside = [] if words is None else [f"BM25, which compares words alone: ndcg@10 {words['ndcg@10']:.4f}"]
        beside += [] if general is None else [f"general {general:.4f}"]
        if beside:
            self.detail("; ".join(beside))

    def encoding(self, done: int, total: int) -> None:
        """Progress of encoding; a line now and then."""
        self._counted("encoded", "texts", done, total)

    def weighed(self, document: Mapping[str, Any]) -> None:
        """What rows of a source count."""
        self.detail(
            f"{document['rows']:,} rows count as much as {document['effective_sample_size']:,.0f} equal ones "
            f"would ({document['kind']}), listed in data/source_weights.jsonl"
        )
        for name in ("most_alike", "least_alike"):
            rows = ((shorten(row["query"], _CUT, placeholder=" ..."), row["weight"]) for row in document[name])
            told = ", ".join(f"{query} ({weight:.2f})" for query, weight in rows)
            self.detail(f"{name.replace('_', ' ')}: {told}")

    def writing(self, done: int, total: int) -> None:
        """Progress of a model that writes; a line now and then."""
        self._counted("wrote for", "texts", done, total)

    def mining(self, done: int, total: int) -> None:
        """Progress of mining; a line now and then."""
        self._counted("mined", "queries", done, total)

    def mined(self, counts: Mapping[str, Any], folder: Path) -> None:
        """What was found."""
        self.detail(
            f"{counts['negatives']:,} negatives among {counts['documents']:,} documents; "
            f"{counts['rows_without']:,} rows have none"
        )
        if counts["suspects"]:
            rows, suspects = f"{counts['rows_with_suspects']:,} rows", f"{counts['suspects']:,}"
            self.detail(f"for {rows} other documents score as right ones do ({suspects} in all), listed in")
            self.detail(f"{folder / 'false_negatives.jsonl'}")

    def vocabulary(self, document: Mapping[str, Any]) -> None:
        """Which words became tokens, and what that does to texts."""
        words, tokens, cosine = document["words"], document["tokens_a_text"], document["cosine"]
        some = ", ".join(word["word"] for word in words[:_NAMED])
        share = tokens["after"] / tokens["before"] - 1
        self.detail(f"{len(words)} new tokens, the first: {some}")
        self.detail(f"{tokens['before']:.1f} -> {tokens['after']:.1f} tokens a text ({share:+.1%})")
        moved = f" -> {cosine['distilled']:.4f} distilled" if "distilled" in cosine else ""
        near = f"cosine with the base, of texts that hold them: {cosine['mean']:.4f} as means of their pieces"
        self.detail(f"{near}{moved} ({document['seconds']:.0f} s)")

    def adapting(self, done: int, total: int, loss: float) -> None:
        """Progress of an adaptation; a line now and then."""
        self._counted("adapted", "steps", done, total, f", loss {loss:.3f}")

    def adapted(self, document: Mapping[str, Any]) -> None:
        """What came of an adaptation."""
        loss, dev = document["loss"], document["dev"]
        texts, seconds = f"{document['texts']:,} texts", f"{document['seconds']:.0f} s"
        self.detail(f"{document['steps']} steps on {texts}, loss {loss['first']:.3f} -> {loss['last']:.3f} ({seconds})")
        figures = [
            f"{name} {dev['before'][name]:.4f} -> {dev['after'][name]:.4f}"
            for name in _DECIDING
            if name in dev["after"]
        ]
        self.detail(f"dev {', '.join(figures)}, before anything is learned from labels")

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
            self.detail(f"{verb} {done} of {total} {items}{told}, {pace} {items}/s, {(total - done) / rate:.0f} s left")

    def training(self, sizes: "Sizes", start: int) -> None:
        """Training begins."""
        self._steps, self._timed, self._best = sizes.steps, math.isfinite(sizes.time_limit), -math.inf
        most = f", {_duration(sizes.time_limit)} at most" if self._timed else ""
        by = f"; dev is {self._keep}" if self._keep else ""
        self.detail(f"{sizes.steps:,} steps{most}, {sizes.trainable_parameters:,} weights train{by}")
        if self._folder:
            self.detail(f"to follow it on a page: acclimate explore {self._folder}")
        if self._console.is_terminal and not self._console.quiet:
            bar = TextColumn(" " * (_INDENT - 1)), BarColumn(_BAR), MofNCompleteColumn()
            told = TextColumn("{task.description}"), TimeRemainingColumn(compact=True)
            self._live = Progress(*bar, *told, console=self._console)
            self._task = self._live.add_task("", total=sizes.steps, completed=start)
            self._live.start()

    def record(self, record: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl, as it is written."""
        if "dev" in record:
            self._judge(record["dev"])
        step = record["step"] + ("loss" in record)
        share = max(record["progress"], step / self._steps)
        figures = [self._dev] if self._dev else []
        if record.get("loss"):
            figures.insert(0, f"loss {_number(record['loss']['total'])}")
        if "skipped" in record:
            self.detail(f"step {record['step']} skipped: {record['skipped']}; rows {', '.join(record['rows'][:5])} ...")
        if "new_teacher" in record:
            names = ", ".join(record["new_teacher"])
            self.detail(f"step {record['step']}: a new stage, {names} texts are held to what the encoder says now")
        if "rollback" in record:
            back, factor = record["rollback"]["to"], record["rollback"]["lr_factor"]
            self.detail(f"back to step {back}, from there on with {factor:g} of the learning rate")
        if step and record["seconds"]:
            figures.append(_rate(step / record["seconds"]))
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=round(share * self._steps), description="  ".join(figures))
        elif "dev" in record or time.monotonic() - self._last_line > _PLAIN_EVERY:
            self._last_line = time.monotonic()
            if share:
                figures.append(f"{_duration(record['seconds'] / share * (1 - share))} left")
            self.detail("  ".join((f"{step}, {share:.0%}" if self._timed else f"{step}/{self._steps}", *figures)))

    def _judge(self, dev: Mapping[str, float]) -> None:
        """Takes up what dev says: the figure that chooses the best weights, beside the best so far."""
        name = self._keep if self._keep in dev else next((name for name in _DECIDING if name in dev), None)
        if name is not None:
            self._best = max(self._best, dev[name])
            self._dev = f"dev {dev[name]:.3f}, best {self._best:.3f}"

    def trained(self) -> None:
        """Training ended."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def merged(self, curve: "Curve", *, general: bool) -> None:
        """What dev says of the shares that were tried; ``general``: whether anything general was scored."""
        for trial in curve.trials:
            kept = f", general {trial.general:.4f} (base {curve.base.general:.4f})" if general else ""
            self.detail(f"{trial.alpha:.0%} of the change: dev {curve.metric} {trial.target:.4f}{kept}")
        self.detail(f"kept {curve.alpha:.0%} of the change")

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
            self.detail(f"model/ is the base; the tuned model is in {path / 'rejected'} (--keep anyway takes it)")
        if causes := scores["gate"].get("causes"):
            self.detail("likely causes, the most probable first:")
            for number, cause in enumerate(causes, 1):
                self.detail(f"{number}. {cause}")
        self.titled("model", f"{path / 'model'}")
        self.detail(f"in Python: {_loading(path / 'model')}")
        self.titled("report", f"{path / 'report.html'}")
        self.titled("next", f"acclimate explore {path}   acclimate verify {path}")

    def verdict(self, scores: Mapping[str, Any]) -> None:
        """The before/after table and what the gate says."""
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("", "before", "after", "change", "95% interval"):
            table.add_column(name, justify="left" if not name else "right")
        tasks = [(f"{name} ", task, _SHOWN) for name, task in scores.get("tasks", {}).items()]
        for title, part, names in (("", scores["test"], _SHOWN), *tasks, ("general ", scores["general"], ("score",))):
            for name in names:
                if name in part["delta"]:
                    table.add_row(*_cells(f"{title}{name}", part, name))
        self._console.print(Padding(table, (0, 0, 0, _INDENT), expand=False))
        if told := scores.get("queries"):
            lost = f", {told['lost']} of them lost from the first 10" if told["lost"] else ""
            self.detail(f"queries: {told['better']} better, {told['same']} the same, {told['worse']} worse{lost}")
        domains = scores.get("domains", {"before": {}})
        for kind, before in domains["before"].items():
            after = domains["after"][kind]
            told = f"{before['domain_accuracy']:.1%} -> {after['domain_accuracy']:.1%}"
            distance = f"{before['proxy_a_distance']:.2f} -> {after['proxy_a_distance']:.2f}"
            self.detail(f"{kind} of source and target told apart: {told} (distance {distance}, 0 to 2)")
        gate, cost = scores["gate"], scores["cost"]
        if "latency_ms_p50" in cost:
            sizes = f"{cost['base_bytes'] / 1e6:.1f} -> {cost['model_bytes'] / 1e6:.1f} MB"
            times = f"{cost['base_latency_ms_p50']:.1f} -> {cost['latency_ms_p50']:.1f} ms a query"
            self.detail(f"model {sizes}, {times}")
        took = f"{_duration(cost['train_seconds'])}, {cost['examples_per_second']:,.0f} rows/s"
        self.detail(f"trained {took}, memory {cost['peak_memory_bytes'] / 1e9:.1f} GB at most")
        limit = gate.get("general_drop_limit")
        kept = f"; general may fall by {limit:g} at most" if limit is not None and scores["general"]["delta"] else ""
        word = "passed" if gate["passed"] else "not passed"
        self.titled(gate["verdict"], f"{word}: {'; '.join(gate['reasons'])}{kept}")

    def examined(self, document: Mapping[str, Any]) -> None:
        """What ``doctor`` found."""
        machine, training = document["machine"], document["training"]
        memory, free, disk = (
            f"{machine[name] / 1e9:.1f} GB" for name in ("memory_bytes", "available_memory_bytes", "free_disk_bytes")
        )
        self.titled("machine", f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}")
        self.detail(f"{machine['platform']}")
        self.titled("memory", f"{memory}, {free} of it free; disk {disk} free")
        fast = (
            "bf16, which is clearly faster here" if training["precision"] == "bf16" else "fp32: bf16 is no faster here"
        )
        device = f"{training['device']} ({machine['cuda'] or 'no CUDA device'})"
        self.titled("training", f"on {device}, {_threads(machine['threads'])}, in {fast}")
        self.titled("packages", ", ".join(f"{name} {version}" for name, version in document["packages"].items()))
        for title, joint, remedy in (("extras", ",", "'acclimate[{}]'"), ("tables", " ", "{}")):
            there = [extra for extra, found in document[title].items() if found]
            missing = [extra for extra, found in document[title].items() if not found]
            self.titled(title, ", ".join(there) or "none")
            if missing:
                self.detail(f"not installed: {', '.join(missing)}; pip install {remedy.format(joint.join(missing))}")
        for number, (name, where) in enumerate(document["models"].items()):
            self.titled("" if number else "models", f"{name}: {where}")

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
        self.titled("report", f"{folder / 'compare.html'}")

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


#: Problems of rows that train nevertheless.
_DOUBTED = {
    "duplicate": "repeat another row",
    "contradiction": "have a text with another label or score elsewhere",
    "same_query": "have a query with other answers elsewhere",
    "query_is_positive": "answer with the query itself",
    "negative_is_positive": "have a text that is both right and wrong",
    "damaged": "have letters of a wrong encoding",
}


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


def _format(dataset: "Dataset") -> str:
    """How a file was read, with its encoding where it is text."""
    if dataset.format.startswith(("CSV", "TSV", "JSON")) and ", " not in dataset.format and dataset.path:
        return f"{dataset.format}, utf-8"
    return dataset.format.replace("utf-8-sig", "utf-8 with a mark (BOM)")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _at(place: Mapping[str, Any]) -> str:
    return ":".join(str(place[key]) for key in ("file", "line") if place[key] is not None)


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _CUT else f"{line[:_CUT]} ...")


def _cells(title: str, part: Mapping[str, Any], name: str) -> list[str]:
    delta = part["delta"][name]
    low, high = (_figure(name, end, "+") for end in delta["ci95"])
    numbers = [_figure(name, part[side][name]) for side in ("before", "after")]
    return [title, *numbers, _figure(name, delta["value"], "+"), f"{low} .. {high}"]


def _figure(name: str, value: float, sign: str = "") -> str:
    """A metric with as many digits as it bears."""
    digits = 1 if name in ("median_rank", "mean_rank") else 4
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"  # no -0


def _loading(model: Path) -> str:
    """How the model is read in Python."""
    modules = model / "modules.json"
    kinds = [module["type"] for module in json_module.loads(modules.read_text())] if modules.is_file() else [""]
    if all(kind.startswith("sentence_transformers.") for kind in kinds):
        return f'SentenceTransformer("{model.as_posix()}")'
    return f'acclimate.load("{model.as_posix()}")'


def _duration(seconds: float) -> str:
    """As 4.2 s, 40 s, 3 min, 1.5 h."""
    if seconds < 100:
        return f"{seconds:.1f} s" if 0 < seconds < 9.5 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _rate(steps_a_second: float) -> str:
    return f"{steps_a_second:.1f} steps/s" if steps_a_second >= 1 else f"{1 / steps_a_second:.1f} s/step"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}"
