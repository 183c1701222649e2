"""Losses: pure functions `loss(logits, labels, *, where=, weights=, ...)`.

Pointwise losses return [..., num_labels]; losses that are functions of sums over the batch
return a scalar, or [num_labels] for `average=None`. `objectives` has the same losses as values
that trainers can hold.
"""

from sigmoidf1_jax.losses import (
    confusion,
    cost_sensitive,
    counts,
    curves,
    pointwise,
    ranking,
    reweighted,
    run_length,
)
from sigmoidf1_jax.losses.confusion import *
from sigmoidf1_jax.losses.cost_sensitive import *
from sigmoidf1_jax.losses.counts import *
from sigmoidf1_jax.losses.curves import *
from sigmoidf1_jax.losses.pointwise import *
from sigmoidf1_jax.losses.ranking import *
from sigmoidf1_jax.losses.reweighted import *
from sigmoidf1_jax.losses.run_length import *

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
