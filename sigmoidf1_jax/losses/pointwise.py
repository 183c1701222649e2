"""Losses per entry (example, label), unreduced; as objectives they are means over entries."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax._inputs import check_hyperparameter, per_label
from sigmoidf1_jax.losses._define import pointwise


@pointwise
def binary_cross_entropy(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    pos_weight: ArrayLike = 1.0,
    label_smoothing: ArrayLike = 0.0,
) -> Float[Array, "*batch labels"]:
    r"""Cross-entropy of every label on its own (CE).

    $\ell = w_+\,y\,\mathrm{softplus}(-z) + (1-y)\,\mathrm{softplus}(z)$, after
    $y \leftarrow (1-\epsilon)\,y + \epsilon/2$. The losses are unreduced, [..., num_labels]; the
    objective is their mean over the entries that count.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1].
      pos_weight: weight of positives, scalar or [num_labels].
      label_smoothing: $\epsilon$ in [0, 1].
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses >= 0, [..., num_labels].

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.binary_cross_entropy(jnp.array([0.0, 2.0]), jnp.array([1, 0]))
      Array([0.6931472, 2.126928 ], dtype=float32)
    """
    pos_weight = per_label("pos_weight", pos_weight, logits, low=0.0)
    smoothing = per_label("label_smoothing", label_smoothing, logits, low=0.0, high=1.0)
    labels = (1 - smoothing) * labels + smoothing / 2
    return pos_weight * labels * jax.nn.softplus(-logits) + (1 - labels) * jax.nn.softplus(logits)


@pointwise
def focal(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    gamma: ArrayLike = 2.0,
    alpha: ArrayLike | None = None,
) -> Float[Array, "*batch labels"]:
    r"""Focal loss: cross-entropy with the weight of easy entries reduced.

    $\ell = \alpha_t (1-p_t)^\gamma\,\mathrm{CE}(z, y)$, $p_t = p\,y + (1-p)(1-y)$,
    $\alpha_t = \alpha y + (1-\alpha)(1-y)$, from log-space. The losses are unreduced; the
    objective is their mean over the entries that count.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1].
      gamma: focusing exponent >= 0; 0 gives `binary_cross_entropy`.
      alpha: weight of positives in [0, 1], or None for no weights.
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses >= 0, [..., num_labels].

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017. The torch code
    published with sigmoidF1 swaps logits and labels; this does not.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> [round(float(x), 3) for x in sf.losses.focal(jnp.array([0.0, 2.0]), jnp.array([1, 0]))]
      [0.173, 1.65]
    """
    loss = focal_entropy(logits, labels, per_label("gamma", gamma, logits, low=0.0))
    if alpha is not None:
        alpha = per_label("alpha", alpha, logits, low=0.0, high=1.0)
        loss *= alpha * labels + (1 - alpha) * (1 - labels)
    return loss


def focal_entropy(logits: Array, labels: Array, gamma: Array) -> Array:
    """Cross-entropy times (1 - p_t)^gamma, for the losses that reweight it."""
    # log(1 - p_t): for hard labels log_sigmoid of the signed logit, exact at any logit; for soft
    # labels the log of a mixture that is bounded away from 0.
    is_hard = (labels == 0) | (labels == 1)
    soft = jnp.where(is_hard, 0.5, labels)
    p = jax.nn.sigmoid(logits)
    log_miss = jnp.where(
        is_hard,
        jax.nn.log_sigmoid((1 - 2 * labels) * logits),
        jnp.log(p * (1 - soft) + (1 - p) * soft),
    )
    entropy = labels * jax.nn.softplus(-logits) + (1 - labels) * jax.nn.softplus(logits)
    return jnp.exp(gamma * log_miss) * entropy


@pointwise
def asymmetric(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    gamma_negative: ArrayLike = 4.0,
    gamma_positive: ArrayLike = 1.0,
    shift: ArrayLike = 0.05,
    stop_weight_gradient: bool = False,
) -> Float[Array, "*batch labels"]:
    r"""Asymmetric loss (ASL): negatives are focused harder than positives, easy ones dropped.

    $\ell = -y\,(1-p)^{\gamma_+}\log p - (1-y)\,p_m^{\gamma_-}\log(1-p_m)$ with
    $p_m = \max(p - m, 0)$, from log-space. For many labels of which few are positive. The
    gradient has a kink at p = m. The published code clamps p at 1e-8, so a positive at z = -20
    has no gradient there and float16 gives NaN; this has neither defect. The losses are
    unreduced; the objective is their mean over the entries that count (the published code sums).

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1].
      gamma_negative: $\gamma_- \ge 0$, focusing exponent of negatives.
      gamma_positive: $\gamma_+ \ge 0$, focusing exponent of positives.
      shift: the margin m in [0, 1): negatives with p < m cost nothing.
      stop_weight_gradient: True treats the focusing weight as a constant, so that the gradient
        is not the derivative of the value. The two public classes have opposite defaults.
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses >= 0, [..., num_labels]; all three numbers 0 give `binary_cross_entropy`.

    Source: Ridnik et al., Asymmetric Loss For Multi-Label Classification, ICCV 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> loss = sf.losses.asymmetric(jnp.array([0.0, 2.0, -4.0]), jnp.array([1, 0, 0]))
      >>> [round(float(x), 3) for x in loss]
      [0.347, 0.846, 0.0]
    """
    gamma_negative = per_label("gamma_negative", gamma_negative, logits, low=0.0)
    gamma_positive = per_label("gamma_positive", gamma_positive, logits, low=0.0)
    shift = per_label("shift", shift, logits, low=0.0, below=1.0)
    stop = jax.lax.stop_gradient if stop_weight_gradient else lambda weight: weight
    positive = stop(jnp.exp(gamma_positive * jax.nn.log_sigmoid(-logits))) * jax.nn.softplus(
        -logits
    )
    # Without a shift the logs of p and 1 - p come from the logit, exact at any size; with one,
    # 1 - p_m >= m, so its log is finite.
    shifted = shift > 0
    excess = jax.nn.sigmoid(logits) - shift
    # Not `excess > 0`, which would take NaN for a negative that costs nothing.
    costs = ~(shifted & (excess <= 0))
    excess = jnp.where(shifted & costs, excess, 0.5)
    log_p = jnp.where(shifted, jnp.log(excess), jax.nn.log_sigmoid(logits))
    log_miss = jnp.where(shifted, jnp.log1p(-excess), jax.nn.log_sigmoid(-logits))
    negative = jnp.where(costs, stop(jnp.exp(gamma_negative * log_p)) * -log_miss, 0)
    return labels * positive + (1 - labels) * negative


@pointwise
def hill(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    height: ArrayLike = 1.5,
    margin: ArrayLike = 1.0,
    gamma: ArrayLike = 2.0,
) -> Float[Array, "*batch labels"]:
    r"""Hill loss: negatives that look like missing positives are pushed less, not more.

    $\ell = -y\,(1-p_m)^\gamma \log p_m + (1-y)(\lambda - p)\,p^2$ with $p = \sigma(z)$ and
    $p_m = \sigma(z - m)$. For labels of which many positives are missing; not convex in z by
    design. The published code takes the log of a rounded sigmoid and is infinite at z = -110 (in
    float32 from -88); this is not. The losses are unreduced; the objective is their mean.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1].
      height: $\lambda$; 1.5 makes the slope vanish at p = 1.
      margin: m, subtracted from the logits of positives.
      gamma: focusing exponent of positives >= 0.
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses >= 0 for height >= 1, [..., num_labels].

    Source: Zhang et al., Simple and Robust Loss Design for Multi-Label Learning with Missing
    Labels, 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> [round(float(x), 3) for x in sf.losses.hill(jnp.array([0.0, 0.0]), jnp.array([1, 0]))]
      [0.702, 0.25]
    """
    check_hyperparameter("margin", margin)
    check_hyperparameter("height", height)
    lowered = logits - per_label("margin", margin, logits)
    focus = jnp.exp(per_label("gamma", gamma, logits, low=0.0) * jax.nn.log_sigmoid(-lowered))
    p = jax.nn.sigmoid(logits)
    negative = (per_label("height", height, logits) - p) * p * p
    return labels * focus * jax.nn.softplus(-lowered) + (1 - labels) * negative


@pointwise
def hinge(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
) -> Float[Array, "*batch labels"]:
    r"""Hinge loss of every label on its own (binary relevance SVM).

    $\ell = \max(0, 1 - t)$, $t = (2y - 1) z$; decide z > 0. A soft label mixes the losses of
    both classes. Piecewise linear: second derivatives are 0 or undefined.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1].
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses >= 0, [..., num_labels], unreduced; the objective is their mean.

    Source: Cortes and Vapnik, Support-Vector Networks, 1995.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.hinge(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
      Array([0.5, 1.5], dtype=float32)
    """
    return _of_both_classes(lambda t: jnp.maximum(1 - t, 0), logits, labels)


@pointwise
def squared_hinge(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
) -> Float[Array, "*batch labels"]:
    r"""Squared hinge: $\ell = \max(0, 1 - t)^2$, $t = (2y - 1) z$; differentiable once.

    Arguments and result as in `hinge`.

    Source: Rennie and Srebro, Loss Functions for Preference Levels, 2005 (modified least
    squares).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.squared_hinge(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
      Array([0.25, 2.25], dtype=float32)
    """
    return _of_both_classes(lambda t: jnp.square(jnp.maximum(1 - t, 0)), logits, labels)


@pointwise
def smooth_hinge(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
) -> Float[Array, "*batch labels"]:
    r"""Rennie's smooth hinge: a hinge whose corner is a parabola.

    $\ell = \frac12 - t$ for t <= 0, $\frac12(1-t)^2$ for 0 < t < 1, 0 above, $t = (2y - 1) z$.
    Its gradient is at most 1 and differentiable once. Arguments and result as in `hinge`.

    Source: Rennie, Smooth Hinge Classification, 2005.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.smooth_hinge(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
      Array([0.125, 1.   ], dtype=float32)
    """

    def formula(t: Array) -> Array:
        inside = jnp.clip(1 - t, 0, 1)
        return 0.5 * inside * inside + jnp.maximum(-t, 0)

    return _of_both_classes(formula, logits, labels)


@pointwise
def huber(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    delta: ArrayLike = 1.0,
) -> Float[Array, "*batch labels"]:
    r"""Huber loss of the distance from the logit to -1 or 1.

    $\ell = \frac12 r^2$ for $|r| \le \delta$, else $\delta(|r| - \frac12\delta)$, with
    $r = z - (2y - 1)$: regression on the labels that outliers cannot dominate; decide z > 0.
    Unlike the hinges it also pulls back logits that are right by more than 1. Differentiable
    once. A soft label mixes the losses of both classes.

    Args:
      logits, labels, where, weights: as in `hinge`.
      delta: where the parabola becomes a line, > 0.

    Returns:
      Losses >= 0, [..., num_labels], unreduced; the objective is their mean.

    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.huber(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
      Array([0.125, 1.   ], dtype=float32)
    """
    delta = per_label("delta", delta, logits, above=0.0)

    def formula(t: Array) -> Array:
        size = jnp.abs(t - 1)
        inside = jnp.minimum(size, delta)
        return 0.5 * inside * inside + delta * (size - inside)

    return _of_both_classes(formula, logits, labels)


def _of_both_classes(formula: Callable[[Array], Array], logits: Array, labels: Array) -> Array:
    """A margin loss: `formula(z)` of positives, `formula(-z)` of negatives."""
    return labels * formula(logits) + (1 - labels) * formula(-logits)
