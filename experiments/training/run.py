"""A run in its folder: begun or gone on with, to its end."""

import contextlib
import pathlib
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
from jax.experimental import multihost_utils
from rich.console import Console

from experiments import interrupts, storage
from experiments.errors import DiskFull, Stopped, UserError
from experiments.reports import figures, metric_plots, training_tables
from experiments.terminal import say
from experiments.training import batches
from experiments.training.judge import Judged, judge
from experiments.training.log import Log, read
from experiments.training.loop import loop
from experiments.training.predictor import Predictor
from experiments.training.settings import EXTENDABLE, Settings
from experiments.training.setup import Setup, prepare
from sigmoidf1_jax.training import Checkpointer, TrainState

T = TypeVar("T")


def run(
    settings: Settings,
    output: pathlib.Path | None = None,
    *,
    resume: bool = True,
    quick: bool = False,
    console: Console | None = None,
) -> pathlib.Path:
    """Trains, or goes on, and returns the folder of the run.

    Args:
      settings: what is trained.
      output: the folder; None: named after the settings, as `folder_of` has it.
      resume: goes on from the newest checkpoint; False clears the folder first.
      quick: whether this is a try-out, for the folder's name.
      console: where lines are shown (default: the terminal, in the first process).

    Raises:
      UserError: a mistake in the settings, a folder of another run or in use by one.
      Stopped: a loss that is not finite, a folder that cannot be written, SIGTERM, Ctrl-C.
    """
    folder = output

    def last_words(number: int) -> str:
        return f"{signal.Signals(number).name}: ended at once; {_kept(folder)}"

    with contextlib.ExitStack() as context:
        terminal = Console()
        stops = context.enter_context(
            interrupts.bounded(last_words, lambda: terminal.show_cursor(True))
        )
        first = jax.process_index() == 0
        console = console or Console(quiet=not first)
        setup = prepare(settings)
        folder = output or folder_of(setup, quick)
        if first:
            storage.prepare_folder(folder)
        context.enter_context(_writing(folder))
        if first:
            context.enter_context(storage.locked(folder))
        _run(setup, folder, resume, console, stops)
    return folder


def folder_of(setup: Setup, quick: bool = False) -> pathlib.Path:
    """The folder of a run, named after all that determines it but its length."""
    config = {k: v for k, v in setup.config().items() if k not in EXTENDABLE}
    # A try-out is not the beginning of the run that it tries out.
    name = f"{setup.settings.loss}-{storage.digest(config)}{'-quick' if quick else ''}"
    return pathlib.Path("results", "train", setup.problem.dataset.name, name)


def _kept(folder: pathlib.Path | None) -> str:
    """What an interrupted run has left, in words."""
    steps = [int(p.name) for p in folder.glob("last/*") if p.name.isdigit()] if folder else []
    if not steps:
        return "there is no checkpoint"
    return f"step {max(steps)} is kept in {folder}, and the same command goes on from there"


@contextlib.contextmanager
def _writing(folder: pathlib.Path) -> Iterator[None]:
    """Says in one line that the folder cannot be written, for instance to a full disk."""
    try:
        yield
    except (OSError, DiskFull) as error:
        cause = error.__cause__ if isinstance(error, DiskFull) else error
        reason = getattr(cause, "strerror", None) or str(error)
        raise Stopped(f"stopped: cannot write to {folder}: {reason}; {_kept(folder)}", 1) from error


