"""Decisions that predict the k highest scores: k fixed, from label density, or per example."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from sigmoidf1_jax import _checks, _inputs, _safe
from sigmoidf1_jax._inputs import AnyArray, Labels, Weights, Where
from sigmoidf1_jax._plain import Plain
from sigmoidf1_jax.decisions import _shared
from sigmoidf1_jax.decisions._shared import Decided, Scores
from sigmoidf1_jax.decisions.thresholds import check_count


@functools.partial(jax.tree_util.register_dataclass, data_fields=["k"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class TopK(Plain):
    """Predicts exactly the `k` highest scores of an example; of equal scores, lower index first.

    `k` is 0, which predicts nothing, where a NaN counted in a fit under jit.
    """

    k: Int[Array, ""]

    def __call__(self, scores: Scores, *, where: Where = None) -> Decided:
        """True where a label is predicted, in the scores' shape.

        Args:
          scores: [..., num_labels], floating.
          where: True where a label may be predicted; broadcasts to the shape. An example with
            fewer than k such labels gets all of them.

        Raises:
          ValueError: NaN scores (traced ones are passed over), or `k` above the number of
            labels, in concrete arrays.
        """
        scores, usable = _shared.to_decide(scores, where)
        _checks.check_value(
            lambda: jnp.all(self.k <= scores.shape[-1]),
            self.k,
            message=f"k must be <= the number of labels, {scores.shape[-1]}, got {self.k}",
        )
        return _inputs.on_its_mesh(_shared.highest, scores, usable, self.k)


def top_k(
    scores: Scores | None = None,
    labels: Labels | None = None,
    *,
    k: int | None = None,
    where: Where = None,
    weights: Weights = None,
) -> TopK:
    """Predicts the k highest scores: a given k, or the mean number of labels per example.

    Args:
      scores: not used, in the place where all rules have them; may be None.
      labels: [..., examples, num_labels], 0 or 1; used if `k` is None.
      k: number of labels to predict, 1 or more; None takes the mean number of labels of the
        examples, rounded half up, at least 1.
      where: True where an entry of `labels` counts. Missing labels count as the label's share of
        the number of labels: the density of counted entries times the number of labels is
        rounded.
      weights: >= 0, how often an entry counts in the mean; broadcast to the shape.

    Returns:
      A decision with exactly k labels for each example; ties go to the lower label index. Under
      jit k is 0, and nothing predicted, if a NaN counts.

    Raises:
      ValueError: neither `labels` nor `k`, `k` < 1; in concrete arrays labels not 0/1, or no
        counted entry. When deciding, `k` above the number of labels.

    Example:
      >>> import jax.numpy as jnp
      >>> top_k(k=2)(jnp.array([0.25, 0.75, 0.25]))
      Array([ True,  True, False], dtype=bool)
      >>> top_k(None, jnp.array([[1, 1, 0], [1, 0, 0]])).k
      Array(2, dtype=int32)
    """
    if k is not None:
        check_count("k", k)
        return TopK(jnp.asarray(k, jnp.int32))
    if labels is None:
        raise ValueError("top_k needs k=, or labels=[..., num_labels] to take it from; got neither")
    labels = _inputs.as_array(labels, "labels")
    zeros = jnp.zeros(labels.shape, float)
    examples = _shared.prepare(zeros, labels, where, weights, name="labels")
    positive, counted = _sums(examples, examples.labels.astype(float))
    density = _safe.ratio(positive, counted)
    typical = jnp.maximum(_round(density * labels.shape[-1]), 1)
    # No integer is NaN.
    return TopK(jnp.where(jnp.isnan(examples.any_nan), 0, typical))


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["scale"],
    meta_fields=["min_labels", "max_labels"],
)
@dataclasses.dataclass(frozen=True)
class LabelCount(Plain):
    """Predicts the k highest scores of each example, with k of the example's own.

    A `scale` of NaN predicts nothing: in a fit under jit a NaN counted.
    """

    scale: Float[Array, ""]
    min_labels: int
    max_labels: int | None

    def __call__(
        self,
        scores: Scores,
        counts: Num[AnyArray, "*batch"] | None = None,
        *,
        where: Where = None,
    ) -> Decided:
        """True where a label is predicted, in the scores' shape.

        Args:
          scores: [..., num_labels]; probabilities if `counts` is None.
          counts: [...], predicted number of labels of each example, rounded half up; None uses
            `scale` times the sum of the example's probabilities.
          where: True where a label may be predicted, and enters the sum; broadcasts to the shape.
            An example with fewer than k such labels gets all of them.

        Raises:
          ValueError: shapes; in concrete arrays NaN (traced ones: a NaN score is passed over,
            and a NaN count predicts nothing), or probabilities outside [0, 1].
        """
        if counts is None:
            scores, usable = _shared.to_decide(scores, where, check=_shared.check_probabilities)
            counts = jnp.asarray(self.scale, scores.dtype) * jnp.sum(scores, -1)
        else:
            scores, usable = _shared.to_decide(scores, where)
            counts = _inputs.as_array(counts, "counts")
            if counts.shape != scores.shape[:-1]:
                raise ValueError(
                    f"counts must have the scores' shape without labels, {scores.shape[:-1]}, "
                    f"got {counts.shape}"
                )
            _checks.check_value(
                lambda: ~jnp.any(jnp.isnan(counts)), counts, message="counts must not be NaN"
            )
        most = scores.shape[-1] if self.max_labels is None else self.max_labels
        k = jnp.where(jnp.isnan(counts), 0, jnp.clip(_round(counts), self.min_labels, most))
        return _inputs.on_its_mesh(_shared.highest, scores, usable, k)


def label_count(
    scores: Scores | None = None,
    labels: Labels | None = None,
    *,
    min_labels: int = 0,
    max_labels: int | None = None,
    where: Where = None,
    weights: Weights = None,
) -> LabelCount:
    r"""Predicts the $\hat k$ highest scores, $\hat k$ from a count or the sum of probabilities.

    `decision(scores, counts)` rounds given counts, e.g. `counts_from_logits(count_logits)` of a
    count head. `decision(probabilities)` rounds their sum, the expected number of labels
    (Poisson-binomial mean); fitted on `scores` and `labels` it first multiplies the sum by
    (number of labels) / (sum of probabilities) on those examples, so that sizes are right on
    average although the probabilities are too large or small.

    Args:
      scores: probabilities [..., examples, num_labels], or None to use their sums as they are.
      labels: same shape, 0 or 1; given together with `scores`.
      min_labels: fewest labels to predict; 1 if no example is without labels.
      max_labels: most labels to predict; None is the number of labels.
      where: True where an entry counts in the fit; broadcasts to the shape.
      weights: >= 0, how often an entry counts in the fit; broadcast to the shape.

    Returns:
      A decision; under jit its scale is NaN, and nothing predicted, if a NaN counts.

    Raises:
      ValueError: only one of `scores` and `labels`, 0 <= `min_labels` <= `max_labels` violated;
        in concrete arrays probabilities outside [0, 1], labels not 0/1, or probabilities that
        sum to 0.

    Source: top-k-hat of ML-Net (Du et al., 2019); here with the Poisson-binomial mean as well.

    Example:
      >>> import jax.numpy as jnp
      >>> label_count()(jnp.array([[0.75, 0.5, 0.25], [0.25, 0.0, 0.125]]))
      Array([[ True,  True, False],
             [False, False, False]], dtype=bool)
      >>> label_count()(jnp.array([[3.0, -1.0, 2.0]]), jnp.array([1]))
      Array([[ True, False, False]], dtype=bool)
    """
    check_count("min_labels", min_labels, 0)
    if max_labels is not None:
        check_count("max_labels", max_labels, max(min_labels, 1))
    if (scores is None) != (labels is None):
        raise ValueError("label_count is fitted on both scores and labels, got only one of them")
    if scores is None:
        return LabelCount(jnp.ones(()), min_labels, max_labels)
    examples = _shared.prepare(scores, labels, where, weights)
    _shared.check_probabilities(examples.scores, "scores")
    observed, _ = _sums(examples, examples.labels.astype(examples.scores.dtype))
    total, _ = _sums(examples, examples.scores)
    _checks.check_value(
        lambda: total > 0, total, message="scores must have a positive sum to scale, got 0"
    )
    scale = _shared.spoil(_safe.ratio(observed, total, 1.0), examples.any_nan)
    return LabelCount(scale, min_labels, max_labels)


def counts_from_logits(
    count_logits: Float[AnyArray, "*batch counts"], *, how: str = "median"
) -> Float[Array, "*batch"]:
    """Number of labels predicted by a count head whose logits are for 0, 1, ..., K labels.

    Args:
      count_logits: [..., K + 1].
      how: "median", the count that minimises the expected absolute error (robust to long
        tails), "mode" the most probable count, or "mean" the expected one, not rounded.

    Raises:
      ValueError: unknown `how`; NaN in concrete arrays (of traced ones the count is NaN).

    Example:
      >>> import jax.numpy as jnp
      >>> logits = jnp.log(jnp.array([0.375, 0.25, 0.25, 0.125]))
      >>> [float(counts_from_logits(logits, how=h)) for h in ("mode", "median")]
      [0.0, 1.0]
    """
    logits = _shared.check_scores(count_logits, "count_logits")
    logits = logits.astype(_inputs.accumulation_dtype(logits.dtype))
    if how not in ("median", "mode", "mean"):
        raise ValueError(f"how must be 'median', 'mode' or 'mean', got {how!r}")

    def count(logits: Array) -> Array:
        p = jax.nn.softmax(logits, axis=-1)
        if how == "mode":
            found = jnp.argmax(p, -1).astype(p.dtype)
        elif how == "median":
            found = jnp.argmax(jnp.cumsum(p, -1) >= 0.5, -1).astype(p.dtype)
        else:
            sizes = jnp.arange(p.shape[-1], dtype=p.dtype)
            found = jnp.sum(p * sizes.reshape((1,) * (p.ndim - 1) + sizes.shape), -1)
        return _shared.spoil(found, jnp.sum(p, -1))

    return _inputs.on_its_mesh(count, logits, axes=range(logits.ndim - 1))


def _sums(examples: _shared.Examples, values: Array) -> tuple[Array, Array]:
    """The weighted sums of the values, and of 1, over all entries that count."""
    _checks.check_value(
        lambda: jnp.any(examples.counted),
        examples.counted,
        message="labels must have an entry that counts",
    )
    weight = examples.counted if examples.weight is None else examples.weight
    weight = weight.astype(values.dtype)
    return jnp.sum(weight * values), jnp.sum(weight)


def _round(x: Array) -> Array:
    # Half up: jnp.round's half-to-even would turn a mean of 2.5 labels into 2 and 3.5 into 4.
    return jnp.floor(jnp.asarray(x, jnp.result_type(float, x)) + 0.5).astype(jnp.int32)
