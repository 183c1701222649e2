"""The knee rule: a threshold at the bend of the typical sorted score curve of an example."""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sigmoidf1_jax import _checks
from sigmoidf1_jax._inputs import Labels, Where
from sigmoidf1_jax._keys import scores_of_keys
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Scores
from sigmoidf1_jax.decisions.thresholds import Threshold, global_threshold


class KneeCurve(NamedTuple):
    """Scores in descending order: median and quartiles over examples at each rank.

    `knee` is the rank (0 is the highest score) where `median` is farthest from its chord, and
    `distance` how far, vertically, as a share of the curve's height: 0 for a straight curve.
    """

    median: Float[Array, " labels"]
    lower: Float[Array, " labels"]
    upper: Float[Array, " labels"]
    knee: Int[Array, ""]
    distance: Float[Array, ""]


def knee_curve(scores: Scores, *, where: Where = None) -> KneeCurve:
    """The sorted score curve of the examples and its knee, e.g. to plot it.

    Each example's scores are sorted in descending order; at each rank the median and the
    quartiles over examples are taken. The knee is the point of the median curve that is farthest
    from the straight line between its ends (the first of equally far ones).

    Args:
      scores: [..., examples, num_labels], floating and finite.
      where: True where an entry counts; an example with m counted entries enters the first m
        ranks, and ranks that no example has are NaN.

    Returns:
      A `KneeCurve` with arrays [num_labels]; its numbers are NaN if under jit a NaN counts.

    Raises:
      ValueError: no counted entry, NaN or infinite scores, in concrete arrays.

    Source: Satopaa et al., Finding a "Kneedle" in a Haystack, 2011; the distance to the chord is
    the same in any scaling of the axes up to a constant, so none is needed.

    Example:
      >>> import jax.numpy as jnp
      >>> curve = knee_curve(jnp.array([[1.0, 0.125, 0.0, 0.75, 0.0625]]))
      >>> curve.median, int(curve.knee)
      (Array([1.    , 0.75  , 0.125 , 0.0625, 0.    ], dtype=float32), 2)
    """
    examples = _shared.prepare(scores, None, where)
    s, counted = examples.scores, examples.counted
    _checks.check_value(
        lambda: jnp.all(jnp.isfinite(s)) & jnp.any(counted),
        s,
        counted,
        message="scores must be finite where they count, and at least one must count",
    )
    curve = _curve(examples.keys)
    numbers = _shared.spoil(curve._replace(knee=None), examples.any_nan)
    return numbers._replace(knee=curve.knee)


@jax.jit
def _curve(keys: Array) -> KneeCurve:
    """The curve of keys of which some are masked."""
    # Descending in each example, masked ones last, then ascending at each rank over examples.
    ordered = jnp.flip(jnp.sort(keys, axis=-1), -1)
    # A masked key is below all others: as the largest integer it is above them.
    most = jnp.iinfo(keys.dtype).max
    ordered = jnp.sort(jnp.where(ordered > _shared.masked_key(keys), ordered, most), axis=0)
    present = jnp.sum(ordered < most, 0)
    ranked = scores_of_keys(jnp.where(ordered < most, ordered, 0))

    def quantile(q: float) -> Array:
        place = q * (jnp.maximum(present, 1) - 1).astype(ranked.dtype)
        low = jnp.floor(place).astype(present.dtype)
        high = jnp.minimum(low + 1, jnp.maximum(present, 1) - 1)
        share = place - low.astype(place.dtype)
        start, stop = (jnp.take_along_axis(ranked, i[None], 0)[0] for i in (low, high))
        return (1 - share) * start + share * stop

    lower, median, upper = (quantile(q) for q in (0.25, 0.5, 0.75))
    rank = jnp.arange(median.shape[0])
    last = jnp.maximum(jnp.sum(present > 0) - 1, 0)
    height = median[0] - median[last]
    chord = median[0] - height * (rank / jnp.maximum(last, 1)).astype(height.dtype)
    distance = jnp.where(rank <= last, jnp.abs(median - chord), 0)
    knee = jnp.argmax(distance)
    relative = jnp.where(height > 0, distance[knee] / jnp.where(height > 0, height, 1), 0)

    def or_nan(x: Array) -> Array:
        # 0 / 0 where no example has the rank.
        number = jnp.minimum(present, 1).astype(x.dtype)
        return jnp.where(present > 0, x, number / number)

    return KneeCurve(or_nan(median), or_nan(lower), or_nan(upper), knee, relative)


def knee_threshold(
    scores: Scores, labels: Labels | None = None, *, where: Where = None
) -> Threshold:
    """The score at the knee of the median sorted score curve, as one threshold for all labels.

    It needs no labels: for a model whose scores drop sharply after the labels that apply. The
    label at the knee itself is predicted (score >= threshold). A curve without a bend (constant
    scores, a straight line, fewer than three labels) has no knee: then the threshold is that of
    `global_threshold(scores, labels)`, with a warning outside jit.

    Args:
      scores: [..., examples, num_labels], floating and finite.
      labels: same shape, 0 or 1; only for the fall-back.
      where: True where an entry counts; broadcasts to the shape. There are no `weights`: the
        curve holds medians over examples.

    Returns:
      A `Threshold` with a scalar threshold; under jit it is NaN if a NaN counts.

    Raises:
      ValueError: as `knee_curve`; also a curve without a knee if there are no labels, in
        concrete arrays (inside jit the threshold is NaN then, which predicts nothing).

    Source: the sigmoidF1 draft's Figure 2; Satopaa et al., 2011.

    Example:
      >>> import jax.numpy as jnp
      >>> knee_threshold(jnp.array([[1.0, 0.125, 0.0, 0.75, 0.0625]])).threshold
      Array(0.125, dtype=float32)
    """
    curve = knee_curve(scores, where=where)
    # Interpolated quantiles of a straight curve differ from it by rounding only: that of the
    # scores' size, which can be far above the curve's height.
    median = curve.median
    high = jnp.max(jnp.where(jnp.isnan(median), -jnp.inf, median))
    low = jnp.min(jnp.where(jnp.isnan(median), jnp.inf, median))
    size = jnp.maximum(jnp.abs(high), jnp.abs(low))
    bent = curve.distance * (high - low) > 16 * float(jnp.finfo(median.dtype).eps) * size
    if labels is None:
        _checks.check_value(
            lambda: bent,
            bent,
            message="scores have no knee (constant or straight sorted curve): pass labels to fall "
            "back on the global threshold",
        )
        # 0 / 0 without a knee: a constant NaN would stop `jax_debug_nans` in any case.
        found = bent.astype(median.dtype)
        return Threshold(jnp.where(bent, median[curve.knee], found / found))
    shared = global_threshold(scores, labels, where=where).threshold
    if not isinstance(bent, jax.core.Tracer) and not bool(bent):
        warnings.warn(
            "scores have no knee (constant or straight sorted curve); "
            "all labels take the global threshold",
            stacklevel=2,
        )
    return Threshold(jnp.where(bent, median[curve.knee], shared))
