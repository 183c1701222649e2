"""Losses, metrics and decisions for multilabel prediction, exact under any parallelism.

>>> import jax.numpy as jnp
>>> import sigmoidf1_jax as sf
>>> logits, labels = jnp.array([[2.0, -1.0], [-3.0, 1.0]]), jnp.array([[1, 0], [0, 1]])
>>> round(float(sf.losses.sigmoid_f1(logits, labels, slope=2.0)), 4)
0.0648
"""

from sigmoidf1_jax import (
    decisions,
    losses,
    metrics,
    models,
    objectives,
    scores,
    slopes,
    surrogates,
    training,
)
from sigmoidf1_jax.confusion import Confusion, confusion
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.objective import (
    Objective,
    SeparableObjective,
    StatefulObjective,
    WeightedSum,
)

__version__ = "0.1.0"

__all__ = [
    "Confusion",
    "LabelParts",
    "Objective",
    "SeparableObjective",
    "StatefulObjective",
    "WeightedSum",
    "confusion",
    "decisions",
    "losses",
    "metrics",
    "models",
    "objectives",
    "scores",
    "slopes",
    "surrogates",
    "training",
]
