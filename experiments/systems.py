"""The systems that are compared: losses with their tuning spaces."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

import sigmoidf1_jax as sf
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.training import Setting

objectives = sf.objectives
AVERAGES: tuple[Average, ...] = ("macro", "micro", "samples")


def _identity(logits: Array) -> Array:
    return logits


@dataclasses.dataclass(frozen=True)
class System:
    """A loss, the hyperparameters it is tuned over, and how its logits become scores.

    Attributes:
      objective: makes the objective from one value of each of `space`'s names.
      space: values to try; the first of each is the default.
      scores: logits -> scores whose natural threshold is 0.5.
    """

    objective: Callable[..., sf.Objective]
    space: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    scores: Callable[[Array], Array] = jax.nn.sigmoid


def _mixed_f1(smoothing: float, cross_entropy: float) -> sf.Objective:
    f1 = [objectives.soft_f1(average=a, smoothing=smoothing) for a in AVERAGES]
    return sum(f1[1:], f1[0]) + cross_entropy * objectives.binary_cross_entropy()


SMOOTHING = (0.0, 0.1, 1.0)
BASELINE = "binary_cross_entropy"

SYSTEMS: dict[str, System] = {
    BASELINE: System(objectives.binary_cross_entropy),
    "focal": System(objectives.focal, {"gamma": (2.0, 1.0, 4.0)}),
    "macro_soft_f1": System(lambda **h: objectives.soft_f1(**h), {"smoothing": SMOOTHING}),
    "micro_soft_f1": System(
        lambda **h: objectives.soft_f1(average="micro", **h), {"smoothing": SMOOTHING}
    ),
    "samples_soft_f1": System(
        lambda **h: objectives.soft_f1(average="samples", **h), {"smoothing": SMOOTHING}
    ),
    "sigmoid_f1": System(
        lambda **h: objectives.sigmoid_f1(**h),
        {"slope": (1.0, 0.5, 2.0, 5.0), "offset": (0.0, -1.0, 1.0), "smoothing": SMOOTHING},
    ),
    "unbounded_f1": System(
        lambda **h: objectives.unbounded_f1(**h), {"smoothing": SMOOTHING}, _identity
    ),
    "mixed_f1": System(_mixed_f1, {"smoothing": SMOOTHING, "cross_entropy": (0.3, 0.1, 1.0)}),
}

# Shared by all systems; the first value of each is the default.
OPTIMIZER_SPACE = {"learning_rate": (3e-3, 1e-3, 1e-2), "weight_decay": (0.01, 0.0, 0.1)}


def tuning_settings(system: System, budget: int) -> tuple[list[Setting], list[dict[str, float]]]:
    """At most `budget` distinct settings: the defaults, then random points of the space.

    Every system gets the same number, as long as its space is large enough. The points do not
    depend on the data or the seed.
    """
    space = {**OPTIMIZER_SPACE, **system.space}
    points = [
        dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())
    ]
    order = 1 + np.random.default_rng(0).permutation(len(points) - 1)
    chosen = [points[0], *(points[i] for i in order[: budget - 1])]
    return [_setting(system, **point) for point in chosen], chosen


def _setting(system: System, learning_rate: float, weight_decay: float, **hyper: Any) -> Setting:
    return Setting(system.objective(**hyper), learning_rate, weight_decay)
