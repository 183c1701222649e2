"""Contenders in turns in one process: median times, and ratios of each round with their spread."""

import importlib.util
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np

OURS = "sigmoidf1_jax"
Run = Callable[[], object]
"""What is timed, its arguments bound."""

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


class Contender(NamedTuple):
    """What is timed, and the temporary megabytes of one that is an XLA program."""

    run: Run
    megabytes: float | None = None


def compiled(function: Callable[..., object], *arguments: object) -> Contender:
    """One XLA program with its arguments."""
    program = jax.jit(function).lower(*arguments).compile()
    memory = program.memory_analysis()
    size = None if memory is None else memory.temp_size_in_bytes / 1e6
    return Contender(lambda: program(*arguments), size)


def installed(package: str) -> bool:
    """Whether a peer is there; one that is not is left out."""
    return importlib.util.find_spec(package) is not None


def in_turns(
    subject: str,
    setting: str,
    contenders: Mapping[str, Contender],
    rounds: int,
) -> Iterator[Row]:
    """One row per contender, `OURS` among them: whatever else the machine does meets them all.

    Rounds go forth and back, so that no contender always follows the same one. Each runs twice
    before it is timed, to be compiled and warm.
    """
    with warnings.catch_warnings():
        # scikit-learn warns about labels without positives.
        warnings.simplefilter("ignore")
        repeats = {name: _repeats(contender.run) for name, contender in contenders.items()}
        seconds = {name: np.empty(rounds) for name in contenders}
        for i in range(rounds):
            for name in list(contenders)[:: 1 if i % 2 else -1]:
                time.sleep(_PAUSE)
                several = _seconds(contenders[name].run, repeats[name])
                seconds[name][i] = several / repeats[name]
    for name, taken in seconds.items():
        low, ratio, high = np.quantile(seconds[OURS] / taken, (0.25, 0.5, 0.75))
        yield Row(
            *(subject, setting, name),
            *(1e3 * float(np.median(taken)), float(ratio), float(low), float(high)),
            contenders[name].megabytes,
        )


def _repeats(run: Run) -> int:
    _seconds(run, 1)
    return max(1, min(1_000, round(_SHORTEST / max(_seconds(run, 1), 1e-9))))


def _seconds(run: Run, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        jax.block_until_ready(run())
    return time.perf_counter() - start
