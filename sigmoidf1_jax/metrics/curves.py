"""Areas under curves over all thresholds: average precision and ROC AUC."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from sigmoidf1_jax import _inputs, _tiles, averaging
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.metrics import _order, _prepare
from sigmoidf1_jax.metrics._order import Ordered, SortedExamples
from sigmoidf1_jax.metrics._prepare import BinaryLabels, ExampleSums, Ranking, Scores
from sigmoidf1_jax.metrics.metric import ExampleValues, Metric, mean

Result = Float[Array, ""] | Float[Array, " labels"]
Area = Callable[[Ordered, jnp.dtype], Float[Array, " rows"]]
Undefined = Literal["zero", "nan", "skip"]


class Areas(NamedTuple):
    """Areas of labels (or examples), 0 where undefined, and the weights of both classes."""

    value: Float[Array, " rows"]
    positive: Float[Array, " rows"]
    negative: Float[Array, " rows"]
    defined: Bool[Array, " rows"]

    @property
    def counted(self) -> Float[Array, " rows"]:
        """The weight of all entries that count."""
        return self.positive + self.negative

    def with_nan(self, nan: Array | None) -> "Areas":
        """NaN, value and weights, where `nan` is."""
        if nan is None:
            return self
        value, positive, negative = (x + nan for x in self[:3])
        return Areas(value, positive, negative, self.defined | jnp.isnan(nan))


def check_undefined(undefined: Any) -> None:
    """Raises ValueError unless `undefined` says what to do with undefined areas."""
    if undefined not in get_args(Undefined):
        raise ValueError(f"undefined must be 'zero', 'nan' or 'skip', got {undefined!r}")


def average_precision(
    scores: Scores,
    labels: BinaryLabels,
    *,
    average: Average | None = "macro",
    undefined: Undefined = "zero",
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Average precision $\sum_n (R_n - R_{n-1})\,P_n$ over the distinct scores, descending.

    Equal scores are one threshold. A label (or, for "samples", an example) without positives
    has no recall: by default its average precision is 0 and averaged in, as in scikit-learn.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro" over labels, "weighted" by positives, "micro" over all entries, "samples"
        over examples, or None ([num_labels]).
      undefined: labels or examples whose area is undefined are "zero" or "nan" in the average
        ("zero" equals scikit-learn here), or "skip" leaves them out of it. Per label "skip" is
        NaN. "weighted" gives labels without positives no weight, and is 0, as in scikit-learn,
        where that is all of them, unless they are skipped.
      where: True where an entry counts; broadcasts to the labels' shape. A label or example
        with no counted entry leaves the average.
      weights: weights >= 0, e.g. [batch, 1] for examples. For "samples" an example weighs the
        mean of its entries' weights, and within it only weight 0 (does not count) matters.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; float32, float64 for float64 scores.
      NaN where nothing counts, or where all is undefined and skipped.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average` or `undefined`, weights
        of labels where they cancel; in concrete arrays also NaN scores, labels not 0 or 1,
        negative weights.
      TypeError: scores not floating.

    Source: equal to `sklearn.metrics.average_precision_score(labels, scores)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores = jnp.array([[.9, .1], [.8, .7], [.3, .2]])
      >>> sf.metrics.average_precision(scores, jnp.array([[1, 0], [0, 1], [1, 0]]), average=None)
      Array([0.8333334, 1.       ], dtype=float32)
    """
    return _average_area(
        _order.average_precision, scores, labels, average, undefined, where, weights
    )


