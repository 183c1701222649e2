"""Argument checks and the one place where masks and weights are applied to inputs."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, Num

from sigmoidf1_jax._checks import check_value

# NumPy's arrays are taken wherever JAX's are; type checkers should know it.
AnyArray = Array | np.ndarray
Logits = Float[AnyArray, "*batch labels"]
Labels = Num[AnyArray, "*batch labels"] | Bool[AnyArray, "*batch labels"]
Where = Bool[AnyArray, "..."] | None
Weights = Num[AnyArray, "..."] | None

_INFINITE = 1e9


class Inputs(NamedTuple):
    """Checked inputs in the dtype in which statistics are accumulated.

    Entries that do not count (masked, or of weight 0) hold logit 0 and label 0, so no formula and
    no gradient ever sees what stood there (NaN included). An entry that counts and has a NaN
    anywhere, in its label or its weight too, holds logit NaN, label 0 (but with `prepare`'s
    `nan_labels`) and weight 1: formulas need to hand on one NaN only. Infinite logits (a large
    one in half precision, or labels that a model rules out) are held at a size whose square is
    finite, with gradient 0: no formula then meets 0 * inf. `weight` is `where * weights` with
    the labels' shape.
    """

    logits: Float[Array, "*batch labels"]
    labels: Float[Array, "*batch labels"]
    weight: Float[Array, "*batch labels"]


def accumulation_dtype(*dtypes: Any) -> Any:
    """The promoted floating dtype of the arguments, float32 at least."""
    # Ours to promote, also for users who forbid JAX to do it by itself.
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(jnp.result_type(*dtypes), jnp.float32)


def as_array(x: Any, name: str) -> Array:
    """`x` as a JAX array: a list, NumPy array, data frame, or tensor in the CPU's memory.

    Raises:
      TypeError: sparse matrices, which would have to be made dense, and what is not numeric.
    """
    if isinstance(x, jax.Array):
        return x
    if hasattr(x, "__jax_array__"):
        return jnp.asarray(x)
    kind = type(x).__name__
    if hasattr(x, "toarray"):
        raise TypeError(f"{name} must be a dense array, got a {kind}: pass {name}.toarray()")
    try:
        array = np.asarray(x)
    except Exception as error:
        raise TypeError(f"{name} must be an array of numbers, got {kind}: {error}") from error
    if array.dtype.kind in "OSUMmV" and not jnp.issubdtype(array.dtype, np.number):
        raise TypeError(
            f"{name} must be an array of numbers, got {kind} whose values are {array.dtype}"
        )
    # Concrete numbers stay concrete inside jit, where their values are then checked too.
    with jax.ensure_compile_time_eval():
        return jnp.asarray(x if np.isscalar(x) else array)


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
    if first.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one label, got shape {first.shape}")


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
    if where is not None:
        where = as_array(where, "where")
        if where.dtype != jnp.bool_:
            raise TypeError(f"where must be bool (True = counts), got {where.dtype}")
        _check_broadcast(where, shape, "where")
        mask = jnp.broadcast_to(where, shape)
    if weights is not None:
        weights = as_array(weights, "weights")
        _check_broadcast(weights, shape, "weights")
        if weights.dtype != jnp.bool_:

            def fine() -> Array:
                # One broadcasting each, for users who forbid implicit promotion of ranks.
                ok = jnp.broadcast_to((weights >= 0) & jnp.isfinite(weights), shape)
                return jnp.all(ok if mask is None else ok | ~mask)

            check_value(
                fine, weights, mask, message="weights must be >= 0 and finite where they count"
            )
        weight = jnp.broadcast_to(weights.astype(dtype), shape)
    if mask is not None:
        weight = jnp.where(mask, weight, 0)
    return mask, weight


def _check_broadcast(x: Array, shape: tuple[int, ...], name: str) -> None:
    # Size by size: those of an export may be symbols.
    sizes = shape[len(shape) - x.ndim :]
    fits = x.ndim <= len(shape) and all(a in (1, b) for a, b in zip(x.shape, sizes, strict=True))
    if not fits:
        raise ValueError(f"{name} must broadcast to the labels' shape {shape}, got {x.shape}")


def check_labels(labels: Array, counted: Array | None) -> None:
    """Counted labels lie in [0, 1]; NaN does not."""
    if labels.dtype == jnp.bool_:
        return

    def inside() -> Array:
        ok = (labels >= 0) & (labels <= 1)
        return jnp.all(ok if counted is None else ok | ~counted)

    check_value(inside, labels, counted, message="labels must lie in [0, 1] where they count")


def check_not_nan(x: Array, counted: Array | None, name: str) -> None:
    """No counted entry is NaN."""

    def no_nan() -> Array:
        bad = jnp.isnan(x)
        return ~jnp.any(bad if counted is None else bad & counted)

    check_value(no_nan, x, counted, message=f"{name} must not be NaN where they count")


def counted_entries(mask: Array | None, weights: Any, weight: Array) -> Array | None:
    """Which entries count, from what `entry_weights` returned; None if all do.

    Weight 0 means the same as a mask: does not count, whatever stands there.
    """
    return mask if weights is None else weight != 0


def finite(logits: Array) -> Array:
    """Logits with a large number, whose gradient is 0, in the place of infinite ones."""
    return jnp.where(jnp.isinf(logits), _INFINITE * jnp.sign(logits), logits)


def prepare(
    logits: Any,
    labels: Any,
    where: Any = None,
    weights: Any = None,
    *,
    name: str = "logits",
    nan_labels: bool = False,
) -> Inputs:
    """Checks shapes, dtypes and values, and applies the mask.

    `nan_labels` leaves NaN in the labels too, for formulas of products and sums, in which it
    shows: a select less, which costs XLA's sums on a CPU an array of the labels' size.

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
    counted = counted_entries(mask, weights, weight)
    check_labels(labels, counted)
    check_not_nan(logits, counted, name)
    labelled_by_floats = jnp.issubdtype(labels.dtype, jnp.inexact)
    logits, labels = logits.astype(dtype), labels.astype(dtype)
    logits = finite(logits)
    if counted is not None:
        logits, labels = jnp.where(counted, logits, 0), jnp.where(counted, labels, 0)
    # A NaN is added, not chosen from a constant: `jax_debug_nans` then passes on clean inputs.
    if labelled_by_floats:
        logits += labels - labels
        if not nan_labels:
            labels = jnp.where(jnp.isnan(labels), 0, labels)
    if weights is not None:
        logits += jnp.where(jnp.isnan(weight), weight, 0)
        weight = jnp.where(jnp.isnan(weight), 1, weight)
    return Inputs(logits, labels, weight)


