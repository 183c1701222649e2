"""Losses per entry (example, label), unreduced: cross-entropies and hinges."""

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import objectives
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where

__all__ = [
    "asymmetric",
    "binary_cross_entropy",
    "focal",
    "hill",
    "hinge",
    "huber",
    "smooth_hinge",
    "squared_hinge",
]


def binary_cross_entropy(
    logits: Logits,
    labels: Labels,
    pos_weight: ArrayLike = 1.0,
    label_smoothing: ArrayLike = 0.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Cross-entropy of every label on its own (CE).

    $\ell = w_+\,y\,\mathrm{softplus}(-z) + (1-y)\,\mathrm{softplus}(z)$, after
    $y \leftarrow (1-\epsilon)\,y + \epsilon/2$. The losses are unreduced, [..., num_labels]; the
    objective is their mean over the entries that count.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      pos_weight: $w_+$ >= 0, weight of positives, scalar or [num_labels].
      label_smoothing: $\epsilon$ in [0, 1], scalar or [num_labels].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast, a hyperparameter out of range; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Good, Rational Decisions, 1952 (the logarithmic score), of every label as a logistic
    regression.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.binary_cross_entropy(jnp.array([0.0, 2.0]), jnp.array([1, 0]))
      Array([0.6931472, 2.126928 ], dtype=float32)
    """
    objective = objectives.binary_cross_entropy(pos_weight, label_smoothing)
    return objective.entries(logits, labels, where=where, weights=weights)


def focal(
    logits: Logits,
    labels: Labels,
    gamma: ArrayLike = 2.0,
    alpha: ArrayLike | None = None,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Focal loss: cross-entropy with the weight of easy entries reduced.

    $\ell = \alpha_t (1-p_t)^\gamma\,\mathrm{CE}(z, y)$, $p_t = p\,y + (1-p)(1-y)$,
    $\alpha_t = \alpha y + (1-\alpha)(1-y)$, from log-space. The losses are unreduced; the
    objective is their mean over the entries that count.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      gamma: focusing exponent >= 0, scalar or [num_labels]; 0 gives `binary_cross_entropy`.
      alpha: weight of positives in [0, 1], scalar or [num_labels]; None for no weights.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast, a hyperparameter out of range; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017. The torch code published
    with sigmoidF1 swaps logits and labels; this does not.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> [round(float(x), 3) for x in sf.losses.focal(jnp.array([0.0, 2.0]), jnp.array([1, 0]))]
      [0.173, 1.65]
    """
    objective = objectives.focal(gamma, alpha)
    return objective.entries(logits, labels, where=where, weights=weights)


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
) -> Float[Array, "*batch labels"]:
    r"""Asymmetric loss (ASL): negatives are focused harder than positives, easy ones dropped.

    $\ell = -y\,(1-p)^{\gamma_+}\log p - (1-y)\,p_m^{\gamma_-}\log(1-p_m)$ with
    $p_m = \max(p - m, 0)$, from log-space. For many labels of which few are positive. The
    gradient has a kink at p = m. The published code clamps p at 1e-8, so a positive at z = -20
    has no gradient there and float16 gives NaN; this has neither defect. The losses are
    unreduced; the objective is their mean over the entries that count (the published code sums).

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      gamma_negative: $\gamma_-$, focusing exponent of negatives >= 0, scalar or [num_labels].
      gamma_positive: $\gamma_+$, focusing exponent of positives >= 0, scalar or [num_labels].
      shift: the margin m in [0, 1): negatives with p < m cost nothing; scalar or [num_labels].
      stop_weight_gradient: True treats the focusing weight as a constant, so that the gradient is
        not the derivative of the value. The two public classes have opposite defaults.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count. With all
      three numbers 0 they are `binary_cross_entropy`.

    Raises:
      ValueError: shapes that differ or do not broadcast, a hyperparameter out of range; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Ridnik et al., Asymmetric Loss For Multi-Label Classification, ICCV 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> loss = sf.losses.asymmetric(jnp.array([0.0, 2.0, -4.0]), jnp.array([1, 0, 0]))
      >>> [round(float(x), 3) for x in loss]
      [0.347, 0.846, 0.0]
    """
    objective = objectives.asymmetric(gamma_negative, gamma_positive, shift, stop_weight_gradient)
    return objective.entries(logits, labels, where=where, weights=weights)


