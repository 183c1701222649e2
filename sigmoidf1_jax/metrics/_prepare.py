"""Checked inputs of the metrics: the one place where masks, weights, NaN and meshes are handled."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sigmoidf1_jax import _checks, _inputs, averaging
from sigmoidf1_jax._inputs import AnyArray, Weights, Where

Scores = Float[AnyArray, "*batch labels"]
BinaryLabels = Bool[AnyArray, "*batch labels"] | Int[AnyArray, "*batch labels"]
Decisions = Bool[AnyArray, "*batch labels"] | Int[AnyArray, "*batch labels"]


class Ranking(NamedTuple):
    """Scores and labels as [examples, num_labels]; what does not count has score 0, label False.

    `mask` (False also at weight 0) and `weight` are None when not given, and `nan` where no NaN
    can be: the common case then costs nothing. An entry that counts and has a NaN in its score,
    label or weight holds 0, False or 1 there, and NaN in `nan`, which is 0 elsewhere and is added
    to what is computed from the entry: no comparison and no sort ever meets a NaN.
    """

    scores: Float[Array, "examples labels"]
    labels: Bool[Array, "examples labels"]
    mask: Bool[Array, "examples labels"] | None
    weight: Float[Array, "examples labels"] | None
    nan: Float[Array, "examples labels"] | None

    @property
    def dtype(self) -> Any:
        """The dtype of statistics."""
        return self.scores.dtype

    @property
    def unweighted(self) -> "Ranking":
        """Without weights and NaN: what an example's own ranking depends on."""
        return self._replace(weight=None, nan=None)


class Decided(NamedTuple):
    """The same with decisions, False where they do not count, in place of scores."""

    decisions: Bool[Array, "examples labels"]
    labels: Bool[Array, "examples labels"]
    mask: Bool[Array, "examples labels"] | None
    weight: Float[Array, "examples labels"] | None
    nan: Float[Array, "examples labels"] | None

    @property
    def dtype(self) -> Any:
        """The dtype of statistics."""
        return jnp.result_type(float)


def prepare(
    scores: Any, labels: Any, where: Where, weights: Weights, *, name: str = "scores"
) -> Ranking:
    """Checks shapes, dtypes and values and folds all leading axes into one.

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also NaN scores, labels
        not 0 or 1 and negative weights where they count.
      TypeError: scores not floating, `where` not bool.
    """
    scores, labels = as_array(scores, name), as_array(labels, "labels")
    _check_shape(scores, labels, name)
    _inputs.check_floating(scores, name, ": metrics of decided sets are f1, jaccard, ...")
    dtype = _inputs.accumulation_dtype(scores.dtype)
    mask, weight, nan = _counted(labels, where, weights, dtype)
    _inputs.check_not_nan(scores, mask, name)
    scores = scores.astype(dtype)
    scores, more = _without_nan(scores, mask, dtype)
    if more is not None:
        nan = more if nan is None else nan + more
    labels = _true(labels)
    if mask is not None:
        scores, labels = jnp.where(mask, scores, 0), labels & mask
    return Ranking(*_rows(scores, labels, mask, weight, nan))


def decided(decisions: Any, labels: Any, where: Where, weights: Weights) -> Decided:
    """`prepare` for decisions; refuses scores.

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also decisions or labels
        not 0 or 1 and negative weights where they count.
      TypeError: decisions floating, `where` not bool.
    """
    decisions, labels = as_array(decisions, "decisions"), as_array(labels, "labels")
    _check_shape(decisions, labels, "decisions")
    if jnp.issubdtype(decisions.dtype, jnp.inexact):
        raise TypeError(
            f"decisions must be bool or integer, got {decisions.dtype}: "
            "turn scores into decisions first, e.g. with sf.decisions.fixed(0.5)"
        )
    mask, weight, nan = _counted(labels, where, weights, jnp.result_type(float))
    _check_binary(decisions, mask, "decisions")
    decisions, labels = _true(decisions), _true(labels)
    if mask is not None:
        decisions, labels = decisions & mask, labels & mask
    return Decided(*_rows(decisions, labels, mask, weight, nan))


def as_array(x: Any, name: str) -> Array:
    """`x` as an array, gathered where it is sharded over axes of a mesh that are Explicit.

    There, sorting, gathering and cutting of a sharded axis are errors, not a choice of XLA's.
    """
    return _inputs.replicated(_inputs.as_array(x, name))


def _check_shape(first: Array, labels: Array, name: str) -> None:
    _inputs.check_same_shape(first, labels, name)
    if first.ndim < 2:
        raise ValueError(
            f"metrics take {name} [..., num_labels] with at least one axis of examples, "
            f"got shape {first.shape}: a single label is x[:, None], a single example x[None]"
        )


