"""Metrics of decided label sets: scores of hard confusion counts, averaged as the losses are."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs, averaging, scores
from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax.averaging import Average, ExampleScores
from sigmoidf1_jax.confusion import Confusion, confusion, soft_confusion
from sigmoidf1_jax.metrics import _prepare
from sigmoidf1_jax.metrics._prepare import Decided, Decisions
from sigmoidf1_jax.metrics.metric import Definitions, ExampleValues, Metric, mean_over_examples
from sigmoidf1_jax.scores import Score

Result = Float[Array, ""] | Float[Array, " labels"]


def _confusion_of(decided: Decided, axis: int) -> Confusion:
    """The confusion of decisions over `axis` of [examples, num_labels]; int32 without weights."""
    s, y = decided.decisions, decided.labels
    if decided.weight is None:
        counts = confusion(s, y, where=decided.mask, axis=axis)
    else:
        dtype = decided.dtype
        counts = soft_confusion(s.astype(dtype), y.astype(dtype), decided.weight, axis)
    if decided.nan is None:
        return counts
    nan = jnp.sum(decided.nan, axis)
    return jax.tree.map(lambda x: x.astype(nan.dtype) + nan, counts)


def _averaged(
    of: Callable[..., Array], *, average: Average | None = "macro", zero_division: ArrayLike = 0.0
) -> Metric:
    """A score of counts per label, or for "samples" of each example's, averaged."""
    averaging.check_average(average)
    score: Score = functools.partial(of, zero_division=zero_division)

    def statistics(
        decisions: Any, labels: Any, *, where: Where = None, weights: Weights = None
    ) -> Confusion | ExampleScores:
        decided = _prepare.decided(decisions, labels, where, weights)
        if average == "samples":
            example = _prepare.example_weight(decided)
            return averaging.example_scores(score, _confusion_of(decided, -1), example)
        _inputs.refuse_label_weights(weights, np.shape(labels), average)
        return _confusion_of(decided, 0)

    def value(sums: Confusion | ExampleScores) -> Result:
        if isinstance(sums, ExampleScores):
            return averaging.score_value(score, sums, average)
        return _average(score, sums, average)

    return Metric(statistics, value, decided=True)


def _average(score: Score, per_label: Confusion, average: Average | None) -> Result:
    """The score of counts per label, with every average but that over examples."""
    pooled = averaging.pool(per_label) if average == "micro" else per_label
    return averaging.score_value(score, pooled, average)


def _f_beta(
    beta: ArrayLike = 1.0, *, average: Average | None = "macro", zero_division: ArrayLike = 0.0
) -> Metric:
    _inputs.check_hyperparameter("beta", beta, above=0.0)
    score = functools.partial(scores.f_beta, beta=beta)
    return _averaged(score, average=average, zero_division=zero_division)


def _hamming_loss() -> Metric:
    def statistics(
        decisions: Any, labels: Any, *, where: Where = None, weights: Weights = None
    ) -> Confusion:
        return _confusion_of(_prepare.decided(decisions, labels, where, weights), 0)

    return Metric(statistics, _share_wrong, decided=True)


def _share_wrong(per_label: Confusion) -> Float[Array, ""]:
    pooled = averaging.pool(per_label)
    return (pooled.fp + pooled.fn) / (pooled.tp + pooled.fp + pooled.fn + pooled.tn)


def _subset_accuracy() -> Metric:
    return mean_over_examples(_all_right, decided=True)


