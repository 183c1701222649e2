"""Confusion counts, soft or hard: the statistic that every F-score is a function of."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Num

from sigmoidf1_jax import _checks, _inputs, _sums, _tiles
from sigmoidf1_jax._inputs import AnyArray, Labels, Weights, Where


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["tp", "fp", "fn", "tn"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True)
class Confusion:
    """True positives, false positives, false negatives, true negatives.

    All four have the same shape: [num_labels] for counts per label, [batch] for counts per
    example, [] when pooled. Counts of disjoint sets of examples add up, so `a + b` is the
    confusion of both: exact for integer counts, which become NumPy's int64 where int32 is too
    small; inside jit, where no sum can look whether it fits, integer counts add up as floats.

    >>> a = Confusion(tp=1.0, fp=2.0, fn=0.0, tn=3.0)
    >>> a + a
    Confusion(tp=2.0, fp=4.0, fn=0.0, tn=6.0)
    """

    tp: Num[Array, "..."]
    fp: Num[Array, "..."]
    fn: Num[Array, "..."]
    tn: Num[Array, "..."]

    def __add__(self, other: "Confusion") -> "Confusion":
        if not isinstance(other, Confusion):
            return NotImplemented
        return jax.tree.map(_sum, self, other)

    def __radd__(self, other: Any) -> "Confusion":
        return self if isinstance(other, int) and other == 0 else NotImplemented


def _sum(x: Any, y: Any) -> Any:
    integers = all(jnp.issubdtype(jnp.result_type(a), jnp.integer) for a in (x, y))
    if not integers or all(isinstance(a, int) for a in (x, y)):
        return x + y
    if any(isinstance(a, jax.core.Tracer) for a in (x, y)):
        return _float_of(x) + _float_of(y)
    total = np.asarray(x, np.int64) + np.asarray(y, np.int64)
    # As they came while they fit: NumPy's integers would be cut to 32 bits on their way to JAX.
    fits = total.size == 0 or total.max() <= np.iinfo(np.int32).max
    return jnp.asarray(total, jnp.int32) if fits else total


def _float_of(x: Any) -> Any:
    """Counts as floats; those of NumPy without a detour over 32 bits."""
    if isinstance(x, np.ndarray | np.generic | int) and not isinstance(x, bool):
        x = np.asarray(x, float)
    return jnp.asarray(x, jnp.result_type(float))


def confusion(
    decisions: Num[AnyArray, "*batch labels"] | Bool[AnyArray, "*batch labels"],
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis: int | tuple[int, ...] | None = 0,
) -> Confusion:
    r"""Sums the four products of decisions and labels over `axis`.

    $tp = \sum w\,s\,y$, $fp = \sum w\,s(1-y)$, $fn = \sum w(1-s)y$, $tn = \sum w(1-s)(1-y)$,
    with decisions $s$, labels $y$ and $w$ = `where` * `weights`.

    Args:
      decisions: hard (bool, integer) or soft (floating) decisions.
      labels: same shape, in [0, 1].
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape.
      axis: the axes to sum over: 0 gives counts per label of a [batch, labels] array, -1 counts
        per example, None one pooled count.

    Returns:
      int32 counts, exact, when decisions and labels are bool or integer and there are no
      weights; otherwise floating counts, float32 at least.

    Raises:
      ValueError: shapes differ or do not broadcast, or an axis that is not there; labels
        outside [0, 1], negative weights or NaN decisions in concrete arrays.
      TypeError: `where` is not bool, or complex numbers.

    Example:
      >>> import jax.numpy as jnp
      >>> confusion(jnp.array([.8, .3, .4, .7]), jnp.array([1, 0, 1, 0])).tp
      Array(1.2, dtype=float32)
    """
    decisions = _inputs.as_array(decisions, "decisions")
    labels = _inputs.as_array(labels, "labels")
    _inputs.check_same_shape(decisions, labels, "decisions")
    axes = _axes(axis, labels.ndim)
    hard = not any(jnp.issubdtype(x.dtype, jnp.inexact) for x in (decisions, labels))
    if hard and weights is None:
        mask, _ = _inputs.entry_weights(labels.shape, jnp.float32, where, None)
        _inputs.check_labels(labels, mask)
        if decisions.dtype != jnp.bool_:
            _checks.check_value(
                lambda: jnp.all(
                    (decisions == 0) | (decisions == 1) | (False if mask is None else ~mask)
                ),
                decisions,
                mask,
                message="integer decisions must be 0 or 1 where they count",
            )
        s, y = decisions.astype(bool), labels.astype(bool)
        return _hard_confusion(s, y, mask, axes=axes)
    floating = decisions if jnp.issubdtype(decisions.dtype, jnp.inexact) else None
    dtype = _inputs.accumulation_dtype(jnp.float32 if floating is None else floating.dtype)
    inputs = _inputs.prepare(
        decisions.astype(dtype), labels, where, weights, name="decisions", nan_labels=True
    )
    return soft_confusion(inputs.logits, inputs.labels, inputs.weight, axes)


def _axes(axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    given = range(ndim) if axis is None else np.atleast_1d(axis).tolist()
    axes = tuple(i + ndim if i < 0 else i for i in given)
    if len(set(axes)) != len(axes) or not all(0 <= i < ndim for i in axes):
        raise ValueError(f"axis must name different axes of arrays with {ndim}, got {axis}")
    return axes


def floating_counts(counts: Confusion) -> tuple[Array, Array, Array, Array]:
    """tp, fp, fn, tn as floats, before they are multiplied or pooled: no integer overflow."""
    parts = [
        x if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.inexact) else _float_of(x)
        for x in (counts.tp, counts.fp, counts.fn, counts.tn)
    ]
    dtype = jnp.result_type(float, *{x.dtype for x in parts})
    tp, fp, fn, tn = parts
    return tp.astype(dtype), fp.astype(dtype), fn.astype(dtype), tn.astype(dtype)


# Jitted, because an eager loop over tiles compiles anew at every call.
@functools.partial(jax.jit, static_argnames="axes")
def _hard_confusion(s: Array, y: Array, mask: Array | None, *, axes: tuple[int, ...]) -> Confusion:
    def count(arrays: tuple[Array, Array, Array | None]) -> Confusion:
        s, y, mask = arrays
        cells = (s & y, s & ~y, ~s & y, ~s & ~y)
        return Confusion(
            *(jnp.sum(x if mask is None else x & mask, axes, jnp.int32) for x in cells)
        )

    if 0 in axes:
        return _tiles.total(count, (s, y, mask))
    return _tiles.per_slice(count, (s, y, mask), 0)


def soft_confusion(s: Array, y: Array, w: Array, axis: int | tuple[int, ...] | None) -> Confusion:
    """`confusion` of checked floating inputs, for callers that hold `_inputs.Inputs`."""
    # Two sums of decisions, not four: the others follow, and 1 - s and 1 - y are never written.
    positive = w * y
    per_label = axis == tuple(range(s.ndim - 1)) or (axis == 0 and s.ndim == 2)
    total = _sums.over_examples if per_label else functools.partial(jnp.sum, axis=axis)
    tp, predicted, positives, counted = map(total, (s * positive, s * w, positive, w))
    fp, fn = predicted - tp, positives - tp
    return Confusion(tp=tp, fp=fp, fn=fn, tn=counted - positives - fp)
