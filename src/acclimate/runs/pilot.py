"""A few methods on a tenth of a run's steps, side by side on dev."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.advisor import Advice
from acclimate.advisor.pilot import Tried, choose
from acclimate.advisor.rules import BESIDE_A_GIVEN
from acclimate.core.errors import InterruptedRunError, UsageError
from acclimate.core.specs import by_kind
from acclimate.evaluation import Encode, GeneralOutcome, compare_general, evaluate
from acclimate.methods import METHODS, Method
from acclimate.recipe.resolve import Plan
from acclimate.recipe.tree import Recipe
from acclimate.runs.planning import Request, known_only
from acclimate.runs.prepare import Prepared
from acclimate.runs.show import Show
from acclimate.runs.stages import Stages
from acclimate.runs.tracking import Tracking
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

SHARE = 0.1  # of the steps of the run
_LEAST_STEPS = 20  # but so many, if the run has them: the rate has to come up and down
_MOST = 3  # methods


class _Trial(Stages):
    """The stages of a run up to the end of its training."""

    def outcome(self) -> GeneralOutcome:
        """What dev says of the encoder as it is, task by task."""
        tasks = [self.prepared.dev, *self._dev_beside.values()]
        return GeneralOutcome(tuple(evaluate(task, self._encode_dev) for task in tasks))

    def train(self) -> tuple[int, float]:
        """Trains; the steps and seconds that it took."""
        source = self._source_rows()
        train = self._with_negatives()
        self._add_words()
        self._adapt()
        _, _, progress = self._train(train, source)
        return progress.step, progress.seconds

    def _encode_base(self, base: "Encoder | None" = None) -> Encode:
        return known_only(base or self.encoder, self.base, known=self.recipe.training.cache)


def pilot_runs(
    request: Request, base: Path, prepared: Prepared, plan: Plan, advice: Advice | None, show: Show
) -> dict[str, Any]:
    """Trains the planned method and those that the rules name beside it for a tenth of the steps.

    Returns:
        ``pilot``: a row a method, the planned one first: ``name``, ``method`` (resolved), ``steps``, ``seconds`` of
        training, ``metric``, ``before`` and ``after`` on dev, ``gain`` over the base and ``against_first`` (value,
        paired 95% interval, p); of one that cannot act here ``name``, ``method`` and ``refused``, why.
        ``pilot_takes``: ``method``, ``reason``, and ``options``: what to say to `fit`.

    Raises:
        InterruptedRunError: it was stopped; nothing is left behind.
    """
    methods = [plan.decided.method, *_beside(plan.decided.method, advice)][:_MOST]
    names = list(by_kind([(method.kind, method) for method in methods]))
    rows: list[dict[str, Any]] = []
    before: GeneralOutcome | None = None
    first: GeneralOutcome | None = None
    seed = plan.recipe.training.seed
    for name, method in zip(names, methods, strict=True):
        show.stage("pilot", f"{name} on a tenth of the steps")
        row: dict[str, Any] = {"name": name, "method": method.model_dump(mode="json")}
        recipe = _short(request.recipe, method, plan, len(prepared.train))
        try:
            before, after, steps, seconds = _tried(replace(request, recipe=recipe), base, prepared, before)
        except UsageError as problem:
            if not rows:
                raise
            rows.append(row | {"refused": str(problem)})
            continue
        against = None if first is None else compare_general(first, after, seed)["score"]
        first = first or after
        rows.append(
            row
            | {
                "steps": steps,
                "seconds": round(seconds, 2),
                "metric": plan.decided.keep_best if prepared.tasks else prepared.dev.main_metric,
                "before": before.score,
                "after": after.score,
                "gain": compare_general(before, after, seed)["score"],
                "against_first": against,
            }
        )
    tried = [row for row in rows if "refused" not in row]
    place, reason = choose([Tried(row["name"], row["against_first"]) for row in tried])
    takes = {"method": tried[place]["method"], "reason": reason, "options": _options(tried[place]["method"])}
    document = {"pilot": rows, "pilot_takes": takes}
    show.pilot(document)
    return document


def _beside(method: Method, advice: Advice | None) -> list[Method]:
    """What is tried beside a method, which was given or advised."""
    others = BESIDE_A_GIVEN if advice is None else advice.beside
    return [other for other in others if other != method]


def _short(recipe: Recipe, method: Method, plan: Plan, rows: int) -> Recipe:
    """The recipe of a trial: a tenth of the steps, and dev scored before and after them."""
    whole, limit = plan.decided.epochs, recipe.training.time_limit
    epochs = min(whole, max(SHARE * whole, _LEAST_STEPS * plan.decided.batch_size / rows))
    training = {"epochs": epochs, "time_limit": limit if limit == "none" else SHARE * limit}
    adaptation = recipe.adaptation
    if adaptation != "none":
        adaptation = adaptation.model_copy(update={"steps": max(1, round(SHARE * adaptation.steps))})
    return recipe.model_copy(
        update={
            "method": method,
            "serving": "alone",
            "adaptation": adaptation,
            "training": recipe.training.model_copy(update=training),
            "evaluation": recipe.evaluation.model_copy(update={"evaluations": 1}),
        }
    )


def _tried(
    request: Request, base: Path, prepared: Prepared, before: GeneralOutcome | None
) -> tuple[GeneralOutcome, GeneralOutcome, int, float]:
    """Dev before, where that is not known, and after, the steps and the seconds of a trial."""
    quiet = Show(quiet=True)
    with tempfile.TemporaryDirectory(prefix="acclimate-pilot-") as folder:
        workspace = Workspace(Path(folder))
        request = replace(request, out=workspace.path)
        trial = _Trial(request, workspace, base, prepared, quiet, Tracking((), workspace, quiet.say))
        trial.encoder.to(trial.plan.decided.device)
        before = before or trial.outcome()
        try:
            steps, seconds = trial.train()
        except InterruptedRunError:
            raise InterruptedRunError("stopped before the pilot was over", "run the same command again") from None
        return before, trial.outcome(), steps, seconds


def _options(method: dict[str, Any]) -> str:
    """What names a method on the command line."""
    usual = METHODS.parse(method["kind"]).model_dump(mode="json")
    changed = [f"--set method.{name}={value}" for name, value in method.items() if value != usual[name]]
    return " ".join([f"--method {method['kind']}", *changed])
