"""`deltarule train`: a network is trained on a data set, reports how good it is, and leaves a run folder."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from deltarule.cli.assembly import build_model, build_trainer, evaluation_loader, training_loader
from deltarule.cli.data_options import TRAINING, take_data_options
from deltarule.cli.display import Display, display_for
from deltarule.cli.exit_codes import INTERRUPTED, OK, TERMINATED
from deltarule.cli.figures import duration, ordered, said, shown
from deltarule.cli.model_options import MODEL, choose_model
from deltarule.cli.option_groups import with_options
from deltarule.cli.program import Command, report
from deltarule.cli.resuming import resumed
from deltarule.cli.saved_run import RUNS
from deltarule.cli.settings import settle
from deltarule.cli.threads import threads_for
from deltarule.cli.training_options import OUTPUT, UPDATES
from deltarule.data import Dataset, load
from deltarule.errors import ArgumentError, NonFiniteError
from deltarule.kernels.threads import limited_threads
from deltarule.nn.module import Module
from deltarule.training import Callback, Event, RunFolder, Trainer, TrainingInterrupted

EXAMPLES = (
    ("deltarule train digits", "handwritten digits: the main job"),
    ("deltarule train mnist/ lenet --epochs 5", "a folder of IDX files"),
    ("deltarule train houses.csv --target price", "a table"),
    ("deltarule train python-help lstm --hidden 256", "a language model"),
    ("deltarule train xor --hidden 4 --batch-size full", "all rows in each update"),
    ("deltarule train digits --json | tail -n 1", "the results alone, for scripts"),
    ("deltarule train --resume runs/digits-lenet-1 --epochs 60", "go on with a run"),
)


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("data", required=False)
@click.argument("model", required=False)
@with_options(OUTPUT, "Run and output")
@with_options(MODEL, "Network")
@with_options(UPDATES, "Training")
@with_options(TRAINING, "Data")
@click.pass_context
def train(context: click.Context, /, **given: Any) -> int:
    """Train a network on DATA.

    DATA is the name of a set (digits, python-help, xor, spirals, sine) or a path: a CSV, npz, IDX or text
    file, or a folder of IDX files. MODEL is mlp, lenet, cnn, rnn, gru or lstm. What is left out is found
    from the data. The run folder that is left behind is what the other commands take.
    """
    display = display_for(given.pop("json"), given.pop("quiet"))
    if given["resume"] is not None:
        folder, dataset = resumed(context, given)
        return run(folder, dataset, display, resuming=True)
    if given["data"] is None:
        raise click.UsageError("Missing argument 'DATA'. Try: deltarule train digits", context)
    dataset = load_data(given.pop("data"), take_data_options(given))
    config = {
        **settle(dataset, given),
        "model": choose_model(dataset, given),
        "data": dataset.description(),
    }
    # Built before the folder is made, so that a model or batches which are impossible leave nothing behind.
    model = build_model(config)
    training_loader(dataset.train, config)
    config["threads"] = given["threads"] or threads_for(model, dataset, config)
    return run(make_folder(config, given), dataset, display)


def load_data(source: str, options: dict[str, Any]) -> Dataset:
    """Load a data set; the targets of a regression are standardised unless that is refused."""
    dataset = load(source, **options)
    if dataset.kind == "regression" and "standardise_targets" not in options:
        # Prices in millions would otherwise take thousands of updates to be reached at all.
        dataset = load(source, **options, standardise_targets=True)
    return dataset


def make_folder(config: dict[str, Any], given: dict[str, Any]) -> RunFolder:
    """The new run folder that the options ask for."""
    path, parent, name = given["run_folder"], given["runs_folder"], given["name"]
    if path is not None:
        if parent is not None or name is not None:
            raise ArgumentError(
                "train", "--run-folder is a whole path; --runs and --name would do nothing", "Leave them out."
            )
        return RunFolder.create(path, config)
    parent = RUNS if parent is None else parent
    if name is not None:
        if Path(name).name != name:
            raise ArgumentError(
                "train",
                f"--name expects a name without folders, got {name!r}",
                "Use --run-folder for a path.",
            )
        return RunFolder.create(parent / name, config)
    stem = Path(config["data"]["name"]).stem
    return RunFolder.new(config, f"{stem}-{config['model']['name']}", parent)


def run(folder: RunFolder, dataset: Dataset, display: Display, resuming: bool = False) -> int:
    """Train the run of a folder to its end, show and keep the results, and return the exit code."""
    config = folder.config
    model = build_model(config)
    train_loader = training_loader(dataset.train, config)
    validation = evaluation_loader(dataset.validation, config) if len(dataset.validation) else None
    watcher = _BatchWatcher if type(display).batch is not Display.batch else _Watcher
    trainer = build_trainer(
        model, config, dataset.preprocessing, len(train_loader), folder, [watcher(display)]
    )
    if resuming:
        trainer.resume()
    introduce(display, folder, dataset, model, trainer)
    with limited_threads(config["threads"]), _stopping_at_termination(trainer) as signals:
        try:
            trainer.fit(train_loader, validation, config["epochs"])
        except TrainingInterrupted:
            return stopped(trainer, folder, INTERRUPTED)
        except NonFiniteError as error:
            fix = error.fix.replace("learning rate", "learning rate (--learning-rate)")
            raise NonFiniteError(error.who, error.problem, fix) from error
        if signals and trainer.progress.epoch < config["epochs"]:
            return stopped(trainer, folder, TERMINATED)
        results = measure(trainer, dataset, config)
    folder.write_json("results", {name: _finite(value) for name, value in results.items()})
    display.final(
        {
            **results,
            "model": config["model"]["name"],
            "parameters": sum(each.size for each in model.parameters()),
            "data": dataset.name,
            "notes": [*dataset.notes, *trainer.notes],
            "run_folder": str(folder.path),
        }
    )
    conclude(display, folder, config, results, trainer)
    return OK


def stopped(trainer: Trainer, folder: RunFolder, code: int) -> int:
    """Say how to go on with a run that was stopped, and return the exit code."""
    done = f"stopped after epoch {trainer.progress.epoch} of {folder.config['epochs']}; everything is saved"
    report(f"{done}. Go on with: deltarule train --resume {_typed(folder.path)}")
    return code


def measure(trainer: Trainer, dataset: Dataset, config: dict[str, Any]) -> dict[str, Any]:
    """The final metrics, of the best epoch's weights, under plain names."""
    progress = trainer.progress
    results: dict[str, Any] = {}
    for name, part in (("test", dataset.test), ("validation", dataset.validation)):
        if len(part):
            metrics = trainer.evaluate(evaluation_loader(part, config))
            results.update({f"{name}_{each}": value for each, value in metrics.items()})
    best = trainer.history[progress.best_epoch - 1] if progress.best_epoch else trainer.history[-1]
    results.update({name: value for name, value in best.items() if name.startswith("train_")})
    results["epochs"] = progress.epoch
    results["best_epoch"] = progress.best_epoch
    results["seconds"] = round(progress.seconds, 3)
    results["stop_reason"] = trainer.stop_reason
    return results


