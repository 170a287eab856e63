"""The adaptation of a run: done once, before training, and taken up where it was stopped."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from acclimate.adaptations import Adaptation, Pretext
from acclimate.core.errors import DataError, InterruptedRunError, Place, UsageError
from acclimate.core.files import write_json
from acclimate.core.nouns import ParamGroup
from acclimate.core.seeds import derive_seed, numpy_generator
from acclimate.data.examples import Example, documents_of, queries_of
from acclimate.data.features import FeatureStore, build_store
from acclimate.data.pairs import TextNumbers
from acclimate.data.readers import read
from acclimate.engine.checkpoint import CheckpointStore
from acclimate.engine.norms import block_of_parameters, gradient_norms, scale_gradients
from acclimate.engine.optim import AdamW
from acclimate.engine.precision import Precision, autocast
from acclimate.methods.full import Full
from acclimate.model.surgery import freeze_all
from acclimate.model.tokens import Tokens
from acclimate.runs.stopping import Stop
from acclimate.runs.tokens import cut_at
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acclimate.model.encoder import Encoder

LEAST = 8  # texts
_DECAY = 0.01
_WARMUP = 0.1  # of the steps
_CLIP = 1.0
_NEW_LR = 10.0  # of what starts at random, against what is there
_CHECKPOINT_EVERY = 100  # steps
_TOLD = 20  # how many means of the loss are kept


@dataclass(frozen=True, slots=True)
class DomainTexts:
    """The texts that an encoder is adapted to.

    Attributes:
        queries, documents: as they are read.
        sha256: of the file that they are of; ``train`` where they are those of the training rows.
    """

    queries: Sequence[str]
    documents: Sequence[str]
    sha256: str

    @classmethod
    def of(cls, settings: Adaptation, train: Sequence[Example]) -> "DomainTexts":
        """The texts that the settings name.

        Raises:
            DataError: an unreadable file, or too few texts.
        """
        rows, more, digest = train, list[str](), "train"
        if settings.texts != "train":
            dataset = read(settings.texts)
            rows, more, digest = dataset.examples, list(dataset.documents.values()), dataset.sha256
        queries, documents = (list(dict.fromkeys(some)) for some in (queries_of(rows), documents_of(rows)))
        found = cls(queries, list(dict.fromkeys([*documents, *more])), digest)
        if len(found.queries) + len(found.documents) < LEAST:
            where = None if settings.texts == "train" else Place(settings.texts)
            count = len(found.queries) + len(found.documents)
            raise DataError(f"{count} texts are too few to adapt to", f"give at least {LEAST}, better thousands", where)
        return found


@dataclass(frozen=True, slots=True)
class Reporting:
    """What an adaptation calls.

    Attributes:
        score: the encoder's figures on dev.
        step: takes (steps done, steps in all, the mean loss of the last ones).
        say: takes a line for the user.
    """

    score: Callable[[], dict[str, float]]
    step: Callable[[int, int, float], None]
    say: Callable[[str], None]


def adapt(
    settings: Adaptation,
    texts: DomainTexts,
    encoder: "Encoder",
    workspace: Workspace,
    *,
    max_length: int,
    precision: Precision,
    seed: int,
    time_limit: float,
    reporting: Reporting,
) -> dict[str, Any]:
    """Adapts an encoder in place, and says what came of it, as ``data/adaptation.json`` does.

    What an interrupted run did is taken up; what a finished adaptation left is read.

    Args:
        settings: how.
        texts: to what.
        encoder: on its device. Nothing of it requires a gradient afterwards.
        workspace: where the state is kept.
        max_length: tokens at which texts are cut.
        precision: of the arithmetic.
        seed: of what is drawn.
        time_limit: seconds after which it ends, if its steps do not before.
        reporting: what it calls.

    Raises:
        InterruptedRunError: it was asked to stop; its state is saved.
        UsageError: a loss that is no number.
    """
    with cut_at(encoder, max_length):
        store = _store(texts, encoder, workspace.cache / "adaptation-features", max_length)
    work = _Work(settings, encoder, store, seed, precision)
    checkpoints = CheckpointStore(workspace.cache / "adaptation", reporting.say)
    state = work.take_up(checkpoints)
    if not state:
        state = {"step": 0, "seconds": 0.0, "losses": [], "finished": False, "before": reporting.score()}
    stop = Stop()
    with stop.listening():
        while not state["finished"]:
            work.go_on(state, time_limit)
            done = state["step"]
            reporting.step(done, settings.steps, state["losses"][-1][1])
            reason = None if state["finished"] else stop.reason()
            if state["finished"]:
                freeze_all(encoder)
                state["after"] = reporting.score()
            if state["finished"] or reason or done % _CHECKPOINT_EVERY == 0:
                work.save(checkpoints, state)
            if reason:
                problem = f"stopped and saved at step {done} of {settings.steps} of the adaptation"
                raise InterruptedRunError(problem, "run the same command to go on")
    freeze_all(encoder)
    document = {
        "kind": settings.kind,
        "texts": len(store),
        "steps": state["step"],
        "seconds": round(state["seconds"], 1),
        "loss": {"first": state["losses"][0][1], "last": state["losses"][-1][1]},
        "losses": [{"step": step, "loss": loss} for step, loss in state["losses"]],
        "dev": {"before": state["before"], "after": state["after"]},
    }
    write_json(workspace.data / "adaptation.json", document)
    return document


def try_out(settings: Adaptation, encoder: "Encoder") -> None:
    """Whether an encoder has what an adaptation takes.

    Raises:
        UsageError: it has not.
    """
    with torch.random.fork_rng(devices=[]):
        settings.build(encoder, torch.arange(1, 3))


class _Work:
    """The loss, what trains and its optimizer."""

    def __init__(
        self, settings: Adaptation, encoder: "Encoder", store: FeatureStore, seed: int, precision: Precision
    ) -> None:
        self._settings, self._encoder, self._store = settings, encoder, store
        self._seed, self._precision = derive_seed(seed, "adaptation"), precision
        self._device = str(encoder.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self._seed, "added"))
            self._pretext: Pretext = settings.build(encoder, torch.from_numpy(np.unique(store.ids)).long())
        self._pretext.to(self._device).eval()
        groups = Full(table_lr_scale=1.0).apply(encoder)
        own = {id(parameter) for parameter in encoder.parameters()}
        new = {f"new.{name}": p for name, p in self._pretext.named_parameters() if id(p) not in own}
        groups.append(ParamGroup("new", new, _NEW_LR))
        self._parameters = {name: p for group in groups for name, p in group.parameters.items()}
        self._optimizer = AdamW(groups, settings.lr, _DECAY)
        self._blocks = block_of_parameters(encoder)
        special = torch.tensor(sorted(encoder.tokenizer.all_special_ids))
        self._special, self._lead = special, {role: _lead(encoder, role) for role in ("query", "document")}

    def go_on(self, state: dict[str, Any], time_limit: float) -> None:
        """Takes the next step, and notes it in the state."""
        began, step, steps = time.perf_counter(), state["step"], self._settings.steps
        position = max(float(step), min(1.0, state["seconds"] / time_limit) * steps)
        self._optimizer.schedule(position, steps, round(_WARMUP * steps))
        losses: list[float] = []
        self._optimizer.step(lambda: self._closure(step, losses))
        _note(state["losses"], step, losses[0], -(-steps // _TOLD))
        state["step"] = step + 1
        state["seconds"] += time.perf_counter() - began
        state["finished"] = state["step"] >= steps or state["seconds"] >= time_limit

    def _closure(self, step: int, losses: list[float]) -> float:
        self._optimizer.zero_grad(set_to_none=True)
        tokens, movable = self._texts(step)
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "drawn", step))
        with autocast(self._device, self._precision):
            loss: Tensor = self._pretext(tokens, movable, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        norm, _ = gradient_norms(self._parameters, self._blocks)
        losses.append(loss.item())
        if not (math.isfinite(losses[0]) and math.isfinite(norm)):
            problem = f"the loss of adaptation {self._settings.kind} is not finite at step {step}"
            raise UsageError(problem, f"take a smaller adaptation.lr than {self._settings.lr:g}")
        scale_gradients(list(self._parameters.values()), min(1.0, _CLIP / (norm + 1e-6)))
        return losses[0]

    def _texts(self, step: int) -> tuple[Tokens, Tensor]:
        """The texts of a step, and which of their tokens are neither special nor of a prompt, bool [T]."""
        size, count = min(self._settings.batch_size, len(self._store)), len(self._store)
        epoch, place = divmod(step, count // size)
        order = numpy_generator(self._seed, "order", epoch).permutation(count)
        rows: NDArray[np.int64] = order[place * size : (place + 1) * size]
        ids, lengths, prompts = (torch.from_numpy(array) for array in self._store.take(rows))
        queries = torch.from_numpy(self._store.queries[rows])
        places = torch.cat([torch.arange(length) for length in lengths.tolist()])
        lead = torch.where(queries, self._lead["query"], self._lead["document"]).repeat_interleave(lengths)
        movable = (places >= lead) & ~torch.isin(ids, self._special)
        return Tokens(ids, lengths, prompts, queries=queries), movable

    # -- state ---------------------------------------------------------------------------------------------------

    def save(self, checkpoints: CheckpointStore, state: Mapping[str, Any]) -> None:
        """Writes a checkpoint, of a finished adaptation without what only going on needs."""
        tensors: dict[str, Mapping[str, Tensor]] = {"weights": self._parameters}
        if state["finished"]:
            tensors["weights"] = {n: p for n, p in self._parameters.items() if not n.startswith("new.")}
        else:
            tensors["optimizer"] = self._optimizer.state_tensors()
        checkpoints.save(state["step"], tensors, dict(state))
        checkpoints.keep_only({state["step"]})

    def take_up(self, checkpoints: CheckpointStore) -> dict[str, Any]:
        """The state of the newest intact checkpoint, whose weights are in the encoder then; empty where none is."""
        found = checkpoints.newest(needs=lambda state: [])
        if found is None:
            return {}
        with torch.no_grad():
            for name, weight in found.tensors["weights"].items():
                self._parameters[name].copy_(weight)
        if "optimizer" in found.tensors:
            self._optimizer.load_state_tensors(found.tensors["optimizer"])
        return found.state


def _note(losses: list[list[float]], step: int, loss: float, each: int) -> None:
    """Adds a loss to the mean of its stretch of steps: (the last step of it, the mean)."""
    if step % each == 0:
        losses.append([step, loss])
        return
    seen = step % each
    losses[-1] = [step, (losses[-1][1] * seen + loss) / (seen + 1)]


def _store(texts: DomainTexts, encoder: "Encoder", folder: Path, max_length: int) -> FeatureStore:
    numbers = TextNumbers({role: encoder.reading(role) for role in ("query", "document")})
    for some, role in ((texts.queries, "query"), (texts.documents, "document")):
        numbers.numbers((text for text in some if text.strip()), role)
    digest = hashlib.sha256(json.dumps([texts.sha256, max_length, len(numbers.texts)]).encode()).hexdigest()
    prompts = {role: encoder.prompt_length(role) for role in ("query", "document")}
    return build_store(folder, numbers.texts, numbers.roles, encoder.tokenize, prompts, digest)


def _lead(encoder: "Encoder", role: str) -> int:
    """How many tokens stand before a text of a role: a special one perhaps, and its prompt."""
    ids = encoder.tokenize([""], role)[0]
    special = set(cast("list[int]", encoder.tokenizer.all_special_ids))
    while ids and ids[-1] in special:
        ids = ids[:-1]
    return len(ids)