def whole_rows(x: Array) -> Array:
    """`x` with all labels of an example on one device, for what sorts them.

    Meshes with Explicit axes leave that to us where the labels are divided.
    """
    spec = tuple(jax.typeof(x).sharding.spec)
    return x if len(spec) < x.ndim or spec[-1] is None else _laid_out(x, *spec[:-1], None)


def on_its_mesh(
    function: Callable[..., Array],
    scores: Array,
    *args: Any,
    axes: Sequence[int | None] | None = None,
) -> Array:
    """`function(scores, *args)`, divided over a mesh's Explicit axes as the scores are.

    `axes` holds, for each axis of the result, that of the scores that it is divided like; by
    default they are the same.
    """
    sharding = jax.typeof(scores).sharding
    if not is_divided(scores):
        return function(scores, *args)
    axes = range(scores.ndim) if axes is None else axes
    spec = PartitionSpec(*(None if i is None else sharding.spec[i] for i in axes))
    out = NamedSharding(sharding.mesh, spec)
    return jax.sharding.auto_axes(function, out_sharding=out)(scores, *args)


def replicated(x: Array) -> Array:
    """`x` whole on every device, for what sorts or pools all its entries; see `whole_rows`."""
    return _laid_out(x) if is_divided(x) else x


def is_divided(x: Array) -> bool:
    """Whether an Explicit mesh divides `x`."""
    return any(jax.typeof(x).sharding.spec)


