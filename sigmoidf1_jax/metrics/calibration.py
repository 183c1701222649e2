"""How far predicted probabilities are from observed frequencies: Brier score, ECE, reliability."""

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sigmoidf1_jax import _checks, _inputs, _safe, averaging
from sigmoidf1_jax._inputs import AnyArray, Weights, Where
from sigmoidf1_jax.metrics import _prepare
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Ranking
from sigmoidf1_jax.metrics.metric import Definitions, Metric

Probabilities = Float[AnyArray, "*batch labels"]
LabelAverage = Literal["micro", "macro", "weighted"]


class Reliability(NamedTuple):
    """Sums per label and bin of predicted probability; `probability` and `frequency` are means."""

    weight: Float[Array, "labels bins"]
    probability_sum: Float[Array, "labels bins"]
    positive: Float[Array, "labels bins"]

    @property
    def probability(self) -> Float[Array, "labels bins"]:
        """Mean predicted probability; NaN in an empty bin."""
        return self.probability_sum / self.weight

    @property
    def frequency(self) -> Float[Array, "labels bins"]:
        """Observed share of positives; NaN in an empty bin."""
        return self.positive / self.weight


def reliability(
    probabilities: Probabilities,
    labels: BinaryLabels,
    *,
    num_bins: int = 15,
    where: Where = None,
    weights: Weights = None,
) -> Reliability:
    r"""The reliability curve of each label: `num_bins` bins of equal width on [0, 1].

    Bin b holds probabilities in [b / num_bins, (b+1) / num_bins), the last one also 1.

    Args:
      probabilities: [..., num_labels] floating in [0, 1]; leading axes hold examples.
      labels: same shape, bool or 0/1.
      num_bins: >= 1; static.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape. An entry of weight 0 does not
        count, as if masked.

    Raises:
      ValueError: shapes differ, no axis of examples, num_bins < 1; in concrete arrays also
        probabilities outside [0, 1] or NaN, labels not 0 or 1, negative weights.
      TypeError: probabilities not floating.

    Source: the bins of `sklearn.calibration.calibration_curve`; DeGroot and Fienberg, 1983.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> curve = sf.metrics.reliability(jnp.array([[.2], [.4], [.9]]), jnp.array([[0], [1], [1]]),
      ...     num_bins=2)
      >>> curve.frequency
      Array([[0.5, 1. ]], dtype=float32)
    """
    if num_bins < 1:
        raise ValueError(f"num_bins must be >= 1, got {num_bins}")
    ranking = _prepare_probabilities(probabilities, labels, where, weights)
    return _sums_of_bins(ranking, num_bins)


# Jitted, because an eager lax.map compiles its function anew at every call.
@functools.partial(jax.jit, static_argnums=1)
def _sums_of_bins(ranking: Ranking, num_bins: int) -> Reliability:
    place = jnp.clip((ranking.scores * num_bins).astype(jnp.int32), 0, num_bins - 1)
    weight = _prepare.entry_weight(ranking)
    true = ranking.labels.astype(weight.dtype)
    parts = jnp.stack([weight, weight * ranking.scores, weight * true])

    def one_bin(b: Array) -> Array:
        # One pass per bin beats a scatter for a few bins and keeps memory at the inputs' size.
        return jnp.sum(jnp.where(place == b, parts, 0), 1)

    sums = lax.map(one_bin, jnp.arange(num_bins, dtype=jnp.int32))
    if ranking.nan is not None:
        # Nobody knows its bin: all bins of the label are NaN.
        sums += jnp.sum(ranking.nan, 0)[None, None]
    return Reliability(*jnp.moveaxis(sums, 0, -1))


