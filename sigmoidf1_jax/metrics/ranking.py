"""How each example ranks its own labels: LRAP, coverage, ranking loss, one-error."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sigmoidf1_jax import _keys, _safe, _tiles
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.metrics import _order
from sigmoidf1_jax.metrics._order import SortedExamples
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Ranking, Scores
from sigmoidf1_jax.metrics.metric import Definitions, ExampleValues, Metric, mean_over_examples


def label_ranking_average_precision(
    scores: Scores,
    labels: BinaryLabels,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, ""]:
    r"""Mean over examples of $\frac1{|P|} \sum_{j \in P} \frac{|\{k \in P: s_k \ge s_j\}|}{|\{k: s_k \ge s_j\}|}$.

    1 for an example whose labels are all true or all false. Equal scores share the worst rank.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      where: True where an entry counts; broadcasts to the labels' shape. An example with no
        counted entry leaves the mean.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked; other weights do
        not change how an example ranks its labels.

    Returns:
      A scalar in (0, 1]; float32, float64 for float64 scores. NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also NaN scores, labels
        not 0 or 1, negative weights.
      TypeError: scores not floating.

    Source: equal to `sklearn.metrics.label_ranking_average_precision_score(labels, scores)`;
      Tsoumakas et al., Mining Multi-label Data, 2010.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 0, 1]])
      >>> sf.metrics.label_ranking_average_precision(scores, labels)
      Array(0.75, dtype=float32)
    """  # noqa: E501
    return _lrap()(scores, labels, where=where, weights=weights)


def _lrap() -> Metric:
    return mean_over_examples(_lrap_per_example)


@jax.jit
def _lrap_per_example(ranking: Ranking) -> Float[Array, " examples"]:
    """Label ranking average precision of each example."""

    def block(part: Ranking) -> Float[Array, " examples"]:
        return _lrap_of(_order.sort_examples(part))

    return _tiles.per_slice(block, ranking.unweighted, 0)


def _lrap_of(examples: SortedExamples) -> Float[Array, " examples"]:
    return jnp.where(jnp.any(examples.ranking.labels, -1), examples.average_precision, 1)


def coverage_error(
    scores: Scores,
    labels: BinaryLabels,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, ""]:
    r"""Mean over examples of $|\{k: s_k \ge \min_{j \in P} s_j\}|$, 0 for one without labels.

    How far down the ranking one must go to meet every true label. Tsoumakas's coverage is this
    minus one. In [0, num_labels].

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      where: True where an entry counts; broadcasts to the labels' shape. An example with no
        counted entry leaves the mean.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked; other weights do
        not change how an example ranks its labels.

    Returns:
      A scalar in [0, num_labels]; float32, float64 for float64 scores. NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also NaN scores, labels
        not 0 or 1, negative weights.
      TypeError: scores not floating.

    Source: equal to `sklearn.metrics.coverage_error(labels, scores)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 0, 1]])
      >>> sf.metrics.coverage_error(scores, labels)
      Array(1.5, dtype=float32)
    """  # noqa: E501
    return _coverage()(scores, labels, where=where, weights=weights)


def _coverage() -> Metric:
    return mean_over_examples(_coverage_per_example)


@jax.jit
def _coverage_per_example(ranking: Ranking) -> Float[Array, " examples"]:
    """The number of labels scored at least as high as the lowest true one."""
    return _tiles.per_slice(_coverage_of, ranking.unweighted, 0)


def _coverage_of(ranking: Ranking) -> Float[Array, " examples"]:
    # Compared as integers: XLA's CPU code takes subnormal floats for 0. No key is `highest`, so
    # an example without true labels reaches nothing.
    keys = _keys.integer_keys(ranking.scores)
    highest = jnp.iinfo(keys.dtype).max
    reached = keys >= jnp.min(jnp.where(ranking.labels, keys, highest), -1, keepdims=True)
    if ranking.mask is not None:
        reached &= ranking.mask
    return jnp.sum(reached, -1, dtype=jnp.int32).astype(ranking.scores.dtype)


def ranking_loss(
    scores: Scores,
    labels: BinaryLabels,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, ""]:
    r"""Mean over examples of the share of (true, false) label pairs in the wrong order.

    $|\{(j, k): j \in P, k \notin P, s_k \ge s_j\}| / (|P|\,|N|)$: equal scores are wrong. 0 for
    an example whose labels are all true or all false. In [0, 1].

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      where: True where an entry counts; broadcasts to the labels' shape. An example with no
        counted entry leaves the mean.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked; other weights do
        not change how an example ranks its labels.

    Returns:
      A scalar in [0, 1]; float32, float64 for float64 scores. NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also NaN scores, labels
        not 0 or 1, negative weights.
      TypeError: scores not floating.

    Source: equal to `sklearn.metrics.label_ranking_loss(labels, scores)`.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 0, 1]])
      >>> sf.metrics.ranking_loss(scores, labels)
      Array(0.25, dtype=float32)
    """  # noqa: E501
    return _ranking_loss()(scores, labels, where=where, weights=weights)


def _ranking_loss() -> Metric:
    return mean_over_examples(_ranking_loss_per_example)


@jax.jit
def _ranking_loss_per_example(ranking: Ranking) -> Float[Array, " examples"]:
    """The share of wrongly ordered pairs of each example."""
    return _tiles.per_slice(_ranking_loss_of, ranking.unweighted, 0)


def _ranking_loss_of(ranking: Ranking) -> Float[Array, " examples"]:
    scores, labels, mask, *_ = ranking
    dtype = scores.dtype
    # Descending scores with negatives first among equals; then the negatives before the i-th
    # positive are its position minus i, so the sum of positions is all that is needed.
    _, negative = _order.descending(scores, ~labels, mask)
    positive = ~negative
    count = jnp.sum(labels, -1, dtype=jnp.int32)
    position = jnp.arange(labels.shape[-1], dtype=jnp.int32)[None]
    if mask is None:
        total = jnp.full_like(count, labels.shape[-1])
    else:
        total = jnp.sum(mask, -1, dtype=jnp.int32)
        positive &= position < total[:, None]
    places = jnp.sum(jnp.where(positive, position, 0).astype(dtype), -1)
    found = count.astype(dtype)
    wrong = places - found * (found - 1) / 2
    return _safe.ratio(wrong, found * (total - count).astype(dtype))


def one_error(
    scores: Scores,
    labels: BinaryLabels,
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, ""]:
    r"""The share of examples whose highest-scored label is not true; in [0, 1].

    Among equal scores the first label counts as the highest. An example without true labels
    is an error.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      where: True where an entry counts; broadcasts to the labels' shape. An example with no
        counted entry leaves the mean.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked; other weights do
        not change how an example ranks its labels.

    Returns:
      A scalar in [0, 1]; float32, float64 for float64 scores. NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples; in concrete arrays also NaN scores, labels
        not 0 or 1, negative weights.
      TypeError: scores not floating.

    Source: Schapire and Singer, BoosTexter, 2000.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 0, 1]])
      >>> sf.metrics.one_error(scores, labels)
      Array(0.5, dtype=float32)
    """  # noqa: E501
    return _one_error()(scores, labels, where=where, weights=weights)


def _one_error() -> Metric:
    return mean_over_examples(_one_error_per_example)


def _one_error_per_example(ranking: Ranking) -> Float[Array, " examples"]:
    """1 where the highest-scored label is not true, else 0."""
    # As integers, see `_coverage_of`.
    keys = _keys.integer_keys(ranking.scores)
    if ranking.mask is not None:
        keys = jnp.where(ranking.mask, keys, jnp.iinfo(keys.dtype).min)
    best = jnp.argmax(keys, -1)[:, None]
    hit = jnp.take_along_axis(ranking.labels, best, -1)[:, 0]
    return 1 - hit.astype(ranking.scores.dtype)


DEFINITIONS: Definitions = {
    label_ranking_average_precision: _lrap,
    coverage_error: _coverage,
    ranking_loss: _ranking_loss,
    one_error: _one_error,
}


def report_of_rankings(examples: SortedExamples) -> dict[str, ExampleValues]:
    """What a report shows of how each example ranks its labels."""
    return {
        "label_ranking_average_precision": ExampleValues(_lrap_of(examples)),
        "coverage_error": ExampleValues(_coverage_per_example(examples.ranking)),
        "ranking_loss": ExampleValues(_ranking_loss_per_example(examples.ranking)),
        "one_error": ExampleValues(_one_error_per_example(examples.ranking)),
    }
