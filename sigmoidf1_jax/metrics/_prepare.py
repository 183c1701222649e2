"""Checked inputs of the metrics that compare scores with labels."""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sigmoidf1_jax import _checks, _inputs, _safe, averaging
from sigmoidf1_jax._inputs import Weights, Where

Scores = Float[Array, "*batch labels"]
BinaryLabels = Bool[Array, "*batch labels"] | Int[Array, "*batch labels"]


class Ranking(NamedTuple):
    """Scores and labels as [examples, num_labels]; masked entries have score 0 and label False.

    `mask` and `weight` are None when not given: the common case then costs nothing.
    """

    scores: Float[Array, "examples labels"]
    labels: Bool[Array, "examples labels"]
    mask: Bool[Array, "examples labels"] | None
    weight: Float[Array, "examples labels"] | None


def prepare(
    scores: Any, labels: Any, where: Where, weights: Weights, *, name: str = "scores"
) -> Ranking:
    """Checks shapes, dtypes and values and folds all leading axes into one.

    Raises:
      ValueError: shapes differ; in concrete arrays also NaN scores, labels not 0 or 1 and
        negative weights where they count.
      TypeError: scores not floating, `where` not bool.
    """
    scores, labels = _inputs.as_array(scores, name), _inputs.as_array(labels, "labels")
    _inputs.check_same_shape(scores, labels, name)
    _inputs.check_floating(scores, name, ": metrics of decided sets are f1, jaccard, ...")
    mask, weight = None, None
    if where is not None or weights is not None:
        dtype = _inputs.accumulation_dtype(scores.dtype)
        mask, weight = _inputs.entry_weights(labels.shape, dtype, where, weights)
    bad = jnp.isnan(scores)
    _checks.check_value(
        lambda: ~jnp.any(bad if mask is None else bad & mask),
        scores,
        message=f"{name} must not be NaN where they count",
    )
    check_binary(labels, mask)
    scores = scores.astype(_inputs.accumulation_dtype(scores.dtype))
    labels = labels == 1
    if mask is not None:
        scores, labels = jnp.where(mask, scores, 0), labels & mask
    rows = (-1, labels.shape[-1])
    return Ranking(
        scores.reshape(rows),
        labels.reshape(rows),
        None if mask is None else mask.reshape(rows),
        None if weights is None or weight is None else weight.reshape(rows),
    )


def check_binary(labels: Array, mask: Array | None) -> None:
    """Labels are 0 or 1 where they count."""
    if labels.dtype == jnp.bool_:
        return
    binary = (labels == 0) | (labels == 1)
    _checks.check_value(
        functools.partial(jnp.all, binary if mask is None else binary | ~mask),
        labels,
        message="labels must be 0 or 1 where they count",
    )


def check_k(k: int, num_labels: int) -> None:
    """`k` is a Python integer in 1..num_labels."""
    if not isinstance(k, int) or isinstance(k, bool):
        raise TypeError(f"k must be a Python int (it is static), got {type(k).__name__}")
    if not 1 <= k <= num_labels:
        raise ValueError(f"k must lie in 1..num_labels = {num_labels}, got {k}")


def example_weight(ranking: Ranking) -> Float[Array, " examples"]:
    """The weight of each example: the mean weight of its counted entries, 0 if none counts."""
    dtype = ranking.scores.dtype
    if ranking.weight is not None:
        return averaging.example_weights(ranking.weight)[0]
    if ranking.mask is not None:
        return jnp.any(ranking.mask, -1).astype(dtype)
    return jnp.ones(ranking.scores.shape[:1], dtype)


def example_mean(values: Float[Array, " examples"], ranking: Ranking) -> Float[Array, ""]:
    """Weighted mean over the examples that count; 0 if none does."""
    weight = example_weight(ranking)
    return _safe.ratio(jnp.sum(jnp.where(weight > 0, weight * values, 0)), jnp.sum(weight))
