"""A fresh interpreter until the package is imported, and until a loss has its first value."""

import functools
import subprocess
import sys
from collections.abc import Iterator

from experiments.benchmarks.timing import OURS, Contender, Row, in_turns

_DATA = "import jax.numpy as jnp; z = jnp.ones((256, 100)); y = jnp.zeros((256, 100));"
PROGRAMS = {
    "import": {
        OURS: "import sigmoidf1_jax",
        "jax, flax.linen, optax, chex": "import jax, flax.linen, optax, chex",
    },
    "first value of binary cross-entropy": {
        OURS: f"{_DATA} import sigmoidf1_jax as sf;"
        "sf.losses.binary_cross_entropy(z, y).mean().block_until_ready()",
        "optax": f"{_DATA} import optax;"
        "optax.sigmoid_binary_cross_entropy(z, y).mean().block_until_ready()",
    },
    "first value of sigmoid_f1": {
        OURS: f"{_DATA} import sigmoidf1_jax as sf; sf.losses.sigmoid_f1(z, y).block_until_ready()",
        "optax BCE": f"{_DATA} import optax;"
        "optax.sigmoid_binary_cross_entropy(z, y).mean().block_until_ready()",
    },
}


def run(*, quick: bool) -> Iterator[Row]:
    """Seconds of whole processes."""
    for subject, programs in PROGRAMS.items():
        processes = {
            name: Contender(
                functools.partial(subprocess.run, [sys.executable, "-c", text], check=True)
            )
            for name, text in programs.items()
        }
        yield from in_turns(subject, "a process", processes, 1 if quick else 9)
