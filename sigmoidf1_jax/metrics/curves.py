"""Areas under curves over all thresholds: average precision and ROC AUC."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sigmoidf1_jax import _blocks, _safe, averaging
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.metrics import _order, _prepare
from sigmoidf1_jax.metrics._order import Ordered
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Ranking, Scores

Result = Float[Array, ""] | Float[Array, " labels"]
Area = Callable[[Ordered, jnp.dtype], Float[Array, " rows"]]


class LabelAreas(NamedTuple):
    """Areas of labels with the weights of their positive and of all counted entries."""

    value: Float[Array, " labels"]
    positive: Float[Array, " labels"]
    counted: Float[Array, " labels"]


def average_precision(
    scores: Scores,
    labels: BinaryLabels,
    *,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Average precision $\sum_n (R_n - R_{n-1})\,P_n$ over the distinct scores, descending.

    Equal scores are one threshold. A label (or, for "samples", an example) without positives
    has average precision 0 and is averaged in, as in scikit-learn.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro" over labels, "weighted" by positives, "micro" over all entries, "samples"
        over examples, or None ([num_labels]).
      where: True where an entry counts; broadcasts to the labels' shape. A label or example
        with no counted entry leaves the average.
      weights: weights >= 0, e.g. [batch, 1] for examples. For "samples" an example weighs the
        mean of its entries' weights.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; float32, float64 for float64 scores.

    Raises:
      ValueError: shapes differ, unknown `average`; in concrete arrays also NaN scores, labels
        not 0 or 1, negative weights.
      TypeError: scores not floating.

    Source: equal to `sklearn.metrics.average_precision_score(labels, scores)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores = jnp.array([[.9, .1], [.8, .7], [.3, .2]])
      >>> sf.metrics.average_precision(scores, jnp.array([[1, 0], [0, 1], [1, 0]]), average=None)
      Array([0.8333334, 1.       ], dtype=float32)
    """
    averaging.check_average(average)
    ranking = _prepare.prepare(scores, labels, where, weights)
    return _average_area(_order.average_precision, ranking, average)


def roc_auc(
    scores: Scores,
    labels: BinaryLabels,
    *,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Area under the ROC curve, $P(s^+ > s^-) + \tfrac12 P(s^+ = s^-)$.

    NaN where only one class is present, and then the macro average is NaN too, as in
    scikit-learn; "weighted" leaves out labels without positives, and NaN stays where all are.

    Arguments, result and errors as in `average_precision`.

    Source: equal to `sklearn.metrics.roc_auc_score(labels, scores)`; Hanley and McNeil, 1982.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores = jnp.array([[.9, .1], [.8, .7], [.3, .2]])
      >>> sf.metrics.roc_auc(scores, jnp.array([[1, 0], [0, 1], [1, 0]]), average=None)
      Array([0.5, 1. ], dtype=float32)
    """
    averaging.check_average(average)
    ranking = _prepare.prepare(scores, labels, where, weights)
    return _average_area(_order.roc_auc, ranking, average)


def _average_area(area: Area, ranking: Ranking, average: Average | None) -> Result:
    dtype = ranking.scores.dtype
    if average == "micro":
        flat = [None if x is None else x.reshape(1, -1) for x in ranking[2:]]
        rows = ranking.scores.reshape(1, -1), ranking.labels.reshape(1, -1)
        return area(_order.ordered(*rows, *flat), dtype)[0]
    if average == "samples":
        return _prepare.example_mean(_per_example(ranking, area=area), ranking)
    return average_over_labels(_per_label(ranking, area=area), average)


@functools.partial(jax.jit, static_argnames="area")
def _per_example(ranking: Ranking, *, area: Area) -> Float[Array, " examples"]:
    def rows(part: Ranking) -> Float[Array, " examples"]:
        return area(_order.ordered(*part), part.scores.dtype)

    return _blocks.per_slice(rows, ranking._replace(weight=None), 0)


@functools.partial(jax.jit, static_argnames="area")
def _per_label(ranking: Ranking, *, area: Area) -> LabelAreas:
    def columns(part: Ranking) -> LabelAreas:
        scores, labels, mask, weight = part
        entries = _order.ordered(scores.T, labels.T, _order.columns(mask), _order.columns(weight))
        return label_areas(area, entries, scores.dtype)

    return _blocks.per_slice(columns, ranking, 1)


def label_areas(area: Area, entries: Ordered, dtype: jnp.dtype) -> LabelAreas:
    """The area of each row and what `average_over_labels` needs to weigh it."""
    positive, negative = (
        jnp.sum(x, -1).astype(dtype) for x in (entries.positive, entries.negative)
    )
    return LabelAreas(area(entries, dtype), positive, positive + negative)


def average_over_labels(areas: LabelAreas, average: Average | None) -> Result:
    """macro, weighted or no average of an area per label."""
    value, positive, counted = areas
    if average is None:
        return value
    weight = (counted > 0).astype(value.dtype) if average == "macro" else positive
    return _safe.ratio(jnp.sum(jnp.where(weight > 0, weight * value, 0)), jnp.sum(weight))