def roc_auc(
    scores: Scores,
    labels: BinaryLabels,
    *,
    average: Average | None = "macro",
    undefined: Undefined = "nan",
    where: Where = None,
    weights: Weights = None,
) -> Result:
    r"""Area under the ROC curve, $P(s^+ > s^-) + \tfrac12 P(s^+ = s^-)$.

    Undefined where only one class is present: by default NaN, and then the macro average is NaN
    too, as in scikit-learn. `undefined="skip"` averages over the labels (or examples) that have
    both classes.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro" over labels, "weighted" by positives, "micro" over all entries, "samples"
        over examples, or None ([num_labels]).
      undefined: labels or examples whose area is undefined are "zero" or "nan" in the average
        ("nan" equals scikit-learn here), or "skip" leaves them out of it. Per label "skip" is
        NaN. "weighted" gives labels without positives no weight, and is 0, as in scikit-learn,
        where that is all of them, unless they are skipped.
      where: True where an entry counts; broadcasts to the labels' shape. A label or example
        with no counted entry leaves the average.
      weights: weights >= 0, e.g. [batch, 1] for examples. For "samples" an example weighs the
        mean of its entries' weights, and within it only weight 0 (does not count) matters.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; float32, float64 for float64 scores.
      NaN where nothing counts, or where all is undefined and skipped.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average` or `undefined`, weights
        of labels where they cancel; in concrete arrays also NaN scores, labels not 0 or 1,
        negative weights.
      TypeError: scores not floating.

    Source: equal to `sklearn.metrics.roc_auc_score(labels, scores)`; Hanley and McNeil, 1982.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores = jnp.array([[.9, .1], [.8, .7], [.3, .2]])
      >>> sf.metrics.roc_auc(scores, jnp.array([[1, 0], [0, 1], [1, 0]]), average=None)
      Array([0.5, 1. ], dtype=float32)
      >>> one_class = jnp.array([[1, 0], [0, 0], [1, 0]])
      >>> sf.metrics.roc_auc(scores, one_class), sf.metrics.roc_auc(scores, one_class, undefined="skip")
      (Array(nan, dtype=float32), Array(0.5, dtype=float32))
    """  # noqa: E501
    return _average_area(_order.roc_auc, scores, labels, average, undefined, where, weights)


def _average_area(
    area: Area,
    scores: Scores,
    labels: BinaryLabels,
    average: Average | None,
    undefined: Undefined,
    where: Where,
    weights: Weights,
) -> Result:
    averaging.check_average(average)
    if average == "samples":
        metric = mean_area_of_examples(area, undefined)
        return metric(scores, labels, where=where, weights=weights)
    check_undefined(undefined)
    ranking = _prepare.prepare(scores, labels, where, weights)
    _inputs.refuse_label_weights(weights, np.shape(labels), average)
    if average == "micro":
        flat = (None if x is None else x.reshape(-1, 1) for x in ranking)
        ranking = Ranking(*flat)  # type: ignore[arg-type]
    return average_over_labels(_per_label(ranking, area=area), average, undefined)


def mean_area_of_examples(area: Area, undefined: Undefined) -> Metric:
    """The mean of the areas of examples, `average="samples"`."""
    check_undefined(undefined)

    def statistics(
        scores: Scores, labels: BinaryLabels, *, where: Where = None, weights: Weights = None
    ) -> ExampleSums:
        ranking = _prepare.prepare(scores, labels, where, weights)
        areas = _per_example(ranking, area=area)
        return _sums(areas, _prepare.example_weight(ranking), undefined)

    return Metric(statistics, mean)


@functools.partial(jax.jit, static_argnames="area")
def _per_example(ranking: Ranking, *, area: Area) -> Areas:
    def rows(part: Ranking) -> Areas:
        return areas_of(area, _order.ordered(*part[:4]), part.dtype)

    areas = _tiles.per_slice(rows, ranking.unweighted, 0)
    return areas.with_nan(None if ranking.nan is None else jnp.sum(ranking.nan, -1))


@functools.partial(jax.jit, static_argnames="area")
def _per_label(ranking: Ranking, *, area: Area) -> Areas:
    def columns(part: Ranking) -> Areas:
        rows = (_order.columns(x) for x in part[:4])
        return areas_of(area, _order.ordered(*rows), part.dtype)  # type: ignore[arg-type]

    areas = _tiles.per_slice(columns, ranking._replace(nan=None), 1)
    return areas.with_nan(None if ranking.nan is None else jnp.sum(ranking.nan, 0))


