"""Training of one network: many devices, checkpoints, exact resumption."""

import contextlib
import dataclasses
import functools
import json
import logging
import math
import pathlib
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
import rich.progress
import tyro
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import sigmoidf1_jax as sf
from experiments import (
    batches,
    datasets,
    evaluation,
    figures,
    interrupts,
    metric_plots,
    processes,
    storage,
    training_log,
)
from experiments.batches import Source
from experiments.datasets.dataset import Rows, fingerprint
from experiments.decision_rules import UNTUNED
from experiments.errors import DiskFull, Stopped, UserError
from experiments.evaluation import Part
from experiments.predictor import Predictor
from experiments.problem import Problem, dense, describe, make_problem
from experiments.report import MAIN_METRICS
from experiments.systems import OPTIMIZER_SPACE, SYSTEMS, System
from experiments.terminal import cell, say
from sigmoidf1_jax import decisions, models, training
from sigmoidf1_jax.training import Checkpointer, TrainState
from sigmoidf1_jax.training.parallel import How

SCHEMA = 1
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Hosts:
    """How the processes of a run on many hosts find each other (docs/many_hosts.md)."""

    processes: int = 1
    """Processes to start on this machine, as a try-out of many hosts."""
    distributed: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Joins the processes of a TPU pod, a SLURM or Open MPI job or a Kubernetes job."""
    coordinator_address: str | None = None
    """host:port of process 0, where the processes are not found by themselves."""
    num_processes: int | None = None
    """How many processes there are."""
    process_id: int | None = None
    """The number of this one."""

    def join(self) -> None:
        """Joins the other processes, if there are any; before JAX is used.

        Raises:
          UserError: numbers that do not fit, or a coordinator that does not answer.
        """
        given = (self.coordinator_address, self.num_processes, self.process_id)
        if self.distributed or any(x is not None for x in given):
            try:
                training.initialize_distributed(*given)
            except (ValueError, TimeoutError) as error:
                raise UserError(str(error)) from error


@dataclasses.dataclass(frozen=True)
class Train:
    """Trains one network on all devices, with checkpoints.

    Example: python -m experiments train --dataset yeast --loss sigmoid_f1 --hyper slope=2

    Writes checkpoints (last/ and best/), metrics.jsonl, TensorBoard events, result.json,
    learning_curve.png and figures/ to OUTPUT. The same command goes on from the newest checkpoint,
    to the same parameters as a run without an interruption; with more --epochs it extends the run.
    Exit codes: 1 the loss is not finite or the disk is full (the last good checkpoint is kept), 2 a
    mistake in the options or a folder in use, 143 after SIGTERM and 130 after Ctrl-C (one process),
    both at the end of the step with a checkpoint, or after 10 seconds without one.
    """

    dataset: Annotated[str, tyro.conf.arg(help=datasets.HELP)] = "yeast"
    data: tyro.conf.OmitArgPrefixes[datasets.Options] = dataclasses.field(
        default_factory=datasets.Options
    )
    """Which columns are labels, and which labels and examples stay."""
    loss: Annotated[str, tyro.conf.arg(help=f"The loss: {', '.join(SYSTEMS)}.")] = "sigmoid_f1"
    hyper: tuple[str, ...] = ()
    """Hyperparameters of the loss as KEY=VALUE, where they are not the defaults."""
    moving_decay: float | None = None
    """Decay of a moving average of the loss's statistics, in [0, 1), for small batches."""
    micro_batches: int = 1
    """Parts in which a device computes its batch, to save memory; the gradient stays exact."""
    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    learning_rate: float = OPTIMIZER_SPACE["learning_rate"][0]
    """Of AdamW, at the first step."""
    weight_decay: float = OPTIMIZER_SPACE["weight_decay"][0]
    """Of AdamW."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """The learning rate over steps: down to 0 at the last one, or constant."""
    epochs: int = 60
    """Passes over the training rows; more than before extend the run in the same folder."""
    batch_size: int = 256
    """Examples in a step, of all devices together."""
    seed: int = 0
    """Of the split, the initial parameters and the order of examples."""
    how: How = "shard_map"
    """How a step is divided over devices."""
    label_devices: int = 1
    """Devices over which labels are divided, with --how jit; the others divide the batch."""
    padding: bool = True
    """Pads batches that do not divide evenly with rows that do not count."""
    evaluate_every: int = 1
    """Epochs between evaluations on validation."""
    select: Literal["micro_f1", "macro_f1", "samples_f1"] = "micro_f1"
    """Metric on validation, at 0.5, that the best checkpoint is chosen by."""
    checkpoint_every: int = 100
    """Steps between checkpoints, besides those after each evaluation."""
    output: pathlib.Path | None = None
    """Folder of this run (default: results/train/DATASET/LOSS-DIGEST)."""
    resume: bool = True
    """Goes on from the newest checkpoint in the folder; --no-resume clears it and starts over."""
    hosts: tyro.conf.OmitArgPrefixes[Hosts] = dataclasses.field(default_factory=Hosts)
    """The processes of the run."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Prints what the training would take, and writes nothing."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """5 epochs: a try-out of under 30 seconds."""

    def resolved(self) -> "Train":
        """The same with --quick filled in.

        Raises:
          UserError: unknown names, numbers out of range.
        """
        if self.loss not in SYSTEMS:
            raise UserError(f"unknown loss {self.loss!r}; known: {', '.join(SYSTEMS)}")
        self.hyperparameters()
        quick = self.quick and self.epochs == Train.epochs
        options = dataclasses.replace(self, epochs=5) if quick else self
        for name in (
            "micro_batches",
            "epochs",
            "batch_size",
            "label_devices",
            "evaluate_every",
            "checkpoint_every",
        ):
            if getattr(options, name) < 1:
                raise UserError(f"{_flag(name)} must be >= 1, got {getattr(options, name)}")
        for name in ("learning_rate", "weight_decay", "seed"):
            value = getattr(options, name)
            if not (math.isfinite(value) and value >= 0):
                raise UserError(f"{_flag(name)} must be >= 0 and finite, got {value}")
        if min(self.hidden, default=1) < 1:
            raise UserError(f"--hidden must be sizes >= 1, got {self.hidden}")
        if self.label_devices > 1 and self.how != "jit":
            raise UserError(f"--label-devices > 1 needs --how jit, got --how {self.how}")
        return options

    def hyperparameters(self) -> dict[str, float]:
        """The loss's hyperparameters: the defaults, and what --hyper says."""
        chosen = {name: values[0] for name, values in SYSTEMS[self.loss].space.items()}
        for text in self.hyper:
            name, _, value = text.partition("=")
            if name not in chosen:
                known = ", ".join(chosen) or "none"
                raise UserError(
                    f"--hyper {text}: {self.loss} has no hyperparameter {name!r}; known: {known}"
                )
            try:
                chosen[name] = float(value)
            except ValueError:
                raise UserError(f"--hyper {text}: expected KEY=NUMBER") from None
        return chosen

    def config(self) -> dict[str, Any]:
        """What determines the result, wherever and on however many devices it is computed."""
        config = dataclasses.asdict(self)
        for name in (
            *("how", "label_devices", "checkpoint_every"),
            *("output", "resume", "dry_run", "quick", "hosts"),
        ):
            del config[name]
        # What the folder of prepared data holds counts, by its fingerprint, not where it is.
        del config["data"]["data_dir"]
        config["hyper"] = self.hyperparameters()
        # As it will be read again: JSON has lists only.
        plain: dict[str, Any] = json.loads(json.dumps(config))
        return plain


