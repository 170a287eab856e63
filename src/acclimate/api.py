"""The public functions: what the command line does, for Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.core.errors import UsageError
from acclimate.recipe.read import read_recipe

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from acclimate.model.adapter_folder import VectorAdapter
    from acclimate.model.encoder import Encoder
    from acclimate.recipe.tree import Recipe


_ENDLESS = 10_000  # epochs: no machine trains so many before the time is over


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        path: its folder.
        scores: what ``scores.json`` holds.
    """

    path: Path
    scores: dict[str, Any]

    @property
    def model(self) -> "Encoder":
        """The resulting encoder, loaded from ``model/``."""
        return load(self.path)


@dataclass(frozen=True, slots=True)
class VectorRun:
    """A finished run on vectors.

    Attributes:
        path: its folder.
        scores: what ``scores.json`` holds.
    """

    path: Path
    scores: dict[str, Any]

    def transform(self, vectors: "ArrayLike", role: str = "query") -> "NDArray[Any]":
        """Vectors [N, D] of queries or documents as unit vectors of the adapted space, float32 [N, D]."""
        return load_adapter(self.path).transform(vectors, role)


def load(model: str | Path) -> "Encoder":
    """An encoder from a model folder, a run folder, an installed package or a hub id.

    Its ``encode(texts, role="document")`` gives float32 vectors [N, D] of length one.

    Raises:
        UsageError: there is no such model, or one that cannot be read without running its code.
    """
    from acclimate.model.bases import resolve
    from acclimate.model.store import load_encoder

    return load_encoder(resolve(model))


def load_deltas(base: str | Path, deltas: Mapping[str, str | Path]) -> "dict[str, Encoder]":
    """Several tuned encoders by name, that share the weights of one base in memory.

    Args:
        base: the model that all of them were tuned from, as `load` takes it.
        deltas: name -> a run folder, or its ``delta/``.

    Raises:
        UsageError: no such model or delta, or a delta of another base.
        DataError: a damaged delta.
    """
    from acclimate.methods import METHODS
    from acclimate.methods.delta import with_delta
    from acclimate.model.bases import fingerprint, resolve
    from acclimate.model.store import load_encoder

    folder = resolve(base)
    encoder, identity = load_encoder(folder), fingerprint(folder)
    return {name: with_delta(encoder, Path(delta), METHODS, identity) for name, delta in deltas.items()}


def evaluate(
    model: str | Path,
    test: str | Path,
    *,
    baseline: str | Path | None = None,
    train: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    seed: int = 42,
    no_cache: bool = False,
) -> dict[str, Any]:
    """Scores a model, beside another one if asked.

    Args:
        model: a model folder, a run folder, an installed package or a hub id.
        test: a file or BEIR folder.
        baseline: a second model.
        train: labeled texts to learn from, when ``test`` has labels.
        columns: role -> column name.
        seed: of the resampling.
        no_cache: encode all texts, where vectors of an earlier call would be read from disk.

    Returns:
        ``metrics`` by name, and with a baseline its metrics (``baseline``) and the differences (``delta``): value,
        95% interval and p.

    Raises:
        UsageError: no such model.
        DataError: test data that cannot be used.
    """
    from acclimate.runs.evaluate import evaluate_model

    return evaluate_model(
        str(model),
        Path(test),
        baseline=None if baseline is None else str(baseline),
        train=None if train is None else Path(train),
        columns=columns or {},
        seed=seed,
        cache=not no_cache,
    )


