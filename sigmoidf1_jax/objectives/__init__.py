"""Objectives: the losses as values, `objective(logits, labels)`, with statistics that add up.

`objectives.x(**hyperparameters)` is the loss `losses.x` with its hyperparameters set: its
formula stands here, its description there. Pointwise losses become their mean over the entries
that count.
"""

from sigmoidf1_jax.objectives.confusion import (
    any_loss,
    balanced_accuracy,
    double_soft_f1,
    f_beta,
    from_score,
    g_mean,
    jaccard,
    mcc,
    score_oriented,
    sigmoid_f1,
    soft_f1,
    tversky,
    unbounded_f1,
)
from sigmoidf1_jax.objectives.cost_sensitive import (
    cost_sensitive_f_beta,
    cost_sensitive_jaccard,
)
from sigmoidf1_jax.objectives.counts import (
    cross_entropy_with_count,
    label_count,
)
from sigmoidf1_jax.objectives.curves import (
    auc_margin,
    average_precision,
    f_bound,
    precision_at_recall,
    recall_at_precision,
)
from sigmoidf1_jax.objectives.pointwise import (
    asymmetric,
    binary_cross_entropy,
    focal,
    hill,
    hinge,
    huber,
    smooth_hinge,
    squared_hinge,
)
from sigmoidf1_jax.objectives.ranking import (
    bp_mll,
    pairwise_logistic,
    rank_hinge,
    sparsemax,
    two_way,
    zlpr,
)
from sigmoidf1_jax.objectives.reweighted import (
    class_balanced,
    distribution_balanced,
    negative_tolerant,
    positive_unlabeled,
    propensity_weighted,
)
from sigmoidf1_jax.objectives.run_length import (
    tencent,
)

__all__ = [
    "any_loss",
    "asymmetric",
    "auc_margin",
    "average_precision",
    "balanced_accuracy",
    "binary_cross_entropy",
    "bp_mll",
    "class_balanced",
    "cost_sensitive_f_beta",
    "cost_sensitive_jaccard",
    "cross_entropy_with_count",
    "distribution_balanced",
    "double_soft_f1",
    "f_beta",
    "f_bound",
    "focal",
    "from_score",
    "g_mean",
    "hill",
    "hinge",
    "huber",
    "jaccard",
    "label_count",
    "mcc",
    "negative_tolerant",
    "pairwise_logistic",
    "positive_unlabeled",
    "precision_at_recall",
    "propensity_weighted",
    "rank_hinge",
    "recall_at_precision",
    "score_oriented",
    "sigmoid_f1",
    "smooth_hinge",
    "soft_f1",
    "sparsemax",
    "squared_hinge",
    "tencent",
    "tversky",
    "two_way",
    "unbounded_f1",
    "zlpr",
]