EXTENDABLE = ("epochs",)
"""Options that may differ when a run goes on, and that are no part of its folder's name."""


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def main(arguments: Sequence[str]) -> None:
    """The command: `python -m experiments train`.

    Raises:
      UserError: a mistake in the options.
      Stopped: a process of `--processes` that failed, and as `run`.
    """
    with interrupts.bounded():
        options = tyro.cli(Train, args=arguments, prog="python -m experiments train")
    if options.hosts.processes != 1:
        code = processes.launch(["train", *_alone(arguments)], options.hosts.processes)
        if code:
            raise Stopped(f"a process ended with exit code {code}", code)
        return
    with interrupts.bounded():
        options.hosts.join()
        _quieten()
        if options.dry_run:
            estimate(options)
        else:
            run(options)


def _quieten() -> None:
    """Keeps the threads of Orbax and TensorStore from reporting what `run` reports, in a line."""
    # Orbax also warns of the temporary files of a killed run, which are as they should be.
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.unraisablehook = functools.partial(_report, sys.unraisablehook)


def _report(hook: Callable[[Any], object], said: Any) -> None:
    # When one array cannot be written or read, TensorStore tells the event loop of the others, too,
    # which is closed by then.
    if str(said.exc_value) != "Event loop is closed":
        hook(said)


