"""Compensated sums: pairs of floats that hold what one float would round away."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num


class CompensatedSum(NamedTuple):
    """A sum as high + low, two floats: integers stay exact up to 2^47 in float32."""

    high: Float[Array, "..."]
    low: Float[Array, "..."]


def zeros(shape: tuple[int, ...], dtype: Any) -> CompensatedSum:
    """The sum of nothing."""
    return CompensatedSum(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


def add(old: CompensatedSum, x: Num[Array, "..."]) -> CompensatedSum:
    """`old` + x, floats or integers."""
    dtype = old.high.dtype
    if jnp.issubdtype(x.dtype, jnp.integer):
        # An int32 above 2^24 fits no float32, its upper and lower bits do.
        low = x & 0xFFF
        return _add_floats(_add_floats(old, (x - low).astype(dtype)), low.astype(dtype))
    return _add_floats(old, x.astype(dtype))


def _add_floats(old: CompensatedSum, x: Float[Array, "..."]) -> CompensatedSum:
    # Knuth's two-sum gives the rounding error exactly; the low word collects it.
    total = old.high + x
    shadow = total - old.high
    error = (old.high - (total - shadow)) + (x - shadow)
    low = old.low + error
    high = total + low
    return CompensatedSum(high, low - (high - total))


def join(first: CompensatedSum, second: CompensatedSum) -> CompensatedSum:
    """The sum of both."""
    return _add_floats(_add_floats(first, second.high), second.low)


def total(x: CompensatedSum) -> Float[Array, "..."]:
    """The sum as one float."""
    return x.high + x.low


def each(f: Callable[..., Any], sums: Any, *others: Any) -> Any:
    """`jax.tree.map` over pytrees of compensated sums."""
    return jax.tree.map(f, sums, *others, is_leaf=lambda x: isinstance(x, CompensatedSum))
