"""Logistic losses with derivatives in closed form: exact at any logit, few transcendentals.

JAX differentiates `softplus` through `logaddexp`, which costs more exponentials and selects for
infinities that no logit here is, and a product of powers and logarithms through each of them. The
rules below are made of functions that JAX differentiates in closed form, so that derivatives of
any order, forward and backward, are right and finite.

What XLA on a CPU makes of them decides how they are written: a sum over entries that holds a
select, or an exponential that value and derivative share, has its terms written to memory. Cheap
entries (cross-entropy) therefore use maxima, and sigmoids in the derivative; dear ones (focal,
asymmetric) share one exponential and one logarithm, which costs less than computing them twice.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import sigmoid
from jax.typing import ArrayLike
from jaxtyping import Array


def hinge(z: Array) -> Array:
    """max(z, 0)."""
    # Not of a constant, which XLA on a CPU writes to memory at the logits' size.
    return jnp.maximum(z, z - z)


def _tail(z: Array) -> Array:
    """log(1 + e^-|z|): what softplus has beyond its hinge."""
    return jnp.log1p(jnp.exp(-jnp.abs(z)))


@jax.custom_jvp
def softplus(z: Array) -> Array:
    """log(1 + e^z): one exponential and one logarithm, and an exponential for its derivative."""
    return hinge(z) + _tail(z)


softplus.defjvps(lambda tangent, value, z: sigmoid(z) * tangent)


@jax.custom_jvp
def softplus_of_negative(z: Array) -> Array:
    """softplus(-z), of the exponential that `sigmoids(z)` has, too."""
    return hinge(-z) + _tail(z)


softplus_of_negative.defjvps(lambda tangent, value, z: -sigmoid(-z) * tangent)


@jax.custom_jvp
def cross_entropy(z: Array, positive: Array, negative: Array) -> Array:
    """Positive * softplus(-z) + negative * softplus(z), with one exponential and logarithm."""
    hinges = positive * hinge(-z) + negative * hinge(z)
    return hinges + (positive + negative) * _tail(z)


cross_entropy.defjvps(
    # Two sigmoids, since 1 - sigmoid(z) is 0 long before sigmoid(-z) is.
    lambda tangent, value, z, positive, negative: (
        (negative * sigmoid(z) - positive * sigmoid(-z)) * tangent
    ),
    lambda tangent, value, z, positive, negative: softplus(-z) * tangent,
    lambda tangent, value, z, positive, negative: softplus(z) * tangent,
)


@jax.custom_jvp
def binary_cross_entropy(z: Array, y: Array) -> Array:
    """`cross_entropy(z, y, 1 - y)`, of fewer parts."""
    return hinge(z) - y * z + _tail(z)


binary_cross_entropy.defjvps(
    lambda tangent, value, z, y: ((1 - y) * sigmoid(z) - y * sigmoid(-z)) * tangent,
    lambda tangent, value, z, y: -z * tangent,
)


@jax.custom_jvp
def sigmoids(z: Array) -> tuple[Array, Array]:
    """(sigmoid(z), sigmoid(-z)) by one exponential; neither is 0, so that they can be divided."""
    e = jnp.exp(-jnp.abs(z))
    floored = jnp.maximum(e, jnp.finfo(z.dtype).tiny)
    right = z >= 0
    return jnp.where(right, 1, floored) / (1 + e), jnp.where(right, floored, 1) / (1 + e)


@sigmoids.defjvp
def _sigmoids_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Any, Any]:
    p, q = sigmoids(*primals)
    slope = p * q * tangents[0]
    return (p, q), (slope, -slope)


def whole(exponent: ArrayLike) -> int | None:
    """An exponent that Python knows to be whole, so that a power of it is a few products."""
    if isinstance(exponent, int | float) and 0 <= exponent <= 16 and exponent == int(exponent):
        return int(exponent)
    return None


def _power(base: Array, exponent: Array, exponent_is: int | None) -> Array:
    """base^exponent for base >= 0, and for base > 0 where the exponent is not whole."""
    if exponent_is is None:
        return jnp.exp(exponent * jnp.log(base))
    return jnp.ones_like(base) if exponent_is == 0 else jax.lax.integer_pow(base, exponent_is)


def _by(function: Callable[..., Array], argument: int) -> Callable[..., Array]:
    """The rule of `defjvps` by an argument that is seldom differentiated: JAX's own."""

    def rule(tangent: Array, value: Array, *arguments: Any) -> Array:
        def of_one(x: Array) -> Array:
            return function(*arguments[:argument], x, *arguments[argument + 1 :])

        return jax.jvp(of_one, (arguments[argument],), (tangent,))[1]

    return rule


