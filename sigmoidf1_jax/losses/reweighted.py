"""Cross-entropies whose entries are reweighted: by class frequency, or for missing positives."""

from typing import Literal

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import objectives
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.objective import AxisName

__all__ = [
    "class_balanced",
    "distribution_balanced",
    "negative_tolerant",
    "positive_unlabeled",
    "propensity_weighted",
]


def class_balanced(
    logits: Logits,
    labels: Labels,
    class_frequency: ArrayLike,
    beta: ArrayLike = 0.999,
    gamma: ArrayLike = 2.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Class-balanced focal loss: labels weighted by their effective number of examples.

    $\ell = \frac{1-\beta}{1-\beta^{n_c}}\,(1-p_t)^\gamma\,\mathrm{CE}(z, y)$. With
    $\beta = 0.9$ the weights of all labels with more than 50 positives are within half a percent
    of each other: choose $\beta$ near $1 - 1/n$. The losses are unreduced; the objective is
    their mean. The weights are not normalised.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      class_frequency: $n_c$, the number of positives of each label in the training data, scalar or
        [num_labels]; 0 counts as 1. Shares, between 0 and 1, are refused.
      beta: $\beta$ in [0, 1), scalar or [num_labels]; 0 gives `focal`.
      gamma: focusing exponent >= 0, scalar or [num_labels].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast, shares instead of counts, a hyperparameter
        out of range; on concrete arrays also NaN logits, labels outside [0, 1] and negative
        weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([0.0, 0.0]), jnp.array([1, 1])
      >>> loss = sf.losses.class_balanced(logits, labels, jnp.array([1.0, 10.0]))
      >>> [round(float(x), 3) for x in loss]
      [0.173, 0.017]
    """
    objective = objectives.class_balanced(class_frequency, beta, gamma)
    return objective.entries(logits, labels, where=where, weights=weights)


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
) -> Float[Array, "*batch labels"]:
    r"""Negative-tolerant focal loss (NTR): negatives that are low enough are let go.

    With $z' = z - \kappa \log(N/n_c - 1)$: positives cost $\mathrm{FL}(z', 1)$, negatives
    $\mathrm{FL}(\lambda z', 0) / \lambda$, with $\mathrm{FL}(z, y) = (1 -
    p_t)^\gamma\,\mathrm{CE}(z, y)$ the focal loss. Published codes disagree: one divides the bias
    by $\lambda$ (pass `bias / negative_scale`), one does not divide the loss of negatives, and both
    change the caller's logits in place. The losses are unreduced; the objective is their mean over
    the entries that count.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      class_frequency: $n_c$, the number of positives of each label in the training data, scalar or
        [num_labels]; 0 counts as 1. Shares, between 0 and 1, are refused.
      num_examples: N >= 1, the number of examples in the training data.
      negative_scale: $\lambda$ > 0, usually >= 1, scalar or [num_labels].
      bias: $\kappa$ >= 0, scalar or [num_labels].
      gamma: focusing exponent >= 0, scalar or [num_labels].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast, shares instead of counts, a hyperparameter
        out of range; on concrete arrays also NaN logits, labels outside [0, 1] and negative
        weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

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
    objective = objectives.negative_tolerant(
        class_frequency, num_examples, negative_scale, bias, gamma
    )
    return objective.entries(logits, labels, where=where, weights=weights)


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
) -> Float[Array, "*batch labels"]:
    r"""Distribution-balanced loss (DB): rebalanced weights on the negative-tolerant loss.

    $\ell = (\alpha + \sigma(\beta (r_c - \mu)))\,\ell_c$ with $r_c = \frac{1/n_c}{\sum_{k \in P}
    1/n_k}$: how often the example would be drawn for label c, over how often it is drawn for any of
    its labels P. $\ell_c$ is `negative_tolerant`: with $z' = z - \kappa \log(N/n_c - 1)$ and FL the
    focal loss with exponent $\gamma$, positives cost $\mathrm{FL}(z', 1)$ and negatives
    $\mathrm{FL}(\lambda z', 0) / \lambda$. An example without positives has r infinite, the weight
    $\alpha + 1$. The losses are unreduced; the objective is their mean over the entries that count.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      class_frequency: $n_c$, the number of positives of each label in the training data, scalar or
        [num_labels]; 0 counts as 1. Shares, between 0 and 1, are refused.
      num_examples: N >= 1, the number of examples in the training data.
      negative_scale: $\lambda$ > 0, usually >= 1, scalar or [num_labels].
      bias: $\kappa$ >= 0, scalar or [num_labels].
      gamma: focusing exponent >= 0, scalar or [num_labels].
      map_alpha: $\alpha$ >= 0, scalar or [num_labels].
      map_beta: $\beta$ >= 0, scalar or [num_labels].
      map_mu: $\mu$, finite, scalar or [num_labels]; the published values are .2 or .3 for images
        and .9 for text.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast, shares instead of counts, a hyperparameter
        out of range; on concrete arrays also NaN logits, labels outside [0, 1] and negative
        weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Wu et al., Distribution-Balanced Loss, ECCV 2020; Huang et al., Balancing Methods for
    Multi-label Text Classification, EMNLP 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([0.0, 1.0]), jnp.array([1, 0])
      >>> loss = sf.losses.distribution_balanced(logits, labels, jnp.array([5.0, 50.0]), 100.0)
      >>> [round(float(x), 3) for x in loss]
      [0.244, 0.304]
    """
    objective = objectives.distribution_balanced(
        class_frequency, num_examples, negative_scale, bias, gamma, map_alpha, map_beta, map_mu
    )
    return objective.entries(logits, labels, where=where, weights=weights)


