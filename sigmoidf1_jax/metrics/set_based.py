"""Metrics of decided label sets: scores of hard confusion counts, averaged as the losses are."""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from sigmoidf1_jax import _checks, _inputs, _safe, averaging, scores
from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.confusion import Confusion, confusion

Decisions = Bool[Array, "*batch labels"] | Int[Array, "*batch labels"]
Result = Float[Array, ""] | Float[Array, " labels"]


def binary(decisions: Any, labels: Any, where: Any) -> tuple[Array, Array]:
    """Decisions and labels as bool arrays; refuses scores and soft labels."""
    decisions = _inputs.as_array(decisions, "decisions")
    labels = _inputs.as_array(labels, "labels")
    _inputs.check_same_shape(decisions, labels, "decisions")
    if jnp.issubdtype(decisions.dtype, jnp.inexact):
        raise TypeError(
            f"decisions must be bool or integer, got {decisions.dtype}: "
            "turn scores into decisions first, e.g. with sf.decisions.fixed(0.5)"
        )
    mask, _ = _inputs.entry_weights(labels.shape, jnp.float32, where, None)
    for name, x in (("decisions", decisions), ("labels", labels)):
        if x.dtype != jnp.bool_:
            binary = (x == 0) | (x == 1)
            _checks.check_value(
                functools.partial(jnp.all, binary if mask is None else binary | ~mask),
                x,
                mask,
                message=f"{name} must be 0 or 1 where they count",
            )
    return decisions.astype(bool), labels.astype(bool)


def _averaged(
    score: Callable[[Confusion], Array],
    decisions: Decisions,
    labels: Labels,
    average: Average | None,
    where: Where,
    weights: Weights,
) -> Result:
    averaging.check_average(average)
    decisions, labels = binary(decisions, labels, where)
    if average == "samples":
        counts = confusion(decisions, labels, where=where, weights=weights, axis=-1)
        dtype = jnp.result_type(float)
        example = jnp.ones(labels.shape[:-1], dtype)
        if where is not None or weights is not None:
            _, weight = _inputs.entry_weights(labels.shape, dtype, where, weights)
            example, _ = averaging.example_weights(weight)
        statistics = averaging.example_scores(score, counts, example)
        return averaging.score_value(score, statistics, average)
    axes = averaging.leading_axes(labels)
    counts = confusion(decisions, labels, where=where, weights=weights, axis=axes)
    pooled = averaging.pool(counts) if average == "micro" else counts
    return averaging.score_value(score, pooled, average)


def f_beta(
    decisions: Decisions,
    labels: Labels,
    *,
    beta: ArrayLike = 1.0,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""$F_\beta = (1+\beta^2)\,tp / ((1+\beta^2)\,tp + \beta^2 fn + fp)$.

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      beta: > 0, weight of recall against precision.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value of 0/0; nan leaves such labels (examples) out of the average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`).

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`.

    Raises:
      ValueError: shapes differ, unknown `average`; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: equal to `sklearn.metrics.fbeta_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]])
      >>> sf.metrics.f_beta(decisions, labels, average=None)
      Array([0.6666667, 0.6666667], dtype=float32)
    """
    _inputs.check_hyperparameter("beta", beta, above=0.0)

    def score(counts: Confusion) -> Array:
        return scores.f_beta(counts, beta, zero_division=zero_division)

    return _averaged(score, decisions, labels, average, where, weights)


def f1(
    decisions: Decisions,
    labels: Labels,
    *,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    """`f_beta` with beta 1: the harmonic mean of precision and recall.

    Arguments, result and errors as in `f_beta`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.f1(jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]]), average="micro")
      Array(0.6666667, dtype=float32)
    """
    return f_beta(
        decisions,
        labels,
        average=average,
        zero_division=zero_division,
        where=where,
        weights=weights,
    )


def precision(
    decisions: Decisions,
    labels: Labels,
    *,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Precision $tp / (tp + fp)$: the share of predicted labels that are right.

    Arguments, result and errors as in `f_beta`.

    Source: equal to `sklearn.metrics.precision_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]])
      >>> sf.metrics.precision(decisions, labels, average=None)
      Array([1. , 0.5], dtype=float32)
    """

    def score(counts: Confusion) -> Array:
        return scores.precision(counts, zero_division=zero_division)

    return _averaged(score, decisions, labels, average, where, weights)


def recall(
    decisions: Decisions,
    labels: Labels,
    *,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Recall $tp / (tp + fn)$: the share of true labels that are predicted.

    Arguments, result and errors as in `f_beta`.

    Source: equal to `sklearn.metrics.recall_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.recall(jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]]), average=None)
      Array([0.5, 1. ], dtype=float32)
    """

    def score(counts: Confusion) -> Array:
        return scores.recall(counts, zero_division=zero_division)

    return _averaged(score, decisions, labels, average, where, weights)


