"""Objectives: the losses as values, `objective(logits, labels)`, with statistics that add up.

`objectives.x(**hyperparameters)` is the loss `losses.x` with its hyperparameters bound; both
come from one definition. Pointwise losses become their mean over the entries that count.
"""

from sigmoidf1_jax.losses import confusion_based as _confusion_based
from sigmoidf1_jax.losses import pointwise as _pointwise

binary_cross_entropy = _pointwise.binary_cross_entropy.objective
double_soft_f1 = _confusion_based.double_soft_f1.objective
f_beta = _confusion_based.f_beta.objective
focal = _pointwise.focal.objective
from_score = _confusion_based.from_score.objective
sigmoid_f1 = _confusion_based.sigmoid_f1.objective
soft_f1 = _confusion_based.soft_f1.objective
tversky = _confusion_based.tversky.objective
unbounded_f1 = _confusion_based.unbounded_f1.objective

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
