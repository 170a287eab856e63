"""The command line: verbs only. Parses, calls `runs`, prints. Nothing heavy is imported before a verb needs it."""

import io
import json as json_module
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import acclimate
from acclimate.core.errors import AcclimateError, InterruptedRunError, UsageError

app = typer.Typer(
    name="acclimate",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
Columns = Annotated[str, typer.Option(help="Roles by column, as query=question,positive=answer.")]

Base = Annotated[str | None, typer.Option(help="Model to tune: folder, package or hub id. [all-MiniLM-L6-v2]")]
Dev = Annotated[Path | None, typer.Option(help="Dev data. [a leak-free share of TRAIN]")]
Test = Annotated[Path | None, typer.Option(help="Test data. [a leak-free share of TRAIN]")]
Source = Annotated[Path | None, typer.Option(help="Labeled data from another domain, to learn from too.")]
Feedback = Annotated[Path | None, typer.Option(help="What users say of pairs, as explore writes it.")]
General = Annotated[Path | None, typer.Option(help="What must not be forgotten. [the built-in probe]")]
Method = Annotated[str | None, typer.Option(help="What trains. [auto]")]
RecipeFile = Annotated[Path | None, typer.Option(help="A YAML recipe.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="One setting of the recipe, key.path=value.")]
Epochs = Annotated[float | None, typer.Option(help="Passes over the data. [auto]")]
TimeLimit = Annotated[str | None, typer.Option(help="Training ends then (90s, 10m, 1.5h); scoring comes on top.")]
LearningRate = Annotated[float | None, typer.Option("--lr", help="Learning rate. [auto]")]
BatchSize = Annotated[int | None, typer.Option(help="Rows a step. [64]")]
MaxLength = Annotated[int | None, typer.Option(help="Tokens at which texts are cut in training. [auto]")]
Precision = Annotated[str | None, typer.Option(help="fp32, bf16, fp16 or auto.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or auto.")]
Seed = Annotated[int | None, typer.Option(help="Of everything random. [42]")]
QueryPrompt = Annotated[str | None, typer.Option(help="Text put before every query.")]
DocumentPrompt = Annotated[str | None, typer.Option(help="Text put before every document.")]
Track = Annotated[
    list[str] | None, typer.Option("--track", help="Show it in tensorboard, mlflow, trackio or wandb too.")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no states of frozen blocks and no vectors on disk.")]

_NO_MEMORY = "out of memory", "can't allocate memory"  # torch has a plain RuntimeError for it
_INTERRUPTED = InterruptedRunError.exit_status


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"acclimate {acclimate.__version__}")
        raise typer.Exit()


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Fine-tune text embedding models on your own data, with proof that they got better and forgot nothing."""


@app.command()
def fit(
    train: Annotated[Path, typer.Argument(help="Your examples: a file or folder.", show_default=False)],
    base: Base = None,
    dev: Dev = None,
    test: Test = None,
    general: General = None,
    source: Source = None,
    feedback: Feedback = None,
    method: Method = None,
    recipe: RecipeFile = None,
    set_: Settings = None,
    epochs: Epochs = None,
    time_limit: TimeLimit = None,
    lr: LearningRate = None,
    batch_size: BatchSize = None,
    max_length: MaxLength = None,
    precision: Precision = None,
    device: Device = None,
    seed: Seed = None,
    columns: Columns = "",
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    out: Annotated[Path | None, typer.Option(help="Run folder. [runs/STEM-OF-TRAIN]")] = None,
    keep: Annotated[str | None, typer.Option(help="'anyway': model/ is the tuned model in any case.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A gain that is not proven does not pass.")] = False,
    no_cache: NoCache = False,
    restart: Annotated[bool, typer.Option("--restart", help="Forget an earlier run in the same folder.")] = False,
    track: Track = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tune a model on TRAIN and prove that it got better. The same command resumes."""
    from acclimate.api import fit as run_fit

    run = run_fit(
        train,
        base=base,
        dev=dev,
        test=test,
        general=general,
        source=source,
        feedback=feedback,
        method=method,
        recipe=recipe,
        settings=set_ or [],
        epochs=epochs,
        time_limit=time_limit,
        lr=lr,
        batch_size=batch_size,
        max_length=max_length,
        precision=precision,
        device=device,
        seed=seed,
        columns=_columns(columns),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        out=out,
        keep=keep,
        strict=strict,
        no_cache=no_cache,
        restart=restart,
        track=_listed(track or []),
        quiet=quiet,
        json=json,
        command=_command(),
    )
    if json:
        _print_json(run.scores)
    raise typer.Exit(0 if run.scores["gate"]["passed"] else 3)


@app.command()
def plan(
    train: Annotated[Path, typer.Argument(help="Your examples: a file or folder.", show_default=False)],
    base: Base = None,
    dev: Dev = None,
    test: Test = None,
    general: General = None,
    source: Source = None,
    feedback: Feedback = None,
    method: Method = None,
    recipe: RecipeFile = None,
    set_: Settings = None,
    epochs: Epochs = None,
    time_limit: TimeLimit = None,
    lr: LearningRate = None,
    batch_size: BatchSize = None,
    max_length: MaxLength = None,
    precision: Precision = None,
    device: Device = None,
    seed: Seed = None,
    columns: Columns = "",
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    no_cache: NoCache = False,
    pilot: Annotated[bool, typer.Option("--pilot", help="Try two or three methods on a tenth of the steps.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what fit would do with the same options, why, and what it would cost, without training."""
    from acclimate.api import plan as run_plan

    document = run_plan(
        train,
        base=base,
        dev=dev,
        test=test,
        general=general,
        source=source,
        feedback=feedback,
        method=method,
        recipe=recipe,
        settings=set_ or [],
        epochs=epochs,
        time_limit=time_limit,
        lr=lr,
        batch_size=batch_size,
        max_length=max_length,
        precision=precision,
        device=device,
        seed=seed,
        columns=_columns(columns),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        no_cache=no_cache,
        pilot=pilot,
        quiet=quiet,
        json=json,
    )
    if json:
        _print_json(document)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="The model to score.")],
    test: Annotated[Path, typer.Argument(help="Test data: a file or BEIR folder.")],
    baseline: Annotated[str | None, typer.Option(help="A second model to compare with, with significance.")] = None,
    train: Annotated[Path | None, typer.Option(help="Labeled texts to learn from, for labeled TEST.")] = None,
    columns: Columns = "",
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 42,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep vectors on disk.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a model on TEST."""
    from acclimate.runs.evaluate import evaluate_model
    from acclimate.runs.show import Show

    show = Show(quiet=quiet, json=json)
    document = evaluate_model(
        model,
        test,
        baseline=baseline,
        train=train,
        columns=_columns(columns),
        seed=seed,
        cache=not no_cache,
        say=show.say,
        progress=show.encoding,
    )
    if json:
        _print_json(document)
    else:
        show.evaluation(document)


@app.command()
def compare(
    train: Annotated[Path, typer.Argument(help="Your examples: a file or folder.", show_default=False)],
    methods: Annotated[str, typer.Option(help="What trains, by name: full,adapter,lora.", show_default=False)],
    seeds: Annotated[int, typer.Option(min=1, help="How often each method runs, with another seed each.")] = 1,
    base: Base = None,
    dev: Dev = None,
    test: Test = None,
    general: General = None,
    source: Source = None,
    feedback: Feedback = None,
    recipe: RecipeFile = None,
    set_: Settings = None,
    epochs: Epochs = None,
    time_limit: TimeLimit = None,
    batch_size: BatchSize = None,
    max_length: MaxLength = None,
    precision: Precision = None,
    device: Device = None,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 42,
    columns: Columns = "",
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs. [runs/STEM-OF-TRAIN-compare]")] = None,
    no_cache: NoCache = False,
    track: Track = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tune with several methods on the same rows, for equal steps or time: one table. The same command resumes."""
    from acclimate.api import compare as run_compare

    document = run_compare(
        train,
        _listed([methods]),
        out=out,
        seeds=range(seed, seed + seeds),
        base=base,
        dev=dev,
        test=test,
        general=general,
        source=source,
        feedback=feedback,
        recipe=recipe,
        settings=set_ or [],
        epochs=epochs,
        time_limit=time_limit,
        batch_size=batch_size,
        max_length=max_length,
        precision=precision,
        device=device,
        columns=_columns(columns),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        no_cache=no_cache,
        track=_listed(track or []),
        quiet=quiet,
        json=json,
        command=_command(),
    )
    if json:
        _print_json(document)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    out: Annotated[Path | None, typer.Option(help="The file to write. [RUN/report.html]")] = None,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Show none of your texts, to pass it on.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the report of a run anew, from the files in its folder."""
    from acclimate.report.build import write_report
    from acclimate.runs.show import Show

    written = write_report(run, texts=not no_texts, out=out)
    Show(quiet=quiet, json=json).say(f"report: {written}")
    if json:
        _print_json({"schema": 1, "report": str(written)})


@app.command()
def explore(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    test: Annotated[
        Path | None, typer.Option(help="Other documents and questions to look at. [the run's test]")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of this machine. [8642, or a free one]")] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show neighbors before and after on a local page; follow a running training."""
    from acclimate.runs.explore import explore as run_explore
    from acclimate.runs.show import Show

    def told(address: str) -> None:
        if json:
            _print_json({"schema": 1, "address": address})
            sys.stdout.flush()

    show = Show(quiet=quiet, json=json)
    run_explore(run, test=test, port=port, browser=not no_open, show=show, told=told)


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="A file or folder of examples.")],
    base: Annotated[str | None, typer.Option(help="A model whose tokens and vectors are looked at too.")] = None,
    rows: Annotated[int | None, typer.Option(min=0, help="Rows whose vectors are looked at, at most. [20000]")] = None,
    test: Annotated[Path | None, typer.Option(help="Test data: what DATA knows of it.")] = None,
    dev: Annotated[Path | None, typer.Option(help="Dev data: likewise.")] = None,
    against: Annotated[Path | None, typer.Option(help="Data of another domain: how far DATA lies from it.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens at which texts are cut. [the base's]")] = None,
    columns: Columns = "",
    fix: Annotated[bool, typer.Option("--fix", help="Write a cleaned copy beside the file.")] = False,
    drop_suspects: Annotated[
        bool, typer.Option("--drop-suspects", help="Leave out of it what is perhaps wrong too.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Quarantine. [STEM.quarantine.jsonl beside DATA]")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read and profile data, list its problems, set bad rows aside."""
    from acclimate.runs.check import CheckRequest, check_data

    request = CheckRequest(
        data=data,
        columns=_columns(columns),
        dev=dev,
        test=test,
        against=against,
        base=base,
        rows=rows,
        max_length=max_length,
        fix=fix,
        drop_suspects=drop_suspects,
        out=out,
    )
    document = check_data(request, quiet=quiet or json)
    if json:
        _print_json(document)


@app.command()
def verify(
    model: Annotated[str, typer.Argument(help="A model folder or run.")],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Reload a model in fresh processes and compare its vectors."""
    from acclimate.model.bases import resolve
    from acclimate.model.verify import verify as compare
    from acclimate.runs.show import Show

    report = compare(resolve(model))
    show = Show(quiet=quiet, json=json)
    for comparison in report.comparisons:
        figures = f"least cosine {comparison.min_cosine:.7f}, greatest difference {comparison.max_difference:.1e}"
        show.say(f"{comparison.reader} ({comparison.role}): {figures}")
    for name in report.refused:
        show.say(f"{name} refuses the folder, as it should: the model has parts that no standard module can say")
    for name in report.skipped:
        show.say(f"{name} is not installed, so it was not compared")
    for problem in report.problems:
        show.say(problem)
    show.say("verified" if report.passed else "not verified")
    if json:
        _print_json(report.as_dict())
    raise typer.Exit(0 if report.passed else 3)


@app.command()
def encode(
    model: Annotated[str, typer.Argument(help="The model.")],
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Texts, one a line, or a file with --column.")],
    out: Annotated[Path, typer.Option(help="The .npy file to write: float32 [N, D].")],
    column: Annotated[str | None, typer.Option(help="The column of INPUT that holds the texts.")] = None,
    role: Annotated[str, typer.Option(help="query or document: which saved prompt applies.")] = "document",
    precision: Annotated[str, typer.Option(help="fp32, or bf16: nearly the same vectors in half the time.")] = "fp32",
    processes: Annotated[int, typer.Option(help="How many share the cores and read the model each.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Texts to vectors. The same command goes on where an earlier one was stopped."""
    from acclimate.runs.encode import encode_file
    from acclimate.runs.show import Show

    show = Show(quiet=quiet, json=json)
    document = encode_file(
        model, input_, out, column=column, role=role, precision=precision, processes=processes, show=show
    )
    if json:
        _print_json(document)


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model that was trained with a head.")],
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Texts, one a line, or a file with --column.")],
    out: Annotated[Path, typer.Option(help="The JSONL file to write: text and label.")],
    head: Annotated[str | None, typer.Option(help="Its name, where the model has several.")] = None,
    column: Annotated[str | None, typer.Option(help="The column of INPUT that holds the texts.")] = None,
    role: Annotated[str, typer.Option(help="query or document: which saved prompt applies.")] = "document",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Texts to labels, by a head that was trained with the model."""
    from acclimate.runs.predict import predict_file
    from acclimate.runs.show import Show

    show = Show(quiet=quiet, json=json)
    document = predict_file(model, input_, out, head=head, column=column, role=role, show=show)
    if json:
        _print_json(document)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="The model; for mteb, the folder of a run.")],
    to: Annotated[str, typer.Option(help="static: a table of token embeddings; mteb: a run's test as MTEB results.")],
    out: Annotated[Path, typer.Option(help="Folder of the result.")],
    dimensions: Annotated[int | None, typer.Option(help="Of a static model. [256]")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a model as one of another kind, or a run's figures as MTEB results."""
    from acclimate.runs.export import export as run_export
    from acclimate.runs.show import Show

    show = Show(quiet=quiet, json=json)
    document = run_export(model, to, out, dimensions=dimensions, progress=show.encoding)
    what = f"{document['dimension']} dimensions" if "dimension" in document else f"{len(document['files'])} files"
    show.say(f"{model} -> {out}: {to}, {what}")
    if json:
        _print_json(document)


@app.command()
def merge(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL... BASE", help="One tuned model or several, and what they came from.")
    ],
    alpha: Annotated[str, typer.Option(help="Share of MODEL in [0, 1]; one for each, as 0.5,0.5; or auto.")],
    out: Annotated[Path, typer.Option(help="Folder of the result.")],
    target: Annotated[Path | None, typer.Option(help="For auto: dev data of the task that was trained for.")] = None,
    general: Annotated[Path | None, typer.Option(help="For auto: what must not be forgotten. [built-in probe]")] = None,
    train: Annotated[Path | None, typer.Option(help="Labeled texts to learn from, for labeled TARGET.")] = None,
    columns: Columns = "",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write weights between two models: BASE + alpha (MODEL - BASE). Several MODELs add up."""
    from acclimate.api import merge as run_merge
    from acclimate.runs.show import Show

    *tuned, base = models
    if not tuned:
        raise UsageError("merge takes a MODEL and its BASE", "write acclimate merge MODEL BASE --alpha 0.5 --out DIR")
    document = run_merge(
        tuned,
        base,
        alpha=alpha,
        out=out,
        target=target,
        general=general,
        train=train,
        columns=_columns(columns),
        quiet=quiet,
        json=json,
    )
    shares = " + ".join(f"{share:g} {name}" for share, name in zip(document["alphas"], tuned, strict=True))
    Show(quiet=quiet, json=json).say(f"{shares}, the rest {base} -> {out}")
    if json:
        _print_json(document)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/demo"),
    restart: Annotated[bool, typer.Option("--restart", help="Forget an earlier run in the same folder.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tune the default model on the medical terms that ship with Acclimate."""
    from acclimate.api import fit as run_fit
    from acclimate.runs.demo import demo_data

    with demo_data() as data:
        run = run_fit(**data, out=out, restart=restart, quiet=quiet, json=json, command="acclimate demo")
    if json:
        _print_json(run.scores)
    raise typer.Exit(0 if run.scores["gate"]["passed"] else 3)


@app.command()
def doctor(json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Show versions, cores, memory and what is installed."""
    from acclimate.runs.doctor import examine
    from acclimate.runs.show import Show

    document = examine()
    if json:
        _print_json(document)
    else:
        Show(quiet=quiet).examined(document)


def main() -> NoReturn:
    """The console script: one line and an exit status for everything that a user can mend."""
    debug = "--debug" in sys.argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console or pipe may know fewer letters than the user's texts have
            stream.reconfigure(errors="backslashreplace")
    try:
        # typer hands back the status of an Exit, and 130 or an Abort, by its version, for Ctrl-C
        status = app(args=sys.argv[1:] or ["--help"], prog_name="acclimate", standalone_mode=False)
        if status == _INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
    except AcclimateError as error:
        if debug:
            raise
        _fail(str(error), error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; run the same command to go on", _INTERRUPTED)
    except BrokenPipeError:
        os._exit(0)  # the reader of our output left; there is nobody to tell
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}; check the path, your rights and the disk", 5)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
            _fail("out of memory; take a smaller --batch-size or --max-length", 5)
        usage = getattr(error, "format_message", None)  # typer's errors: unknown verb, missing argument
        if usage is not None:
            verb = getattr(getattr(error, "ctx", None), "command_path", "acclimate")
            _fail(f"{usage().rstrip('.')}; see {verb} --help", 2)
        _fail(f"a defect of Acclimate: {type(error).__name__}: {error}; run again with --debug and report it", 1)
    sys.exit(status or 0)


def _fail(line: str, status: int) -> NoReturn:
    print(" ".join(line.split()), file=sys.stderr)
    sys.exit(status)


def _columns(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not (role.strip() and equals and column.strip()) for role, equals, column in pairs):
        raise UsageError(f"--columns {text!r} is not role=column", "write --columns query=question,positive=answer")
    roles = [role.strip() for role, _, _ in pairs]
    twice = next((role for role in roles if roles.count(role) > 1), None)
    if twice is not None:
        several = "; several negatives are negative_1=A,negative_2=B" if twice == "negative" else ""
        raise UsageError(f"--columns names {twice!r} twice", f"name each role once{several}")
    return {role: column.strip() for role, (_, _, column) in zip(roles, pairs, strict=True)}


def _listed(given: list[str]) -> list[str]:
    """Names that were given one by one, or with commas between them."""
    return [name.strip() for names in given for name in names.split(",") if name.strip()]


def _command() -> str:
    return shlex.join(["acclimate", *sys.argv[1:]])


def _print_json(document: Any) -> None:
    readable = (sys.stdout.encoding or "").lower().startswith("utf")
    print(json_module.dumps(document, ensure_ascii=not readable, allow_nan=False, indent=2))
