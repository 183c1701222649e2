"""A linear layer's loss, gradient and best labels: by blocks of labels against the direct form."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import sigmoidf1_jax as sf
from experiments.benchmarks.timing import OURS, Row, compiled, in_turns
from sigmoidf1_jax.training import label_blocks, label_blocks_top_k

EXAMPLES, FEATURES = 256, 128
POSITIVES = 8
"""Labels of an example."""
BEST = 5
"""Labels to predict."""
DIRECT = "without blocks"

OBJECTIVES = {
    "binary cross-entropy": sf.objectives.binary_cross_entropy(),
    "focal": sf.objectives.focal(),
    "soft F1, macro": sf.objectives.soft_f1(),
    "soft F1, samples": sf.objectives.soft_f1(average="samples"),
    "sigmoid F1, macro": sf.objectives.sigmoid_f1(slope=2.0),
    "sigmoid F1, micro": sf.objectives.sigmoid_f1(slope=2.0, average="micro"),
    "ZLPR": sf.objectives.zlpr(),
}


class Step(NamedTuple):
    """One step in both forms: functions of features, kernel, and labels or their indices."""

    name: str
    blocks: Callable[..., object]
    direct: Callable[..., object]


def _steps() -> list[Step]:
    def training(name: str, objective: sf.Objective) -> Step:
        blocks = label_blocks(objective)
        return Step(
            name,
            jax.value_and_grad(blocks, (0, 1)),
            jax.value_and_grad(lambda x, w, y: objective(x @ w, y), (0, 1)),
        )

    prediction = Step(
        f"top {BEST}",
        lambda x, w, *_, **__: label_blocks_top_k(x, w, BEST),
        lambda x, w, _: jax.lax.top_k(x @ w, BEST),
    )
    return [*(training(name, o) for name, o in OBJECTIVES.items()), prediction]


def run(*, quick: bool) -> Iterator[Row]:
    """Both forms on the same dense labels, then blocks alone on 670,091 labels as indices."""
    compared, largest, rounds = (5_000, 20_000, 3) if quick else (100_000, 670_091, 9)
    features, kernel, indices = _arrays(compared)
    labels = np.zeros((EXAMPLES, compared), bool)
    labels[np.arange(EXAMPLES)[:, None], np.asarray(indices)] = True
    for step in _steps():
        given = features, kernel, jnp.asarray(labels)
        both = {OURS: compiled(step.blocks, *given), DIRECT: compiled(step.direct, *given)}
        yield from in_turns(step.name, f"{compared} labels", both, rounds)
    arrays = _arrays(largest)
    for step in _steps():
        alone = compiled(lambda x, w, i, s=step: s.blocks(x, w, label_indices=i), *arrays)
        yield from in_turns(step.name, f"{largest} labels", {OURS: alone}, 3)


def _arrays(num_labels: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Features, kernel, and indices of the labels."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((FEATURES, num_labels), np.float32) / FEATURES**0.5
    return (
        jnp.asarray(rng.standard_normal((EXAMPLES, FEATURES), np.float32)),
        jnp.asarray(kernel),
        jnp.asarray(rng.integers(0, num_labels, (EXAMPLES, POSITIVES))),
    )
