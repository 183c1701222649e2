"""Cross-entropies whose entries are reweighted: by class frequency, or for missing positives."""

import dataclasses
import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs, _safe, averaging
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where, per_label
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.losses._define import from_objective, pointwise
from sigmoidf1_jax.losses.pointwise import focal_entropy
from sigmoidf1_jax.objective import Objective, SeparableObjective


@pointwise
def class_balanced(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    class_frequency: ArrayLike,
    beta: ArrayLike = 0.999,
    gamma: ArrayLike = 2.0,
) -> Float[Array, "*batch labels"]:
    r"""Class-balanced focal loss: labels weighted by their effective number of examples.

    $\ell = \frac{1-\beta}{1-\beta^{n_c}}\,(1-p_t)^\gamma\,\mathrm{CE}(z, y)$. With
    $\beta = 0.9$ the weights of all labels with more than 50 positives are within half a percent
    of each other: choose $\beta$ near $1 - 1/n$. The losses are unreduced; the objective is
    their mean. The weights are not normalised.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1].
      class_frequency: $n_c$, the number of positives of each label in the training data,
        scalar or [num_labels]; 0 counts as 1. Shares, between 0 and 1, are refused.
      beta: in [0, 1); 0 gives `focal`.
      gamma: focusing exponent >= 0.
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses >= 0, [..., num_labels].

    Source: Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([0.0, 0.0]), jnp.array([1, 1])
      >>> loss = sf.losses.class_balanced(logits, labels, jnp.array([1.0, 10.0]))
      >>> [round(float(x), 3) for x in loss]
      [0.173, 0.017]
    """
    n = _counts_of_labels(class_frequency, logits)
    log_beta = jnp.log(
        jnp.maximum(
            per_label("beta", beta, logits, low=0.0, below=1.0), jnp.finfo(logits.dtype).tiny
        )
    )
    # 1 - beta^n by expm1: for beta near 1 the plain difference has no digits left.
    weight = jnp.expm1(log_beta) / jnp.expm1(n * log_beta)
    return weight * focal_entropy(logits, labels, per_label("gamma", gamma, logits, low=0.0))


@pointwise
def negative_tolerant(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike = 2.0,
    bias: ArrayLike = 0.05,
    gamma: ArrayLike = 2.0,
) -> Float[Array, "*batch labels"]:
    r"""Negative-tolerant focal loss (NTR): negatives that are low enough are let go.

    With $z' = z - \kappa \log(N/n_c - 1)$: positives cost $\mathrm{FL}(z', 1)$, negatives
    $\mathrm{FL}(\lambda z', 0) / \lambda$, FL the focal loss. Published codes disagree: one
    divides the bias by $\lambda$ (pass `bias / negative_scale`), one does not divide the loss of
    negatives, and both change the caller's logits in place. The losses are unreduced.

    Args:
      logits, labels, where, weights, class_frequency, gamma: as in `class_balanced`.
      num_examples: N, the size of the training data.
      negative_scale: $\lambda$ >= 1.
      bias: $\kappa$ >= 0.

    Returns:
      Losses >= 0, [..., num_labels].

    Source: Wu et al., Distribution-Balanced Loss for Multi-Label Classification in Long-Tailed
    Datasets, ECCV 2020.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([0.0, 1.0]), jnp.array([1, 0])
      >>> loss = sf.losses.negative_tolerant(logits, labels, 50.0, 100.0)
      >>> [round(float(x), 3) for x in loss]
      [0.173, 0.825]
    """
    return _tolerant(logits, labels, class_frequency, num_examples, negative_scale, bias, gamma)


def _counts_of_labels(class_frequency: ArrayLike, like: Array) -> Array:
    """Positives of each label in the training data, 1 for labels that have none."""
    traced = isinstance(class_frequency, jax.core.Tracer)
    counts = np.ones(()) if traced else np.asarray(class_frequency)
    if np.any((counts > 0) & (counts < 1)):
        raise ValueError(
            "class_frequency must be numbers of positives, not shares, got values between 0 and 1: "
            "multiply them by the number of examples"
        )
    return jnp.maximum(per_label("class_frequency", class_frequency, like, low=0.0), 1)