def propensity_weighted(
    logits: Logits,
    labels: Labels,
    propensity: ArrayLike = 1.0,
    variant: Literal["convex", "unbiased"] = "convex",
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Cross-entropy when a positive is only recorded with some probability (missing labels).

    "unbiased": $\frac{y}{q}\ell_+ + (1 - \frac{y}{q})\ell_-$, whose expectation over what is
    recorded is the cross-entropy with the complete labels; it is linear in z for recorded
    positives and unbounded below. "convex": $(\frac2q - 1)\,y\,\ell_+ + (1-y)\,\ell_-$, a convex
    upper bound that is safe to minimise. $\ell_\pm = \mathrm{softplus}(\mp z)$, q the
    propensity. The losses are unreduced; the objective is their mean.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1]; 0 is "not recorded".
      propensity: q in (0, 1], the chance that a positive is recorded, scalar or [num_labels]; 1
        gives `binary_cross_entropy`.
      variant: "convex" or "unbiased".
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses, [..., num_labels], times their weights; >= 0 for "convex", 0 where an entry does not
      count.

    Raises:
      ValueError: shapes that differ or do not broadcast, a propensity out of range, another
        `variant`; on concrete arrays also NaN logits, labels outside [0, 1] and negative weights,
        where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Jain et al., Extreme Multi-label Loss Functions, KDD 2016; Qaraei et al., Convex
    Surrogates for Unbiased Loss Functions in Extreme Classification, WWW 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> loss = sf.losses.propensity_weighted(jnp.array([0.0, 0.0]), jnp.array([1, 0]), 0.5)
      >>> [round(float(x), 3) for x in loss]
      [2.079, 0.693]
    """
    objective = objectives.propensity_weighted(propensity, variant)
    return objective.entries(logits, labels, where=where, weights=weights)


def positive_unlabeled(
    logits: Logits,
    labels: Labels,
    prior: ArrayLike,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Non-negative risk from positive and unlabeled data (nnPU), per label.

    $\pi R_+^+ + \max(0, R_u^- - \pi R_+^-)$: mean cross-entropies of the positives as positives,
    of the unlabeled entries as negatives, and of the positives as negatives. Without the maximum
    the estimate of the negatives' risk can fall below 0, which is how a network overfits it. A
    function of sums, hence exact for the global batch.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1]; 0 is "unlabeled".
      prior: $\pi$ in (0, 1), the true share of positives, scalar or [num_labels].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel within each label and are refused.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over labels. The kink of the maximum makes it differentiable almost
      everywhere only.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        `prior` out of range; on concrete arrays also NaN logits, labels outside [0, 1] and negative
        weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Kiryo et al., Positive-Unlabeled Learning with Non-Negative Risk Estimator, NeurIPS
    2017.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.0], [0.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.positive_unlabeled(logits, labels, prior=0.25)), 4)
      0.6931
    """
    objective = objectives.positive_unlabeled(prior)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)