def check(
    data: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    against: str | Path | None = None,
    base: str | Path | None = None,
    rows: int | None = None,
    max_length: int | None = None,
    fix: bool = False,
    drop_suspects: bool = False,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Profiles a file, sets bad rows aside in ``STEM.quarantine.jsonl`` beside it, with ``fix`` writes a cleaned copy.

    Args:
        data: the file or folder.
        columns: role -> column name.
        dev: data that is scored; what of it ``data`` has is told, and is not in the copy.
        test: likewise.
        against: data of another domain: how far the file lies from it is measured (`acclimate.evaluation.shift`).
        base: the model whose tokens are counted and whose vectors are looked at.
        rows: at most so many have their vectors looked at, 20,000 by default; 0 for none.
        max_length: tokens at which texts are cut; that of the base by default.
        fix: writes ``STEM.fixed.jsonl``, without what is certainly wrong.
        drop_suspects: leaves out of it what is perhaps wrong too.
        out: another file for the bad rows.

    Returns:
        what ``acclimate check --json`` prints: rows, roles, lengths, problems, leaks, vectors, shift.

    Raises:
        UsageError: ``columns`` names no role or no column, there is no such base, or an argument that cannot act.
        DataError: nothing usable, or too few texts to tell a shift.
    """
    from acclimate.runs.check import CheckRequest, check_data

    dev, test, against, out = (Path(path) if path else None for path in (dev, test, against, out))
    request = CheckRequest(
        data=Path(data),
        columns=columns or {},
        dev=dev,
        test=test,
        against=against,
        base=str(base) if base else None,
        rows=rows,
        max_length=max_length,
        fix=fix,
        drop_suspects=drop_suspects,
        out=out,
    )
    return check_data(request, quiet=True)


def compare(
    train: Any,
    methods: Sequence[str],
    *,
    out: str | Path | None = None,
    seeds: Sequence[int] = (42,),
    time_limit: str | float | None = None,
    quiet: bool = True,
    json: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Tunes with several methods on the same rows and splits, for equal steps or time: the figures side by side.

    Args:
        train: as in `fit`.
        methods: kinds, as ``["full", "adapter", "lora"]``.
        out: holds a run folder for each method and seed, ``compare.json``, ``compare.md`` and ``compare.html``;
            ``runs/STEM-OF-TRAIN-compare`` by default. The same call takes up what is finished there.
        seeds: each method is run with each of them.
        time_limit: seconds (or ``"10m"``) that each method may train; all of it is used unless ``epochs`` end before.
            Without it all methods take equal steps.
        quiet: print nothing.
        json: print for people on standard error.
        options: what else `fit` takes, the same for all methods.

    Returns:
        what ``acclimate compare --json`` prints: ``rows`` with ``method``, ``test``, ``general``, ``cost``, ``pareto``,
        ``time_limit_seconds`` and ``general_drop_limit``.

    Raises:
        UsageError: an unknown method, or one that cannot act on this base.
        DataError: data that cannot be used.
    """
    from acclimate.runs.compare import compare_methods
    from acclimate.runs.show import Show

    show = Show(quiet=quiet, json=json)
    limit = read_recipe(None, (), {"training.time_limit": time_limit or "none"}).training.time_limit
    if limit != "none" and options.get("epochs") is None:
        options["epochs"] = _ENDLESS

    def run(method: str, seed: int, folder: Path) -> Mapping[str, Any]:
        show.stage("compare", f"{method}, seed {seed}")
        fixed: dict[str, Any] = {"method": method, "seed": seed, "keep": "anyway", "quiet": quiet, "json": json}
        return fit(train, out=folder, time_limit=time_limit, **options, **fixed).scores

    folder = _folder(train, out, "-compare")
    document = compare_methods(methods, seeds, folder, run, None if limit == "none" else limit)
    show.comparison(document, folder)
    return document


def _folder(train: Any, out: str | Path | None, suffix: str = "") -> Path:
    """Where a run lies."""
    if out is not None:
        return Path(out)
    if not isinstance(train, str | Path):
        raise UsageError("data in memory names no run folder", "give out=FOLDER")
    from acclimate.data.sources import stem_of

    return Path("runs") / ((stem_of(Path(train).resolve()) or "run") + suffix)


def fit(
    train: Any,
    *,
    base: str | Path | None = None,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    general: str | Path | None = None,
    source: str | Path | None = None,
    feedback: str | Path | None = None,
    method: str | None = None,
    recipe: str | Path | None = None,
    settings: Sequence[str] = (),
    epochs: float | None = None,
    time_limit: str | float | None = None,
    lr: float | None = None,
    batch_size: int | None = None,
    max_length: int | None = None,
    precision: str | None = None,
    device: str | None = None,
    seed: int | None = None,
    columns: Mapping[str, str] | None = None,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    out: str | Path | None = None,
    keep: str | None = None,
    strict: bool = False,
    no_cache: bool = False,
    restart: bool = False,
    track: str | Sequence[str] = (),
    quiet: bool = True,
    json: bool = False,
    command: str = "acclimate.fit(...)",
) -> Run:
    """Tunes a model on examples and proves that it got better. The same call on the same ``out`` resumes.

    Args:
        train: a path, a list of dicts, a pandas or polars frame, or a datasets.Dataset.
        base: the model to tune, ``all-MiniLM-L6-v2`` by default.
        dev: dev data; a leak-free share of ``train`` by default.
        test: test data, ranked whole; a leak-free share of ``train`` by default.
        general: what must not be forgotten; the built-in probe by default.
        source: labeled data from another domain, of the same kind, to learn from too.
        feedback: what users say of single pairs, as ``acclimate explore`` writes it.
        method: what trains, by name; ``auto`` by default.
        recipe: a YAML recipe, of which the other arguments change single values.
        settings: single values as ``key.path=value``.
        epochs: passes over the data.
        time_limit: seconds of training (or ``"10m"``), at which it ends where ``epochs`` would take longer.
        lr: learning rate.
        batch_size: rows a step.
        max_length: tokens at which texts are cut in training.
        precision: ``fp32``, ``bf16``, ``fp16`` or ``auto``.
        device: ``cpu``, ``cuda`` or ``auto``.
        seed: of everything random.
        columns: role -> column name.
        query_prompt: text put before every query, saved with the model.
        document_prompt: text put before every document, saved with the model.
        out: the run folder, ``runs/STEM-OF-TRAIN`` by default.
        keep: ``anyway`` puts the tuned model into ``model/`` whatever the gate says.
        strict: a gain that is not proven does not pass.
        no_cache: keep neither states of blocks that don't train nor vectors of the base on disk: compute them anew.
        restart: forget an earlier run in ``out``.
        track: libraries that show the run too: ``tensorboard``, ``mlflow``, ``trackio``, ``wandb``. None of them
            changes the run, and one that fails does not stop it.
        quiet: print nothing.
        json: print for people on standard error.
        command: what the report shows as the way to repeat the run.

    Returns:
        the run: ``.scores``, ``.model``, ``.path``.

    Raises:
        UsageError: a setting that is wrong or cannot act.
        DataError: data that cannot be used.
        ResourceError: no right to write, too little memory or disk.
    """
    from acclimate.runs.fit import fit as run_fit
    from acclimate.runs.planning import Request
    from acclimate.runs.show import Show

    if keep not in (None, "anyway"):
        raise UsageError(f"keep={keep!r} is unknown", "write --keep anyway, or leave it out")
    options: dict[str, Any] = {
        "base": base,
        "dev": dev,
        "test": test,
        "general": general,
        "source": source,
        "feedback": feedback,
        "method": method,
        "epochs": epochs,
        "time_limit": time_limit,
        "lr": lr,
        "batch_size": batch_size,
        "max_length": max_length,
        "precision": precision,
        "device": device,
        "seed": seed,
        "columns": columns,
        "query_prompt": query_prompt,
        "document_prompt": document_prompt,
        "no_cache": no_cache,
    }
    folder = _folder(train, out)
    request = Request(
        source=train,
        recipe=_recipe(train, recipe, settings, options),
        out=folder,
        command=command,
        keep_anyway=keep == "anyway",
        strict=strict,
        restart=restart,
        track=(track,) if isinstance(track, str) else tuple(track),
    )
    return Run(folder, run_fit(request, Show(quiet=quiet, json=json)))


def plan(
    train: Any,
    *,
    recipe: str | Path | None = None,
    settings: Sequence[str] = (),
    pilot: bool = False,
    quiet: bool = True,
    json: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """What `fit` would do with the same arguments, why, and what it would cost; nothing is trained or kept.

    Args:
        train: as in `fit`.
        recipe: as in `fit`.
        settings: as in `fit`.
        pilot: train two or three methods for a tenth of the run's steps, in a folder that goes again, and compare
            them on dev.
        quiet: print nothing.
        json: print for people on standard error.
        options: what else of `fit` decides what a run does: ``base``, ``dev``, ``method``, ``epochs``, ...

    Returns:
        what ``acclimate plan --json`` prints: ``method``, ``advice`` (the rule that decided it, those passed over, and
        why), ``reasons``, ``warnings``, ``notes``, ``rows``, ``recipe`` with nothing left to ``auto``, ``cost``
        (seconds by stage, bytes of memory and disk, as a rehearsal on a few rows tells them), ``headroom`` (what the
        base leaves to gain, where that is known soon), with a source ``shift``, and with a pilot ``pilot`` (a row a
        method) and ``pilot_takes``.

    Raises:
        UsageError: a setting that is wrong or cannot act.
        DataError: data that cannot be used.
    """
    from acclimate.runs.plan import plan as run_plan
    from acclimate.runs.planning import Request
    from acclimate.runs.show import Show

    request = Request(train, _recipe(train, recipe, settings, options), Path(), "")
    return run_plan(request, Show(quiet=quiet, json=json), pilot=pilot)


_KEYS = {
    "base": "base",
    "dev": "data.dev",
    "test": "data.test",
    "general": "data.general",
    "source": "data.source",
    "feedback": "data.feedback",
    "columns": "data.columns",
    "query_prompt": "data.query_prompt",
    "document_prompt": "data.document_prompt",
    "method": "method",
    "epochs": "training.epochs",
    "time_limit": "training.time_limit",
    "lr": "training.lr",
    "batch_size": "training.batch_size",
    "max_length": "training.max_length",
    "precision": "training.precision",
    "device": "training.device",
    "seed": "training.seed",
    "no_cache": "training.cache",
}
"""What a recipe calls the arguments that stand for one of its values."""


def _recipe(train: Any, recipe: str | Path | None, settings: Sequence[str], options: Mapping[str, Any]) -> "Recipe":
    """The recipe that the arguments of a call make."""
    for name in options:
        if name not in _KEYS:
            raise UsageError(f"{name} decides nothing here", f"known are {', '.join(sorted(_KEYS))}")
    for name in ("dev", "test", "general", "source", "feedback"):
        value = options.get(name)
        if value is not None and not isinstance(value, str | Path):
            problem = f"{name} is a {type(value).__name__}, and it takes the path of a file or folder"
            raise UsageError(problem, "write the rows to a file, one JSON object a line")
    values = {key: options.get(name) for name, key in _KEYS.items()}
    values["training.cache"] = False if options.get("no_cache") else None
    values["data.columns"] = dict(options.get("columns") or {}) or None
    given = {key: str(v) if isinstance(v, Path) else v for key, v in values.items() if v is not None}
    if isinstance(train, str | Path):
        given["data.train"] = str(train)
    return read_recipe(Path(recipe) if recipe else None, settings, given)


def fit_vectors(
    vectors: "str | Path | NDArray[Any]",
    ids: str | Path | Sequence[Any],
    pairs: Any,
    *,
    out: str | Path,
    side: str = "both",
    rank: int | None = None,
    activation: str = "none",
    epochs: float | None = None,
    lr: float | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    columns: Mapping[str, str] | None = None,
    settings: Sequence[str] = (),
    keep: str | None = None,
    strict: bool = False,
    restart: bool = False,
    quiet: bool = True,
) -> VectorRun:
    """Trains an adapter of vectors that come from anywhere, and proves on unseen queries that they got better.

    A leak-free share of the pairs is held out; its queries are ranked against all documents: every vector that does
    not only ask. The same call on the same ``out`` resumes.

    Args:
        vectors: a ``.npy`` file or an array [N, D].
        ids: a JSON list, a file with an id a line, or a list: the N ids in the order of the vectors.
        pairs: a file or rows as `fit` takes them, with ids in the place of texts: query, positive, negative.
        out: the run folder.
        side: ``both``, or ``query``: document vectors stay as they are, so an index of them stays valid.
        rank: of the change, or with an activation the hidden units.
        activation: ``none`` (linear), ``gelu``, ``relu``, ``silu`` or ``tanh``.
        epochs: passes over the data.
        lr: learning rate.
        batch_size: rows a step.
        seed: of everything random.
        columns: role -> column name of the pairs.
        settings: single values of the recipe as ``key.path=value``.
        keep: ``anyway`` keeps the tuned adapter whatever the gate says; otherwise one that changes nothing.
        strict: a gain that is not proven does not pass.
        restart: forget an earlier run in ``out``.
        quiet: print nothing.

    Returns:
        the run: ``.scores``, ``.path``, ``.transform(vectors, role="query")``.

    Raises:
        UsageError: a setting that is wrong or cannot act.
        DataError: vectors, ids or pairs that cannot be used or do not belong together.
    """
    from acclimate.data.vectors import named_vectors
    from acclimate.runs.show import Show
    from acclimate.runs.vectors import VectorRequest
    from acclimate.runs.vectors import fit_vectors as run_fit

    if keep not in (None, "anyway"):
        raise UsageError(f"keep={keep!r} is unknown", "write keep='anyway', or leave it out")
    values: dict[str, Any] = {
        "base": str(vectors) if isinstance(vectors, str | Path) else "vectors",
        "method": "residual",
        "method.side": side,
        "method.rank": rank,
        "method.activation": activation,
        "regularizers": [],
        "training.epochs": epochs,
        "training.lr": lr,
        "training.batch_size": batch_size,
        "training.seed": seed,
        "training.cache": False,
    }
    request = VectorRequest(
        named=named_vectors(vectors, ids),
        pairs=pairs,
        columns=columns or {},
        recipe=read_recipe(None, settings, {key: value for key, value in values.items() if value is not None}),
        out=Path(out),
        keep_anyway=keep == "anyway",
        strict=strict,
        restart=restart,
    )
    return VectorRun(Path(out), run_fit(request, Show(quiet=quiet)))


def merge(
    model: str | Path | Sequence[str | Path],
    base: str | Path,
    *,
    alpha: float | str | Sequence[float],
    out: str | Path,
    target: str | Path | None = None,
    general: str | Path | None = None,
    train: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    quiet: bool = True,
    json: bool = False,
) -> dict[str, Any]:
    """Writes a model with weights between a base and a tuned model, or with what several of them changed in it.

    ``base + alpha * (model - base)``, and the sum of such changes of several models. Prompts, settings and heads are
    those of the (first) model.

    Args:
        model: a tuned model as `load` takes it, or several of one base.
        base: what it was tuned from.
        alpha: the share of the tuned weights in [0, 1] (0 is ``base``, 1 is ``model``, to the last bit), one for each
            model; or ``"auto"``: the one with the best target among those that keep the general score, as `fit` has it.
        out: the folder of the result.
        target: for ``"auto"``: dev data of the task that the model was tuned for.
        general: for ``"auto"``: what must not be forgotten; the built-in probe by default. Its dev half is scored.
        train: labeled texts to learn from, when ``target`` has labels.
        columns: role -> column name of ``target``.
        quiet: print nothing.
        json: print for people on standard error.

    Returns:
        what ``acclimate merge --json`` prints: ``models``, ``base``, ``alphas``, ``out``, and for ``"auto"`` ``curve``.

    Raises:
        UsageError: no such model, models that differ in more than the numbers of their weights, or an argument that
            cannot act.
        DataError: data that cannot be scored.
        ResourceError: no room.
    """
    from acclimate.runs.merge import Judges, read_alphas
    from acclimate.runs.merge import merge as run_merge
    from acclimate.runs.show import Show

    judges = Judges(
        target=None if target is None else Path(target),
        general=None if general is None else Path(general),
        train=None if train is None else Path(train),
        columns=columns or {},
    )
    models = [str(model)] if isinstance(model, str | Path) else [str(name) for name in model]
    return run_merge(models, str(base), read_alphas(alpha), Path(out), judges=judges, show=Show(quiet=quiet, json=json))


def distill_static(base: str | Path, out: str | Path, dimensions: int = 256) -> "Encoder":
    """A static model out of a transformer: a table with a row for each token, which `fit` tunes as any other base.

    A text is the mean of its tokens' rows. The folder is read by sentence-transformers and model2vec too.

    Args:
        base: the transformer, as `load` takes it.
        out: the folder of the result.
        dimensions: of the result, at most those of the transformer.

    Returns:
        the static model, loaded from ``out``.

    Raises:
        UsageError: no such model, one that is a table already or has fewer dimensions, or ``out`` is something else.
        ResourceError: no room.
    """
    from acclimate.runs.export import export

    export(str(base), "static", Path(out), dimensions=dimensions)
    return load(out)


def load_adapter(path: str | Path) -> "VectorAdapter":
    """The adapter that `fit_vectors` left in a run folder; its ``transform(vectors, role)`` changes vectors.

    Raises:
        UsageError: there is no adapter.
        DataError: a damaged one.
    """
    from acclimate.model.adapter_folder import load_adapter as load_from

    return load_from(Path(path))
