r"""The slope and the offset of the tuned sigmoid: scheduled, learned or random.

Each way ends in a surrogate, `surrogates.sigmoid(slope, offset)`, for any loss that takes one:
`sigmoid_f1(logits, labels, surrogate=...)`. Slopes and offsets are scalars or one per label.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import surrogates
from sigmoidf1_jax._inputs import check_hyperparameter
from sigmoidf1_jax.surrogates import Surrogate

Schedule = Callable[[ArrayLike], ArrayLike]


def scheduled(step: ArrayLike, slope: Schedule, offset: Schedule | None = None) -> Surrogate:
    """The surrogate of one training step, from optax schedules.

    Args:
      step: number of the step; may be traced.
      slope: schedule of the slope, for instance `optax.linear_schedule(1.0, 10.0, 1000)`: a
        gentle surrogate first, one close to hard decisions at the end.
      offset: schedule of the offset; None is 0.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> scheduled(50, optax.linear_schedule(1.0, 3.0, 100))(jnp.zeros(1))
      Array([0.5], dtype=float32)
    """
    return surrogates.sigmoid(slope(step), 0.0 if offset is None else offset(step))


class Learned(NamedTuple):
    """Unconstrained parameters to train with the network: slope = softplus(raw_slope)."""

    raw_slope: Float[Array, "..."]
    offset: Float[Array, "..."]


def init_learned(
    slope: ArrayLike = 1.0, offset: ArrayLike = 0.0, *, num_labels: int | None = None
) -> Learned:
    """Parameters at which `learned` has this slope > 0 and offset.

    Args:
      slope: > 0, scalar or [num_labels].
      offset: scalar or [num_labels].
      num_labels: gives every label parameters of its own.

    Example:
      >>> init_learned(1.0, num_labels=2).offset.shape
      (2,)
    """
    check_hyperparameter("slope", slope, above=0.0)
    check_hyperparameter("offset", offset)
    slope, offset = (_own(x, num_labels) for x in (slope, offset))
    return Learned(_inverse_softplus(slope), offset)


def learned(parameters: Learned) -> Surrogate:
    r"""The surrogate $S(z; \mathrm{softplus}(r), \eta)$ of trainable parameters r and $\eta$.

    Trained on the loss alone, slopes tend to grow where the network is already right, since that
    lowers the loss without changing a decision: watch them, or hold them back by weight decay.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> def loss(parameters):
      ...     return sf.losses.sigmoid_f1(logits, labels, surrogate=learned(parameters))
      >>> bool(jax.grad(loss)(init_learned()).raw_slope < 0)
      True
    """
    return surrogates.sigmoid(jax.nn.softplus(parameters.raw_slope), parameters.offset)


def _own(x: ArrayLike, num_labels: int | None) -> Array:
    """A copy in float32, [num_labels] where that is given.

    Parameters whose memory a step reuses must share it with nothing, the caller's arrays included.
    """
    x = jnp.array(x, jnp.float32)
    return x if num_labels is None else jnp.broadcast_to(x, (num_labels,))


def _inverse_softplus(x: Array) -> Array:
    # log(e^x - 1), without e^x, which overflows from 89 on.
    return x + jnp.log(-jnp.expm1(-x))


class Posterior(NamedTuple):
    """A distribution over slopes and offsets: log slope and offset are normal, independently.

    The scales are softplus of `raw_..._scale`. Train all four fields with the network.
    """

    log_slope: Float[Array, "..."]
    raw_log_slope_scale: Float[Array, "..."]
    offset: Float[Array, "..."]
    raw_offset_scale: Float[Array, "..."]


class Summary(NamedTuple):
    """Median and central 90 % interval of slope and offset."""

    slope: Float[Array, "..."]
    slope_low: Float[Array, "..."]
    slope_high: Float[Array, "..."]
    offset: Float[Array, "..."]
    offset_low: Float[Array, "..."]
    offset_high: Float[Array, "..."]


def init_posterior(
    slope: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
    *,
    scale: ArrayLike = 0.1,
    num_labels: int | None = None,
) -> Posterior:
    """A posterior with this median slope > 0 and offset, and both scales `scale` > 0.

    Example:
      >>> summary(init_posterior(2.0)).slope
      Array(2., dtype=float32)
    """
    check_hyperparameter("slope", slope, above=0.0)
    check_hyperparameter("offset", offset)
    check_hyperparameter("scale", scale, above=0.0)
    slope, offset = (_own(x, num_labels) for x in (slope, offset))
    for_slope, for_offset = (_inverse_softplus(_own(scale, num_labels)) for _ in range(2))
    return Posterior(jnp.log(slope), for_slope, offset, for_offset)


def sample(posterior: Posterior, key: Array) -> Surrogate:
    """One surrogate, drawn by reparameterisation: gradients flow to the posterior's fields."""
    for_slope, for_offset = jax.random.split(key)
    slope_noise = jax.random.normal(for_slope, jnp.shape(posterior.log_slope))
    offset_noise = jax.random.normal(for_offset, jnp.shape(posterior.offset))
    log_slope = posterior.log_slope + slope_noise * jax.nn.softplus(posterior.raw_log_slope_scale)
    offset = posterior.offset + offset_noise * jax.nn.softplus(posterior.raw_offset_scale)
    return surrogates.sigmoid(jnp.exp(log_slope), offset)


def monte_carlo(
    loss: Callable[[Surrogate], Array], posterior: Posterior, key: Array, samples: int = 8
) -> Array:
    r"""The mean loss over draws of slope and offset: $E_{\beta,\eta}[\ell(S(\cdot;\beta,\eta))]$.

    Args:
      loss: a function of a surrogate.
      posterior: the distribution of slopes and offsets.
      key: random key; the same on all devices.
      samples: number of draws, >= 1.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> def loss(surrogate):
      ...     return sf.losses.sigmoid_f1(logits, labels, surrogate=surrogate)
      >>> bool(monte_carlo(loss, init_posterior(), jax.random.key(0)) < 0.5)
      True
    """
    if samples < 1:
        raise ValueError(f"samples must be >= 1, got {samples}")
    draws = jax.vmap(lambda k: loss(sample(posterior, k)))(jax.random.split(key, samples))
    return jnp.mean(draws, 0)


def divergence(posterior: Posterior, prior: Posterior) -> Float[Array, ""]:
    """KL(posterior, prior), summed over labels: add it to the loss, or the scales shrink to 0.

    Example:
      >>> float(divergence(init_posterior(), init_posterior()))
      0.0
    """

    def normal(mean: Array, raw: Array, prior_mean: Array, prior_raw: Array) -> Array:
        s, t = jax.nn.softplus(raw), jax.nn.softplus(prior_raw)
        return jnp.log(t / s) + (s * s + jnp.square(mean - prior_mean)) / (2 * t * t) - 0.5

    slopes = normal(*posterior[:2], *prior[:2])
    return jnp.sum(slopes) + jnp.sum(normal(*posterior[2:], *prior[2:]))


def summary(posterior: Posterior) -> Summary:
    """What the posterior says: medians and 90 % intervals, for reports."""
    z = 1.6448536  # 95th percentile of the standard normal
    slope_scale = jax.nn.softplus(posterior.raw_log_slope_scale)
    offset_scale = jax.nn.softplus(posterior.raw_offset_scale)
    return Summary(
        *(jnp.exp(posterior.log_slope + k * slope_scale) for k in (0, -z, z)),
        *(posterior.offset + k * offset_scale for k in (0, -z, z)),
    )