def _alone(arguments: Sequence[str]) -> list[str]:
    """The arguments without --processes."""
    kept = list(arguments)
    place = next(i for i, text in enumerate(kept) if text.split("=")[0] == "--processes")
    del kept[place : place + (1 if "=" in kept[place] else 2)]
    return kept


class Setup(NamedTuple):
    """Everything that training needs, made from the options."""

    options: Train
    problem: Problem
    source: Source
    train: Rows
    validation: Rows
    test: Rows
    system: System
    model: nn.Module
    objective: sf.Objective | sf.StatefulObjective
    optimizer: optax.GradientTransformation
    mesh: Mesh
    batch_size: int
    per_epoch: int

    def config(self) -> dict[str, Any]:
        """What determines the result: the options, and what is in the data."""
        return {**self.options.config(), "fingerprint": fingerprint(self.problem.dataset)}

    def initial_state(self) -> TrainState:
        """The state before the first step; abstract under `jax.eval_shape`."""
        inputs = jnp.zeros((1, self.source.features.shape[1]), jnp.float32)
        key = jax.random.key(self.options.seed)
        num_labels = self.source.labels.shape[1]
        return training.initial_state(
            self.model, self.objective, self.optimizer, key, inputs, num_labels
        )

    def step(self, micro_batches: int) -> training.Step:
        """The training step on one device."""
        return training.train_step(
            self.model, self.objective, self.optimizer, micro_batches=micro_batches
        )

    def layout(self) -> Any:
        """Where the arrays of the state are: everywhere, or divided along their labels."""
        if self.options.label_devices == 1:
            return NamedSharding(self.mesh, PartitionSpec())
        shapes = jax.eval_shape(self.initial_state)
        return training.label_sharding(shapes, self.source.labels.shape[1], self.mesh)


