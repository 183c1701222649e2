"""Objectives: the losses as values, `objective(logits, labels)`, with statistics that add up.

`objectives.x(**hyperparameters)` is the loss `losses.x` with its hyperparameters bound; both
come from one definition. Pointwise losses become their mean over the entries that count.
"""

from sigmoidf1_jax.losses import across_examples as _across_examples
from sigmoidf1_jax.losses import confusion_based as _confusion_based
from sigmoidf1_jax.losses import cost_sensitive as _cost_sensitive
from sigmoidf1_jax.losses import counts as _counts
from sigmoidf1_jax.losses import pointwise as _pointwise
from sigmoidf1_jax.losses import ranking as _ranking
from sigmoidf1_jax.losses import reweighted as _reweighted
from sigmoidf1_jax.losses import run_length as _run_length

any_loss = _confusion_based.any_loss.objective
asymmetric = _pointwise.asymmetric.objective
auc_margin = _across_examples.auc_margin.objective
average_precision = _across_examples.average_precision.objective
balanced_accuracy = _confusion_based.balanced_accuracy.objective
binary_cross_entropy = _pointwise.binary_cross_entropy.objective
bp_mll = _ranking.bp_mll.objective
class_balanced = _reweighted.class_balanced.objective
cost_sensitive_f_beta = _cost_sensitive.cost_sensitive_f_beta.objective
cost_sensitive_jaccard = _cost_sensitive.cost_sensitive_jaccard.objective
cross_entropy_with_count = _counts.cross_entropy_with_count.objective
distribution_balanced = _reweighted.distribution_balanced.objective
double_soft_f1 = _confusion_based.double_soft_f1.objective
f_beta = _confusion_based.f_beta.objective
f_bound = _across_examples.f_bound.objective
focal = _pointwise.focal.objective
from_score = _confusion_based.from_score.objective
g_mean = _confusion_based.g_mean.objective
hill = _pointwise.hill.objective
hinge = _pointwise.hinge.objective
huber = _pointwise.huber.objective
jaccard = _confusion_based.jaccard.objective
label_count = _counts.label_count.objective
mcc = _confusion_based.mcc.objective
negative_tolerant = _reweighted.negative_tolerant.objective
pairwise_logistic = _ranking.pairwise_logistic.objective
positive_unlabeled = _reweighted.positive_unlabeled.objective
precision_at_recall = _across_examples.precision_at_recall.objective
propensity_weighted = _reweighted.propensity_weighted.objective
rank_hinge = _ranking.rank_hinge.objective
recall_at_precision = _across_examples.recall_at_precision.objective
score_oriented = _confusion_based.score_oriented.objective
sigmoid_f1 = _confusion_based.sigmoid_f1.objective
smooth_hinge = _pointwise.smooth_hinge.objective
soft_f1 = _confusion_based.soft_f1.objective
sparsemax = _ranking.sparsemax.objective
squared_hinge = _pointwise.squared_hinge.objective
tencent = _run_length.tencent.objective
tversky = _confusion_based.tversky.objective
two_way = _ranking.two_way.objective
unbounded_f1 = _confusion_based.unbounded_f1.objective
zlpr = _ranking.zlpr.objective

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
