"""Steps, evaluations and checkpoints, one after another."""

import contextlib
import signal
import time

import grain
import jax
import jax.numpy as jnp
from jax.experimental import multihost_utils
from jaxtyping import PyTree
from rich.console import Console

from experiments import interrupts, terminal
from experiments.errors import Stopped
from experiments.reports import training_tables
from experiments.terminal import say
from experiments.training import batches
from experiments.training.log import Log
from experiments.training.predictor import Predictor
from experiments.training.setup import Setup
from sigmoidf1_jax import training
from sigmoidf1_jax.training import Checkpointer, TrainState


def loop(
    setup: Setup,
    state: TrainState,
    examples: grain.DatasetIterator,
    checkpoints: Checkpointer,
    predictor: Predictor,
    log: Log,
    console: Console,
    stops: interrupts.Stops,
) -> TrainState:
    """Steps, evaluations and checkpoints, from the state's step to the last one."""
    settings = setup.settings
    step = training.data_parallel(
        setup.step(settings.micro_batches),
        setup.mesh,
        settings.how,
        state_sharding=setup.layout() if settings.label_devices > 1 else None,
        padding=settings.padding,
    )
    total, start = setup.per_epoch * settings.epochs, int(state.step)
    with (
        terminal.progress(console, counted=True) as progress,
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
            if number == total or (epoch_ends and epoch % settings.evaluate_every == 0):
                validation = predictor.evaluate(state, setup.data, setup.validation)
            stop = _stop_signal(number, stops)
            if validation is not None or stop or number % settings.checkpoint_every == 0:
                # Lines first: those of the steps before a checkpoint are never written again.
                log.drain(validation)
                if not finite(state.params):
                    raise FloatingPointError(f"step {number}: parameters are not finite")
                checkpoints.save(state, examples.get_state(), validation)
            if validation is not None:
                say(
                    progress.console,
                    training_tables.progress_line(number, epoch, log.loss, validation),
                )
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
def finite(tree: PyTree) -> jax.Array:
    """Whether every number of a tree is."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]))