def _laid_out(x: Array, *axes: Any) -> Array:
    mesh = jax.typeof(x).sharding.mesh
    return jax.reshard(x, NamedSharding(mesh, PartitionSpec(*axes)))


def refuse_label_weights(weights: Any, shape: tuple[int, ...], average: Any) -> None:
    """Refuses weights of labels where only ratios within each label matter: they would cancel.

    Raises:
      ValueError: `weights` differ between labels only, although there are several examples;
        traced ones under checkify.
    """
    if weights is None or average not in ("macro", None) or math.prod(shape[:-1]) in (0, 1):
        return
    given = jnp.shape(weights)
    if not given or math.prod(given[:-1]) != 1 or given[-1] == 1:
        return

    def equal() -> Any:
        # Equal weights are meant to change nothing.
        flat = weights.reshape(-1)
        return (flat == flat[0]).all()

    weights = as_array(weights, "weights")
    check_value(
        equal,
        weights,
        message=f"weights of shape {given} weigh labels, which cancels where average={average!r}: "
        "pass weights of examples, [batch, 1], or average=None and weigh the result yourself",
    )


def nan_of(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """0, or NaN if there is one in x: to be added to a sum that may not look at all of x."""
    return jax.lax.stop_gradient(jnp.sum(0 * x, axis))


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
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    nan: bool = False,
) -> None:
    """A hyperparameter is finite, >= `low`, <= `high`, > `above`, < `below`; traced values pass.

    `nan` allows NaN as well. Under checkify traced values are checked too.
    """
    traced = isinstance(value, jax.core.Tracer)
    if not (traced or isinstance(value, jax.Array) or type(value) is float):
        # As NumPy's: a check of a Python number should not cost a call of XLA.
        value = np.asarray(as_array(value, name) if hasattr(value, "dtype") else value)
        if value.dtype.kind not in "fiub" and not jnp.issubdtype(value.dtype, np.floating):
            raise TypeError(f"{name} must be a number, got {value.dtype}")

    def ok() -> Any:
        np_ = jnp if isinstance(value, jax.Array) else np
        inside = np_.isfinite(value)
        if low is not None:
            inside = inside & (value >= low)
        if high is not None:
            inside = inside & (value <= high)
        if above is not None:
            inside = inside & (value > above)
        if below is not None:
            inside = inside & (value < below)
        return np_.all(inside | np_.isnan(value) if nan else inside)

    if type(value) is float and ok():
        return  # as most are: no message to make, no trace to ask for
    limits = ((">=", low), ("<=", high), (">", above), ("<", below))
    bound = " and".join(f" {sign} {limit:g}" for sign, limit in limits if limit is not None)
    given, kind = "" if traced else f", got {value}", "nan or a" if nan else "a finite"
    check_value(ok, value, message=f"{name} must be {kind} number{bound}{given}")


def check_zero_division(value: Any, low: float = 0.0) -> None:
    """`zero_division` is a score: in [low, 1], or NaN for "leave out"."""
    check_hyperparameter("zero_division", value, low=low, high=1.0, nan=True)


def per_label(name: str, value: Any, like: Array, **limits: Any) -> Array:
    """A hyperparameter that is one number or one per label, in the dtype and rank of `like`.

    `limits` are those of `check_hyperparameter`.
    """
    if limits:
        check_hyperparameter(name, value, **limits)
    value = jnp.asarray(as_array(value, name), like.dtype)
    if value.shape not in ((), like.shape[-1:]):
        raise ValueError(
            f"{name} must be a scalar or have shape [num_labels] = {like.shape[-1:]}, "
            f"got {value.shape}"
        )
    # Leading axes of size 1, for users who run with jax_numpy_rank_promotion="raise".
    return value.reshape((1,) * (like.ndim - 1) + value.shape) if value.ndim else value
