"""Means over entries of losses per entry (example, label): cross-entropies and hinges."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _logistic
from sigmoidf1_jax._inputs import check_hyperparameter, per_label
from sigmoidf1_jax._logistic import cross_entropy
from sigmoidf1_jax._partial import bind
from sigmoidf1_jax.objectives._means import EntryMean

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
    pos_weight: ArrayLike = 1.0, label_smoothing: ArrayLike = 0.0
) -> EntryMean:
    """Mean over entries of `losses.binary_cross_entropy`."""
    return EntryMean(
        bind(_binary_cross_entropy, pos_weight=pos_weight, label_smoothing=label_smoothing)
    )


def _binary_cross_entropy(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    pos_weight: ArrayLike,
    label_smoothing: ArrayLike,
) -> Float[Array, "*batch labels"]:
    unweighted = type(pos_weight) is float and pos_weight == 1
    pos_weight = per_label("pos_weight", pos_weight, logits, low=0.0)
    smoothing = per_label("label_smoothing", label_smoothing, logits, low=0.0, high=1.0)
    labels = (1 - smoothing) * labels + smoothing / 2
    if unweighted:
        return _logistic.binary_cross_entropy(logits, labels)
    return cross_entropy(logits, pos_weight * labels, 1 - labels)


def focal(gamma: ArrayLike = 2.0, alpha: ArrayLike | None = None) -> EntryMean:
    """Mean over entries of `losses.focal`."""
    return EntryMean(bind(_focal, gamma=gamma, alpha=alpha))


def _focal(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    gamma: ArrayLike,
    alpha: ArrayLike | None,
) -> Float[Array, "*batch labels"]:
    loss = focal_entropy(logits, labels, gamma)
    if alpha is not None:
        alpha = per_label("alpha", alpha, logits, low=0.0, high=1.0)
        loss *= alpha * labels + (1 - alpha) * (1 - labels)
    return loss


def focal_entropy(logits: Array, labels: Array, gamma: ArrayLike) -> Array:
    """Cross-entropy times (1 - p_t)^gamma, for the losses that reweight it."""
    exponent = per_label("gamma", gamma, logits, low=0.0)
    return _logistic.focal(_logistic.whole(gamma))(logits, labels, exponent)


def focal_positive(
    logits: Array,
    labels: Array,
    gamma: ArrayLike,
    name: str = "gamma",
    stop_weight: bool = False,
) -> Array:
    """The same of positives alone: labels * (1 - p)^gamma * -log p."""
    exponent = per_label(name, gamma, logits, low=0.0)
    formula = _logistic.focal_positive(_logistic.whole(gamma), stop_weight)
    return formula(logits, labels, exponent)


def asymmetric(
    gamma_negative: ArrayLike = 4.0,
    gamma_positive: ArrayLike = 1.0,
    shift: ArrayLike = 0.05,
    stop_weight_gradient: bool = False,
) -> EntryMean:
    """Mean over entries of `losses.asymmetric`."""
    return EntryMean(
        bind(
            _asymmetric,
            gamma_negative=gamma_negative,
            gamma_positive=gamma_positive,
            shift=shift,
            stop_weight_gradient=stop_weight_gradient,
        )
    )


def _asymmetric(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    gamma_negative: ArrayLike,
    gamma_positive: ArrayLike,
    shift: ArrayLike,
    stop_weight_gradient: bool,
) -> Float[Array, "*batch labels"]:
    positive = focal_positive(
        logits, labels, gamma_positive, "gamma_positive", stop_weight_gradient
    )
    exponent = per_label("gamma_negative", gamma_negative, logits, low=0.0)
    shift = per_label("shift", shift, logits, low=0.0, below=1.0)
    formula = _logistic.shifted_negative(_logistic.whole(gamma_negative), stop_weight_gradient)
    return positive + formula(logits, labels, exponent, shift)


def hill(height: ArrayLike = 1.5, margin: ArrayLike = 1.0, gamma: ArrayLike = 2.0) -> EntryMean:
    """Mean over entries of `losses.hill`."""
    return EntryMean(bind(_hill, height=height, margin=margin, gamma=gamma))


def _hill(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    height: ArrayLike,
    margin: ArrayLike,
    gamma: ArrayLike,
) -> Float[Array, "*batch labels"]:
    check_hyperparameter("margin", margin)
    check_hyperparameter("height", height)
    lowered = logits - per_label("margin", margin, logits)
    p = jax.nn.sigmoid(logits)
    negative = (per_label("height", height, logits) - p) * p * p
    return focal_positive(lowered, labels, gamma) + (1 - labels) * negative


def hinge() -> EntryMean:
    """Mean over entries of `losses.hinge`."""
    return EntryMean(bind(_hinge))


def _hinge(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
) -> Float[Array, "*batch labels"]:
    return _of_both_classes(lambda t: jnp.maximum(1 - t, 0), logits, labels)


def squared_hinge() -> EntryMean:
    """Mean over entries of `losses.squared_hinge`."""
    return EntryMean(bind(_squared_hinge))


def _squared_hinge(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
) -> Float[Array, "*batch labels"]:
    return _of_both_classes(lambda t: jnp.square(jnp.maximum(1 - t, 0)), logits, labels)


def smooth_hinge() -> EntryMean:
    """Mean over entries of `losses.smooth_hinge`."""
    return EntryMean(bind(_smooth_hinge))


def _smooth_hinge(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
) -> Float[Array, "*batch labels"]:
    # 0.5 (1 - t)^2 in [0, 1], and straight below it.
    return _of_both_classes(
        lambda t: _rounded(1 - jnp.minimum(t, 1), jnp.ones((), t.dtype)), logits, labels
    )


def huber(delta: ArrayLike = 1.0) -> EntryMean:
    """Mean over entries of `losses.huber`."""
    return EntryMean(bind(_huber, delta=delta))


def _huber(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    delta: ArrayLike,
) -> Float[Array, "*batch labels"]:
    delta = per_label("delta", delta, logits, above=0.0)
    return _of_both_classes(lambda t: _rounded(t - 1, delta), logits, labels)


@jax.custom_jvp
def _rounded(t: Array, delta: Array) -> Array:
    """0.5 t^2 up to |t| = delta, straight beyond it."""
    inside = jnp.minimum(jnp.abs(t), delta)
    return 0.5 * inside * inside + delta * (jnp.abs(t) - inside)


_rounded.defjvps(
    # One pass: JAX's own rules of the minimum and the modulus are selects that share arrays.
    lambda tangent, value, t, delta: jnp.clip(t, -delta, delta) * tangent,
    lambda tangent, value, t, delta: jnp.maximum(jnp.abs(t) - delta, 0) * tangent,
)


def _of_both_classes(formula: Callable[[Array], Array], logits: Array, labels: Array) -> Array:
    """A margin loss: `formula(z)` of positives, `formula(-z)` of negatives."""
    return labels * formula(logits) + (1 - labels) * formula(-logits)