def hill(
    logits: Logits,
    labels: Labels,
    height: ArrayLike = 1.5,
    margin: ArrayLike = 1.0,
    gamma: ArrayLike = 2.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Hill loss: negatives that look like missing positives are pushed less, not more.

    $\ell = -y\,(1-p_m)^\gamma \log p_m + (1-y)(\lambda - p)\,p^2$ with $p = \sigma(z)$ and
    $p_m = \sigma(z - m)$. For labels of which many positives are missing; not convex in z by
    design. The published code takes the log of a rounded sigmoid and is infinite at z = -110 (in
    float32 from -88); this is not. The losses are unreduced; the objective is their mean.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      height: $\lambda$, finite, scalar or [num_labels]; 1.5 makes the slope vanish at p = 1.
      margin: m, finite, scalar or [num_labels]; subtracted from the logits of positives.
      gamma: focusing exponent of positives >= 0, scalar or [num_labels].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses, [..., num_labels], times their weights; >= 0 for height >= 1, 0 where an entry does
      not count.

    Raises:
      ValueError: shapes that differ or do not broadcast, a hyperparameter out of range; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Zhang et al., Simple and Robust Loss Design for Multi-Label Learning with Missing
    Labels, 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> [round(float(x), 3) for x in sf.losses.hill(jnp.array([0.0, 0.0]), jnp.array([1, 0]))]
      [0.702, 0.25]
    """
    objective = objectives.hill(height, margin, gamma)
    return objective.entries(logits, labels, where=where, weights=weights)


def hinge(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Hinge loss of every label on its own (binary relevance SVM).

    $\ell = \max(0, 1 - t)$, $t = (2y - 1) z$; decide z > 0. A soft label mixes the losses of
    both classes. Piecewise linear: second derivatives are 0 or undefined.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Cortes and Vapnik, Support-Vector Networks, 1995.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.hinge(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
      Array([0.5, 1.5], dtype=float32)
    """
    objective = objectives.hinge()
    return objective.entries(logits, labels, where=where, weights=weights)


def squared_hinge(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Squared hinge loss of every label on its own: a hinge that is differentiable once.

    $\ell = \max(0, 1 - t)^2$, $t = (2y - 1) z$; decide z > 0. A soft label mixes the losses of both
    classes. The losses are unreduced; the objective is their mean over the entries that count.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Rennie and Srebro, Loss Functions for Preference Levels, 2005 (modified least squares).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.squared_hinge(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
      Array([0.25, 2.25], dtype=float32)
    """
    objective = objectives.squared_hinge()
    return objective.entries(logits, labels, where=where, weights=weights)


def smooth_hinge(
    logits: Logits,
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Rennie's smooth hinge: a hinge whose corner is a parabola.

    $\ell = \frac12 - t$ for t <= 0, $\frac12(1-t)^2$ for 0 < t < 1, 0 above, $t = (2y - 1) z$;
    decide z > 0. Its gradient is at most 1 and differentiable once. A soft label mixes the losses
    of both classes. The losses are unreduced; the objective is their mean over the entries that
    count.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Rennie, Smooth Hinge Classification, 2005.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.smooth_hinge(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
      Array([0.125, 1.   ], dtype=float32)
    """
    objective = objectives.smooth_hinge()
    return objective.entries(logits, labels, where=where, weights=weights)


def huber(
    logits: Logits,
    labels: Labels,
    delta: ArrayLike = 1.0,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, "*batch labels"]:
    r"""Huber loss of the distance from the logit to -1 or 1.

    $\ell = \frac12 r^2$ for $|r| \le \delta$, else $\delta(|r| - \frac12\delta)$, with
    $r = z - (2y - 1)$: regression on the labels that outliers cannot dominate; decide z > 0.
    Unlike the hinges it also pulls back logits that are right by more than 1. Differentiable
    once. A soft label mixes the losses of both classes.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      delta: where the parabola becomes a line, > 0, scalar or [num_labels].
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.

    Returns:
      Losses >= 0, [..., num_labels], times their weights; 0 where an entry does not count.

    Raises:
      ValueError: shapes that differ or do not broadcast, a `delta` out of range; on concrete arrays
        also NaN logits, labels outside [0, 1] and negative weights, where they count (inside `jit`
        under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.huber(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
      Array([0.125, 1.   ], dtype=float32)
    """
    objective = objectives.huber(delta)
    return objective.entries(logits, labels, where=where, weights=weights)
