"""Objectives: the losses as values, `objective(logits, labels)`, with statistics that add up.

`objectives.x(**hyperparameters)` is the loss `losses.x` with its hyperparameters set: its
formula stands here, its description there. Pointwise losses become their mean over the entries
that count.
"""

from sigmoidf1_jax.objectives import (
    confusion,
    cost_sensitive,
    counts,
    curves,
    pointwise,
    ranking,
    reweighted,
    run_length,
)
from sigmoidf1_jax.objectives.confusion import *
from sigmoidf1_jax.objectives.cost_sensitive import *
from sigmoidf1_jax.objectives.counts import *
from sigmoidf1_jax.objectives.curves import *
from sigmoidf1_jax.objectives.pointwise import *
from sigmoidf1_jax.objectives.ranking import *
from sigmoidf1_jax.objectives.reweighted import *
from sigmoidf1_jax.objectives.run_length import *

__all__ = [
    *confusion.__all__,
    *cost_sensitive.__all__,
    *counts.__all__,
    *curves.__all__,
    *pointwise.__all__,
    *ranking.__all__,
    *reweighted.__all__,
    *run_length.__all__,
]