def calibration_error(
    probabilities: Probabilities,
    labels: BinaryLabels,
    *,
    num_bins: int = 15,
    average: LabelAverage | None = "macro",
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""Expected calibration error $\sum_b \frac{n_b}{n} |\bar p_b - \bar y_b|$; in [0, 1].

    Args:
      probabilities: [..., num_labels] floating in [0, 1]; leading axes hold examples.
      labels: same shape, bool or 0/1.
      num_bins: number of bins of one width, >= 1; static.
      average: "macro" (mean over labels), "weighted" (by positives), "micro" (all labels pooled
        before binning) or None ([num_labels]).
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape. An entry of weight 0 does not
        count, as if masked.

    Returns:
      A scalar, or [num_labels] for `average=None`; NaN where nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, num_bins < 1, unknown `average`, weights of
        labels where they cancel; in concrete arrays also probabilities outside [0, 1] or NaN,
        labels not 0 or 1, negative weights.
      TypeError: probabilities not floating.

    Source: Naeini, Cooper and Hauskrecht, 2015; Guo et al., 2017 (for each label's positive class).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> p, labels = jnp.array([[.25], [.25], [.75], [.75]]), jnp.array([[0], [1], [1], [1]])
      >>> sf.metrics.calibration_error(p, labels, num_bins=2)
      Array(0.25, dtype=float32)
    """
    metric = _calibration(num_bins=num_bins, average=average)
    return metric(probabilities, labels, where=where, weights=weights)


def _calibration(*, num_bins: int = 15, average: LabelAverage | None = "macro") -> Metric:
    _check_average(average)

    def statistics(
        probabilities: Any, labels: Any, *, where: Where = None, weights: Weights = None
    ) -> Reliability:
        _inputs.refuse_label_weights(weights, np.shape(labels), average)
        return reliability(probabilities, labels, num_bins=num_bins, where=where, weights=weights)

    return Metric(statistics, lambda curve: _error_of_curve(curve, average))


DEFINITIONS: Definitions = {calibration_error: _calibration}


def _error_of_curve(
    curve: Reliability, average: LabelAverage | None
) -> Float[Array, ""] | Float[Array, " labels"]:
    gap = curve.probability_sum - curve.positive
    total, positive = jnp.sum(curve.weight, -1), jnp.sum(curve.positive, -1)
    if average == "micro":
        gap, total, positive = jnp.sum(gap, 0), jnp.sum(total), jnp.sum(positive)
    return _over_labels(jnp.sum(jnp.abs(gap), -1), total, positive, average)


def brier_score(
    probabilities: Probabilities,
    labels: BinaryLabels,
    *,
    average: LabelAverage | None = "macro",
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""Mean of $(p - y)^2$; in [0, 1], lower is better.

    Args:
      probabilities: [..., num_labels] floating in [0, 1]; leading axes hold examples.
      labels: same shape, bool or 0/1.
      average: "macro" (mean over labels), "weighted" (by positives), "micro" (over all entries)
        or None ([num_labels]).
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape. An entry of weight 0 does not
        count, as if masked.

    Returns:
      A scalar, or [num_labels] for `average=None`; NaN where nothing counts.

    Raises:
      ValueError: shapes differ, no axis of examples, unknown `average`, weights of labels
        where they cancel; in concrete arrays also probabilities outside [0, 1] or NaN, labels not
        0 or 1, negative weights.
      TypeError: probabilities not floating.

    Source: with `average=None` equal to `sklearn.metrics.brier_score_loss` of each column;
      Brier, 1950.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.brier_score(jnp.array([[.5], [1.]]), jnp.array([[0], [1]]))
      Array(0.125, dtype=float32)
    """
    _check_average(average)
    ranking = _prepare_probabilities(probabilities, labels, where, weights)
    _inputs.refuse_label_weights(weights, np.shape(labels), average)
    weight = _prepare.entry_weight(ranking)
    true = ranking.labels.astype(weight.dtype)
    error, total, positive = (
        _prepare.with_nan(jnp.sum(x, 0), ranking, 0)
        for x in (weight * jnp.square(ranking.scores - true), weight, weight * true)
    )
    if average == "micro":
        error, total, positive = jnp.sum(error), jnp.sum(total), jnp.sum(positive)
    return _over_labels(error, total, positive, average)


def _check_average(average: str | None) -> None:
    if average == "samples":
        raise ValueError("average must be 'micro', 'macro', 'weighted' or None, got 'samples'")
    averaging.check_average(average)


def _prepare_probabilities(
    probabilities: Probabilities, labels: BinaryLabels, where: Where, weights: Weights
) -> Ranking:
    ranking = _prepare.prepare(probabilities, labels, where, weights, name="probabilities")
    p = ranking.scores
    _checks.check_value(
        lambda: jnp.all((p >= 0) & (p <= 1)),
        p,
        message="probabilities must lie in [0, 1] where they count: apply jax.nn.sigmoid to logits",
    )
    return ranking


def _over_labels(
    sums: Array, total: Array, positive: Array, average: str | None
) -> Float[Array, ""] | Float[Array, " labels"]:
    """Averages sums / total; NaN where nothing counts."""
    if average in (None, "micro"):
        # The division itself makes the NaN: no constant that `jax_debug_nans` would stop at.
        return sums / total
    counted = (total != 0).astype(total.dtype)
    values = _safe.ratio(sums, total)
    candidates = (counted,) if average == "macro" else (positive, counted)
    return _safe.mean(values, *candidates, left_out=total == 0)
