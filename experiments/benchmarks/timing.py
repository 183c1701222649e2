"""Contenders in turns in one process: median times, and ratios of each round with their spread."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np

OURS = "sigmoidf1_jax"
Run = Callable[[], object]
"""A contender: what is timed, its arguments bound."""

_SHORTEST = 2e-3
"""Seconds that one measurement takes at least: a short run is repeated within it."""

_PAUSE = 0.02
"""Seconds before each measurement: threads of a peer spin for work after its last."""


class Row(NamedTuple):
    """One contender beside ours.

    Attributes:
      subject: what both compute.
      setting: on which shapes and types.
      contender: `OURS`, or a peer.
      milliseconds: the median of one run.
      ratio: ours / contender, the median over rounds; below 1 ours is faster.
      low: the lower quartile of the same.
      high: the upper quartile.
      megabytes: temporary memory of a contender that is one XLA program, else None.
    """

    subject: str
    setting: str
    contender: str
    milliseconds: float
    ratio: float
    low: float
    high: float
    megabytes: float | None = None


def compiled(function: Callable[..., object], *arguments: object) -> tuple[Run, float | None]:
    """One XLA program with its arguments, and the temporary megabytes that it takes."""
    program = jax.jit(function).lower(*arguments).compile()
    memory = program.memory_analysis()
    return lambda: program(*arguments), None if memory is None else memory.temp_size_in_bytes / 1e6


def in_turns(
    subject: str,
    setting: str,
    contenders: Mapping[str, Run],
    megabytes: Mapping[str, float | None],
    rounds: int,
) -> Iterator[Row]:
    """One row per contender, `OURS` among them: whatever else the machine does meets them all.

    Rounds go forth and back, so that no contender always follows the same one. Each runs twice
    before it is timed, to be compiled and warm.
    """
    with warnings.catch_warnings():
        # scikit-learn warns about labels without positives.
        warnings.simplefilter("ignore")
        repeats = {name: _repeats(run) for name, run in contenders.items()}
        seconds = {name: np.empty(rounds) for name in contenders}
        for i in range(rounds):
            for name, run in list(contenders.items())[:: 1 if i % 2 else -1]:
                time.sleep(_PAUSE)
                seconds[name][i] = _seconds(run, repeats[name]) / repeats[name]
    for name, taken in seconds.items():
        low, ratio, high = np.quantile(seconds[OURS] / taken, (0.25, 0.5, 0.75))
        yield Row(
            *(subject, setting, name),
            *(1e3 * float(np.median(taken)), float(ratio), float(low), float(high)),
            megabytes.get(name),
        )


def _repeats(run: Run) -> int:
    _seconds(run, 1)
    return max(1, min(1_000, round(_SHORTEST / max(_seconds(run, 1), 1e-9))))


def _seconds(run: Run, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        jax.block_until_ready(run())
    return time.perf_counter() - start
