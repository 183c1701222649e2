"""Division, square root and averages whose values and gradients are finite on empty input."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float


@jax.custom_jvp
def _ratio(numerator: Array, denominator: Array, default: Array) -> Array:
    ok = _divisible(denominator)
    return jnp.where(ok, numerator / jnp.where(ok, denominator, 1), default)


def _divisible(denominator: Array) -> Array:
    # Below tiny/eps (1e-31 in float32) the quotient's derivative could overflow; sums of
    # sigmoids that small carry no information, so they count as an empty denominator.
    info = jnp.finfo(denominator.dtype)
    return jnp.abs(denominator) > info.tiny / info.eps


@_ratio.defjvp
def _ratio_jvp(primals, tangents):  # type: ignore[no-untyped-def]
    # JAX's own rule computes x * y**-2, which overflows for y = 1e-26 although the derivative
    # is finite. (dn - r dd) / d never squares, and as a _ratio again it is safe to any order.
    numerator, denominator, default = primals
    d_numerator, d_denominator, d_default = tangents
    value = _ratio(numerator, denominator, default)
    ok = _divisible(denominator)
    change = d_numerator - jnp.where(ok, value, 0) * d_denominator
    return value, jnp.where(ok, _ratio(change, denominator, jnp.zeros_like(value)), d_default)


def ratio(
    numerator: Float[Array, "..."], denominator: Float[Array, "..."], default: ArrayLike = 0.0
) -> Float[Array, "..."]:
    """`numerator / denominator`, and `default` with zero gradient where the latter is empty."""
    dtype = jnp.result_type(numerator, denominator)
    shape = jnp.broadcast_shapes(jnp.shape(numerator), jnp.shape(denominator), jnp.shape(default))

    def full(x: ArrayLike) -> Array:
        return jnp.broadcast_to(jnp.asarray(x, dtype), shape)

    return _ratio(full(numerator), full(denominator), full(default))


def sqrt(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Square root of x >= 0 with gradient 0 at 0, where the true derivative is infinite."""
    positive = x > jnp.finfo(x.dtype).tiny
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


def mean(values: Float[Array, " labels"], *weights: Float[Array, " labels"]) -> Float[Array, ""]:
    """Weighted mean over entries that are not NaN; NaN if there is none.

    The first of `weights` whose sum is positive is used, and equal weights if none is.
    """
    valid = ~jnp.isnan(values)
    chosen = valid.astype(values.dtype)
    for candidate in reversed(weights):
        candidate = jnp.where(valid, candidate, 0).astype(values.dtype)
        chosen = jnp.where(jnp.sum(candidate) > 0, candidate, chosen)
    return ratio(jnp.sum(chosen * jnp.where(valid, values, 0)), jnp.sum(chosen), jnp.nan)


def logsumexp(
    x: Float[Array, "..."], weight: Float[Array, "..."], axis: int = -1
) -> Float[Array, "..."]:
    """Log of the sum of weight * e^x; -inf, with gradient 0, where no weight is positive.

    Entries without weight have no part in the maximum either, so the result does not depend on
    what stands there and its gradient there is 0.
    """
    counted = weight > 0
    present = jnp.any(counted, axis)
    top = jnp.max(jnp.where(counted, x, -jnp.inf), axis, keepdims=True)
    top = jax.lax.stop_gradient(jnp.where(jnp.isfinite(top), top, 0))
    terms = weight * jnp.exp(jnp.where(counted, x - top, 0))
    total = jnp.sum(jnp.where(counted, terms, 0), axis)
    log_total = jnp.log(jnp.where(present, total, 1)) + jnp.squeeze(top, axis)
    return jnp.where(present, log_total, -jnp.inf)


def finite_log(log: Float[Array, "..."]) -> tuple[Float[Array, "..."], Bool[Array, "..."]]:
    """A log of a sum with 0 for -inf, and whether there was anything to sum."""
    present = log > -jnp.inf
    return jnp.where(present, log, 0), present