def _tolerant(
    logits: Array,
    labels: Array,
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike,
    bias: ArrayLike,
    gamma: ArrayLike,
) -> Array:
    scale = per_label("negative_scale", negative_scale, logits, above=0.0)
    gamma = per_label("gamma", gamma, logits, low=0.0)
    # A label that is never or always positive counts as if one example differed.
    _inputs.check_hyperparameter("num_examples", num_examples, low=1.0)
    total = jnp.asarray(num_examples, logits.dtype)
    n = jnp.clip(_counts_of_labels(class_frequency, logits), 1, jnp.maximum(total - 1, 1))
    z = logits - per_label("bias", bias, logits, low=0.0) * jnp.log(total / n - 1)
    positive = focal_entropy(z, jnp.ones_like(labels), gamma)
    negative = focal_entropy(scale * z, jnp.zeros_like(labels), gamma) / scale
    return labels * positive + (1 - labels) * negative


@functools.partial(pointwise, coupled=True)
def distribution_balanced(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    class_frequency: ArrayLike,
    num_examples: ArrayLike,
    negative_scale: ArrayLike = 2.0,
    bias: ArrayLike = 0.05,
    gamma: ArrayLike = 2.0,
    map_alpha: ArrayLike = 0.1,
    map_beta: ArrayLike = 10.0,
    map_mu: ArrayLike = 0.2,
) -> Float[Array, "*batch labels"]:
    r"""Distribution-balanced loss (DB): rebalanced weights on the negative-tolerant loss.

    Each entry of `negative_tolerant` is weighted by
    $\alpha + \sigma(\beta (r_c - \mu))$, $r_c = \frac{1/n_c}{\sum_{k \in P} 1/n_k}$: how often
    the example would be drawn for label c, over how often it is drawn for any of its labels. An
    example without positives has r infinite, the weight $\alpha + 1$. The losses are unreduced.

    Args:
      logits, labels, where, weights, class_frequency, num_examples, negative_scale, bias, gamma:
        as in `negative_tolerant`.
      map_alpha: $\alpha$ >= 0.
      map_beta: $\beta$ > 0.
      map_mu: $\mu$; the published values are .2 or .3 for images and .9 for text.

    Returns:
      Losses >= 0, [..., num_labels].

    Source: Wu et al., Distribution-Balanced Loss, ECCV 2020; Huang et al.,
    Balancing Methods for Multi-label Text Classification, EMNLP 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([0.0, 1.0]), jnp.array([1, 0])
      >>> loss = sf.losses.distribution_balanced(logits, labels, jnp.array([5.0, 50.0]), 100.0)
      >>> [round(float(x), 3) for x in loss]
      [0.244, 0.304]
    """
    n = _counts_of_labels(class_frequency, logits)
    drawn = jnp.sum(labels / n, -1, keepdims=True)
    r = _safe.ratio(jnp.broadcast_to(1 / n, labels.shape), drawn)
    beta = per_label("map_beta", map_beta, logits, low=0.0)
    _inputs.check_hyperparameter("map_mu", map_mu)
    mu = per_label("map_mu", map_mu, logits)
    # A choice, not r = inf, at which the derivatives by beta and mu would be NaN.
    mapped = jnp.where(drawn > 0, jax.nn.sigmoid(beta * (r - mu)), 1)
    weight = per_label("map_alpha", map_alpha, logits, low=0.0) + mapped
    return weight * _tolerant(
        logits, labels, class_frequency, num_examples, negative_scale, bias, gamma
    )


