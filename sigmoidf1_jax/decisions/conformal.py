"""Conformal risk control: a threshold whose expected risk on new examples is at most alpha."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from sigmoidf1_jax import _checks, _inputs
from sigmoidf1_jax import scores as score_functions
from sigmoidf1_jax._inputs import Labels, Where
from sigmoidf1_jax._keys import integer_keys
from sigmoidf1_jax._partial import as_partial, bind
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Scores
from sigmoidf1_jax.decisions.thresholds import Threshold
from sigmoidf1_jax.scores import Score


def conformal_risk(
    scores: Scores,
    labels: Labels,
    *,
    alpha: ArrayLike = 0.1,
    per_label: bool = False,
    score: Score | None = None,
    lowest: ArrayLike = -jnp.inf,
    where: Where = None,
) -> Threshold:
    r"""The largest threshold whose expected risk on a new example is at most `alpha`.

    The risk of an example is its false-negative rate, the share of its labels that are missed
    (0 without labels), or 1 - `score`. With $L_i(t)$ the risk of example i at threshold t, the
    largest t with $\frac{n}{n+1} \bar L(t) + \frac{1}{n+1} \le \alpha$ is taken. If the n given
    examples and the new one are exchangeable, then $E[L_{n+1}(t)] \le \alpha$, for any scores
    and any n; the mean is over calibration sets too, so that a single one may exceed alpha.
    Labels must be held out from training. There are no `weights`: an example that counts twice is
    not exchangeable with a new one, and the bound would not hold.

    `per_label` controls the miss rate of each label, $P(s_c < t_c \mid y_c = 1) \le \alpha$, by
    the same rule on the label's positives. It makes larger sets: each label needs $1/\alpha - 1$
    positives, and a label with fewer is predicted always (the guarantee is kept, not the size);
    outside jit one warning lists such labels.

    The theorem needs a risk that falls as t falls. 1 - F does not, so $L_i(t)$ is replaced by
    its maximum over all thresholds from `lowest` to t: larger, monotone, and controlled, hence
    so is the risk itself. Since the F of all labels is low, give `lowest`, the threshold of
    other data (or a guess made without these), below which no threshold is considered. If alpha
    is out of reach even there the decision takes `lowest`, without a guarantee, and a warning
    says so; under jit compare `decision.threshold` with `lowest`.

    Args:
      scores: [..., examples, num_labels], floating.
      labels: same shape, 0 or 1.
      alpha: risk level in (0, 1).
      per_label: a threshold per label for the label's miss rate.
      score: function of a `Confusion` with values in [0, 1], whose 1 - score is the risk, e.g.
        `functools.partial(sf.scores.f1, zero_division=1.0)`; None is recall with 0/0 = 1.
      lowest: lowest threshold to consider, set independently of this data.
      where: True where an entry counts; broadcasts to the shape.

    Returns:
      A `Threshold`, scalar or [num_labels]: -inf predicts every label (recall) if there are
      too few examples for alpha, +inf none if that has risk <= alpha. Under jit it is NaN, for
      labels or altogether, if a NaN counts: that predicts nothing and guarantees nothing.

    Raises:
      ValueError: shapes, `score` or `lowest` together with `per_label`; in concrete arrays alpha
        outside (0, 1), NaN scores, labels not 0/1, or no counted example.

    Source: Angelopoulos, Bates, Fisch, Lei and Schuster, Conformal Risk Control, ICLR 2024; per
    label: Vovk, Conditional Validity of Inductive Conformal Predictors, 2012.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[0.875, 0.25], [0.75, 0.125], [0.5, 0.625]])
      >>> labels = jnp.array([[1, 0], [1, 0], [0, 1]])
      >>> conformal_risk(scores, labels, alpha=0.25).threshold
      Array(0.625, dtype=float32)
      >>> conformal_risk(scores, labels, alpha=0.5).threshold
      Array(0.75, dtype=float32)
    """
    _check_alpha(alpha)
    examples = _shared.prepare(scores, labels, where)
    dtype = examples.scores.dtype
    alpha = jnp.asarray(alpha, dtype)
    # alpha (n + 1) is often a whole number that rounding would miss by one unit.
    level = alpha * (1 + 4 * float(jnp.finfo(dtype).eps))
    if per_label:
        if score is not None or not _is_minus_inf(lowest):
            raise ValueError("per_label controls the miss rate: give neither score nor lowest")
        threshold = _miss_rate(examples.keys, examples.labels, level)
        _shared.warn_labels(
            jnp.isneginf(threshold),
            "have too few positives for alpha; they are predicted always",
        )
        return Threshold(_shared.spoil(threshold, examples.nan))
    rows = jnp.sum(jnp.any(examples.counted, -1))
    _checks.check_value(
        lambda: rows > 0, rows, message="labels must have an entry that counts, got none"
    )
    low = jnp.asarray(lowest, dtype)
    if low.ndim or (not isinstance(low, jax.core.Tracer) and bool(jnp.isnan(low))):
        raise ValueError(f"lowest must be a number, got {lowest}")
    score = bind(score_functions.recall, zero_division=1.0) if score is None else as_partial(score)
    threshold, reached = _controlled(examples.keys, examples.labels, score, level, low)
    if not isinstance(reached, jax.core.Tracer) and not bool(reached):
        then = "every label is predicted" if _is_minus_inf(lowest) else "no guarantee holds"
        warnings.warn(
            f"no threshold >= {float(low):g} has risk <= alpha = {float(alpha):g} on "
            f"{int(rows)} examples; lowest is taken: {then}",
            stacklevel=2,
        )
    return Threshold(_shared.spoil(threshold, examples.any_nan))


def _check_alpha(alpha: ArrayLike) -> None:
    value = _inputs.as_array(alpha, "alpha")
    if value.ndim:
        raise ValueError(f"alpha must be a scalar, got shape {value.shape}")
    given = "" if isinstance(value, jax.core.Tracer) else f", got {value}"
    _checks.check_value(
        lambda: (value > 0) & (value < 1), value, message=f"alpha must lie in (0, 1){given}"
    )


def _is_minus_inf(lowest: ArrayLike) -> bool:
    return not isinstance(lowest, jax.core.Tracer) and bool(np.all(np.asarray(lowest) == -np.inf))


@jax.jit
def _miss_rate(keys: Array, labels: Array, level: Array) -> Array:
    """Per label, the largest positive's score below which at most alpha (n + 1) - 1 lie."""
    ordered = jnp.sort(jnp.where(labels, keys, jnp.iinfo(keys.dtype).max), axis=0)
    positives = jnp.sum(labels, 0).astype(level.dtype)
    allowed = jnp.floor(level * (positives + 1)).astype(jnp.int32) - 1
    chosen = jnp.take_along_axis(ordered, jnp.maximum(allowed, 0)[None], 0)[0]
    # Where none is allowed the key may be no score's.
    chosen = jnp.where(allowed >= 0, chosen, 0)
    return jnp.where(allowed >= 0, _shared.threshold_of_keys(chosen), -jnp.inf)


