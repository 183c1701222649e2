"""Lipton's rule: with calibrated probabilities the F-optimal threshold is half the best F."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from sigmoidf1_jax import _safe
from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Scores
from sigmoidf1_jax.decisions.thresholds import Threshold, check_count


def lipton_threshold(
    probabilities: Scores,
    labels: Labels | None = None,
    *,
    average: Literal["micro", "macro"] = "macro",
    beta: ArrayLike = 1.0,
    min_positives: int = 1,
    where: Where = None,
    weights: Weights = None,
) -> Threshold:
    r"""The threshold $F^*_\beta / (1 + \beta^2)$, F*/2 for F1, of calibrated probabilities.

    $F^*$ is the best F-beta that a threshold reaches: the observed one with `labels`; without,
    the one expected if the probabilities are calibrated,
    $\max_k (1+\beta^2) \sum_{i \le k} p_i / (\beta^2 \sum_i p_i + k)$ over sorted $p$.
    It needs one number from the data where `per_label_threshold` needs a location, so it varies
    less on few examples, but it is only as good as the calibration: for scores that are not
    calibrated use `decisions.calibrated(scores, labels, lipton_threshold)`.

    Args:
      probabilities: [..., examples, num_labels] in [0, 1], e.g. `jax.nn.sigmoid(logits)`.
      labels: same shape, 0 or 1; None uses the probabilities alone.
      average: "macro" gives one threshold per label, "micro" one for all.
      beta: > 0, weight of recall against precision.
      min_positives: fewest positives (with labels), >= 1, for a threshold of the label's own;
        rarer labels, and labels of zero probability, take the micro threshold, with one warning
        outside jit.
      where: True where an entry counts; broadcasts to the shape.
      weights: >= 0, how often an entry counts; broadcast to the shape. For `min_positives` > 1
        positives count by their weight, too.

    Returns:
      A `Threshold`, scalar or [num_labels]; +inf (predict nothing) if $F^*$ is 0 even for micro.
      Under jit it is NaN for labels with a NaN that counts, and so is the micro threshold.

    Raises:
      ValueError: shapes, unknown `average`; in concrete arrays probabilities outside [0, 1],
        labels not 0/1 or negative weights.

    Source: Lipton, Elkan and Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1
    Measure, ECML 2014.

    Example:
      >>> import jax.numpy as jnp
      >>> lipton_threshold(jnp.array([[0.5, 1.0], [0.5, 0.0]]), average="macro").threshold
      Array([0.33333334, 0.5       ], dtype=float32)
    """
    if average not in ("micro", "macro"):
        raise ValueError(f"average must be 'micro' or 'macro', got {average!r}")
    check_count("min_positives", min_positives)
    examples = _shared.prepare(probabilities, labels, where, weights, name="probabilities")
    _shared.check_probabilities(examples.scores)
    score = _shared.score_or_f_beta(None, beta)
    b2 = jnp.square(jnp.asarray(beta, examples.scores.dtype))

    def best(p: Array, keys: Array, y: Array, weight: Array | None) -> Array:
        if labels is None:
            return jnp.max(_expected_f(p, keys > _shared.masked_key(keys), weight, b2), 0)
        ordered, values = _shared.sweep(keys, y, weight, score)
        return jnp.max(jnp.where(_shared.ends_tie(ordered), values[1:], 0), 0)

    columns = (examples.scores, examples.keys, examples.labels, examples.weight)
    pooled = jax.tree.map(lambda x: x.reshape(-1, 1), columns)
    f_micro = best(*pooled)[0]
    shared = jnp.where(f_micro > 0, f_micro / (1 + b2), jnp.inf)
    shared = _shared.spoil(shared, examples.any_nan)
    if average == "micro":
        return Threshold(shared)
    f = best(*columns)
    if labels is None:
        rare, reason = f <= 0, "have probability 0 everywhere"
    else:
        # F* = 0 with positives cannot happen: predicting everything has F > 0.
        rare = _shared.rarer_than(min_positives, examples.labels, examples.weight)
        reason = f"have fewer than {min_positives} positives"
    _shared.warn_labels(rare, f"{reason}; they take the global threshold")
    return Threshold(jnp.where(rare, shared, _shared.spoil(f / (1 + b2), examples.nan)))


def _expected_f(p: Array, counted: Array, weight: Array | None, b2: Array) -> Array:
    """Ratio of expectations with the k most probable entries predicted, k = 1 to n."""
    weight = counted.astype(p.dtype) if weight is None else weight
    order = jnp.argsort(p, axis=0, descending=True)
    p, weight = (jnp.take_along_axis(x, order, 0) for x in (weight * p, weight))
    bottom = b2 * jnp.sum(p, 0, keepdims=True) + jnp.cumsum(weight, 0)
    return _safe.ratio((1 + b2) * jnp.cumsum(p, 0), bottom)