def jaccard(
    decisions: Decisions,
    labels: Labels,
    *,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Jaccard index $tp / (tp + fp + fn)$; samples Jaccard is the "Hamming score" of some codes.

    Arguments, result and errors as in `f_beta`.

    Source: equal to `sklearn.metrics.jaccard_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.jaccard(jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]]), average=None)
      Array([0.5, 0.5], dtype=float32)
    """

    def score(counts: Confusion) -> Array:
        return scores.jaccard(counts, zero_division=zero_division)

    return _averaged(score, decisions, labels, average, where, weights)


def accuracy(
    decisions: Decisions,
    labels: Labels,
    *,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Accuracy $(tp + tn) / n$ of entries; for whole label sets see `subset_accuracy`.

    Arguments, result and errors as in `f_beta`.

    Source: with `average=None`, `sklearn.metrics.accuracy_score` of each column.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]])
      >>> sf.metrics.accuracy(decisions, labels, average=None)
      Array([0.5, 0.5], dtype=float32)
    """

    def score(counts: Confusion) -> Array:
        return scores.accuracy(counts, zero_division=zero_division)

    return _averaged(score, decisions, labels, average, where, weights)


def hamming_loss(
    decisions: Decisions, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    """The share of wrong entries, in [0, 1]; 0 if no entry counts.

    Arguments and errors as in `f_beta`.

    Source: equal to `sklearn.metrics.hamming_loss(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.hamming_loss(jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]]))
      Array(0.5, dtype=float32)
    """
    right = accuracy(
        decisions, labels, average="micro", zero_division=1.0, where=where, weights=weights
    )
    return 1 - right


def subset_accuracy(
    decisions: Decisions, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    """The share of examples whose whole label set is right, in [0, 1]; 0 without examples.

    An example with masked entries is judged on the others; an example with none does not count.
    Arguments and errors as in `f_beta`.

    Source: equal to `sklearn.metrics.accuracy_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.subset_accuracy(jnp.array([[1, 0], [0, 1]]), jnp.array([[1, 0], [1, 1]]))
      Array(0.5, dtype=float32)
    """
    decisions, labels = binary(decisions, labels, where)
    mask, weight = _inputs.entry_weights(labels.shape, jnp.result_type(float), where, weights)
    wrong = decisions != labels if mask is None else (decisions != labels) & mask
    right = ~jnp.any(wrong, -1)
    example, _ = averaging.example_weights(weight)
    return _safe.ratio(jnp.sum(jnp.where(right, example, 0)), jnp.sum(example))


def matthews(
    decisions: Decisions,
    labels: Labels,
    *,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Matthews correlation $(tp\,tn - fp\,fn) / \sqrt{(tp+fp)(tp+fn)(tn+fp)(tn+fn)}$.

    In [-1, 1]; 0 is chance. `zero_division` where decisions or labels are constant.
    Arguments and errors as in `f_beta`.

    Source: with `average=None`, `sklearn.metrics.matthews_corrcoef` of each column.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 0], [0, 1]]), jnp.array([[1, 1], [0, 0]])
      >>> sf.metrics.matthews(decisions, labels, average=None)
      Array([ 1., -1.], dtype=float32)
    """

    def score(counts: Confusion) -> Array:
        return scores.mcc(counts, zero_division=zero_division)

    return _averaged(score, decisions, labels, average, where, weights)


def balanced_accuracy(
    decisions: Decisions,
    labels: Labels,
    *,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    """Mean of recall and specificity over the classes present; 1/2 is chance.

    Arguments, result and errors as in `f_beta`; `zero_division` where no entry counts.

    Source: with `average=None`, `sklearn.metrics.balanced_accuracy_score` of each column.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 1], [0, 0]])
      >>> sf.metrics.balanced_accuracy(decisions, labels, average=None)
      Array([1. , 0.5], dtype=float32)
    """

    def score(counts: Confusion) -> Array:
        return scores.balanced_accuracy(counts, zero_division=zero_division)

    return _averaged(score, decisions, labels, average, where, weights)