def prepare(options: Train) -> Setup:
    """Data, split, model, objective, optimizer and devices.

    Raises:
      UserError: parts that do not fit each other.
    """
    options = options.resolved()
    dataset = dense(datasets.load(options.dataset, options.data))
    problem = make_problem(dataset, seeds=1, first=options.seed)
    train, validation, test = (rows[0][rows[0] >= 0] for rows in problem.splits)
    labels, where = dataset.labels, problem.where
    fill = None if problem.fill is None else problem.fill[0]
    source = Source(dataset.features, labels, where, problem.shift[0], problem.scale[0], fill)

    system, num_labels = SYSTEMS[options.loss], labels.shape[1]
    model = models.MLP(num_labels, options.hidden, num_labels + 1 if system.count_head else 0)
    batch_size = min(options.batch_size, len(train))
    per_epoch = batches.steps_per_epoch(len(train), batch_size)
    rate: Any = options.learning_rate
    if options.schedule == "cosine":
        rate = optax.cosine_decay_schedule(rate, per_epoch * options.epochs)
    optimizer = optax.adamw(rate, weight_decay=options.weight_decay)
    try:
        objective: Any = system.objective(
            **options.hyperparameters(), **system.from_labels(labels[train], where[train])
        )
        if options.moving_decay is not None:
            objective = training.moving(objective, options.moving_decay)
        mesh = training.make_mesh(options.label_devices)
        setup = Setup(
            options, problem, source, train, validation, test, system, model, objective, optimizer,
            mesh, batch_size, per_epoch,
        )  # fmt: skip
        setup.layout()
        # Traced here, so that a loss that cannot be trained so says so before anything is written.
        _shapes_of_step(setup, options.micro_batches)
    except (TypeError, ValueError) as error:
        raise UserError(f"cannot train {options.loss} so: {error}") from error
    if jax.local_device_count() % options.label_devices:
        raise UserError(
            f"--label-devices must divide the {jax.local_device_count()} devices of a process, "
            f"got {options.label_devices}"
        )
    if not options.padding:
        parts = mesh.shape["batch"] * options.micro_batches
        left = len(train) % batch_size or batch_size
        for size, name in ((batch_size, "a batch"), (left, "the last batch of an epoch")):
            if size % parts:
                raise UserError(
                    f"{name} has {size} examples, which {parts} devices x micro-batches do not "
                    "divide, and padding is off (--no-padding)"
                )
    return setup