def _counted(
    labels: Array, where: Where, weights: Weights, dtype: Any
) -> tuple[Array | None, Array | None, Array | None]:
    """(which entries count, their weights, NaN in those whose label or weight is NaN)."""
    mask, weight, nan = None, None, None
    if where is not None or weights is not None:
        where = None if where is None else as_array(where, "where")
        weights = None if weights is None else as_array(weights, "weights")
        mask, weight = _inputs.entry_weights(labels.shape, dtype, where, weights)
        mask = _inputs.counted_entries(mask, weights, weight)
        if weights is None:
            weight = None
        else:
            # A mask that was given is part of the weight; 0 * NaN would not be 0.
            weight, nan = _without_nan(weight, mask, dtype, 1)
    _check_binary(labels, mask, "labels")
    if jnp.issubdtype(labels.dtype, jnp.inexact):
        _, more = _without_nan(labels, mask, dtype)
        if more is not None:
            nan = more if nan is None else nan + more
    return mask, weight, nan


def _without_nan(
    x: Array, mask: Array | None, dtype: Any, instead: float = 0
) -> tuple[Array, Array | None]:
    """`x` without NaN, and an array that is NaN where one counted and 0 elsewhere.

    None for that array where the values are known, and a NaN has raised.
    """
    if all(_is_known(a) for a in (x, mask) if a is not None):
        return x, None
    bad = jnp.isnan(x)
    counted = bad if mask is None else bad & mask
    # Chosen from what came in, not a constant: `jax_debug_nans` then passes on clean inputs.
    return jnp.where(bad, instead, x), jnp.where(counted, x, 0).astype(dtype)


def _is_known(x: Array) -> bool:
    return not isinstance(x, jax.core.Tracer) and x.is_fully_addressable


def _true(x: Array) -> Array:
    return x if x.dtype == jnp.bool_ else x == 1


def _rows(*arrays: Array | None) -> list[Any]:
    return [None if x is None else x.reshape(-1, x.shape[-1]) for x in arrays]


def _check_binary(x: Array, mask: Array | None, name: str) -> None:
    """Values are 0 or 1 where they count."""
    if x.dtype == jnp.bool_:
        return

    def binary() -> Array:
        ok = (x == 0) | (x == 1)
        return jnp.all(ok if mask is None else ok | ~mask)

    _checks.check_value(binary, x, mask, message=f"{name} must be 0 or 1 where they count")


def check_k(k: int, num_labels: int) -> None:
    """`k` is a Python integer in 1..num_labels."""
    if not isinstance(k, int) or isinstance(k, bool):
        raise TypeError(f"k must be a Python int (it is static), got {type(k).__name__}")
    if not 1 <= k <= num_labels:
        raise ValueError(f"k must lie in 1..num_labels = {num_labels}, got {k}")


def entry_weight(prepared: Ranking | Decided) -> Float[Array, "examples labels"]:
    """The weight of every entry, 0 where it does not count."""
    if prepared.weight is not None:
        return prepared.weight
    if prepared.mask is not None:
        return prepared.mask.astype(prepared.dtype)
    return jnp.ones(prepared.labels.shape, prepared.dtype)


def example_weight(prepared: Ranking | Decided) -> Float[Array, " examples"]:
    """The weight of each example: the mean weight of its counted entries, 0 if none counts."""
    if prepared.weight is not None:
        return averaging.example_weights(prepared.weight)[0]
    if prepared.mask is not None:
        return jnp.any(prepared.mask, -1).astype(prepared.dtype)
    return jnp.ones(prepared.labels.shape[:1], prepared.dtype)


def with_nan(values: Array, prepared: Ranking | Decided, axis: int | None) -> Array:
    """`values`, computed from sums over `axis` of the entries, NaN where one of those is NaN."""
    if prepared.nan is None:
        return values
    return values + jnp.sum(prepared.nan, axis).astype(values.dtype)


class ExampleSums(NamedTuple):
    """What a mean over examples is a function of: weighted values and weights, each summed."""

    total: Float[Array, ""]
    weight: Float[Array, ""]


def example_sums(values: Float[Array, " examples"], prepared: Ranking | Decided) -> ExampleSums:
    """The sums of a weighted mean over the examples that count."""
    weight = example_weight(prepared)
    values = with_nan(values, prepared, -1)
    return ExampleSums(jnp.sum(jnp.where(weight > 0, weight * values, 0)), jnp.sum(weight))