def introduce(display: Display, folder: RunFolder, dataset: Dataset, model: Module, trainer: Trainer) -> None:
    """Say what is about to be trained on what."""
    config = folder.config
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in dataset.parts.items() if len(part))
    unit = "characters" if config["task"] == "text" else "rows"
    display.say(f"data       {dataset.name}: {config['task']}, {sizes} {unit}")
    for note in dataset.notes:
        display.say(f"           {note}")
    parameters = sum(each.size for each in model.parameters())
    display.say(f"model      {model_sentence(config)}, {parameters:,} parameters")
    display.say(f"training   {training_sentence(config)}")
    display.say(f"run folder {folder.path}")
    first = trainer.progress.epoch + 1
    if trainer.progress.step:
        display.say(f"resumed after epoch {trainer.progress.epoch}, update {trainer.progress.step}")
    display.begin(first, config["epochs"])


def model_sentence(config: dict[str, Any]) -> str:
    """A model and its sizes in a few words."""
    options = config["model"]["options"]
    hidden = options.get("hidden") or options.get("hidden_size")
    sizes = (
        f" ({', '.join(map(str, hidden)) if isinstance(hidden, (list, tuple)) else hidden})" if hidden else ""
    )
    return f"{config['model']['name']}{sizes}"


def training_sentence(config: dict[str, Any]) -> str:
    """How a run trains, in a few words."""
    optimizer = config["optimizer"]
    batch = "all rows at once" if config["batch_size"] is None else f"batches of {config['batch_size']}"
    length = f" × {config['sequence_length']} characters" if config["sequence_length"] else ""
    schedule = "" if config["schedule"]["name"] == "none" else f", schedule {config['schedule']['name']}"
    return (
        f"{config['epochs']} epochs, {batch}{length}, {optimizer['name']} with learning rate "
        f"{optimizer['learning_rate']:g}{schedule}, seed {config['seed']}"
    )


def conclude(
    display: Display, folder: RunFolder, config: dict[str, Any], results: dict[str, Any], trainer: Trainer
) -> None:
    """Say how good the network is, where it is, and what can be typed next."""
    path = _typed(folder.path)
    display.say("")
    best = f"best epoch {results['best_epoch']}"
    display.say(f"done in {duration(results['seconds'])}: {results['stop_reason']}; {best}")
    for note in trainer.notes:
        display.say(f"  {note}")
    part = next(part for part in ("test_", "validation_", "train_") if f"{part}loss" in results)
    metrics = [name for name in ordered(results) if name.startswith(part)]
    width = max(len(said(name)) for name in metrics)
    for name in metrics:
        display.say(f"  {said(name):<{width}}  {shown(name, results[name])}")
    display.say(f"run folder {folder.path}. Next:")
    use = "generate" if config["task"] == "text" else "predict"
    example = f"deltarule generate {path}" if use == "generate" else f"deltarule predict {path} NEW-DATA"
    for line, meaning in (
        (f"deltarule evaluate {path}", "measure it again"),
        (example, "let it write" if use == "generate" else "use it on new data"),
        (f"deltarule check {path}", "check its gradients"),
        (f"deltarule train --resume {path} --epochs {2 * config['epochs']}", "train it longer"),
    ):
        display.say(f"  {line:<58}  {meaning}")


class _Watcher(Callback):
    """Hands the ends of epochs to the display."""

    def __init__(self, display: Display):
        self.display = display

    def on_epoch_end(self, event: Event) -> None:
        self.display.epoch(event.record or {})

    def on_fit_end(self, event: Event) -> None:
        self.display.end()


class _BatchWatcher(_Watcher):
    """Hands the ends of batches over as well, which costs time in each."""

    def on_batch_end(self, event: Event) -> None:
        self.display.batch(event.epoch, event.batch, event.batches, event.loss)


@contextmanager
def _stopping_at_termination(trainer: Trainer) -> Iterator[list[int]]:
    """A termination signal lets the trainer finish its update and save. Gives the signals that came."""
    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield came
        return

    def note(number: int, frame: Any) -> None:
        came.append(number)
        trainer.stop("a termination signal came")
        # The next one ends the process at once, as always.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _typed(path: Path) -> str:
    """A path as it has to be typed into a shell."""
    text = str(path)
    return text if all(each.isalnum() or each in "/\\._-+:~" for each in text) else f'"{text}"'


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
