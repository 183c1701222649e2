"""Argument checks and the one place where masks and weights are applied to inputs."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import checkify
from jaxtyping import Array, Bool, Float, Int, Num

Logits = Float[Array, "*batch labels"]
Labels = Num[Array, "*batch labels"] | Bool[Array, "*batch labels"]
Where = Bool[Array, "..."] | None
Weights = Num[Array, "..."] | None

_INFINITE = 1e9


class Inputs(NamedTuple):
    """Checked inputs in the dtype in which statistics are accumulated.

    Masked entries hold logit 0 and label 0, so no formula and no gradient ever sees what stood
    there (NaN included). Infinite logits (a large one in half precision, or labels that a model
    rules out) are held at a size whose square is finite, with gradient 0: no formula then meets
    0 * inf. `weight` is `where * weights` with the labels' shape.
    """

    logits: Float[Array, "*batch labels"]
    labels: Float[Array, "*batch labels"]
    weight: Float[Array, "*batch labels"]


def check_value(predicate: Callable[[], Array], *arrays: Any, message: str) -> None:
    """Raises ValueError on concrete arrays; inside jit, `checkify` can turn the check on.

    `arrays` are the caller's that the predicate looks at; None is passed over.
    """
    # No process holds all values of an array that spans hosts: there only checkify can look.
    concrete = [x for x in arrays if not isinstance(x, jax.core.Tracer)]
    if not all(getattr(x, "is_fully_addressable", True) for x in concrete):
        return
    # Inside jit an operation on concrete arrays is traced too, unless told to run now.
    with jax.ensure_compile_time_eval():
        fine = predicate()
    # The result says whether anything the predicate looked at is traced, closures included.
    if isinstance(fine, jax.core.Tracer):
        checkify.debug_check(fine, message)
    elif not fine:
        raise ValueError(message)


def accumulation_dtype(*dtypes: Any) -> Any:
    """The promoted floating dtype of the arguments, float32 at least."""
    return jnp.promote_types(jnp.result_type(*dtypes), jnp.float32)


def as_array(x: Any, name: str) -> Array:
    """`x` as a JAX array; refuses None and objects."""
    if x is None or (not hasattr(x, "dtype") and np.asarray(x).dtype == object):
        raise TypeError(f"{name} must be an array of numbers, got {type(x).__name__}")
    # Concrete numbers stay concrete inside jit, where their values are then checked too.
    with jax.ensure_compile_time_eval():
        return jnp.asarray(x)


def check_same_shape(first: Array, labels: Array, name: str) -> None:
    """Both arrays are [..., num_labels] with the same shape."""
    if first.ndim == 0:
        raise ValueError(f"{name} must have shape [..., num_labels], got a scalar")
    chex.assert_equal_shape(
        [first, labels],
        exception_type=ValueError,
        custom_message=(
            f"{name} and labels must have the same shape [..., num_labels], "
            f"got {name} {first.shape} and labels {labels.shape}"
        ),
    )


def check_floating(x: Array, name: str, hint: str = "") -> None:
    """`x` has a floating dtype."""
    chex.assert_type(
        x,
        float,
        exception_type=TypeError,
        custom_message=f"{name} must be floating point, got {x.dtype}{hint}",
    )


def entry_weights(
    shape: tuple[int, ...],
    dtype: Any,
    where: Where,
    weights: Weights,
) -> tuple[Bool[Array, "*batch labels"] | None, Float[Array, "*batch labels"]]:
    """Checks `where` and `weights` and broadcasts both to `shape`: (mask, where * weights)."""
    mask = None
    weight = jnp.ones(shape, dtype)
    if weights is not None:
        weights = as_array(weights, "weights")
        _check_broadcast(weights, shape, "weights")
        check_value(
            lambda: jnp.all(weights >= 0),
            weights,
            message="weights must be >= 0 and not NaN",
        )
        weight = jnp.broadcast_to(weights, shape).astype(dtype)
    if where is not None:
        where = as_array(where, "where")
        if where.dtype != jnp.bool_:
            raise TypeError(f"where must be bool (True = counts), got {where.dtype}")
        _check_broadcast(where, shape, "where")
        mask = jnp.broadcast_to(where, shape)
        weight = jnp.where(mask, weight, 0)
    return mask, weight


def _check_broadcast(x: Array, shape: tuple[int, ...], name: str) -> None:
    try:
        fits = np.broadcast_shapes(x.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name} must broadcast to the labels' shape {shape}, got {x.shape}")


def check_labels(labels: Array, mask: Array | None) -> None:
    """Counted labels lie in [0, 1]; NaN does not."""
    if labels.dtype == jnp.bool_:
        return

    def inside() -> Array:
        ok = (labels >= 0) & (labels <= 1)
        return jnp.all(ok if mask is None else ok | ~mask)

    check_value(inside, labels, mask, message="labels must lie in [0, 1] where they count")


def prepare(
    logits: Any,
    labels: Any,
    where: Any = None,
    weights: Any = None,
    *,
    name: str = "logits",
) -> Inputs:
    """Checks shapes, dtypes and values, and applies the mask.

    Raises:
      ValueError: shapes differ, `where` or `weights` do not broadcast; on concrete arrays also
        labels outside [0, 1], NaN logits, negative weights.
      TypeError: logits not floating, labels complex, `where` not bool.
    """
    logits, labels = as_array(logits, name), as_array(labels, "labels")
    check_floating(logits, name)
    check_same_shape(logits, labels, name)
    if jnp.issubdtype(labels.dtype, jnp.complexfloating):
        raise TypeError(f"labels must be bool, integer or floating, got {labels.dtype}")
    dtype = accumulation_dtype(logits.dtype)
    mask, weight = entry_weights(labels.shape, dtype, where, weights)
    check_labels(labels, mask)

    def no_nan() -> Array:
        bad = jnp.isnan(logits)
        return ~jnp.any(bad if mask is None else bad & mask)

    check_value(no_nan, logits, mask, message=f"{name} must not be NaN where they count")
    logits, labels = logits.astype(dtype), labels.astype(dtype)
    logits = jnp.where(jnp.isinf(logits), _INFINITE * jnp.sign(logits), logits)
    if mask is not None:
        logits, labels = jnp.where(mask, logits, 0), jnp.where(mask, labels, 0)
    return Inputs(logits, labels, weight)


def label_indices(indices: Any, like: Array, name: str) -> Int[Array, "*batch positives"]:
    """Checks padded indices of positives against an array with the same examples; int32."""
    indices = as_array(indices, name)
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        raise TypeError(f"{name} must be integers, got {indices.dtype}")
    if like.ndim == 0 or indices.shape[:-1] != like.shape[:-1] or indices.ndim == 0:
        raise ValueError(
            f"{name} must be [..., max_positives] with the leading axes {like.shape[:-1]}, "
            f"got {indices.shape}"
        )
    # A small integer type may not hold the number of labels.
    return indices.astype(jnp.int32)


def labels_at(
    indices: Int[Array, "*batch positives"], start: int | Array, size: int
) -> Bool[Array, "*batch labels"]:
    """Labels `start` to `start + size` as bools; other indices are ignored, repeated ones once."""
    rows = indices.reshape(math.prod(indices.shape[:-1]), indices.shape[-1]) - start
    # Negative indices would count from the end: send all padding past the end, to be dropped.
    rows = jnp.where((rows >= 0) & (rows < size), rows, size)
    labels = jnp.zeros((rows.shape[0], size), bool)
    labels = labels.at[jnp.arange(rows.shape[0])[:, None], rows].set(True, mode="drop")
    return labels.reshape(*indices.shape[:-1], size)


def check_hyperparameter(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """A hyperparameter is finite, >= `low`, > `above`, < `below`; traced values pass in jit."""
    value = as_array(value, name)
    limits = ((">=", low), (">", above), ("<", below))
    bound = " and".join(f" {sign} {limit:g}" for sign, limit in limits if limit is not None)

    def ok() -> Array:
        inside = jnp.isfinite(value)
        if low is not None:
            inside &= value >= low
        if above is not None:
            inside &= value > above
        if below is not None:
            inside &= value < below
        return jnp.all(inside)

    given = "" if isinstance(value, jax.core.Tracer) else f", got {value}"
    check_value(ok, value, message=f"{name} must be a finite number{bound}{given}")


def per_label(name: str, value: Any, like: Array, **limits: float) -> Array:
    """A hyperparameter that is one number or one per label, in the dtype and rank of `like`.

    `limits` are those of `check_hyperparameter`.
    """
    if limits:
        check_hyperparameter(name, value, **limits)
    value = jnp.asarray(value, like.dtype)
    if value.shape not in ((), like.shape[-1:]):
        raise ValueError(
            f"{name} must be a scalar or have shape [num_labels] = {like.shape[-1:]}, "
            f"got {value.shape}"
        )
    # Leading axes of size 1, for users who run with jax_numpy_rank_promotion="raise".
    return value.reshape((1,) * (like.ndim - 1) + value.shape) if value.ndim else value
