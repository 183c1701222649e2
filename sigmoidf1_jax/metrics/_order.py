"""Labels in the order of descending scores, from one sort of integers."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num

from sigmoidf1_jax import _safe, _tiles
from sigmoidf1_jax._keys import integer_keys
from sigmoidf1_jax.metrics._prepare import Ranking

_SHORT = 8
"""The longest group of equal scores that `before_group` finds by looking back."""


class Ordered(NamedTuple):
    """Entries of each row by descending score, positives first among equal scores.

    Masked entries stand at the end, as one group of equal scores without positives.
    """

    first: Bool[Array, "rows n"]
    """True where a group of equal scores begins."""
    positive: Num[Array, "rows n"]
    """Weight of the positive entries, 0 elsewhere; int32 without weights."""
    negative: Num[Array, "rows n"]
    """Weight of the negative entries that count."""


# Jitted, because an eager lax.cond compiles its branches anew at every call.
@jax.jit
def descending(
    scores: Float[Array, "rows n"],
    labels: Bool[Array, "rows n"],
    mask: Bool[Array, "rows n"] | None,
) -> tuple[Bool[Array, "rows n"], Bool[Array, "rows n"]]:
    """(first of its tie group, label) of each row's entries by descending score.

    XLA's CPU sort of one integer array is five times faster than any sort of two, so the label
    travels in the key's lowest bit. A float has no bit to spare, but scores whose non-zero
    magnitudes span less than 2^127 do: subtracting the smallest magnitude frees one. Other
    scores take the slower sort of pairs.
    """
    keys = -integer_keys(scores)
    limits = jnp.iinfo(keys.dtype)
    size = jnp.abs(keys)
    nonzero = size > 0 if mask is None else (size > 0) & mask
    low = jnp.min(jnp.where(nonzero, size, limits.max), initial=limits.max)
    high = jnp.max(jnp.where(nonzero, size, 0), initial=0)
    half = limits.max // 2

    def packed() -> tuple[Array, Array]:
        small = jnp.sign(keys) * (size - (low - 1))
        small = jnp.where(size > 0, small, 0)
        code = 2 * small + (1 - labels.astype(keys.dtype))
        code = _sort(code if mask is None else jnp.where(mask, code, limits.max))
        return _begins(code >> 1), (code & 1) == 0

    def pairs() -> tuple[Array, Array]:
        full = keys if mask is None else jnp.where(mask, keys, limits.max)
        full, negative = _sort((full, (~labels).astype(jnp.int8)), num_keys=2)
        return _begins(full), negative == 0

    return lax.cond(high - low < half - 1, packed, pairs)


def _sort(operands: Any, num_keys: int = 1) -> Any:
    """`lax.sort` of every row."""
    return _tiles.concurrent(functools.partial(lax.sort, num_keys=num_keys), operands)


def _begins(sorted_keys: Int[Array, "rows n"]) -> Bool[Array, "rows n"]:
    start = jnp.ones((*sorted_keys.shape[:-1], min(1, sorted_keys.shape[-1])), bool)
    return jnp.concatenate([start, sorted_keys[..., 1:] != sorted_keys[..., :-1]], -1)


def ordered(
    scores: Float[Array, "rows n"],
    labels: Bool[Array, "rows n"],
    mask: Bool[Array, "rows n"] | None,
    weight: Float[Array, "rows n"] | None,
) -> Ordered:
    """`Ordered` rows; without weights all counts are exact int32."""
    if weight is not None:
        return weigh(argsort(scores, labels, mask), weight)
    first, positive = descending(scores, labels, mask)
    negative = ~positive
    if mask is not None:
        counted = jnp.sum(mask, -1, dtype=jnp.int32, keepdims=True)
        negative &= jnp.arange(scores.shape[-1], dtype=jnp.int32)[None] < counted
    return Ordered(first, positive.astype(jnp.int32), negative.astype(jnp.int32))


class Order(NamedTuple):
    """A reusable order: the entry's place of origin, tie groups and labels."""

    origin: Int[Array, "rows n"]
    first: Bool[Array, "rows n"]
    positive: Bool[Array, "rows n"]


@jax.jit
def argsort(
    scores: Float[Array, "rows n"],
    labels: Bool[Array, "rows n"],
    mask: Bool[Array, "rows n"] | None,
) -> Order:
    """The order with each entry's origin, so that weights can follow it (again and again)."""
    keys = -integer_keys(scores)
    if mask is not None:
        keys = jnp.where(mask, keys, jnp.iinfo(keys.dtype).max)
    index = lax.broadcasted_iota(jnp.int32, keys.shape, keys.ndim - 1)
    operands = (keys, (~labels).astype(jnp.int8), index)
    keys, negative, index = _sort(operands, num_keys=2)
    return Order(index, _begins(keys), negative == 0)