def _shapes_of_step(setup: Setup, micro_batches: int) -> tuple[TrainState, training.Batch]:
    """State and one device's batch as shapes, checked by tracing the step."""
    state = jax.eval_shape(setup.initial_state)
    rows = -(-setup.batch_size // setup.mesh.shape["batch"])
    batch = jax.eval_shape(lambda: setup.source.read(setup.train[:1].repeat(rows)))
    jax.eval_shape(setup.step(micro_batches), state, batch)
    return state, batch


def run(options: Train, console: Console | None = None) -> pathlib.Path:
    """Trains, or goes on, and returns the folder of the run.

    Raises:
      UserError: a mistake in the options, a folder of another run or in use by one.
      Stopped: a loss that is not finite, a folder that cannot be written, SIGTERM, Ctrl-C.
    """
    folder = options.output

    def last_words(number: int) -> str:
        return f"{signal.Signals(number).name}: ended at once; {_kept(folder)}"

    with contextlib.ExitStack() as context:
        terminal = Console()
        stops = context.enter_context(
            interrupts.bounded(last_words, lambda: terminal.show_cursor(True))
        )
        first = jax.process_index() == 0
        console = console or Console(quiet=not first)
        setup = prepare(options)
        folder = _folder(setup)
        if first:
            storage.prepare_folder(folder)
        context.enter_context(_writing(folder))
        if first:
            context.enter_context(storage.locked(folder))
        _run(setup, folder, console, stops)
    return folder


def _folder(setup: Setup) -> pathlib.Path:
    """The folder of the run, by default named after all that determines it but its length."""
    options = setup.options
    config = {k: v for k, v in setup.config().items() if k not in EXTENDABLE}
    # A try-out is not the beginning of the run that it tries out.
    name = f"{options.loss}-{storage.digest(config)}{'-quick' if options.quick else ''}"
    return options.output or pathlib.Path("results", "train", setup.problem.dataset.name, name)


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


def _run(setup: Setup, folder: pathlib.Path, console: Console, stops: interrupts.Stops) -> None:
    """Trains in the folder, which no other run uses."""
    options = setup.options
    first = jax.process_index() == 0
    started = time.monotonic()
    if first and not options.resume:
        _clear(folder)
    _wait_for_all("folder")
    try:
        checkpoints = Checkpointer(
            folder, setup.config(), metric=options.select, may_differ=EXTENDABLE
        )
    except ValueError as error:
        way_out = ", or --no-resume" if (folder / "last").exists() else ""
        raise UserError(f"{error}; give another --output{way_out}") from error

    with contextlib.closing(checkpoints):
        state = jax.jit(setup.initial_state, out_shardings=setup.layout())()
        examples = batches.shuffled(
            setup.source,
            setup.train,
            seed=options.seed,
            epochs=options.epochs,
            batch_size=setup.batch_size,
            padding=options.padding,
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
            setup.source.labels.shape[1],
            setup.mesh,
            setup.batch_size,
        )
        log = training_log.Log(folder if first else None, done)
        with contextlib.closing(log):
            try:
                state = _loop(setup, state, examples, checkpoints, predictor, log, console, stops)
            except FloatingPointError as error:
                kept = checkpoints.last_step
                left = (
                    "there is no checkpoint" if kept is None else f"step {kept} is kept in {folder}"
                )
                raise Stopped(f"stopped at {error}; {left}", 1) from error
        best = _restore(checkpoints.restore_best, state, console)
    if best is None:
        raise UserError(
            f"{folder} has no best checkpoint: {options.select} on validation was never a number; "
            "start over with --no-resume"
        )
    judged = judge(setup, predictor, *best)
    names = _write_result(folder, judged, options.select) if first else []
    console.print(_table(judged.result))
    say(console, f"{folder / 'figures'}: {', '.join(names)}")
    say(
        console,
        f"{folder}  (best step {judged.result['best_step']}, {int(state.step) - done} steps in "
        f"{time.monotonic() - started:.0f} s)",
    )


def _check_length(setup: Setup, checkpoints: Checkpointer, done: int, console: Console) -> None:
    """Says that a run goes on to another number of epochs than it was begun with.

    Raises:
      UserError: more epochs are done.
    """
    options, per_epoch = setup.options, setup.per_epoch
    planned = (checkpoints.saved_config or {}).get("epochs", options.epochs)
    if planned == options.epochs:
        return
    if done >= per_epoch * options.epochs:
        epochs, steps = divmod(done, per_epoch)
        more = f" and {steps} steps" if steps else ""
        raise UserError(
            f"{epochs} epochs{more} of {planned} are done in {checkpoints.folder}, and --epochs is "
            f"{options.epochs}; give more to go on, another --output, or --no-resume"
        )
    line = "extended" if options.epochs > planned else "shortened"
    line += f" from {planned} to {options.epochs} epochs"
    if options.schedule == "cosine":
        line += f"; the cosine schedule is that of {options.epochs} epochs from here"
    say(console, line)


def _write_result(folder: pathlib.Path, judged: "Judged", select: str) -> list[str]:
    """Writes the result, the learning curve and the figures, and returns the figures' names."""
    storage.write_json(folder / "result.json", judged.result)
    curve = learning_curve(training_log.read(folder / "metrics.jsonl"), select)
    storage.write_bytes(folder / "learning_curve.png", figures.png(curve))
    drawn = metric_plots.all_figures(*judged.part, judged.decided)
    (folder / "figures").mkdir(exist_ok=True)
    for name, figure in drawn.items():
        storage.write_bytes(folder / "figures" / f"{name}.png", figures.png(figure))
    return list(drawn)


def _loop(
    setup: Setup,
    state: TrainState,
    examples: Any,
    checkpoints: Checkpointer,
    predictor: Predictor,
    log: training_log.Log,
    console: Console,
    stops: interrupts.Stops,
) -> TrainState:
    """Steps, evaluations and checkpoints, from the state's step to the last one."""
    options = setup.options
    step = training.data_parallel(
        setup.step(options.micro_batches),
        setup.mesh,
        options.how,
        state_sharding=setup.layout() if options.label_devices > 1 else None,
        padding=options.padding,
    )
    total, start = setup.per_epoch * options.epochs, int(state.step)
    columns = (
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with (
        rich.progress.Progress(*columns, console=console, transient=True) as progress,
        # Several processes leave SIGTERM to JAX, which lets all stop after the same step.
        stops.collected() if jax.process_count() == 1 else contextlib.nullcontext(),
    ):
        task = progress.add_task("compiling", total=total, completed=start)
        began = time.monotonic()
        for number, batch in enumerate(examples, start=start + 1):
            state, metrics = step(state, batch)
            epoch = batches.steps_per_epoch(number, setup.per_epoch)
            log.add(number, epoch, metrics)

            epoch_ends = number % setup.per_epoch == 0
            validation = None
            if number == total or (epoch_ends and epoch % options.evaluate_every == 0):
                validation = predictor.evaluate(state, setup.source, setup.validation)
            stop = _stop_signal(number, stops)
            if validation is not None or stop or number % options.checkpoint_every == 0:
                # Lines first: those of the steps before a checkpoint are never written again.
                log.drain(validation)
                if not _finite(state.params):
                    raise FloatingPointError(f"step {number}: parameters are not finite")
                checkpoints.save(state, examples.get_state(), validation)
            if validation is not None:
                say(progress.console, _line(number, epoch, log.loss, validation))
            if stop:
                raise Stopped(
                    f"{signal.Signals(stop).name} after step {number}: saved in "
                    f"{checkpoints.folder}; the same command goes on from there",
                    128 + stop,
                )
            stops.patience = interrupts.TO_SAVE
            rate = (number - start) / (time.monotonic() - began)
            progress.update(
                task,
                completed=number,
                description=f"loss {log.loss:.4f}  {rate * setup.batch_size:.0f} examples/s",
            )
    return state


def _stop_signal(step: int, stops: interrupts.Stops) -> int:
    """The signal after which all processes stop at this step, or 0."""
    if jax.process_count() == 1:
        return stops.received[0] if stops.received else 0
    return signal.SIGTERM if multihost_utils.reached_preemption_sync_point(step) else 0


@jax.jit
def _finite(tree: Any) -> jax.Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]))


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


