"""What is tuned: a system is a loss with a space of hyperparameters, and points of it are tried."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Array

import sigmoidf1_jax as sf
from sigmoidf1_jax import models
from sigmoidf1_jax.training import Setting, stack

Hyper = Mapping[str, tuple[Any, ...]]
Labels = npt.NDArray[np.bool_]
Arguments = Mapping[str, Any]
"""Of a loss's constructor, by name."""


def _nothing(labels: Labels, where: Labels) -> Arguments:
    return {}


@dataclasses.dataclass(frozen=True)
class System:
    """A loss, the hyperparameters it is tuned over, and how its logits become scores.

    Attributes:
      objective: makes the objective from one value of each of `space`'s names.
      space: values to try; the first of each is the default.
      scores: logits -> scores whose natural threshold is 0.5. Losses that only rank labels have
        no natural threshold; what they score at 0.5 says so.
      count_head: whether the network has a second head for the number of labels, from 0 to all.
      from_labels: further arguments of `objective` that are statistics of a seed's training
        labels, as class frequencies are; takes the labels and where they are known.
    """

    objective: Callable[..., sf.Objective | sf.StatefulObjective]
    space: Hyper = dataclasses.field(default_factory=dict)
    scores: Callable[[Array], Array] = jax.nn.sigmoid
    from_labels: Callable[[Labels, Labels], Arguments] = _nothing
    count_head: bool = False

    def network(self, num_labels: int, hidden: Sequence[int]) -> models.MLP:
        """The network that the loss trains: features -> logits, [rows, num_labels + count head]."""
        return models.MLP(num_labels, tuple(hidden), num_labels + 1 if self.count_head else 0)


# Shared by all systems; the first value of each is the default.
OPTIMIZER_SPACE = {"learning_rate": (3e-3, 1e-3, 1e-2), "weight_decay": (0.01, 0.0, 0.1)}


def tuning_points(system: System, budget: int) -> list[dict[str, float]]:
    """At most `budget` distinct settings: the defaults, then random points of the space.

    Every system gets the same number, as long as its space is large enough. The points do not
    depend on the data or the seed.
    """
    space = {**OPTIMIZER_SPACE, **system.space}
    points = [dict(zip(space, v, strict=True)) for v in itertools.product(*space.values())]
    order = 1 + np.random.default_rng(0).permutation(len(points) - 1)
    return [points[0], *(points[i] for i in order[: budget - 1])]


def settings(
    system: System,
    points: Sequence[Mapping[str, float]],
    train_labels: Sequence[tuple[Labels, Labels]],
) -> Setting:
    """The settings of all points, leaves [S, K, ...], for each seed's training labels and mask."""
    seeds = []
    for labels, where in train_labels:
        arguments = system.from_labels(labels, where)
        seeds.append(stack([_setting(system, arguments, **point) for point in points]))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *seeds)


def _setting(
    system: System,
    arguments: Arguments,
    learning_rate: float,
    weight_decay: float,
    **hyper: float,
) -> Setting:
    return Setting(system.objective(**hyper, **arguments), learning_rate, weight_decay)
