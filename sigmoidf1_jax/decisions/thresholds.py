"""Decisions that compare scores with a threshold: fixed, one for all labels, or one per label."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _checks, _inputs, _tiles, averaging
from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax._keys import integer_keys
from sigmoidf1_jax._plain import Plain
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Decided, Scores
from sigmoidf1_jax.scores import Score

ThresholdAverage = Literal["micro", "macro", "samples"]


@functools.partial(jax.tree_util.register_dataclass, data_fields=["threshold"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Threshold(Plain):
    """Predicts the labels whose score is >= `threshold`, a scalar or [num_labels].

    The threshold +inf predicts nothing, scores of +inf included, and -inf everything. Nothing
    is predicted by a threshold that is NaN either: in a fit under jit a NaN counted.
    """

    threshold: Float[Array, ""] | Float[Array, " labels"]

    def __call__(self, scores: Scores, *, where: Where = None) -> Decided:
        """True where a label is predicted, in the scores' shape.

        Args:
          scores: [..., num_labels], floating.
          where: True where a label may be predicted; broadcasts to the shape.

        Raises:
          ValueError: shapes; in concrete arrays NaN scores (traced ones are not predicted).
        """
        scores, usable = _shared.to_decide(scores, where)
        # In half precision a float32 threshold could round to the other side of a score.
        scores = scores.astype(_inputs.accumulation_dtype(scores.dtype, self.threshold))
        threshold = _inputs.per_label("threshold", self.threshold, scores)
        # False for +inf and for NaN, whose key can be anything.
        reachable = threshold < jnp.inf
        return usable & reachable & (integer_keys(scores) >= integer_keys(threshold))


def fixed(threshold: ArrayLike = 0.5) -> Threshold:
    """The decision score >= `threshold`, with nothing to fit.

    Args:
      threshold: scalar or [num_labels], not NaN; 0.5 suits probabilities, 0 suits logits, and
        +inf predicts nothing.

    Raises:
      ValueError: NaN thresholds.

    Example:
      >>> import jax.numpy as jnp
      >>> fixed(0.5)(jnp.array([0.2, 0.5, 0.9]))
      Array([False,  True,  True], dtype=bool)
    """
    value = _inputs.as_array(threshold, "threshold")
    _checks.check_value(
        lambda: ~jnp.any(jnp.isnan(value)), value, message="threshold must not be NaN"
    )
    return Threshold(value.astype(jnp.result_type(float)))


def global_threshold(
    scores: Scores,
    labels: Labels,
    *,
    average: ThresholdAverage = "micro",
    beta: ArrayLike = 1.0,
    score: Score | None = None,
    folds: int = 1,
    where: Where = None,
    weights: Weights = None,
) -> Threshold:
    r"""The one threshold that maximises F-beta, or any score, on the given examples.

    Every distinct score is tried. A group is the whole array (micro), a label (macro) or an
    example (samples); sweeping the sorted scores once, each entry changes the F of its own group
    only, so a running sum of the changes is the average F at every threshold: O(n log n) for n
    entries, exact up to the rounding of that sum. Of equally good thresholds the largest is
    taken.

    Args:
      scores: [..., examples, num_labels], floating.
      labels: same shape, 0 or 1.
      average: the average to maximise: "micro", "macro" or "samples".
      beta: > 0, weight of recall against precision, for the default score F-beta.
      score: function of a `Confusion` to maximise instead of F-beta, e.g. `sf.scores.mcc`;
        its values must be finite (`zero_division` not nan).
      folds: with K > 1, the mean of the thresholds that are best on each of K folds (example i
        is in fold i mod K), which varies less than the best threshold of all examples. Folds
        without a positive are left out. Shuffle the examples first if their order means
        something.
      where: True where an entry counts (missing labels, padded rows); broadcasts to the shape.
      weights: >= 0, how often an entry counts, e.g. [examples, 1]; broadcast to the shape. For
        average "samples" an example's weight is the mean of its entries', as in the metrics.

    Returns:
      A `Threshold` with a scalar threshold; +inf (predict nothing) where no threshold is better
      than that, as without any counted positive entry. Under jit it is NaN if a NaN counts.

    Raises:
      ValueError: shapes, unknown `average`, `folds` outside 1 to the number of examples; in
        concrete arrays NaN scores, labels not 0 or 1 or negative weights.

    Source: the folds' mean is SCut by cross-validation in Fan and Lin, A Study on Threshold
    Selection for Multi-label Classification, 2007, on scores that are held out already.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[0.75, 0.25], [0.5, 0.375]])
      >>> global_threshold(scores, jnp.array([[1, 0], [1, 0]])).threshold
      Array(0.5, dtype=float32)
    """
    if average not in get_args(ThresholdAverage):
        raise ValueError(f"average must be 'micro', 'macro' or 'samples', got {average!r}")
    examples = _shared.prepare(scores, labels, where, weights)
    chosen = _shared.score_or_f_beta(score, beta)
    threshold = best_global(examples, chosen, average, folds)
    return Threshold(_shared.spoil(threshold, examples.any_nan))


def per_label_threshold(
    scores: Scores,
    labels: Labels,
    *,
    beta: ArrayLike = 1.0,
    score: Score | None = None,
    min_positives: int = 1,
    folds: int = 1,
    where: Where = None,
    weights: Weights = None,
) -> Threshold:
    r"""A threshold per label that maximises that label's F-beta, or any score (SCut).

    Every distinct score of the label is tried, ties together, in O(n log n) per label; of
    equally good thresholds the largest is taken. A label with fewer than `min_positives`
    positives takes the threshold of `global_threshold(average="micro")`, since its own would be
    noise; outside jit one warning lists such labels.

    Args:
      scores: [..., examples, num_labels], floating.
      labels: same shape, 0 or 1.
      beta: > 0, weight of recall against precision, for the default score F-beta.
      score: function of a `Confusion` to maximise instead of F-beta, one of `sf.scores` or your
        own; its values must be finite (`zero_division` not nan).
      min_positives: fewest positives, >= 1, for a threshold of the label's own.
      folds: with K > 1, each label's threshold is the mean of those that are best on each of K
        folds (example i is in fold i mod K); folds without a positive of the label are left out.
      where: True where an entry counts; broadcasts to the shape.
      weights: >= 0, how often an entry counts; broadcast to the shape. For `min_positives` > 1
        positives count by their weight, too.

    Returns:
      A `Threshold` with thresholds [num_labels]. Under jit those of labels with a NaN that
      counts are NaN, and so is the global one.

    Raises:
      ValueError: shapes, `min_positives` < 1, `folds` outside 1 to the number of examples; in
        concrete arrays NaN scores, labels not 0/1 or negative weights.

    Source: Yang, A Study of Thresholding Strategies for Text Categorization, SIGIR 2001; folds
    as in Fan and Lin, 2007, on scores that are held out already.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.125]])
      >>> labels = jnp.array([[1, 1], [0, 1], [0, 0]])
      >>> per_label_threshold(scores, labels).threshold
      Array([0.75, 0.25], dtype=float32)
    """
    check_count("min_positives", min_positives)
    examples = _shared.prepare(scores, labels, where, weights)
    chosen = _shared.score_or_f_beta(score, beta)
    check_count("folds", folds, 1, examples.labels.shape[0])
    own = _best_per_label(examples, chosen, folds)
    shared = best_global(examples, chosen, "micro", folds)
    shared = _shared.spoil(shared, examples.any_nan)
    rare = _shared.rarer_than(min_positives, examples.labels, examples.weight)
    _shared.warn_labels(
        rare, f"have fewer than {min_positives} positives; they take the global threshold"
    )
    return Threshold(jnp.where(rare, shared, _shared.spoil(own, examples.nan)))


def check_count(name: str, value: Any, low: int = 1, high: int | None = None) -> None:
    """`value` is a Python integer from `low` to `high`."""
    ok = isinstance(value, int) and not isinstance(value, bool) and value >= low
    if not ok or (high is not None and value > high):
        most = "" if high is None else f" and <= {high}"
        raise ValueError(f"{name} must be an integer >= {low}{most}, got {value!r}")


def _over_folds(
    best: Callable[[Array, Array], Array], keys: Array, labels: Array, folds: int, axes: Any
) -> Array:
    """`best(keys, labels)`, or the mean of those of the folds that have positives over `axes`."""
    if folds == 1:
        return best(keys, labels)
    own = jnp.arange(keys.shape[0])[:, None] % folds

    def of_fold(fold: Array) -> tuple[Array, Array]:
        positive = labels & (own == fold)
        in_fold = jnp.where(own == fold, keys, _shared.masked_key(keys))
        return best(in_fold, positive), jnp.any(positive, axes)

    # One after the other: together they would take as many times the memory.
    return _mean_of_folds(*jax.lax.map(of_fold, jnp.arange(folds)))


def _mean_of_folds(thresholds: Array, usable: Array) -> Array:
    """Mean over folds of the usable thresholds below +inf; +inf if there is none."""
    usable &= thresholds < jnp.inf
    count = jnp.maximum(jnp.sum(usable, 0), 1).astype(thresholds.dtype)
    # Divided first: the sum of two of the largest finite thresholds would be +inf.
    mean = jnp.sum(jnp.where(usable, thresholds / jnp.expand_dims(count, 0), 0), 0)
    return jnp.where(jnp.any(usable, 0), mean, jnp.inf)


def best_global(
    examples: _shared.Examples, score: Score, average: ThresholdAverage, folds: int = 1
) -> Array:
    """The threshold of `global_threshold`."""
    check_count("folds", folds, 1, examples.labels.shape[0])
    return _best_of_folds(examples.keys, examples.labels, examples.weight, score, average, folds)


@functools.partial(jax.jit, static_argnames="folds")
def _best_per_label(examples: _shared.Examples, score: Score, folds: int) -> Array:
    columns = (examples.keys, examples.labels, examples.weight)

    def block(columns: tuple[Array, Array, Array | None]) -> Array:
        keys, labels, weight = columns

        def best(keys: Array, labels: Array) -> Array:
            return _shared.best_threshold(*_shared.sweep(keys, labels, weight, score))

        return _over_folds(best, keys, labels, folds, 0)

    return _tiles.per_slice(block, columns, 1)


@functools.partial(jax.jit, static_argnames=("average", "folds"))
def _best_of_folds(
    keys: Array,
    labels: Array,
    weight: Array | None,
    score: Score,
    average: ThresholdAverage,
    folds: int,
) -> Array:
    def best(keys: Array, labels: Array) -> Array:
        return _best_global(keys, labels, weight, score, average)

    return _over_folds(best, keys, labels, folds, None)


def _best_global(
    keys: Array, labels: Array, weight: Array | None, score: Score, average: ThresholdAverage
) -> Array:
    counted = keys > _shared.masked_key(keys)
    example = None
    if average == "samples" and weight is not None:
        example, weight = averaging.example_weights(jnp.where(counted, weight, 0))
    # Groups are columns: [entries of a group, groups].
    grouped: list[Any] = [keys, labels, counted, weight]
    if average == "micro":
        grouped = [x if x is None else x.reshape(-1, 1) for x in grouped]
    elif average == "samples":
        grouped = [x if x is None else x.T for x in grouped]
    ordered, values = _shared.sweep(grouped[0], grouped[1], grouped[3], score)
    if average == "micro":
        return _shared.best_threshold(ordered, values)[0]
    # The change of a group's score by its k-th entry; one without counted entries has none.
    change = jnp.where(jnp.any(grouped[2], 0)[None], jnp.diff(values, axis=0), 0)
    if example is not None:
        change *= example[None]
    flat, change = ordered.ravel(), change.ravel()
    order = jnp.argsort(flat, descending=True)
    total = jnp.concatenate([jnp.zeros_like(change[:1]), jnp.cumsum(change[order])])
    return _shared.best_threshold(flat[order][:, None], total[:, None])[0]
