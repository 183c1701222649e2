"""Decisions that compare scores with a threshold: fixed, one for all labels, or one per label."""

import dataclasses
import functools
import warnings
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from sigmoidf1_jax import _inputs
from sigmoidf1_jax import scores as score_functions
from sigmoidf1_jax._inputs import Labels, Where
from sigmoidf1_jax.confusion import Confusion

Scores = Float[Array, "*batch labels"]
ThresholdAverage = Literal["micro", "macro", "samples"]


@functools.partial(jax.tree_util.register_dataclass, data_fields=["threshold"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Threshold:
    """Predicts the labels whose score is >= `threshold`, a scalar or [num_labels]."""

    threshold: Float[Array, ""] | Float[Array, " labels"]

    def __call__(self, scores: Scores) -> Bool[Array, "*batch labels"]:
        """True where a label is predicted, in the scores' shape."""
        scores = _inputs.as_array(scores, "scores")
        _inputs.check_floating(scores, "scores")
        _inputs.check_value(
            lambda: ~jnp.any(jnp.isnan(scores)), scores, message="scores must not be NaN"
        )
        return scores >= _inputs.per_label("threshold", self.threshold, scores)


def fixed(threshold: ArrayLike = 0.5) -> Threshold:
    """The decision score >= `threshold`, with nothing to fit.

    Args:
      threshold: scalar or [num_labels]; 0.5 suits probabilities, 0 suits logits.

    Example:
      >>> import jax.numpy as jnp
      >>> fixed(0.5)(jnp.array([0.2, 0.5, 0.9]))
      Array([False,  True,  True], dtype=bool)
    """
    return Threshold(jnp.asarray(threshold, jnp.result_type(float)))


def global_threshold(
    scores: Scores,
    labels: Labels,
    *,
    average: ThresholdAverage = "micro",
    beta: ArrayLike = 1.0,
    where: Where = None,
) -> Threshold:
    r"""The one threshold that maximises F-beta on the given examples, exactly.

    Every distinct score is tried. A group is the whole array (micro), a label (macro) or an
    example (samples); sweeping the sorted scores once, each entry changes the F of its own group
    only, so a running sum of the changes is the average F at every threshold: O(n log n) for n
    entries. Of equally good thresholds the largest is taken.

    Args:
      scores: [batch, num_labels], floating.
      labels: same shape, 0 or 1.
      average: the F-beta to maximise: "micro", "macro" or "samples".
      beta: weight of recall against precision.
      where: True where an entry counts (missing labels, padded rows); broadcasts to the shape.

    Returns:
      A `Threshold` with a scalar threshold; without any counted positive entry it is +inf
      (predict nothing).

    Raises:
      ValueError: shapes, unknown `average`; in concrete arrays NaN scores or labels not 0 or 1.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[0.75, 0.25], [0.5, 0.375]])
      >>> global_threshold(scores, jnp.array([[1, 0], [1, 0]])).threshold
      Array(0.5, dtype=float32)
    """
    if average not in get_args(ThresholdAverage):
        raise ValueError(f"average must be 'micro', 'macro' or 'samples', got {average!r}")
    scores, labels, counted = _prepare(scores, labels, where)
    # Groups are columns: [entries of a group, groups].
    if average == "micro":
        shape = (-1, 1)
        grouped = [x.reshape(shape) for x in (scores, labels, counted)]
    else:
        grouped = [x.T if average == "samples" else x for x in (scores, labels, counted)]
    ordered, f = _sweep(grouped[0], grouped[1], grouped[2], beta)
    # The change of a group's F by its k-th entry; a group without counted entries has none.
    present = jnp.any(grouped[2], 0)
    change = jnp.where(present, jnp.diff(f, axis=0), 0).ravel()
    flat = ordered.ravel()
    order = jnp.argsort(flat, descending=True)
    flat = flat[order]
    return Threshold(_best(flat[:, None], jnp.cumsum(change[order])[:, None])[0])


def per_label_threshold(
    scores: Scores,
    labels: Labels,
    *,
    beta: ArrayLike = 1.0,
    min_positives: int = 1,
    where: Where = None,
) -> Threshold:
    r"""A threshold per label that maximises that label's F-beta on the given examples (SCut).

    Every distinct score of the label is tried, ties together, in O(n log n) per label; of
    equally good thresholds the largest is taken. A label with fewer than `min_positives`
    positives takes the threshold of `global_threshold(average="micro")`, since its own would be
    noise; outside jit one warning lists such labels.

    Args:
      scores: [batch, num_labels], floating.
      labels: same shape, 0 or 1.
      beta: weight of recall against precision.
      min_positives: fewest positives, >= 1, for a threshold of the label's own.
      where: True where an entry counts; broadcasts to the shape.

    Returns:
      A `Threshold` with thresholds [num_labels].

    Raises:
      ValueError: shapes, `min_positives` < 1; in concrete arrays NaN scores or labels not 0/1.

    Source: Yang, A Study of Thresholding Strategies for Text Categorization, SIGIR 2001.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.125]])
      >>> labels = jnp.array([[1, 1], [0, 1], [0, 0]])
      >>> per_label_threshold(scores, labels).threshold
      Array([0.75, 0.25], dtype=float32)
    """
    if min_positives < 1:
        raise ValueError(f"min_positives must be >= 1, got {min_positives}")
    scores, labels, counted = _prepare(scores, labels, where)
    ordered, f = _sweep(scores, labels, counted, beta)
    own = _best(ordered, f[1:])
    shared = global_threshold(scores, labels, beta=beta, where=counted).threshold
    enough = jnp.sum(labels & counted, 0) >= min_positives
    if not isinstance(enough, jax.core.Tracer) and not bool(enough.all()):
        rare = [int(c) for c in jnp.flatnonzero(~enough)]
        warnings.warn(
            f"labels {rare} have fewer than {min_positives} positives; "
            "they take the global threshold",
            stacklevel=2,
        )
    return Threshold(jnp.where(enough, own, shared))


def _prepare(scores: Any, labels: Any, where: Any) -> tuple[Array, Array, Array]:
    """Checked [n, labels] scores (-inf where masked), bool labels and mask."""
    scores, labels = _inputs.as_array(scores, "scores"), _inputs.as_array(labels, "labels")
    _inputs.check_floating(scores, "scores")
    _inputs.check_same_shape(scores, labels, "scores")
    mask, _ = _inputs.entry_weights(labels.shape, jnp.float32, where, None)
    counted = jnp.ones(labels.shape, bool) if mask is None else mask
    _inputs.check_value(
        lambda: ~jnp.any(jnp.isnan(scores) & counted),
        scores,
        message="scores must not be NaN where they count",
    )
    _inputs.check_value(
        lambda: jnp.all((labels == 0) | (labels == 1) | ~counted),
        labels,
        message="labels must be 0 or 1 where they count",
    )
    scores = jnp.where(counted, scores.astype(_inputs.accumulation_dtype(scores.dtype)), -jnp.inf)
    flat = (-1, scores.shape[-1])
    return scores.reshape(flat), ((labels == 1) & counted).reshape(flat), counted.reshape(flat)


def _sweep(scores: Array, labels: Array, counted: Array, beta: ArrayLike) -> tuple[Array, Array]:
    """Scores of each column in descending order, [n, groups], and F with the top k predicted.

    F has shape [n + 1, groups], k = 0 to n.
    """
    order = jnp.argsort(scores, axis=0, descending=True)
    ordered = jnp.take_along_axis(scores, order, 0)

    def running(x: Array) -> Array:
        sums = jnp.cumsum(jnp.take_along_axis(x, order, 0), axis=0, dtype=jnp.int32)
        return jnp.concatenate([jnp.zeros_like(sums[:1]), sums]).astype(scores.dtype)

    tp, predicted = running(labels), running(counted)
    zero = jnp.zeros_like(tp)
    counts = Confusion(tp=tp, fp=predicted - tp, fn=tp[-1:] - tp, tn=zero)
    return ordered, score_functions.f_beta(counts, beta)


def _best(ordered: Array, f: Array) -> Array:
    """Per column, the largest threshold whose F is greatest; +inf if none is above -inf.

    `f[k]` is the F with entries 0 to k predicted, so it is the F of a threshold only where the
    next score differs.
    """
    last_of_tie = jnp.concatenate([ordered[:-1] != ordered[1:], jnp.ones_like(ordered[:1], bool)])
    usable = last_of_tie & (ordered > -jnp.inf)
    best = jnp.argmax(jnp.where(usable, f, -jnp.inf), axis=0)
    threshold = jnp.take_along_axis(ordered, best[None], 0)[0]
    found = jnp.any(usable, 0) & (jnp.take_along_axis(f, best[None], 0)[0] > 0)
    return jnp.where(found, threshold, jnp.inf)
