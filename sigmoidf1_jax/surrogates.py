r"""Surrogates: from logits to soft decisions, usually in [0, 1].

Each function here returns a callable pytree `surrogate(logits) -> decisions` of the logits'
shape. Its numeric hyperparameters are leaves (scalars or one per label), so they can be mapped
over, scheduled or learned.

>>> import jax.numpy as jnp
>>> sigmoid(slope=2.0)(jnp.array([-100.0, 0.0, 100.0]))
Array([0. , 0.5, 1. ], dtype=float32)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax._inputs import check_hyperparameter, per_label
from sigmoidf1_jax._partial import bind

Surrogate = Callable[[Float[Array, "*batch labels"]], Float[Array, "*batch labels"]]


def sigmoid(slope: ArrayLike = 1.0, offset: ArrayLike = 0.0) -> Surrogate:
    r"""$S(z) = 1 / (1 + e^{-\beta (z + \eta)})$ on logits.

    Args:
      slope: the paper's $\beta$ > 0, scalar or [num_labels]; large values approach `hard()`.
      offset: the paper's $\eta$, added to the logits, scalar or [num_labels].

    Source: Benedict et al., sigmoidF1, TMLR 2022.
    """
    _check_sigmoid(slope, offset)
    return bind(_sigmoid, slope=slope, offset=offset)


def _check_sigmoid(slope: ArrayLike, offset: ArrayLike) -> None:
    check_hyperparameter("slope", slope, above=0.0)
    check_hyperparameter("offset", offset)


def _sigmoid(logits: Array, *, slope: ArrayLike, offset: ArrayLike) -> Array:
    slope, offset = per_label("slope", slope, logits), per_label("offset", offset, logits)
    return jax.nn.sigmoid(slope * (logits + offset))


def probability() -> Surrogate:
    r"""$p = 1 / (1 + e^{-z})$: the model's probabilities as soft decisions (soft F1).

    >>> probability()
    probability()
    """
    return bind(_probability)


def _probability(logits: Array) -> Array:
    return jax.nn.sigmoid(logits)


def sigmoid_of_probability(slope: ArrayLike = 1.0, offset: ArrayLike = 0.0) -> Surrogate:
    r"""$S(\sigma(z); \beta, \eta)$: what the published sigmoidF1 code computes.

    The published code squashes twice, and calls S = -slope and E = offset. With its defaults
    (S, E) = (-10, 1), i.e. slope 10 and offset 1, decisions lie in [.99995, 1] and the gradient
    all but vanishes; `sigmoid` on the logits does not have that defect.

    >>> import jax.numpy as jnp
    >>> bool(jnp.all(sigmoid_of_probability(10.0, 1.0)(jnp.array([-5.0, 5.0])) > 0.9999))
    True
    """
    _check_sigmoid(slope, offset)
    return bind(_sigmoid_of_probability, slope=slope, offset=offset)


def _sigmoid_of_probability(logits: Array, *, slope: ArrayLike, offset: ArrayLike) -> Array:
    return _sigmoid(jax.nn.sigmoid(logits), slope=slope, offset=offset)


def raised_cosine(mu: ArrayLike = 0.5, delta: ArrayLike = 0.1) -> Surrogate:
    r"""CDF, at $p = \sigma(z)$, of a raised-cosine prior over thresholds on $[\mu\pm\delta]$.

    $F(p) = \frac12\left(1 + x + \frac{\sin \pi x}{\pi}\right)$ with $x = (p-\mu)/\delta$
    clipped to [-1, 1]. Outside the band the gradient is zero.

    Source: Marchetti et al., Score-Oriented Loss functions, Pattern Recognition 2022.

    >>> import jax.numpy as jnp
    >>> raised_cosine()(jnp.array([-9.0, 0.0, 9.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    _check_band(mu, delta)
    return bind(_raised_cosine, mu=mu, delta=delta)


def _check_band(mu: ArrayLike, delta: ArrayLike) -> None:
    check_hyperparameter("mu", mu, low=0.0, high=1.0)
    check_hyperparameter("delta", delta, above=0.0)


def _raised_cosine(logits: Array, *, mu: ArrayLike, delta: ArrayLike) -> Array:
    x = _band(logits, mu, delta)
    inside = 0.5 * (1 + x + jnp.sin(jnp.pi * x) / jnp.pi)
    # Outside the band exactly 0 and 1: sin(pi) is not exactly 0 in floating point.
    return jnp.where(jnp.abs(x) == 1, (x > 0).astype(x.dtype), inside)


def linear(mu: ArrayLike = 0.5, delta: ArrayLike = 0.5) -> Surrogate:
    r"""CDF, at $p = \sigma(z)$, of a uniform prior over thresholds on $[\mu\pm\delta]$.

    $F(p) = (1 + x) / 2$ with $x = (p-\mu)/\delta$ clipped to [-1, 1]; the defaults give p.

    Source: Marchetti et al., Score-Oriented Loss functions, Pattern Recognition 2022.

    >>> import jax.numpy as jnp
    >>> linear(0.5, 0.25)(jnp.array([-9.0, 0.0, 9.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    _check_band(mu, delta)
    return bind(_linear, mu=mu, delta=delta)


def _linear(logits: Array, *, mu: ArrayLike, delta: ArrayLike) -> Array:
    return 0.5 * (1 + _band(logits, mu, delta))


def _band(logits: Array, mu: ArrayLike, delta: ArrayLike) -> Array:
    mu, delta = per_label("mu", mu, logits), per_label("delta", delta, logits)
    return jnp.clip((jax.nn.sigmoid(logits) - mu) / delta, -1, 1)


def unbounded() -> Surrogate:
    """The logit itself, which can leave [0, 1]: the paper's unboundedF1 ablation."""
    return bind(_unbounded)


def _unbounded(logits: Array) -> Array:
    return logits


def hard(threshold: ArrayLike = 0.0) -> Surrogate:
    """1 where the logit is >= `threshold`, else 0; its gradient is zero.

    >>> import jax.numpy as jnp
    >>> hard()(jnp.array([-1.0, 2.0]))
    Array([0., 1.], dtype=float32)
    """
    check_hyperparameter("threshold", threshold)
    return bind(_hard, threshold=threshold)


def _hard(logits: Array, *, threshold: ArrayLike) -> Array:
    decided = (logits >= per_label("threshold", threshold, logits)).astype(logits.dtype)
    # Every comparison with NaN is false, but a NaN is no decision against a label.
    return jnp.where(jnp.isnan(logits), logits, decided)


def straight_through(slope: ArrayLike = 1.0, threshold: ArrayLike = 0.0) -> Surrogate:
    r"""Hard decisions forward, the gradient of $S(z; \beta, -\text{threshold})$ backward.

    The value is exactly the hard score; only its gradient is a surrogate, so finite differences
    do not apply.

    Source: Bengio et al., Estimating or Propagating Gradients Through Stochastic Neurons, 2013.

    >>> import jax, jax.numpy as jnp
    >>> jax.value_and_grad(lambda z: straight_through()(z).sum())(jnp.array([0.0]))
    (Array(1., dtype=float32), Array([0.25], dtype=float32))
    """
    check_hyperparameter("threshold", threshold)
    _check_sigmoid(slope, 0.0)
    return bind(_straight_through, slope=slope, threshold=threshold)


def _straight_through(logits: Array, *, slope: ArrayLike, threshold: ArrayLike) -> Array:
    soft = _sigmoid(logits, slope=slope, offset=-jnp.asarray(threshold, logits.dtype))
    # soft - soft is exactly 0, so the value is exactly hard.
    return _hard(logits, threshold=threshold) + (soft - jax.lax.stop_gradient(soft))
