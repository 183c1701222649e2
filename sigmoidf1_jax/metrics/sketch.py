"""A mergeable sketch of scores: histograms per label, from which areas and thresholds follow."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Num

from sigmoidf1_jax import _inputs, _safe, averaging
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.confusion import Confusion
from sigmoidf1_jax.metrics import _order, _prepare, curves
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Scores
from sigmoidf1_jax.metrics.curves import Undefined
from sigmoidf1_jax.metrics.metric import Definitions, Metric


class ScoreHistogram(NamedTuple):
    """Positives and negatives per label and bin of score, bins ascending; sums over examples.

    Histograms with the same bins add up: `jax.tree.map(jnp.add, a, b)` is that of both sets.
    NaN has no bin and integers have no NaN: where one counts inside jit, `nan` counts it, and
    everything that is computed from the label is NaN.
    """

    positive: Num[Array, "labels bins"]
    negative: Num[Array, "labels bins"]
    nan: Num[Array, " labels"] | int = 0


class Bounds(NamedTuple):
    """An interval that certainly holds the exact value: rounding is outward.

    Certain for counts; sums of weights are as exact as the histogram that holds them.
    """

    low: Float[Array, "..."]
    high: Float[Array, "..."]


def score_histogram(
    scores: Scores,
    labels: BinaryLabels,
    *,
    num_bins: int = 2048,
    limit: float = 16.0,
    where: Where = None,
    weights: Weights = None,
) -> ScoreHistogram:
    r"""Counts scores in `num_bins` equal bins of [-limit, limit]; the outer bins are open.

    Bin b holds $\lfloor (s + limit) \cdot num\_bins / (2\,limit) \rfloor = b$. The defaults suit
    logits (width 1/64); turn probabilities into logits first, `jax.scipy.special.logit`.

    Args:
      scores: [..., num_labels] floating logits; leading axes hold examples.
      labels: same shape, bool or 0/1.
      num_bins: even, >= 2; static. Memory is 2 * num_labels * num_bins numbers.
      limit: > 0; static. Edges are exact when num_bins / (2 limit) is a power of two.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape.

    Returns:
      int32 counts, or floating sums with weights.

    Raises:
      ValueError: shapes differ, no axis of examples, bad bins; in concrete arrays also NaN
        scores, labels not 0 or 1, negative weights.
      TypeError: scores not floating.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.], [-3.], [1.]]), jnp.array([[1], [0], [0]])
      >>> sf.metrics.score_histogram(logits, labels, num_bins=2).negative
      Array([[1, 1]], dtype=int32)
    """
    if num_bins < 2 or num_bins % 2:
        raise ValueError(f"num_bins must be even and >= 2, got {num_bins}")
    if not limit > 0:
        raise ValueError(f"limit must be > 0, got {limit}")
    ranking = _prepare.prepare(scores, labels, where, weights)
    classes = ranking.labels.shape[-1]
    # Clipped as floats: a float out of the integers' range has no defined conversion.
    place = jnp.clip(
        jnp.floor(ranking.scores * (num_bins / (2 * limit))), -num_bins // 2, num_bins // 2 - 1
    )
    place = place.astype(jnp.int32) + num_bins // 2
    place += num_bins * (~ranking.labels).astype(jnp.int32)
    amount = ranking.weight
    if amount is None:
        amount = jnp.ones((), jnp.int32) if ranking.mask is None else ranking.mask.astype(jnp.int32)
    empty = jnp.zeros((classes, 2 * num_bins), amount.dtype)
    counts = empty.at[jnp.arange(classes, dtype=jnp.int32)[None], place].add(
        amount, mode="promise_in_bounds"
    )
    nan = jnp.zeros(classes, jnp.int32)
    if ranking.nan is not None:
        nan = jnp.sum(jnp.isnan(ranking.nan), 0, dtype=jnp.int32)
    return ScoreHistogram(counts[:, :num_bins], counts[:, num_bins:], nan)


def bin_thresholds(num_bins: int = 2048, limit: float = 16.0) -> Float[Array, " bins"]:
    """The lower edge of each bin, as thresholds for `score >= threshold`; the first is -inf."""
    edges = (jnp.arange(num_bins) - num_bins // 2) * (2 * limit / num_bins)
    return edges.at[0].set(-jnp.inf)


def threshold_counts(histogram: ScoreHistogram) -> Confusion:
    """Confusion counts [num_labels, num_bins] of the decisions `score >= lower edge of bin`.

    Exact up to 2^24 (in float32), so any score of them (`sf.scores.f1`, precision, recall, ...)
    is a threshold curve.

    >>> import sigmoidf1_jax as sf
    >>> histogram = ScoreHistogram(jnp.array([[0, 2]]), jnp.array([[3, 1]]))
    >>> sf.scores.precision(threshold_counts(histogram))
    Array([[0.33333334, 0.6666667 ]], dtype=float32)
    """
    tp, fp = _from_above(histogram.positive), _from_above(histogram.negative)
    nan = _nan(histogram)[..., None]
    parts = (tp, fp, tp[..., :1] - tp, fp[..., :1] - fp)
    return Confusion(*(x.astype(nan.dtype) + nan for x in parts))


def _nan(histogram: ScoreHistogram) -> Float[Array, " labels"]:
    """NaN for labels that have one, 0 for the others."""
    # The division itself makes the NaN: no constant that `jax_debug_nans` would stop at.
    clean = jnp.asarray(histogram.nan) == 0
    zero = jnp.zeros((), jnp.result_type(float))
    return zero / jnp.broadcast_to(clean, histogram.positive.shape[:-1]).astype(zero.dtype)


class _BinSums(NamedTuple):
    """Sums that only grow by a few roundings: trees, and no difference of like numbers."""

    positive: Float[Array, "*labels bins"]
    negative: Float[Array, "*labels bins"]
    above: tuple[Array, Array]
    """Positives and negatives in higher bins."""
    through: tuple[Array, Array]
    """Positives and negatives in this and higher bins."""
    found: Float[Array, "*labels"]
    rest: Float[Array, "*labels"]
    nan: Float[Array, "*labels"]


def _bin_sums(histogram: ScoreHistogram, average: Average | None, undefined: Undefined) -> _BinSums:
    averaging.check_average(average)
    curves.check_undefined(undefined)
    if average == "samples":
        raise ValueError("average='samples' needs no sketch: it is a mean over examples")
    nan = _nan(histogram)
    positive, negative = (x.astype(nan.dtype) for x in (histogram.positive, histogram.negative))
    if average == "micro":
        # As one label, with the axis of labels still there.
        positive, negative = (_tree_sum(x.T)[None] for x in (positive, negative))
        nan = jnp.sum(nan)[None]
    through = _from_above(positive), _from_above(negative)
    above = tuple(jnp.pad(x[..., 1:], ((0, 0), (0, 1))) for x in through)
    return _BinSums(
        positive, negative, (above[0], above[1]), through, through[0][..., 0], through[1][..., 0],
        nan,
    )  # fmt: skip


def _from_above(x: Num[Array, "*labels bins"]) -> Num[Array, "*labels bins"]:
    """Sums over a bin and those above it, each of 2 log2(bins) roundings."""
    return lax.associative_scan(jnp.add, x, reverse=True, axis=x.ndim - 1)


def _tree_sum(x: Float[Array, "... n"]) -> Float[Array, "..."]:
    """Sum of the last axis with log2(n) roundings, whatever the compiler prefers."""
    while x.shape[-1] > 1:
        if x.shape[-1] % 2:
            x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, 1)])
        x = x[..., ::2] + x[..., 1::2]
    return x[..., 0]


def _averaged(
    area: curves.Area, value: Array, of: _BinSums, average: Average | None, undefined: Undefined
) -> Array:
    defined = curves.is_defined(area, of.found, of.rest)
    areas = curves.Areas(value, of.found, of.rest, defined).with_nan(of.nan)
    return curves.average_over_labels(areas, average, undefined)


def sketched_average_precision(
    histogram: ScoreHistogram,
    *,
    average: Average | None = "macro",
    undefined: Undefined = "zero",
) -> Float[Array, ""] | Float[Array, " labels"]:
    """Average precision of the scores rounded to their bins; see `average_precision_bounds`.

    Args:
      histogram: from `score_histogram`.
      average: "macro", "weighted", "micro" or None.
      undefined: labels without positives, whose area is undefined, are "zero" or "nan" in the
        average, or "skip" leaves them out of it; per label "skip" is NaN.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`.

    Raises:
      ValueError: unknown `average` or `undefined`.
    """
    of = _bin_sums(histogram, average, undefined)
    tp, fp = of.through
    area = _tree_sum(of.positive * _safe.ratio(tp, tp + fp))
    value = _safe.ratio(area, of.found)
    return _averaged(_order.average_precision, value, of, average, undefined)


def sketched_roc_auc(
    histogram: ScoreHistogram, *, average: Average | None = "macro", undefined: Undefined = "nan"
) -> Float[Array, ""] | Float[Array, " labels"]:
    """ROC AUC of the scores rounded to their bins; see `roc_auc_bounds`.

    Args:
      histogram: from `score_histogram`.
      average: "macro", "weighted", "micro" or None.
      undefined: labels with one class, whose area is undefined, are "zero" or "nan" in the
        average, or "skip" leaves them out of it; per label "skip" is NaN.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`.

    Raises:
      ValueError: unknown `average` or `undefined`.
    """
    of = _bin_sums(histogram, average, undefined)
    value = _pairs(of, of.above[0] + of.positive / 2)
    return _averaged(_order.roc_auc, value, of, average, undefined)


def _pairs(of: _BinSums, below: Array) -> Array:
    """The share of pairs that are right if each negative is below so many positives."""
    share = _safe.ratio(below, of.found[..., None])
    return _safe.ratio(_tree_sum(of.negative * share), of.rest)


def roc_auc_bounds(
    histogram: ScoreHistogram, *, average: Average | None = "macro", undefined: Undefined = "nan"
) -> Bounds:
    r"""The exact ROC AUC lies in sketch $\pm \tfrac12 \sum_b \frac{p_b}{P} \frac{n_b}{N}$.

    Only pairs that share a bin can be misjudged, each by at most a half.

    Args:
      histogram: from `score_histogram`.
      average: "macro", "weighted", "micro" or None.
      undefined: labels with one class, whose area is undefined, are "zero" or "nan" in the
        average, or "skip" leaves them out of it; per label "skip" is NaN.

    Returns:
      Low and high end, each a scalar in [0, 1], or [num_labels] for `average=None`.

    Raises:
      ValueError: unknown `average` or `undefined`.
    """
    of = _bin_sums(histogram, average, undefined)
    low, high = (_pairs(of, below) for below in (of.above[0], of.through[0]))
    error = _error(histogram, average)
    bounds = low * (1 - error), high * (1 + error)
    return _bounds(_order.roc_auc, bounds, of, average, undefined)


def average_precision_bounds(
    histogram: ScoreHistogram, *, average: Average | None = "macro", undefined: Undefined = "zero"
) -> Bounds:
    r"""An interval that holds the exact average precision.

    With p positives and n negatives in a bin, T positives and F negatives above it, the bin's
    positives earn at most $p\,\frac{T+p}{T+p+F}$ (all before the negatives) and at least
    $\int_0^p \frac{T+x}{T+x+F+n} dx = p - (F+n) \ln\frac{T+p+F+n}{T+F+n}$ (all behind them).

    Args:
      histogram: from `score_histogram`.
      average: "macro", "weighted", "micro" or None.
      undefined: labels without positives, whose area is undefined, are "zero" or "nan" in the
        average, or "skip" leaves them out of it; per label "skip" is NaN.

    Returns:
      Low and high end, each a scalar in [0, 1], or [num_labels] for `average=None`.

    Raises:
      ValueError: unknown `average` or `undefined`.
    """
    of = _bin_sums(histogram, average, undefined)
    (tp, fp), (before, fp_above) = of.through, of.above
    best = of.positive * _safe.ratio(tp, tp + fp_above)
    worst = of.positive - fp * jnp.log1p(_safe.ratio(of.positive, before + fp))
    low, high = (_safe.ratio(_tree_sum(x), of.found) for x in (worst, best))
    error = _error(histogram, average)
    # `worst` is a difference of numbers of at most p: its error is one of p, not of itself.
    bounds = low - error, high * (1 + error)
    return _bounds(_order.average_precision, bounds, of, average, undefined)


def _error(histogram: ScoreHistogram, average: Average | None) -> float:
    """More than the relative error of a bound's computation, averages over labels included.

    With L = log2(bins * labels) and u half of eps, errors are at most (2L + 1) u for sums from
    above, L u for trees, and a few u for conversions, products, quotients and logarithms. A bound
    is a tree of products with a quotient of two sums from above, divided by a third one: less
    than (8L + 32) u. A mean over labels is the quotient of two sums of `_order.accurate_sum`.
    """
    labels, bins = histogram.positive.shape
    roundings = 8 * (labels * bins).bit_length() + 32
    if average in ("macro", "weighted"):
        roundings += 2 * max(1, math.ceil(math.log(labels, 256))) * min(labels, 257) + 8
    return roundings * float(jnp.finfo(jnp.result_type(float)).eps) / 2


def _bounds(
    area: curves.Area,
    bounds: tuple[Array, Array],
    of: _BinSums,
    average: Average | None,
    undefined: Undefined,
) -> Bounds:
    return Bounds(*(
        _averaged(area, jnp.where(curves.is_defined(area, of.found, of.rest), jnp.clip(x, 0, 1), 0),
                  of, average, undefined)
        for x in bounds
    ))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Sketched(Metric):
    """A metric whose statistics are a `ScoreHistogram`; `bounds` of it hold the exact value."""

    bounds: Callable[[ScoreHistogram], Bounds] = dataclasses.field(kw_only=True)


def _area(
    area: curves.Area,
    value: Callable[..., Array],
    bounds: Callable[..., Bounds],
    *,
    average: Average | None = "macro",
    undefined: Undefined,
    **bins: Any,
) -> Metric:
    """An area that adds up: exact over examples, in a sketch over labels."""
    if average == "samples":
        if bins:
            raise TypeError(f"unknown options {sorted(bins)}: average='samples' needs no sketch")
        return curves.mean_area_of_examples(area, undefined)
    curves.check_undefined(undefined)

    def statistics(
        scores: Any, labels: Any, *, where: Where = None, weights: Weights = None
    ) -> ScoreHistogram:
        _inputs.refuse_label_weights(weights, np.shape(labels), average)
        return score_histogram(scores, labels, where=where, weights=weights, **bins)

    options = {"average": average, "undefined": undefined}
    return Sketched(
        statistics,
        functools.partial(value, **options),
        bounds=functools.partial(bounds, **options),
    )


def _average_precision(*, undefined: Undefined = "zero", **options: Any) -> Metric:
    of = _order.average_precision, sketched_average_precision, average_precision_bounds
    return _area(*of, undefined=undefined, **options)


def _roc_auc(*, undefined: Undefined = "nan", **options: Any) -> Metric:
    of = _order.roc_auc, sketched_roc_auc, roc_auc_bounds
    return _area(*of, undefined=undefined, **options)


DEFINITIONS: Definitions = {
    curves.average_precision: _average_precision,
    curves.roc_auc: _roc_auc,
}