# The rules of the losses below use the loss itself, which is in memory anyway.


@functools.cache
def focal(gamma_is: int | None) -> Callable[[Array, Array, Array], Array]:
    """`f(z, y, gamma)`: (1 - p_t)^gamma times the cross-entropy, of the mixture p_t if y is soft.

    `gamma_is` is the exponent's `whole`.
    """

    def missed(z: Array, y: Array) -> Array:
        p, q = sigmoids(z)
        return p * (1 - y) + q * y

    def value(z: Array, y: Array, gamma: Array) -> Array:
        return _power(missed(z, y), gamma, gamma_is) * binary_cross_entropy(z, y)

    def by_logit(tangent: Array, value: Array, z: Array, y: Array, gamma: Array) -> Array:
        p, q = sigmoids(z)
        miss = missed(z, y)
        entropy_slope = (1 - y) * p - y * q
        growth = gamma * (1 - 2 * y) * (p * q / miss)
        return (growth * value + _power(miss, gamma, gamma_is) * entropy_slope) * tangent

    function = jax.custom_jvp(value)
    function.defjvps(by_logit, _by(value, 1), _by(value, 2))
    return function


@functools.cache
def focal_positive(
    gamma_is: int | None, stop_weight: bool = False
) -> Callable[[Array, Array, Array], Array]:
    """`f(z, y, gamma)`: y sigmoid(-z)^gamma softplus(-z), what a positive costs."""

    def value(z: Array, y: Array, gamma: Array) -> Array:
        return y * _power(sigmoids(z)[1], gamma, gamma_is) * softplus_of_negative(z)

    def by_logit(tangent: Array, value: Array, z: Array, y: Array, gamma: Array) -> Array:
        p, q = sigmoids(z)
        slope = y * _power(q, gamma, gamma_is) * q
        return -(slope if stop_weight else gamma * p * value + slope) * tangent

    function = jax.custom_jvp(value)
    function.defjvps(by_logit, _by(value, 1), None if stop_weight else _by(value, 2))
    return function


@functools.cache
def shifted_negative(
    gamma_is: int | None, stop_weight: bool
) -> Callable[[Array, Array, Array, Array], Array]:
    """`f(z, y, gamma, shift)`: -(1 - y) p^gamma log(1 - p) for p = max(sigmoid(z) - shift, 0)."""

    def excess(z: Array, shift: Array) -> tuple[Array, Array]:
        p = jnp.maximum(sigmoids(z)[0] - shift, 0)
        # Not `p > 0`, which would take NaN for a negative that costs nothing.
        return p, ~(p <= 0)

    def weight(p: Array, costs: Array, gamma: Array) -> Array:
        if gamma_is is not None and gamma_is > 0:
            return _power(p, gamma, gamma_is)
        return jnp.where(costs, _power(jnp.where(costs, p, 0.5), gamma, gamma_is), 0)

    def value(z: Array, y: Array, gamma: Array, shift: Array) -> Array:
        p, costs = excess(z, shift)
        # Without a shift log(1 - p) comes from the logit, exact at any size; with one,
        # 1 - p >= shift, so its log is finite.
        shifted = shift > 0
        entropy = jnp.where(shifted, -jnp.log1p(-jnp.where(shifted, p, 0)), softplus(z))
        return (1 - y) * weight(p, costs, gamma) * entropy

    def by_logit(
        tangent: Array, value: Array, z: Array, y: Array, gamma: Array, shift: Array
    ) -> Array:
        p, costs = excess(z, shift)
        full, rest = sigmoids(z)
        inner = (1 - y) * weight(p, costs, gamma) / (rest + shift)
        if not stop_weight:
            inner += gamma * value / jnp.where(costs, p, 1)
        return jnp.where(costs, full * rest * inner, 0) * tangent

    function = jax.custom_jvp(value)
    rules = [None, None] if stop_weight else [_by(value, 2), _by(value, 3)]
    function.defjvps(by_logit, _by(value, 1), *rules)
    return function
