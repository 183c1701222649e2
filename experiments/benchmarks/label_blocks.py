"""A linear layer's loss, gradient and best labels: by blocks of labels against the direct form."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import sigmoidf1_jax as sf
from experiments.errors import UserError
from experiments.reports.tables import Column, Table
from sigmoidf1_jax.training import label_blocks, label_blocks_top_k

EXAMPLES, FEATURES = 256, 128
POSITIVES = 8
"""Labels of an example."""
BEST = 5
"""Labels to predict."""

OBJECTIVES = {
    "binary cross-entropy": sf.objectives.binary_cross_entropy(),
    "focal": sf.objectives.focal(),
    "soft F1, macro": sf.objectives.soft_f1(),
    "soft F1, samples": sf.objectives.soft_f1(average="samples"),
    "sigmoid F1, macro": sf.objectives.sigmoid_f1(slope=2.0),
    "sigmoid F1, micro": sf.objectives.sigmoid_f1(slope=2.0, average="micro"),
    "ZLPR": sf.objectives.zlpr(),
}


class Row(NamedTuple):
    """Median seconds and temporary megabytes of one step; the direct form where it is run.

    A step is a loss with its gradient by features and kernel, or a prediction. `time_ratio` is
    the median over pairs of runs, blocks / direct.
    """

    step: str
    labels: int
    blocks_seconds: float
    blocks_megabytes: float
    direct_seconds: float | None = None
    direct_megabytes: float | None = None
    time_ratio: float | None = None


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
    compared, largest, repeats = (5_000, 20_000, 3) if quick else (100_000, 670_091, 9)
    features, kernel, indices = _arrays(compared)
    labels = np.zeros((EXAMPLES, compared), bool)
    labels[np.arange(EXAMPLES)[:, None], np.asarray(indices)] = True
    for step in _steps():
        yield _compare(step, (features, kernel, jnp.asarray(labels)), repeats)
    arrays = _arrays(largest)
    for step in _steps():
        yield _blocks_alone(step, arrays)


def _arrays(num_labels: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Features, kernel, and indices of the labels."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((FEATURES, num_labels), np.float32) / FEATURES**0.5
    return (
        jnp.asarray(rng.standard_normal((EXAMPLES, FEATURES), np.float32)),
        jnp.asarray(kernel),
        jnp.asarray(rng.integers(0, num_labels, (EXAMPLES, POSITIVES))),
    )


def _compare(step: Step, data: Sequence[jax.Array], repeats: int) -> Row:
    blocks, blocks_megabytes = _compile(step.blocks, data)
    direct, direct_megabytes = _compile(step.direct, data)
    _seconds(blocks, data), _seconds(direct, data)
    # In turns, so that whatever else the machine does meets both.
    times = [(_seconds(blocks, data), _seconds(direct, data)) for _ in range(repeats)]
    return Row(
        step.name,
        data[1].shape[1],
        statistics.median(b for b, _ in times),
        blocks_megabytes,
        statistics.median(d for _, d in times),
        direct_megabytes,
        statistics.median(b / d for b, d in times),
    )


def _blocks_alone(step: Step, data: Sequence[jax.Array]) -> Row:
    blocks, megabytes = _compile(lambda x, w, i: step.blocks(x, w, label_indices=i), data)
    _seconds(blocks, data)
    seconds = statistics.median(_seconds(blocks, data) for _ in range(3))
    return Row(step.name, data[1].shape[1], seconds, megabytes)


def _compile(
    step: Callable[..., object], data: Sequence[jax.Array]
) -> tuple[Callable[..., object], float]:
    """The compiled step, and the temporary megabytes that it takes."""
    compiled = jax.jit(step).lower(*data).compile()
    memory = compiled.memory_analysis()
    if memory is None:
        raise UserError(f"{jax.default_backend()} does not tell how much memory a program takes")
    return compiled, memory.temp_size_in_bytes / 1e6


def _seconds(function: Callable[..., object], data: Sequence[jax.Array]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function(*data))
    return time.perf_counter() - start


def table(rows: Sequence[Row]) -> Table:
    """Times and memory (blocks / direct, below 1 is better)."""
    numbers = ("labels", "blocks s", "direct s", "ratio", "blocks MB", "direct MB", "ratio")
    columns = [Column("step", whole=True), *(Column(title, right=True) for title in numbers)]
    title = f"batch {EXAMPLES}, {FEATURES} features, {jax.default_backend()}"
    return Table.of(columns, map(_cells, rows), title=title)


def _cells(row: Row) -> list[str]:
    cells = [row.step, f"{row.labels}", f"{row.blocks_seconds:.2f}"]
    if row.direct_seconds is None or row.direct_megabytes is None:
        return [*cells, "", "", f"{row.blocks_megabytes:.0f}", "", ""]
    return [
        *cells,
        f"{row.direct_seconds:.2f}",
        f"{row.time_ratio:.2f}",
        f"{row.blocks_megabytes:.0f}",
        f"{row.direct_megabytes:.0f}",
        f"{row.blocks_megabytes / row.direct_megabytes:.3f}",
    ]