def areas_of(area: Area, entries: Ordered, dtype: jnp.dtype) -> Areas:
    """The area of each row."""
    positive, negative = (
        jnp.sum(x, -1).astype(dtype) for x in (entries.positive, entries.negative)
    )
    return Areas(area(entries, dtype), positive, negative, is_defined(area, positive, negative))


def is_defined(area: Area, positive: Array, negative: Array) -> Array:
    """Which rows have what the area needs: positives, for an ROC also negatives."""
    return positive != 0 if area is _order.average_precision else (positive != 0) & (negative != 0)


def _sums(areas: Areas, weight: Array, undefined: Undefined) -> ExampleSums:
    """Sums of weighted areas and of weights; what has no weight is not looked at."""
    if undefined == "skip":
        weight = jnp.where(areas.defined, weight, 0)
    left_out = weight == 0
    value = with_undefined(areas, undefined, left_out)
    total = _order.accurate_sum(jnp.where(left_out, 0, weight * value))
    return ExampleSums(total, _order.accurate_sum(weight))


def with_undefined(
    areas: Areas, undefined: Undefined, left_out: Array | None = None
) -> Float[Array, " rows"]:
    """Each area; where it is undefined 0 or NaN, and NaN where nothing counts."""
    fine = areas.counted != 0 if undefined == "zero" else areas.defined
    if left_out is not None:
        fine |= left_out
    # The division itself makes the NaN: no constant that `jax_debug_nans` would stop at.
    return areas.value / fine.astype(areas.value.dtype)


def average_over_labels(areas: Areas, average: Average | None, undefined: Undefined) -> Result:
    """macro, weighted or no average of an area per label, or the one area of "micro"."""
    if average is None:
        return with_undefined(areas, undefined)
    if average == "micro":
        return with_undefined(areas, undefined)[0]
    if average == "macro":
        total, weight = _sums(areas, (areas.counted != 0).astype(areas.value.dtype), undefined)
        return total / weight
    total, weight = _sums(areas, areas.positive, undefined)
    # Without any positive the value is scikit-learn's, 0, if anything counts.
    none = (weight == 0) & (undefined != "skip")
    counted = jnp.any(areas.counted != 0).astype(weight.dtype)
    return total / jnp.where(none, counted, weight)


_REPORTED: tuple[tuple[str, Area, Undefined], ...] = (
    ("average_precision", _order.average_precision, "zero"),
    ("roc_auc", _order.roc_auc, "skip"),
)


def areas_of_report(entries: Ordered, dtype: jnp.dtype) -> tuple[Areas, ...]:
    """The areas of labels, whose rows `entries` are, that a report shows."""
    return tuple(areas_of(area, entries, dtype) for _, area, _ in _REPORTED)


def report_of_labels(
    areas: tuple[Areas, ...], nan: Array | None, per_label: bool
) -> dict[str, Array]:
    """What a report shows of `areas_of_report`."""
    values: dict[str, Array] = {}
    for (name, _, undefined), own in zip(_REPORTED, areas, strict=True):
        own = own.with_nan(nan)
        for average in ("macro", "weighted"):
            values[f"{name}/{average}"] = average_over_labels(own, average, undefined)
        if per_label:
            values[f"{name}/per_label"] = average_over_labels(
                own, None, "nan" if undefined == "skip" else undefined
            )
    return values


def report_of_rankings(examples: SortedExamples) -> dict[str, ExampleValues]:
    """What a report shows of the areas of examples."""
    areas = areas_of(_order.roc_auc, examples.entries, examples.ranking.dtype)
    return {
        "average_precision/samples": ExampleValues(examples.average_precision),
        "roc_auc/samples": ExampleValues(areas.value, areas.defined),
    }