@jax.jit
def _controlled(
    keys: Array, labels: Array, score: Score, level: Array, lowest: Array
) -> tuple[Array, Array]:
    masked, lowest_key = _shared.masked_key(keys), integer_keys(lowest)
    # Columns are examples: ordered [labels, n], risk [labels + 1, n] of the top k.
    ordered, values = _shared.sweep(keys.T, labels.T, None, score)
    risk = 1 - values
    considered = _shared.ends_tie(ordered) & (ordered > masked) & (ordered >= lowest_key)
    considered = jnp.concatenate([jnp.ones_like(considered[:1]), considered])
    # A risk is >= 0, up to rounding: -1 stands for none considered and can be subtracted.
    envelope = jax.lax.cummax(jnp.where(considered, risk, -1), axis=0, reverse=True)
    present = jnp.any(keys > masked, -1)
    # Below `lowest` nothing is considered and nothing changes.
    change = jnp.where((envelope[1:] < -0.5) | ~present[None], 0, envelope[1:] - envelope[:-1])
    flat = ordered.ravel()
    order = jnp.argsort(flat, descending=True)
    flat = flat[order]
    total = jnp.sum(jnp.where(present, envelope[0], 0)) + jnp.concatenate(
        [jnp.zeros_like(risk[:1, 0]), jnp.cumsum(change.ravel()[order])]
    )
    usable = _shared.ends_tie(flat) & (flat > masked) & (flat >= lowest_key)
    usable = jnp.concatenate([jnp.ones_like(usable[:1]), usable])
    rows = jnp.sum(present).astype(level.dtype)
    controlled = usable & (total + 1 <= level * (rows + 1))
    thresholds = jnp.concatenate(
        [jnp.full_like(total[:1], jnp.inf), _shared.threshold_of_keys(flat)]
    )
    reached = jnp.any(controlled)
    return jnp.where(reached, thresholds[jnp.argmax(controlled)], lowest), reached
