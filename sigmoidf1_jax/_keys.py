"""Scores as integers: the one order that metrics and decisions compare, sort and rank by."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


def integer_keys(scores: Float[Array, "..."]) -> Int[Array, "..."]:
    """Integers in the order of the scores; -0 and 0 get the same one.

    XLA's CPU code takes subnormal floats for 0 and sorts floats slowly; integers have neither
    trouble. A float's bits are sign and magnitude, so negatives are reflected. float16 and
    bfloat16 are ordered as float32. The key of NaN is meaningless; inputs are checked before.
    The lowest integer is no score's key, not even -inf's: it can stand for "masked".
    """
    if scores.dtype != jnp.float64:
        scores = scores.astype(jnp.float32)
    kind = jnp.int64 if scores.dtype == jnp.float64 else jnp.int32
    bits = lax.bitcast_convert_type(scores, kind)
    return jnp.where(bits >= 0, bits, jnp.iinfo(kind).min - bits)


def scores_of_keys(keys: Int[Array, "..."]) -> Float[Array, "..."]:
    """The scores, float32 or float64, that have these keys."""
    kind = jnp.float64 if keys.dtype == jnp.int64 else jnp.float32
    bits = jnp.where(keys >= 0, keys, jnp.iinfo(keys.dtype).min - keys)
    return lax.bitcast_convert_type(bits, kind)
