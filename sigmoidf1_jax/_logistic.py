"""Logistic functions with derivatives in closed form: exact at any logit, few exponentials.

JAX differentiates `softplus` through `logaddexp`, which costs more exponentials and selects for
infinities that no logit here is. The rules below are made of functions that JAX differentiates
in closed form, so that derivatives of any order, forward and backward, are right and finite.

Values use maxima where selects would do, and derivatives use the sigmoid where an exponential
of the value would do: XLA on a CPU neither vectorizes reductions over selects nor recomputes an
exponential that value and derivative share, but writes it to memory.
"""

import jax
import jax.numpy as jnp
from jax.nn import sigmoid
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