@pointwise
def propensity_weighted(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    propensity: ArrayLike = 1.0,
    variant: Literal["convex", "unbiased"] = "convex",
) -> Float[Array, "*batch labels"]:
    r"""Cross-entropy when a positive is only recorded with some probability (missing labels).

    "unbiased": $\frac{y}{q}\ell_+ + (1 - \frac{y}{q})\ell_-$, whose expectation over what is
    recorded is the cross-entropy with the complete labels; it is linear in z for recorded
    positives and unbounded below. "convex": $(\frac2q - 1)\,y\,\ell_+ + (1-y)\,\ell_-$, a convex
    upper bound that is safe to minimise. $\ell_\pm = \mathrm{softplus}(\mp z)$, q the
    propensity. The losses are unreduced; the objective is their mean.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1]; 0 is "not recorded".
      propensity: q in (0, 1], the chance that a positive is recorded, scalar or [num_labels]; 1
        gives `binary_cross_entropy`.
      variant: "convex" or "unbiased".
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses, [..., num_labels]; >= 0 for "convex".

    Source: Jain et al., Extreme Multi-label Loss Functions, KDD 2016; Qaraei et al.,
    Convex Surrogates for Unbiased Loss Functions in Extreme Classification, WWW 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> loss = sf.losses.propensity_weighted(jnp.array([0.0, 0.0]), jnp.array([1, 0]), 0.5)
      >>> [round(float(x), 3) for x in loss]
      [2.079, 0.693]
    """
    if variant not in ("convex", "unbiased"):
        raise ValueError(f"variant must be 'convex' or 'unbiased', got {variant!r}")
    inverse = 1 / per_label("propensity", propensity, logits, above=0.0, high=1.0)
    positive, negative = jax.nn.softplus(-logits), jax.nn.softplus(logits)
    if variant == "unbiased":
        # softplus(z) - softplus(-z) is z.
        return negative - labels * inverse * logits
    return (2 * inverse - 1) * labels * positive + (1 - labels) * negative


class PositiveUnlabeledSums(NamedTuple):
    """Per label: losses of positives as positives and as negatives, of the unlabeled, masses."""

    positive: Float[Array, " labels"]
    positive_as_negative: Float[Array, " labels"]
    unlabeled: Float[Array, " labels"]
    positives: Float[Array, " labels"]
    unlabeleds: Float[Array, " labels"]


@functools.partial(jax.tree_util.register_dataclass, data_fields=["prior"], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class PositiveUnlabeled(SeparableObjective):
    """See `positive_unlabeled`."""

    prior: ArrayLike

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        _inputs.refuse_label_weights(weights, z.shape, "macro")
        positive, negative = jax.nn.softplus(-z), jax.nn.softplus(z)
        axes = averaging.leading_axes(z)
        return LabelParts(
            per_label=PositiveUnlabeledSums(
                *(
                    jnp.sum(x, axes)
                    for x in (
                        w * y * positive,
                        w * y * negative,
                        w * (1 - y) * negative,
                        w * y,
                        w * (1 - y),
                    )
                )
            )
        )

    def from_label_parts(self, parts: LabelParts) -> PositiveUnlabeledSums:
        return parts.per_label

    def value(self, statistics: PositiveUnlabeledSums) -> Array:
        s = statistics
        prior = per_label("prior", self.prior, s.positive, above=0.0, below=1.0)
        positive = _safe.ratio(s.positive, s.positives)
        negative = _safe.ratio(s.unlabeled, s.unlabeleds) - prior * _safe.ratio(
            s.positive_as_negative, s.positives
        )
        risk = prior * positive + jnp.maximum(negative, 0)
        return _safe.mean(risk, (s.positives + s.unlabeleds > 0).astype(risk.dtype))

    def __repr__(self) -> str:
        return f"positive_unlabeled(prior={self.prior!r})"


@from_objective
def positive_unlabeled(prior: ArrayLike) -> Objective:
    r"""Non-negative risk from positive and unlabeled data (nnPU), per label.

    $\pi R_+^+ + \max(0, R_u^- - \pi R_+^-)$: mean cross-entropies of the positives as positives,
    of the unlabeled entries as negatives, and of the positives as negatives. Without the maximum
    the estimate of the negatives' risk can fall below 0, which is how a network overfits it. A
    function of sums, hence exact for the global batch.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1]; 0 is "unlabeled".
      prior: $\pi$ in (0, 1), the true share of positives, scalar or [num_labels].
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape.
      axis_name: mapped axis whose global batch the loss is of.

    Returns:
      A scalar >= 0: the mean over labels. The kink of the maximum makes it differentiable almost
      everywhere only.

    Source: Kiryo et al., Positive-Unlabeled Learning with Non-Negative Risk Estimator, NeurIPS
    2017.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.0], [0.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.positive_unlabeled(logits, labels, prior=0.25)), 4)
      0.6931
    """
    _inputs.check_hyperparameter("prior", prior, above=0.0, below=1.0)
    return PositiveUnlabeled(number(prior))
