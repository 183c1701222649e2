"""Written by `python -m sigmoidf1_jax.losses._stub`; do not edit."""

from typing import Literal

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import scores
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.losses.across_examples import average_precision as average_precision
from sigmoidf1_jax.losses.across_examples import f_bound as f_bound
from sigmoidf1_jax.losses.across_examples import precision_at_recall as precision_at_recall
from sigmoidf1_jax.losses.across_examples import recall_at_precision as recall_at_precision
from sigmoidf1_jax.losses.cost_sensitive import cost_sensitive_f_beta as cost_sensitive_f_beta
from sigmoidf1_jax.losses.cost_sensitive import cost_sensitive_jaccard as cost_sensitive_jaccard
from sigmoidf1_jax.losses.ranking import zlpr_sparse as zlpr_sparse
from sigmoidf1_jax.losses.run_length import tencent as tencent
from sigmoidf1_jax.objective import AxisName
from sigmoidf1_jax.scores import Score
from sigmoidf1_jax.surrogates import Surrogate

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
    "zlpr_sparse",
]

def any_loss(
    logits: Logits,
    labels: Labels,
    score: Score = scores.f1,
    *,
    slope: ArrayLike = 73.0,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def asymmetric(
    logits: Logits,
    labels: Labels,
    gamma_negative: ArrayLike = 4.0,
    gamma_positive: ArrayLike = 1.0,
    shift: ArrayLike = 0.05,
    stop_weight_gradient: bool = False,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def auc_margin(
    logits: Logits,
    labels: Labels,
    margin: ArrayLike = 1.0,
    *,
    surrogate: Surrogate | None = None,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def balanced_accuracy(
    logits: Logits,
    labels: Labels,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def binary_cross_entropy(
    logits: Logits,
    labels: Labels,
    pos_weight: ArrayLike = 1.0,
    label_smoothing: ArrayLike = 0.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def bp_mll(
    logits: Logits,
    labels: Labels,
    limit: ArrayLike = 10.0,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def class_balanced(
    logits: Logits,
    labels: Labels,
    class_frequency: ArrayLike,
    beta: ArrayLike = 0.999,
    gamma: ArrayLike = 2.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def cross_entropy_with_count(
    logits: Logits,
    labels: Labels,
    count_weight: ArrayLike = 1.0,
    variant: Literal["corrected", "seed"] = "corrected",
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def distribution_balanced(
    logits: Logits,
    labels: Labels,
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike = 2.0,
    bias: ArrayLike = 0.05,
    gamma: ArrayLike = 2.0,
    map_alpha: ArrayLike = 0.1,
    map_beta: ArrayLike = 10.0,
    map_mu: ArrayLike = 0.2,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def double_soft_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def f_beta(
    logits: Logits,
    labels: Labels,
    beta: ArrayLike = 1.0,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def focal(
    logits: Logits,
    labels: Labels,
    gamma: ArrayLike = 2.0,
    alpha: ArrayLike | None = None,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def from_score(
    logits: Logits,
    labels: Labels,
    score: Score,
    surrogate: Surrogate | None = None,
    *,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def g_mean(
    logits: Logits,
    labels: Labels,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def hill(
    logits: Logits,
    labels: Labels,
    height: ArrayLike = 1.5,
    margin: ArrayLike = 1.0,
    gamma: ArrayLike = 2.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def hinge(
    logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, "*batch labels"]: ...
def huber(
    logits: Logits,
    labels: Labels,
    delta: ArrayLike = 1.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def jaccard(
    logits: Logits,
    labels: Labels,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def label_count(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def mcc(
    logits: Logits,
    labels: Labels,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def negative_tolerant(
    logits: Logits,
    labels: Labels,
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike = 2.0,
    bias: ArrayLike = 0.05,
    gamma: ArrayLike = 2.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def pairwise_logistic(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def positive_unlabeled(
    logits: Logits,
    labels: Labels,
    prior: ArrayLike,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def propensity_weighted(
    logits: Logits,
    labels: Labels,
    propensity: ArrayLike = 1.0,
    variant: Literal["convex", "unbiased"] = "convex",
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]: ...
def rank_hinge(
    logits: Logits,
    labels: Labels,
    margin: ArrayLike = 1.0,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def score_oriented(
    logits: Logits,
    labels: Labels,
    score: Score = scores.f1,
    *,
    mu: ArrayLike = 0.5,
    delta: ArrayLike = 0.1,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def sigmoid_f1(
    logits: Logits,
    labels: Labels,
    slope: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    surrogate: Surrogate | None = None,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def smooth_hinge(
    logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, "*batch labels"]: ...
def soft_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def sparsemax(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def squared_hinge(
    logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, "*batch labels"]: ...
def tversky(
    logits: Logits,
    labels: Labels,
    alpha: ArrayLike = 0.5,
    beta: ArrayLike = 0.5,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def two_way(
    logits: Logits,
    labels: Labels,
    positive_temperature: ArrayLike = 4.0,
    negative_temperature: ArrayLike = 1.0,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def unbounded_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
def zlpr(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Array: ...
