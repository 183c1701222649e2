"""Value and gradient of a linear layer's loss: by blocks of labels against the direct form."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table

import sigmoidf1_jax as sf
from experiments.errors import UserError
from sigmoidf1_jax.training import label_blocks

EXAMPLES, FEATURES = 256, 128
POSITIVES = 8
"""Labels of an example; the data set with the largest number of labels has 5 on average."""

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

    `time_ratio` is the median over pairs of runs, blocks / direct.
    """

    objective: str
    labels: int
    blocks_seconds: float
    blocks_megabytes: float
    direct_seconds: float | None = None
    direct_megabytes: float | None = None
    time_ratio: float | None = None


def run(*, quick: bool) -> Iterator[Row]:
    """Both forms on the same dense labels, then blocks alone on 670,091 labels as indices."""
    compared, largest, repeats = (5_000, 20_000, 3) if quick else (100_000, 670_091, 9)
    arrays = _arrays(compared)
    for name, objective in OBJECTIVES.items():
        yield _compare(name, objective, arrays, repeats)
    arrays = _arrays(largest)
    for name, objective in OBJECTIVES.items():
        yield _blocks_alone(name, objective, arrays)


class _Arrays(NamedTuple):
    features: Any
    kernel: Any
    label_indices: Any


def _arrays(num_labels: int) -> _Arrays:
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((FEATURES, num_labels), np.float32) / FEATURES**0.5
    return _Arrays(
        jnp.asarray(rng.standard_normal((EXAMPLES, FEATURES), np.float32)),
        jnp.asarray(kernel),
        jnp.asarray(rng.integers(0, num_labels, (EXAMPLES, POSITIVES))),
    )


def _compare(name: str, objective: sf.Objective, arrays: _Arrays, repeats: int) -> Row:
    features, kernel, label_indices = arrays
    labels = np.zeros((EXAMPLES, kernel.shape[1]), bool)
    labels[np.arange(EXAMPLES)[:, None], np.asarray(label_indices)] = True
    data = features, kernel, jnp.asarray(labels)
    blocks, blocks_megabytes = _compile(label_blocks(objective), data)
    direct, direct_megabytes = _compile(lambda x, w, y: objective(x @ w, y), data)
    _seconds(blocks, data), _seconds(direct, data)
    # In turns, so that whatever else the machine does meets both.
    times = [(_seconds(blocks, data), _seconds(direct, data)) for _ in range(repeats)]
    return Row(
        name,
        kernel.shape[1],
        statistics.median(b for b, _ in times),
        blocks_megabytes,
        statistics.median(d for _, d in times),
        direct_megabytes,
        statistics.median(b / d for b, d in times),
    )


def _blocks_alone(name: str, objective: sf.Objective, arrays: _Arrays) -> Row:
    loss = label_blocks(objective)
    step, megabytes = _compile(lambda x, w, i: loss(x, w, label_indices=i), arrays)
    _seconds(step, arrays)
    seconds = statistics.median(_seconds(step, arrays) for _ in range(3))
    return Row(name, arrays.kernel.shape[1], seconds, megabytes)


def _compile(loss: Callable[..., Any], data: Sequence[Any]) -> tuple[Callable[..., Any], float]:
    """Value and gradient by features and kernel, and the temporary megabytes they take."""
    compiled = jax.jit(jax.value_and_grad(loss, (0, 1))).lower(*data).compile()
    memory = compiled.memory_analysis()
    if memory is None:
        raise UserError(f"{jax.default_backend()} does not tell how much memory a program takes")
    return compiled, memory.temp_size_in_bytes / 1e6


def _seconds(function: Callable[..., Any], data: Sequence[Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function(*data))
    return time.perf_counter() - start


def show(rows: Sequence[Row]) -> None:
    """Prints times and memory (blocks / direct, below 1 is better)."""
    title = f"one step, batch {EXAMPLES}, {FEATURES} features, {jax.default_backend()}"
    table = rich.table.Table(title=title)
    table.add_column("objective", no_wrap=True)
    for column in ("labels", "blocks s", "direct s", "ratio", "blocks MB", "direct MB", "ratio"):
        table.add_column(column, justify="right")
    for row in rows:
        cells = [row.objective, f"{row.labels}", f"{row.blocks_seconds:.2f}"]
        if row.direct_seconds is None or row.direct_megabytes is None:
            cells += ["", "", f"{row.blocks_megabytes:.0f}", "", ""]
        else:
            cells += [f"{row.direct_seconds:.2f}", f"{row.time_ratio:.2f}"]
            cells += [f"{row.blocks_megabytes:.0f}", f"{row.direct_megabytes:.0f}"]
            cells += [f"{row.blocks_megabytes / row.direct_megabytes:.3f}"]
        table.add_row(*cells)
    rich.console.Console().print(table)
