"""Functions of large arrays, computed in tiles that stay in a CPU's cache.

On a CPU a temporary array of many megabytes is mapped, cleared and unmapped at every call, which
takes longer than most metrics. Accelerators get the whole arrays. Call these inside jit.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from sigmoidf1_jax._inputs import is_divided

T = TypeVar("T")
R = TypeVar("R")

ENTRIES = 2**20
"""The largest array that is not split."""

PARTS = 16
"""How many parts run at once; with fewer, XLA's CPU executor was seen to run one by one."""


def per_slice(function: Callable[[T], R], arrays: T, axis: int) -> R:
    """`function(arrays)` where it treats the slices along `axis` separately.

    `arrays` is a pytree of arrays of one shape; in the results the first axis holds the slices.
    """
    tiles, length = _layout(arrays, axis)
    if tiles <= 1:
        return function(arrays)

    def split(arrays: T) -> R:
        def tile(i: jax.Array) -> R:
            return function(_cut(arrays, i * length, length, axis))

        rest = _rest(arrays, tiles * length, axis)
        parts = jax.tree.map(
            lambda x: x.reshape(-1, *x.shape[2:]), lax.map(tile, jnp.arange(tiles))
        )
        if rest is None:
            return parts
        return jax.tree.map(lambda *x: jnp.concatenate(x), parts, function(rest))

    return lax.platform_dependent(arrays, cpu=split, default=function)


def rows_in_parts(
    function: Callable[..., tuple[R, T]], *rows: Float[jax.Array, "*batch labels"]
) -> tuple[R, T]:
    """`function(*rows)`, which keeps many arrays: of large ones some rows after the others.

    On any backend memory is that of one part, and what the function's derivative keeps of each:
    nothing with `jax.checkpoint`.

    Args:
      function: gives a pytree with one number per row, and a pytree of sums over rows.
      *rows: arrays of one shape, of which rows of zeros must count for nothing.
    """
    shape = rows[0].shape
    static = all(isinstance(size, int) for size in shape)
    if not static or len(shape) < 2 or is_divided(rows[0]):
        return function(*rows)
    batch = math.prod(shape[:-1])
    # Small, for functions that keep many arrays; without a rest, if sizes allow it.
    most = min(batch, max(1, ENTRIES // 8 // shape[-1]))
    if most == batch:
        return function(*rows)
    even = next(size for size in range(most, 0, -1) if batch % size == 0)
    size = even if 2 * even >= most else -(-batch // -(-batch // most))
    filled = -(-batch // size) * size
    # Rows that lie together are parts without a copy. Accelerators may have divided the batch,
    # and leave it where it is if each part has rows from all over.
    spread = jax.default_backend() != "cpu"

    def divide(x: jax.Array) -> jax.Array:
        x = x.reshape(batch, shape[-1])
        x = jnp.pad(x, ((0, filled - batch), (0, 0)))
        if spread:
            return x.reshape(size, -1, shape[-1]).swapaxes(0, 1)
        return x.reshape(-1, size, shape[-1])

    def whole(x: jax.Array) -> jax.Array:
        x = (x.swapaxes(0, 1) if spread else x).reshape(filled)
        return x[:batch].reshape(shape[:-1])

    def step(total: T, part: tuple[jax.Array, ...]) -> tuple[T, R]:
        of_rows, sums = function(*part)
        return jax.tree.map(jnp.add, total, sums), of_rows

    parts = tuple(map(divide, rows))
    shapes = jax.eval_shape(function, *(x[0] for x in parts))[1]
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    total, of_rows = lax.scan(step, nothing, parts)
    return jax.tree.map(whole, of_rows), total


def concurrent(function: Callable[[T], R], arrays: T) -> R:
    """`function(arrays)` where it treats the rows of 2-d arrays separately.

    XLA's CPU sort runs on one thread. Parts of the rows, as sorts of their own, run on all.
    """
    first = jax.tree.leaves(arrays)[0]
    if not _is_static(first) or first.shape[0] < PARTS or first.size < ENTRIES // 64:
        return function(arrays)
    length = -(-first.shape[0] // PARTS)

    def split(arrays: T) -> R:
        starts = range(0, first.shape[0], length)
        parts = [jax.tree.map(lambda x, i=i: x[i : i + length], arrays) for i in starts]
        return jax.tree.map(lambda *x: jnp.concatenate(x), *map(function, parts))

    return lax.platform_dependent(arrays, cpu=split, default=function)


def total(function: Callable[[T], R], arrays: T) -> R:
    """`function(arrays)` where it sums over the first axis."""
    tiles, length = _layout(arrays, 0)
    if tiles <= 1:
        return function(arrays)

    def split(arrays: T) -> R:
        def add(i: int | jax.Array, sums: R) -> R:
            return jax.tree.map(jnp.add, sums, function(_cut(arrays, i * length, length, 0)))

        rest = _rest(arrays, tiles * length, 0)
        sums = lax.fori_loop(1, tiles, add, function(_cut(arrays, 0, length, 0)))
        return sums if rest is None else jax.tree.map(jnp.add, sums, function(rest))

    return lax.platform_dependent(arrays, cpu=split, default=function)


def _layout(arrays: object, axis: int) -> tuple[int, int]:
    """How many tiles, and the slices in each."""
    first = jax.tree.leaves(arrays)[0]
    n = first.shape[axis]
    if not _is_static(first):
        return 1, n
    # No tile is shorter than what `concurrent` can split.
    tiles = min(-(-n // PARTS), -(-first.size // ENTRIES))
    return tiles, n // max(tiles, 1)


def _is_static(x: jax.Array) -> bool:
    # An exported program may have symbolic sizes, by which nothing can be laid out.
    return all(isinstance(size, int) for size in x.shape)


def _cut(arrays: T, start: int | jax.Array, length: int, axis: int) -> T:
    return jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, start, length, axis), arrays)


def _rest(arrays: T, start: int, axis: int) -> T | None:
    n = jax.tree.leaves(arrays)[0].shape[axis]
    return _cut(arrays, start, n - start, axis) if start < n else None
