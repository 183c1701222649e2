"""Division, square root and averages: finite on empty input, and NaN where NaN came in.

A guard asks "is it empty?", never "is it fine?": every comparison with NaN is false, so a guard
of the second kind takes NaN for empty and hides it.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float


@jax.custom_jvp
def _ratio(numerator: Array, denominator: Array, default: Array) -> Array:
    empty = _is_empty(denominator)
    return jnp.where(empty, default, numerator / jnp.where(empty, 1, denominator))


def _is_empty(denominator: Array) -> Array:
    # Below tiny/eps (1e-31 in float32) the quotient's derivative could overflow; sums of
    # sigmoids that small carry no information, so they count as an empty denominator.
    info = jnp.finfo(denominator.dtype)
    return jnp.abs(denominator) <= info.tiny / info.eps


_Three = tuple[Array, Array, Array]


@_ratio.defjvp
def _ratio_jvp(primals: _Three, tangents: _Three) -> tuple[Array, Array]:
    # JAX's own rule computes x * y**-2, which overflows for y = 1e-26 although the derivative
    # is finite. (dn - r dd) / d never squares, and as a _ratio again it is safe to any order.
    numerator, denominator, default = primals
    d_numerator, d_denominator, d_default = tangents
    value = _ratio(numerator, denominator, default)
    empty = _is_empty(denominator)
    change = d_numerator - jnp.where(empty, 0, value) * d_denominator
    slope = _ratio(change, denominator, jnp.zeros((), value.dtype))
    return value, jnp.where(empty, d_default, slope)


def ratio(
    numerator: Float[Array, "..."], denominator: Float[Array, "..."], default: ArrayLike = 0.0
) -> Float[Array, "..."]:
    """`numerator / denominator`, and `default` with zero gradient where the latter is empty."""
    dtype = jnp.result_type(numerator, denominator)
    shape = jnp.broadcast_shapes(jnp.shape(numerator), jnp.shape(denominator), jnp.shape(default))

    def full(x: ArrayLike) -> Array:
        # A scalar stays one: an array made here would have no sharding in common with the others.
        x = jnp.asarray(x, dtype)
        return x if x.ndim == 0 else jnp.broadcast_to(x, shape)

    return _ratio(full(numerator), full(denominator), full(default))


def sqrt(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Square root of x >= 0 with gradient 0 at 0, where the true derivative is infinite."""
    zero = x <= jnp.finfo(x.dtype).tiny
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, x)))


def mean(
    values: Float[Array, " labels"],
    *weights: Float[Array, " labels"],
    left_out: Bool[Array, " labels"] | None = None,
    empty: ArrayLike | None = None,
) -> Float[Array, ""]:
    """Weighted mean of the entries that are not left out; a NaN among them makes it NaN.

    The first of `weights` whose sum is positive is used, and equal weights if none is. With all
    entries left out it is `empty`, with gradient 0; NaN by default.
    """
    kept = jnp.ones_like(values) if left_out is None else (~left_out).astype(values.dtype)
    chosen = kept
    for candidate in reversed(weights):
        candidate = jnp.where(kept > 0, candidate, 0).astype(values.dtype)
        chosen = jnp.where(jnp.sum(candidate) > 0, candidate, chosen)
    total = jnp.sum(jnp.where(chosen > 0, chosen * values, 0))
    # The division itself makes the NaN: no constant that `jax_debug_nans` would stop at.
    weight = jnp.sum(chosen)
    return total / weight if empty is None else ratio(total, weight, empty)


def logsumexp(
    x: Float[Array, "..."], weight: Float[Array, "..."], axis: int = -1
) -> Float[Array, "..."]:
    """Log of the sum of weight * e^x; -inf, with gradient 0, where no weight is positive.

    Entries without weight have no part in the maximum either, so the result does not depend on
    what stands there and its gradient there is 0.
    """
    return _logsumexp(x, weight, axis)


class _Terms(NamedTuple):
    """e^(x - top) of entries that count, 0 of others, their weighted sum, and whether it is one."""

    top: Array
    exponentials: Array
    total: Array
    absent: Array


def _terms(x: Array, weight: Array, axis: int) -> _Terms:
    # A comparison with NaN is false: a weight of NaN is of an entry that counts.
    counted = jnp.where(weight <= 0, -jnp.inf, x)
    top = jax.lax.stop_gradient(jnp.max(counted, axis, keepdims=True))
    absent = top == -jnp.inf
    top = jnp.where(absent, 0, top)
    exponentials = jnp.exp(counted - top)
    total = jnp.sum(weight * exponentials, axis)
    absent = jnp.squeeze(absent, axis)
    return _Terms(jnp.squeeze(top, axis), exponentials, jnp.where(absent, 1, total), absent)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _logsumexp(x: Array, weight: Array, axis: int) -> Array:
    terms = _terms(x, weight, axis)
    return jnp.where(terms.absent, -jnp.inf, jnp.log(terms.total) + terms.top)


@_logsumexp.defjvp
def _logsumexp_jvp(
    axis: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    # The exponentials of the value, once: JAX's own rules go through each of the selects.
    x, weight = primals
    terms = _terms(x, weight, axis)
    by_x = jnp.sum(weight * terms.exponentials * tangents[0], axis)
    by_weight = jnp.sum(terms.exponentials * tangents[1], axis)
    return _logsumexp(x, weight, axis), (by_x + by_weight) / terms.total


def finite_log(log: Float[Array, "..."]) -> tuple[Float[Array, "..."], Bool[Array, "..."]]:
    """A log of a sum with 0 for -inf, and whether there was anything to sum."""
    absent = log == -jnp.inf
    return jnp.where(absent, 0, log), ~absent
