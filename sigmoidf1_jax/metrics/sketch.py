"""A mergeable sketch of scores: histograms per label, from which areas and thresholds follow."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from sigmoidf1_jax import _safe, averaging
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.confusion import Confusion
from sigmoidf1_jax.metrics import _prepare
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Scores


class ScoreHistogram(NamedTuple):
    """Positives and negatives per label and bin of score, bins ascending; sums over examples.

    Histograms with the same bins add up: `jax.tree.map(jnp.add, a, b)` is that of both sets.
    """

    positive: Num[Array, "labels bins"]
    negative: Num[Array, "labels bins"]


class Bounds(NamedTuple):
    """An interval that certainly holds the exact value."""

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
      ValueError: shapes differ, bad bins; in concrete arrays also NaN scores, labels not 0 or 1,
        negative weights.
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
    counts = empty.at[jnp.arange(classes, dtype=jnp.int32), place].add(
        amount, mode="promise_in_bounds"
    )
    return ScoreHistogram(counts[:, :num_bins], counts[:, num_bins:])


def bin_thresholds(num_bins: int = 2048, limit: float = 16.0) -> Float[Array, " bins"]:
    """The lower edge of each bin, as thresholds for `score >= threshold`; the first is -inf."""
    edges = (jnp.arange(num_bins) - num_bins // 2) * (2 * limit / num_bins)
    return edges.at[0].set(-jnp.inf)


def threshold_counts(histogram: ScoreHistogram) -> Confusion:
    """Confusion counts [num_labels, num_bins] of the decisions `score >= lower edge of bin`.

    Exact, so any score of them (`sf.scores.f1`, precision, recall, ...) is a threshold curve.

    >>> import sigmoidf1_jax as sf
    >>> histogram = ScoreHistogram(jnp.array([[0, 2]]), jnp.array([[3, 1]]))
    >>> sf.scores.precision(threshold_counts(histogram))
    Array([[0.33333334, 0.6666667 ]], dtype=float32)
    """
    positive, negative = histogram
    tp, fp = _from_above(positive), _from_above(negative)
    return Confusion(tp, fp, tp[..., :1] - tp, fp[..., :1] - fp)


def _from_above(x: Num[Array, "*labels bins"]) -> Num[Array, "*labels bins"]:
    return jnp.flip(jnp.cumsum(jnp.flip(x, -1), -1), -1)


def _floating(histogram: ScoreHistogram, average: Average | None) -> tuple[Array, Array]:
    averaging.check_average(average)
    if average == "samples":
        raise ValueError("average='samples' needs no sketch: it is a mean over examples")
    dtype = jnp.result_type(float)
    positive, negative = (x.astype(dtype) for x in histogram)
    if average == "micro":
        return jnp.sum(positive, 0), jnp.sum(negative, 0)
    return positive, negative


def _averaged(values: Array, positive: Array, negative: Array, average: Average | None) -> Array:
    if average in (None, "micro"):
        return values
    found = jnp.sum(positive, -1)
    counted = (found + jnp.sum(negative, -1) > 0).astype(values.dtype)
    weight = counted if average == "macro" else found
    return _safe.ratio(jnp.sum(jnp.where(weight > 0, weight * values, 0)), jnp.sum(weight))


def sketched_average_precision(
    histogram: ScoreHistogram, *, average: Average | None = "macro"
) -> Float[Array, ""] | Float[Array, " labels"]:
    """Average precision of the scores rounded to their bins; see `average_precision_bounds`.

    Args:
      histogram: from `score_histogram`.
      average: "macro", "weighted", "micro" or None.
    """
    positive, negative = _floating(histogram, average)
    tp, fp = _from_above(positive), _from_above(negative)
    area = jnp.sum(positive * _safe.ratio(tp, tp + fp), -1)
    value = _safe.ratio(area, jnp.sum(positive, -1))
    return _averaged(value, positive, negative, average)


def sketched_roc_auc(
    histogram: ScoreHistogram, *, average: Average | None = "macro"
) -> Float[Array, ""] | Float[Array, " labels"]:
    """ROC AUC of the scores rounded to their bins; see `roc_auc_bounds`.

    Args:
      histogram: from `score_histogram`.
      average: "macro", "weighted", "micro" or None.
    """
    value, _, positive, negative = _roc_auc(histogram, average)
    return _averaged(value, positive, negative, average)


def _roc_auc(
    histogram: ScoreHistogram, average: Average | None
) -> tuple[Array, Array, Array, Array]:
    positive, negative = _floating(histogram, average)
    found, rest = jnp.sum(positive, -1), jnp.sum(negative, -1)
    above = _safe.ratio(_from_above(positive) - positive / 2, found[..., None])
    value = _safe.ratio(jnp.sum(negative * above, -1), rest)
    share = _safe.ratio(positive, found[..., None])
    slack = _safe.ratio(jnp.sum(negative * share, -1), 2 * rest)
    value = jnp.where((found > 0) & (rest > 0), value, jnp.nan)
    return value, slack, positive, negative


def roc_auc_bounds(histogram: ScoreHistogram, *, average: Average | None = "macro") -> Bounds:
    r"""The exact ROC AUC lies in sketch $\pm \tfrac12 \sum_b \frac{p_b}{P} \frac{n_b}{N}$.

    Only pairs that share a bin can be misjudged, each by at most a half.
    """
    value, slack, positive, negative = _roc_auc(histogram, average)
    low, high = value - slack, value + slack
    return Bounds(*(_averaged(x, positive, negative, average) for x in (low, high)))


def average_precision_bounds(
    histogram: ScoreHistogram, *, average: Average | None = "macro"
) -> Bounds:
    r"""An interval that holds the exact average precision.

    With p positives and n negatives in a bin, T positives and F negatives above it, the bin's
    positives earn at most $p\,\frac{T+p}{T+p+F}$ (all before the negatives) and at least
    $\int_0^p \frac{T+x}{T+x+F+n} dx = p - (F+n) \ln\frac{T+p+F+n}{T+F+n}$ (all behind them).
    """
    positive, negative = _floating(histogram, average)
    tp, fp = _from_above(positive), _from_above(negative)
    before = tp - positive
    best = positive * _safe.ratio(tp, tp + fp - negative)
    worst = positive - fp * jnp.log1p(_safe.ratio(positive, before + fp))
    found = jnp.sum(positive, -1)
    low, high = (_safe.ratio(jnp.sum(x, -1), found) for x in (worst, best))
    return Bounds(*(_averaged(x, positive, negative, average) for x in (low, high)))
