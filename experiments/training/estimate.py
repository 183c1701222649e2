"""What a run would take, without running it."""

import math
from typing import Any

import jax
from jaxtyping import PyTree
from rich.console import Console

from experiments.terminal import say
from experiments.training.judge import count
from experiments.training.settings import Settings
from experiments.training.setup import prepare, shapes_of_step


def estimate(settings: Settings, console: Console | None = None) -> None:
    """Prints what a run would take on one device; nothing is trained or written."""
    console = console or Console(quiet=jax.process_index() != 0)
    setup = prepare(settings)
    state, batch = shapes_of_step(setup, settings.micro_batches)
    lowered = jax.jit(setup.step(settings.micro_batches), donate_argnums=0).lower(state, batch)
    memory: Any = lowered.compile().memory_analysis()
    # XLA counts the body of a loop once, so the work is that of the batch in one part.
    whole: Any = jax.jit(setup.step(1)).lower(state, batch).compile().cost_analysis()
    devices = setup.mesh.shape["batch"]
    total = setup.per_epoch * settings.epochs
    lines = {
        "devices": f"{setup.mesh.devices.size} {jax.devices()[0].device_kind}, {settings.how}",
        "batches per epoch": f"{setup.per_epoch} of {setup.batch_size} examples, {total} in all",
        "parameters": f"{count(state.params):,}",
        "parameters and optimizer": _bytes(_size((state.params, state.optimizer_state))),
        "batch per device": f"{-(-setup.batch_size // devices)} examples, {_bytes(_size(batch))}",
        "temporary memory of a step": _bytes(memory.temp_size_in_bytes),
        "FLOPs of a step": f"{whole['flops']:.3g} per device",
    }
    for name, text in lines.items():
        say(console, f"{name:28}{text}", highlight=False)


def _size(tree: PyTree) -> int:
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _bytes(number: int) -> str:
    return f"{number / 2**20:.2f} MiB" if number >= 2**20 else f"{number / 2**10:.2f} KiB"