def weigh(order: Order, weight: Float[Array, "rows n"]) -> Ordered:
    """`Ordered` with the weights (0 where masked) of the entries."""
    moved = jnp.take_along_axis(weight, order.origin, -1)
    return Ordered(
        order.first, jnp.where(order.positive, moved, 0), jnp.where(order.positive, 0, moved)
    )


def group_ends(first: Bool[Array, "rows n"]) -> Bool[Array, "rows n"]:
    """True at the last entry of each group of equal scores."""
    end = jnp.ones((*first.shape[:-1], min(1, first.shape[-1])), bool)
    return jnp.concatenate([first[..., 1:], end], -1)


def before_group(entries: Ordered, above: Num[Array, "rows n"]) -> Num[Array, "rows n"]:
    """The positives above an entry's whole group of equal scores."""
    # Sums along the order never fall, so the maximum so far is the latest group's. Few scores
    # are equal as a rule: looking a few places back is ten times faster than a running maximum.
    start = jnp.where(entries.first, above - entries.positive, 0)
    longer = functools.reduce(jnp.logical_and, _back(~entries.first, _SHORT))

    def near() -> Num[Array, "rows n"]:
        return functools.reduce(jnp.maximum, _back(start, _SHORT))

    def far() -> Num[Array, "rows n"]:
        return lax.cummax(start, above.ndim - 1)

    return lax.cond(jnp.any(longer), far, near)


def _back(x: Array, places: int) -> list[Array]:
    """`x` moved towards the end by 0 .. places - 1, with zeros in front."""
    front = [(0, 0)] * (x.ndim - 1)
    return [jnp.pad(x, [*front, (k, 0)])[..., : x.shape[-1]] for k in range(places)]


@functools.partial(jax.jit, static_argnames="dtype")
def average_precision(entries: Ordered, dtype: jnp.dtype) -> Float[Array, " rows"]:
    """Sum over thresholds of (rise of recall) * precision; 0 without positives."""
    above = jnp.cumsum(entries.positive, -1)
    # Counted entries come first and masked ones add no positive: without weights the number of
    # entries so far is the position, whatever the mask.
    if jnp.issubdtype(above.dtype, jnp.integer):
        total = jnp.arange(1, above.shape[-1] + 1, dtype=above.dtype)
    else:
        total = above + jnp.cumsum(entries.negative, -1)
    rise = jnp.where(group_ends(entries.first), above - before_group(entries, above), 0)
    precision = _safe.ratio(above.astype(dtype), total.astype(dtype))
    positives = jnp.sum(entries.positive, -1).astype(dtype)
    return _safe.ratio(accurate_sum(rise.astype(dtype) * precision), positives)


@functools.partial(jax.jit, static_argnames="dtype")
def roc_auc(entries: Ordered, dtype: jnp.dtype) -> Float[Array, " rows"]:
    """P(positive above negative) + P(equal) / 2; 0 if a class is missing."""
    above = jnp.cumsum(entries.positive, -1)
    before = before_group(entries, above)
    positives = jnp.sum(entries.positive, -1).astype(dtype)
    negatives = jnp.sum(entries.negative, -1).astype(dtype)
    # Positives stand first in their group, so at a negative `above` holds all that are equal.
    share = _safe.ratio((before + above).astype(dtype) / 2, positives[..., None])
    return _safe.ratio(accurate_sum(entries.negative.astype(dtype) * share), negatives)


def accurate_sum(x: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """Sum of the last axis in blocks: a long float32 sum in sequence loses three digits."""
    block = 256
    n = x.shape[-1]
    if not isinstance(n, int):
        # An exported program's symbolic size: blocks once, as nothing can ask how many there are.
        parts = -(-n // block)
        x = jnp.pad(x, [*[(0, 0)] * (x.ndim - 1), (0, parts * block - n)])
        return jnp.sum(jnp.sum(x.reshape(*x.shape[:-1], parts, block), -1), -1)
    if n <= block:
        return jnp.sum(x, -1)
    whole = n // block * block
    parts = jnp.sum(x[..., :whole].reshape(*x.shape[:-1], -1, block), -1)
    return accurate_sum(parts) + jnp.sum(x[..., whole:], -1)


class SortedExamples(NamedTuple):
    """Examples whose labels are sorted once, for every metric of their order."""

    ranking: Ranking
    entries: Ordered
    average_precision: Float[Array, " examples"]


def sort_examples(ranking: Ranking) -> SortedExamples:
    """Each example's labels by descending score; weights play no part."""
    entries = ordered(ranking.scores, ranking.labels, ranking.mask, None)
    return SortedExamples(ranking, entries, average_precision(entries, ranking.dtype))


def columns(x: jax.Array | None) -> jax.Array | None:
    """[examples, labels] as rows of labels; None stays None."""
    return None if x is None else x.T