def _run(
    setup: Setup,
    folder: pathlib.Path,
    resume: bool,
    console: Console,
    stops: interrupts.Stops,
) -> None:
    """Trains in the folder, which no other run uses."""
    settings = setup.settings
    first = jax.process_index() == 0
    started = time.monotonic()
    if first and not resume:
        _clear(folder)
    _wait_for_all("folder")
    try:
        checkpoints = Checkpointer(
            folder, setup.config(), metric=settings.select, may_differ=EXTENDABLE
        )
    except ValueError as error:
        way_out = ", or --no-resume" if (folder / "last").exists() else ""
        raise UserError(f"{error}; give another --output{way_out}") from error

    with contextlib.closing(checkpoints):
        state = jax.jit(setup.initial_state, out_shardings=setup.layout())()
        examples = batches.shuffled(
            setup.data,
            setup.train,
            seed=settings.seed,
            epochs=settings.epochs,
            batch_size=setup.batch_size,
            padding=settings.padding,
        )
        restored = _restore(checkpoints.restore, state, console)
        if restored is not None:
            state, data_state = restored
            _check_length(setup, checkpoints, int(state.step), console)
            examples.set_state(data_state)
            say(console, f"going on after step {int(state.step)}")
        done = int(state.step)
        say(console, f"{setup.problem.dataset.name}: {setup.problem.dataset.source}")
        predictor = Predictor(
            setup.model,
            setup.system.scores,
            setup.data.labels.shape[1],
            setup.mesh,
            setup.batch_size,
        )
        log = Log(folder if first else None, done)
        with contextlib.closing(log):
            try:
                state = loop(setup, state, examples, checkpoints, predictor, log, console, stops)
            except FloatingPointError as error:
                kept = checkpoints.last_step
                left = (
                    "there is no checkpoint" if kept is None else f"step {kept} is kept in {folder}"
                )
                raise Stopped(f"stopped at {error}; {left}", 1) from error
        best = _restore(checkpoints.restore_best, state, console)
    if best is None:
        raise UserError(
            f"{folder} has no best checkpoint: {settings.select} on validation was never a number; "
            "start over with --no-resume"
        )
    judged = judge(setup, predictor, *best)
    names = _write_result(folder, judged, settings.select) if first else []
    console.print(training_tables.test_table(judged.result).rich("boxed"))
    say(console, f"{folder / 'figures'}: {', '.join(names)}")
    say(
        console,
        f"{folder}  (best step {judged.result.best_step}, {int(state.step) - done} steps in "
        f"{time.monotonic() - started:.0f} s)",
    )


def _check_length(setup: Setup, checkpoints: Checkpointer, done: int, console: Console) -> None:
    """Says that a run goes on to another number of epochs than it was begun with.

    Raises:
      UserError: more epochs are done.
    """
    settings, per_epoch = setup.settings, setup.per_epoch
    planned = (checkpoints.saved_config or {}).get("epochs", settings.epochs)
    if planned == settings.epochs:
        return
    if done >= per_epoch * settings.epochs:
        epochs, steps = divmod(done, per_epoch)
        more = f" and {steps} steps" if steps else ""
        raise UserError(
            f"{epochs} epochs{more} of {planned} are done in {checkpoints.folder}, and --epochs is "
            f"{settings.epochs}; give more to go on, another --output, or --no-resume"
        )
    line = "extended" if settings.epochs > planned else "shortened"
    line += f" from {planned} to {settings.epochs} epochs"
    if settings.schedule == "cosine":
        line += f"; the cosine schedule is that of {settings.epochs} epochs from here"
    say(console, line)


def _write_result(folder: pathlib.Path, judged: Judged, select: str) -> list[str]:
    """Writes the result, the learning curve and the figures, and returns the figures' names."""
    storage.write_json(folder / "result.json", judged.result)
    curve = training_tables.learning_curve(read(folder / "metrics.jsonl"), select)
    storage.write_bytes(folder / "learning_curve.png", figures.png(curve))
    drawn = metric_plots.all_figures(*judged.part, judged.decided)
    (folder / "figures").mkdir(exist_ok=True)
    for name, figure in drawn.items():
        storage.write_bytes(folder / "figures" / f"{name}.png", figures.png(figure))
    return list(drawn)


def _clear(folder: pathlib.Path) -> None:
    """Removes what an earlier run left in its folder."""
    for name in ("last", "best", "tensorboard", "figures"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("metrics.jsonl", "result.json", "learning_curve.png"):
        (folder / name).unlink(missing_ok=True)


def _wait_for_all(name: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def _restore(restore: Callable[[TrainState], T], like: TrainState, console: Console) -> T:
    """What a checkpointer restores, its warnings as lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        try:
            restored = restore(like)
        except ValueError as error:
            raise UserError(f"{error}; start over with --no-resume") from error
        finally:
            for warning in caught:
                say(console, f"warning: {warning.message}")
    return restored