class Judged(NamedTuple):
    """The result of a run, and what its figures are drawn from: test with the global threshold."""

    result: dict[str, Any]
    part: Part
    """Scores, labels and mask of the rows of test: [rows, labels]."""
    decided: npt.NDArray[np.bool_]
    """The decisions of the global threshold: [rows, labels]."""


def judge(
    setup: Setup, predictor: Predictor, state: TrainState, validation: dict[str, float]
) -> Judged:
    """Test metrics of a run's best state, beside the all-positive predictor, and of each label."""
    problem, splits = setup.problem, setup.problem.splits
    on_validation = predictor.predict(state, setup.source, setup.validation)[None]
    on_test = predictor.predict(state, setup.source, setup.test)[None]
    parts = (
        problem.part(splits.validation, on_validation),
        problem.part(splits.test, on_test),
    )
    positive = (
        problem.part(splits.validation, np.ones_like(on_validation)),
        problem.part(splits.test, np.ones_like(on_test)),
    )
    values = {
        "all_positive": _test_metrics((UNTUNED,), *positive)[UNTUNED],
        **_test_metrics((UNTUNED, "global", "per_label"), *parts),
    }
    # The threshold of "global", to be used with the network.
    scores, labels, where = (x[0] for x in parts[0])
    decision = decisions.global_threshold(scores, labels, where=where)
    test = Part(*(x[0] for x in parts[1]))
    decided = np.asarray(decision(test.scores))
    result = {
        "schema": SCHEMA,
        "dataset": describe(problem.dataset),
        "config": setup.config(),
        "versions": storage.versions(),
        "parameters": _count(state.params),
        "best_step": int(state.step),
        "validation": validation,
        "threshold": float(decision.threshold),
        "test": values,
        "labels": _of_labels(problem.dataset.label_names, test, decided),
    }
    # A record never fails for a metric that nothing defines.
    return Judged(storage.plain(result), test, decided)