def _all_right(decided: Decided) -> Float[Array, " examples"]:
    return jnp.all(decided.decisions == decided.labels, -1).astype(decided.dtype)


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
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: equal to `sklearn.metrics.fbeta_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]])
      >>> sf.metrics.f_beta(decisions, labels, average=None)
      Array([0.6666667, 0.6666667], dtype=float32)
    """
    metric = _f_beta(beta, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


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

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value where nothing is true or predicted; nan leaves such labels (examples) out
        of the average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.f1(jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]]), average="micro")
      Array(0.6666667, dtype=float32)
    """
    metric = _averaged(scores.f1, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


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

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value where no label is predicted; nan leaves such labels (examples) out of the
        average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: equal to `sklearn.metrics.precision_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]])
      >>> sf.metrics.precision(decisions, labels, average=None)
      Array([1. , 0.5], dtype=float32)
    """
    metric = _averaged(scores.precision, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


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

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value where no label is true; nan leaves such labels (examples) out of the
        average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: equal to `sklearn.metrics.recall_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.recall(jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]]), average=None)
      Array([0.5, 1. ], dtype=float32)
    """
    metric = _averaged(scores.recall, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


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

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value where nothing is true or predicted; nan leaves such labels (examples) out
        of the average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: equal to `sklearn.metrics.jaccard_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.jaccard(jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]]), average=None)
      Array([0.5, 0.5], dtype=float32)
    """
    metric = _averaged(scores.jaccard, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


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

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value where no entry counts; nan leaves such labels (examples) out of the
        average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: with `average=None`, `sklearn.metrics.accuracy_score` of each column.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]])
      >>> sf.metrics.accuracy(decisions, labels, average=None)
      Array([0.5, 0.5], dtype=float32)
    """
    metric = _averaged(scores.accuracy, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


def specificity(
    decisions: Decisions,
    labels: Labels,
    *,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Specificity $tn / (tn + fp)$: the recall of the negative class.

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value where all labels are true; nan leaves such labels (examples) out of the
        average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: with `average=None`, `sklearn.metrics.recall_score(..., pos_label=0)` of each column.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 0]]), jnp.array([[0, 1], [0, 0]])
      >>> sf.metrics.specificity(decisions, labels, average=None)
      Array([0.5, 1. ], dtype=float32)
    """
    metric = _averaged(scores.specificity, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


def hamming_loss(
    decisions: Decisions, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    """The share of wrong entries, in [0, 1]; NaN if no entry counts.

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1].

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: equal to `sklearn.metrics.hamming_loss(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.hamming_loss(jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]]))
      Array(0.5, dtype=float32)
    """
    return _hamming_loss()(decisions, labels, where=where, weights=weights)


def subset_accuracy(
    decisions: Decisions, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    """The share of examples whose whole label set is right, in [0, 1]; NaN if none counts.

    An example is judged on its entries that count; one with none does not count. It weighs the
    mean of its entries' weights.

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1].

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: equal to `sklearn.metrics.accuracy_score(labels, decisions)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.subset_accuracy(jnp.array([[1, 0], [0, 1]]), jnp.array([[1, 0], [1, 1]]))
      Array(0.5, dtype=float32)
    """
    return _subset_accuracy()(decisions, labels, where=where, weights=weights)


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

    0 is chance. Also called `mcc`, the name of the score and of the loss.

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value where decisions or labels are constant; nan leaves such labels (examples)
        out of the average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [-1, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: with `average=None`, `sklearn.metrics.matthews_corrcoef` of each column.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 0], [0, 1]]), jnp.array([[1, 1], [0, 0]])
      >>> sf.metrics.matthews(decisions, labels, average=None)
      Array([ 1., -1.], dtype=float32)
    """
    metric = _averaged(scores.mcc, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


mcc = matthews
"""`matthews`, under the name that it has in `sf.scores` and `sf.losses`."""


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

    Args:
      decisions: [..., num_labels], bool or 0/1 integers; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro", "micro", "weighted", "samples" or None ([num_labels]), as in
        scikit-learn.
      zero_division: value where no entry counts; nan leaves such labels (examples) out of the
        average.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples (scikit-learn's `sample_weight`); an
        entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; `zero_division` if nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels where
        they cancel; in concrete arrays also values not 0 or 1.
      TypeError: floating decisions.

    Source: with `average=None`, `sklearn.metrics.balanced_accuracy_score` of each column.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 1], [0, 0]])
      >>> sf.metrics.balanced_accuracy(decisions, labels, average=None)
      Array([1. , 0.5], dtype=float32)
    """
    metric = _averaged(scores.balanced_accuracy, average=average, zero_division=zero_division)
    return metric(decisions, labels, where=where, weights=weights)


DEFINITIONS: Definitions = {
    accuracy: functools.partial(_averaged, scores.accuracy),
    balanced_accuracy: functools.partial(_averaged, scores.balanced_accuracy),
    f1: functools.partial(_averaged, scores.f1),
    f_beta: _f_beta,
    hamming_loss: _hamming_loss,
    jaccard: functools.partial(_averaged, scores.jaccard),
    matthews: functools.partial(_averaged, scores.mcc),
    precision: functools.partial(_averaged, scores.precision),
    recall: functools.partial(_averaged, scores.recall),
    specificity: functools.partial(_averaged, scores.specificity),
    subset_accuracy: _subset_accuracy,
}

_REPORTED: dict[str, Score] = {
    "f1": scores.f1,
    "precision": scores.precision,
    "recall": scores.recall,
    "jaccard": scores.jaccard,
}
_REPORTED_MACRO: dict[str, Score] = {
    "matthews": scores.mcc,
    "balanced_accuracy": scores.balanced_accuracy,
}


def report_of_labels(counts: Confusion, per_label: bool) -> dict[str, Array]:
    """What a report shows of the counts of each label."""
    averages: tuple[Average, ...] = ("micro", "macro", "weighted")
    values = {
        f"{name}/{average}": _average(score, counts, average)
        for average in averages
        for name, score in _REPORTED.items()
    }
    for name, score in _REPORTED_MACRO.items():
        values[f"{name}/macro"] = _average(score, counts, "macro")
    values["hamming_loss"] = _share_wrong(counts)
    if per_label:
        for name in ("f1", "precision", "recall"):
            values[f"{name}/per_label"] = _average(_REPORTED[name], counts, None)
        values["support/per_label"] = counts.tp + counts.fn
    return values


def report_of_sets(decided: Decided) -> dict[str, ExampleValues]:
    """What a report shows of the set of each example."""
    counts = _confusion_of(decided, -1)
    values = {
        f"{name}/samples": ExampleValues(score(counts), nothing=0.0)
        for name, score in _REPORTED.items()
    }
    return {**values, "subset_accuracy": ExampleValues(_all_right(decided))}
