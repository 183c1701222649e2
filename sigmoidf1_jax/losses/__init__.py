"""Losses: pure functions `loss(logits, labels, *, where=, weights=, ...)`.

Pointwise losses return [..., num_labels]; losses that are functions of sums over the batch
return a scalar, or [num_labels] for `average=None`. `objectives` has the same losses as values
that trainers can hold.
"""

from sigmoidf1_jax.losses.confusion_based import (
    double_soft_f1,
    f_beta,
    from_score,
    sigmoid_f1,
    soft_f1,
    tversky,
    unbounded_f1,
)
from sigmoidf1_jax.losses.pointwise import binary_cross_entropy, focal

__all__ = [
    "binary_cross_entropy",
    "double_soft_f1",
    "f_beta",
    "focal",
    "from_score",
    "sigmoid_f1",
    "soft_f1",
    "tversky",
    "unbounded_f1",
]
