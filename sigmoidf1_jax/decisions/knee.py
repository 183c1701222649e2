"""The knee rule: a threshold at the bend of the typical sorted score curve of an example."""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sigmoidf1_jax import _checks, _inputs
from sigmoidf1_jax._inputs import Labels, Where
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
      scores: [..., num_labels], floating and finite.
      where: True where an entry counts; an example with m counted entries enters the first m
        ranks, and ranks that no example has are NaN.

    Returns:
      A `KneeCurve` with arrays [num_labels].

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
    scores = _inputs.as_array(scores, "scores")
    counted = _shared.mask_of(where, scores.shape)
    scores = _shared.check_scores(scores, mask=counted)
    _checks.check_value(
        lambda: jnp.all(jnp.isfinite(scores) | ~counted) & jnp.any(counted),
        scores,
        counted,
        message="scores must be finite where they count, and at least one must count",
    )
    scores = scores.astype(_inputs.accumulation_dtype(scores.dtype))
    flat = jnp.where(counted, scores, -jnp.inf).reshape(-1, scores.shape[-1])
    ordered = jnp.sort(flat, axis=-1, descending=True)
    ordered = jnp.where(ordered > -jnp.inf, ordered, jnp.nan)
    lower, median, upper = jnp.nanquantile(ordered, jnp.asarray([0.25, 0.5, 0.75]), axis=0)
    rank = jnp.arange(median.shape[0])
    last = jnp.maximum(jnp.sum(~jnp.isnan(median)) - 1, 0)
    height = median[0] - median[last]
    chord = median[0] - height * rank / jnp.maximum(last, 1)
    distance = jnp.where(rank <= last, jnp.abs(median - chord), 0)
    knee = jnp.argmax(distance)
    relative = jnp.where(height > 0, distance[knee] / jnp.where(height > 0, height, 1), 0)
    return KneeCurve(median, lower, upper, knee, relative)


def knee_threshold(
    scores: Scores, labels: Labels | None = None, *, where: Where = None
) -> Threshold:
    """The score at the knee of the median sorted score curve, as one threshold for all labels.

    It needs no labels: for a model whose scores drop sharply after the labels that apply. The
    label at the knee itself is predicted (score >= threshold). A curve without a bend (constant
    scores, a straight line, fewer than three labels) has no knee: then the threshold is that of
    `global_threshold(scores, labels)`, with a warning outside jit.

    Args:
      scores: [..., num_labels], floating and finite.
      labels: same shape, 0 or 1; only for the fall-back.
      where: True where an entry counts; broadcasts to the shape.

    Returns:
      A `Threshold` with a scalar threshold.

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
    # Interpolated quantiles of a straight curve differ from it by rounding only.
    bent = curve.distance > 16 * jnp.finfo(curve.median.dtype).eps
    if labels is None:
        _checks.check_value(
            lambda: bent,
            bent,
            message="scores have no knee (constant or straight sorted curve): pass labels to fall "
            "back on the global threshold",
        )
        return Threshold(jnp.where(bent, curve.median[curve.knee], jnp.nan))
    shared = global_threshold(scores, labels, where=where).threshold
    if not isinstance(bent, jax.core.Tracer) and not bool(bent):
        warnings.warn(
            "scores have no knee (constant or straight sorted curve); "
            "all labels take the global threshold",
            stacklevel=2,
        )
    return Threshold(jnp.where(bent, curve.median[curve.knee], shared))