def _of_labels(names: Sequence[str], test: Part, decided: Any) -> list[dict[str, Any]]:
    """Each label on test with the global threshold; what has nothing to divide by is None."""
    counts = sf.confusion(decided, test.labels, where=test.where)
    nothing = {"zero_division": math.nan}
    columns = {
        "frequency": (counts.tp + counts.fn) / (counts.tp + counts.fp + counts.fn + counts.tn),
        "f1": sf.scores.f1(counts, **nothing),
        "precision": sf.scores.precision(counts, **nothing),
        "recall": sf.scores.recall(counts, **nothing),
    }
    of = {name: np.asarray(x, float).tolist() for name, x in columns.items()}
    return [{"label": label, **{name: of[name][i] for name in of}} for i, label in enumerate(names)]


def _test_metrics(
    names: Sequence[str], validation: Part, test: Part
) -> dict[str, dict[str, float]]:
    """Decision -> metric -> value on test."""
    values = evaluation.evaluate(names, [validation] * 2, [test] * 2)
    return {
        name: {metric: float(value[0]) for metric, value in of["test"].items()}
        for name, of in values.items()
    }


def _count(tree: Any) -> int:
    return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))


def _line(step: int, epoch: int, loss: float, validation: dict[str, float]) -> str:
    shown = "  ".join(f"{name} {_number(value)}" for name, value in validation.items())
    return f"epoch {epoch:4d}  step {step:6d}  loss {loss:.4f}  {shown}"


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _table(result: dict[str, Any]) -> Table:
    table = Table(title=cell(f"{result['dataset']['name']}, test"))
    table.add_column("decision")
    for title in MAIN_METRICS.values():
        table.add_column(title, justify="right")
    for name, values in result["test"].items():
        table.add_row(name, *(_number(values[metric]) for metric in MAIN_METRICS))
    return table


def learning_curve(records: Sequence[dict[str, Any]], select: str) -> Figure:
    """The loss of every step, and the metrics on validation."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([r["step"] for r in records], [r["loss"] for r in records], linewidth=0.8)
    left.set(xlabel="step", ylabel="training loss")
    evaluated = [r for r in records if "validation" in r]
    steps = [r["step"] for r in evaluated]
    for name in evaluated[0]["validation"]:
        values = [math.nan if (x := r["validation"][name]) is None else x for r in evaluated]
        right.plot(steps, values, label=name, linewidth=2 if name == select else 1)
    right.set(xlabel="step", ylabel="on validation, at 0.5")
    right.legend(fontsize=8)
    return figure


def estimate(options: Train, console: Console | None = None) -> None:
    """Prints what a run would take on one device; nothing is trained or written."""
    console = console or Console(quiet=jax.process_index() != 0)
    setup = prepare(options)
    options = setup.options
    state, batch = _shapes_of_step(setup, options.micro_batches)
    lowered = jax.jit(setup.step(options.micro_batches), donate_argnums=0).lower(state, batch)
    memory: Any = lowered.compile().memory_analysis()
    # XLA counts the body of a loop once, so the work is that of the batch in one part.
    whole: Any = jax.jit(setup.step(1)).lower(state, batch).compile().cost_analysis()
    devices = setup.mesh.shape["batch"]
    total = setup.per_epoch * options.epochs
    lines = {
        "devices": f"{setup.mesh.devices.size} {jax.devices()[0].device_kind}, {options.how}",
        "batches per epoch": f"{setup.per_epoch} of {setup.batch_size} examples, {total} in all",
        "parameters": f"{_count(state.params):,}",
        "parameters and optimizer": _bytes(_size((state.params, state.optimizer_state))),
        "batch per device": f"{-(-setup.batch_size // devices)} examples, {_bytes(_size(batch))}",
        "temporary memory of a step": _bytes(memory.temp_size_in_bytes),
        "FLOPs of a step": f"{whole['flops']:.3g} per device",
    }
    for name, text in lines.items():
        say(console, f"{name:28}{text}", highlight=False)


def _size(tree: Any) -> int:
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _bytes(number: int) -> str:
    return f"{number / 2**20:.2f} MiB" if number >= 2**20 else f"{number / 2**10:.2f} KiB"
