"""Lipton's rule: with calibrated probabilities the F-optimal threshold is half the best F."""

from typing import Literal

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from sigmoidf1_jax import _inputs, _safe
from sigmoidf1_jax._inputs import Labels, Where
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
) -> Threshold:
    r"""The threshold $F^*_\beta / (1 + \beta^2)$, F*/2 for F1, of calibrated probabilities.

    $F^*$ is the best F-beta that a threshold reaches: the observed one with `labels`; without,
    the one expected if the probabilities are calibrated,
    $\max_k (1+\beta^2) \sum_{i \le k} p_i / (\beta^2 \sum_i p_i + k)$ over sorted $p$.
    It needs one number from the data where `per_label_threshold` needs a location, so it varies
    less on few examples, but it is only as good as the calibration: for scores that are not
    calibrated use `decisions.calibrated(scores, labels, lipton_threshold)`.

    Args:
      probabilities: [..., num_labels] in [0, 1], e.g. `jax.nn.sigmoid(logits)`.
      labels: same shape, 0 or 1; None uses the probabilities alone.
      average: "macro" gives one threshold per label, "micro" one for all.
      beta: > 0, weight of recall against precision.
      min_positives: fewest positives (with labels), >= 1, for a threshold of the label's own;
        rarer labels, and labels of zero probability, take the micro threshold, with one warning
        outside jit.
      where: True where an entry counts; broadcasts to the shape.

    Returns:
      A `Threshold`, scalar or [num_labels]; +inf (predict nothing) if $F^*$ is 0 even for micro.

    Raises:
      ValueError: shapes, unknown `average`; in concrete arrays probabilities outside [0, 1] or
        labels not 0/1.

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
    probabilities = _inputs.as_array(probabilities, "probabilities")
    given = jnp.ones(probabilities.shape, bool) if labels is None else labels
    _inputs.check_same_shape(probabilities, _inputs.as_array(given, "labels"), "probabilities")
    mask = _shared.mask_of(where, probabilities.shape)
    probabilities = _shared.check_probabilities(probabilities, mask=mask)
    score = _shared.score_or_f_beta(None, beta)
    p, y, counted = _shared.prepare(probabilities, given, mask)
    b2 = jnp.square(jnp.asarray(beta, p.dtype))

    def best(p: Array, y: Array, counted: Array) -> Array:
        if labels is None:
            return jnp.max(_expected_f(jnp.where(counted, p, 0), b2), 0)
        ordered, values = _shared.sweep(p, y, counted, score)
        return jnp.max(jnp.where(_shared.ends_tie(ordered), values[1:], 0), 0)

    f_micro = best(*(x.reshape(-1, 1) for x in (p, y, counted)))[0]
    shared = jnp.where(f_micro > 0, f_micro / (1 + b2), jnp.inf)
    if average == "micro":
        return Threshold(shared)
    f = best(p, y, counted)
    if labels is None:
        rare, reason = f <= 0, "have probability 0 everywhere"
    else:
        # F* = 0 with positives cannot happen: predicting everything has F > 0.
        rare = jnp.sum(y, 0) < min_positives
        reason = f"have fewer than {min_positives} positives"
    _shared.warn_labels(rare, f"{reason}; they take the global threshold")
    return Threshold(jnp.where(rare, shared, f / (1 + b2)))


def _expected_f(p: Array, b2: Array) -> Array:
    """Ratio of expectations with the k most probable entries predicted, k = 1 to n."""
    ordered = jnp.sort(p, axis=0, descending=True)
    k = jnp.arange(1, p.shape[0] + 1, dtype=p.dtype)[:, None]
    return _safe.ratio((1 + b2) * jnp.cumsum(ordered, 0), b2 * jnp.sum(p, 0) + k)
