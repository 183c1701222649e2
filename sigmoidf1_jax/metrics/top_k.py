"""Metrics of the k highest-scored labels of each example: P@k, R@k, nDCG@k, PSP@k."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sigmoidf1_jax import _checks, _inputs, _keys, _safe
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.metrics import _order, _prepare
from sigmoidf1_jax.metrics._order import Ordered, SortedExamples
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Ranking, Scores
from sigmoidf1_jax.metrics.metric import Definitions, ExampleValues, Metric, mean_over_examples


def precision_at_k(
    scores: Scores, labels: BinaryLabels, k: int, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    r"""Mean over examples of the share of true labels among the k highest scores; in [0, 1].

    Equal scores are taken in the order of the labels. The divisor is k also for examples with
    fewer than k true labels.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      k: how many labels to look at, 1..num_labels; static.
      where: True where an entry counts; a masked label is never a hit, and an example with no
        counted entry leaves the mean.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked.

    Returns:
      A scalar; NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples, k out of range; in concrete arrays also NaN
        scores, labels not 0 or 1, negative weights.
      TypeError: scores not floating, k not an int.

    Source: Bhatia et al., The Extreme Classification Repository, 2016.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 1, 1]])
      >>> sf.metrics.precision_at_k(scores, labels, 2)
      Array(0.75, dtype=float32)
    """  # noqa: E501
    return _precision(k)(scores, labels, where=where, weights=weights)


def recall_at_k(
    scores: Scores, labels: BinaryLabels, k: int, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    r"""Mean over examples of the share of their true labels among the k highest scores.

    0 for an example without true labels. In [0, 1].

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      k: how many labels to look at, 1..num_labels; static.
      where: True where an entry counts; a masked label is never a hit, and an example with no
        counted entry leaves the mean.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1]; NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples, k out of range; in concrete arrays also NaN
        scores, labels not 0 or 1, negative weights.
      TypeError: scores not floating, k not an int.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 1, 1]])
      >>> sf.metrics.recall_at_k(scores, labels, 1)
      Array(0.25, dtype=float32)
    """  # noqa: E501
    return _recall(k)(scores, labels, where=where, weights=weights)


def r_precision_at_k(
    scores: Scores, labels: BinaryLabels, k: int, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    r"""Mean over examples of hits@k / min(k, number of true labels); 0 without true labels.

    Unlike precision@k it reaches 1 for every example that has a true label.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      k: how many labels to look at, 1..num_labels; static.
      where: True where an entry counts; a masked label is never a hit, and an example with no
        counted entry leaves the mean.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1]; NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples, k out of range; in concrete arrays also NaN
        scores, labels not 0 or 1, negative weights.
      TypeError: scores not floating, k not an int.

    Source: Chalkidis et al., Large-Scale Multi-Label Text Classification, 2019.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 1, 1]])
      >>> sf.metrics.r_precision_at_k(scores, labels, 2)
      Array(1., dtype=float32)
    """  # noqa: E501
    return _r_precision(k)(scores, labels, where=where, weights=weights)


def ndcg_at_k(
    scores: Scores, labels: BinaryLabels, k: int, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    r"""Mean over examples of DCG@k / ideal DCG@k, $DCG@k = \sum_{r \le k} y_{(r)} / \log_2(r+1)$.

    Equal scores share the mean of their gains over all their orders, as in scikit-learn. The
    ideal puts min(k, number of true labels) hits first; 0 for an example without true labels.
    In [0, 1].

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      k: how many labels to look at, 1..num_labels; static.
      where: True where an entry counts; a masked label is never a hit, and an example with no
        counted entry leaves the mean.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1]; NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples, k out of range; in concrete arrays also NaN
        scores, labels not 0 or 1, negative weights.
      TypeError: scores not floating, k not an int.

    Source: equal to `sklearn.metrics.ndcg_score(labels, scores, k=k)`; Järvelin and Kekäläinen,
      2002; McSherry and Najork, 2008 (ties).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 1, 1]])
      >>> round(float(sf.metrics.ndcg_at_k(scores, labels, 2)), 4)
      0.8155
    """  # noqa: E501
    return _ndcg(k)(scores, labels, where=where, weights=weights)


def inverse_propensity(
    label_counts: ArrayLike, num_examples: int, *, a: float = 0.55, b: float = 1.5
) -> Float[Array, " labels"]:
    r"""How much a hit on each label weighs: $1 + C (n_c + b)^{-a}$, $C = (\ln n - 1)(b+1)^a$.

    Args:
      label_counts: [num_labels], how often each label occurs in the training set.
      num_examples: size of the training set.
      a: 0.55 by default; 0.5 for Wikipedia, 0.6 for Amazon data.
      b: 1.5 by default; 0.4 for Wikipedia, 2.6 for Amazon data.

    Source: Jain, Prabhu and Varma, Extreme Multi-label Loss Functions, 2016.

    Raises:
      ValueError: counts not [num_labels]; concrete ones negative or NaN; num_examples < 1.

    Example:
      >>> inverse_propensity([1, 100], 1000).round(2)
      Array([6.91, 1.77], dtype=float32)
    """
    counts = _inputs.as_array(label_counts, "label_counts").astype(jnp.result_type(float))
    if counts.ndim != 1 or counts.size == 0:
        raise ValueError(
            f"label_counts must have shape [num_labels], at least one label, got {counts.shape}"
        )
    _checks.check_value(
        lambda: jnp.all(counts >= 0), counts, message="label_counts must be >= 0 and not NaN"
    )
    if num_examples < 1:
        raise ValueError(f"num_examples must be >= 1, got {num_examples}")
    scale = (math.log(num_examples) - 1) * (b + 1) ** a
    return 1 + scale * (counts + b) ** -a


def psp_at_k(
    scores: Scores,
    labels: BinaryLabels,
    k: int,
    inverse_propensities: Float[Array, " labels"],
    *,
    where: Where = None,
    weights: Weights = None,
) -> Float[Array, ""]:
    r"""Propensity-scored precision at k: hits weighted by rarity, as a share of the best possible.

    $\sum_i \sum_{c \in top_k(i)} y_{ic} / p_c \,/\, \sum_i \max_{|S| = k} \sum_{c \in S} y_{ic} / p_c$,
    one ratio of sums over all examples; in [0, 1], 0 without true labels, NaN if no example counts.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      k: how many labels to look at, 1..num_labels; static.
      inverse_propensities: [num_labels], $1/p_c$ >= 0, e.g. from `inverse_propensity`.
      where: True where an entry counts; a masked label is never a hit, and an example with no
        counted entry leaves the sums.
      weights: weights >= 0, e.g. [batch, 1] for examples; an example weighs the mean of its
        entries' weights. An entry of weight 0 does not count, as if masked.

    Returns:
      A scalar in [0, 1]; NaN if no example counts.

    Raises:
      ValueError: shapes differ, no axis of examples, k out of range; in concrete arrays also NaN
        scores, labels not 0 or 1, negative weights or inverse propensities.
      TypeError: scores not floating, k not an int.

    Source: Jain, Prabhu and Varma, 2016; normalised as in the Extreme Classification Repository.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[.9, .5, .1], [.2, .4, .6]]), jnp.array([[0, 1, 0], [0, 1, 1]])
      >>> round(float(sf.metrics.psp_at_k(scores, labels, 1, jnp.array([1., 2., 3.]))), 4)
      0.6
    """  # noqa: E501
    return _psp(k, inverse_propensities)(scores, labels, where=where, weights=weights)


def _at_k(values: Callable[[Ranking, int], Array], k: int) -> Metric:
    def checked(ranking: Ranking) -> Float[Array, " examples"]:
        _prepare.check_k(k, ranking.labels.shape[-1])
        return values(ranking, k)

    return mean_over_examples(checked)


def _precision(k: int) -> Metric:
    return _at_k(lambda ranking, k: _hits(ranking, k) / k, k)


def _recall(k: int) -> Metric:
    return _at_k(lambda ranking, k: _recall_of(ranking, _hits(ranking, k)), k)


def _r_precision(k: int) -> Metric:
    return _at_k(lambda ranking, k: _r_precision_of(ranking, _hits(ranking, k), k), k)


def _ndcg(k: int) -> Metric:
    return _at_k(_ndcg_per_example, k)


def _recall_of(ranking: Ranking, hits: Array) -> Float[Array, " examples"]:
    return _safe.ratio(hits, jnp.sum(ranking.labels, -1, dtype=hits.dtype))


def _r_precision_of(ranking: Ranking, hits: Array, k: int) -> Float[Array, " examples"]:
    return _safe.ratio(hits, jnp.minimum(jnp.sum(ranking.labels, -1, dtype=hits.dtype), k))


def _hits(ranking: Ranking, k: int) -> Float[Array, " examples"]:
    """How many of the k highest-scored labels are true."""
    hit = jnp.take_along_axis(ranking.labels, _top(ranking, k), -1)
    return jnp.sum(hit, -1, dtype=ranking.dtype)


def _top(ranking: Ranking, k: int) -> Int[Array, "examples k"]:
    # XLA's CPU finds the top of floats, which it orders by their bits with -0 below 0, eighty
    # times faster than that of integers. Negative keys become the floats one nearer to 0: -0 is
    # then a score of its own, and -inf is no score's but stands for "masked".
    keys = _keys.integer_keys(ranking.scores)
    bits = jnp.where(keys >= 0, keys, jnp.iinfo(keys.dtype).min | ~keys)
    codes = lax.bitcast_convert_type(bits, ranking.scores.dtype)
    if ranking.mask is not None:
        codes = jnp.where(ranking.mask, codes, -jnp.inf)
    return lax.top_k(codes, k)[1]


@functools.partial(jax.jit, static_argnames="k")
def _ndcg_per_example(ranking: Ranking, k: int) -> Float[Array, " examples"]:
    return _ndcg_of(ranking, _order.sort_examples(ranking).entries, k)


def _ndcg_of(ranking: Ranking, entries: Ordered, k: int) -> Float[Array, " examples"]:
    dtype, n = ranking.scores.dtype, ranking.labels.shape[-1]
    discount = np.where(np.arange(n) < k, 1 / np.log2(np.arange(n) + 2), 0)
    reached = jnp.asarray(np.cumsum(discount), dtype)
    # A positive earns the mean discount of its tie group: from the group's start to its end.
    # Counting sums from the group's start needs only maxima so far; the mean is then read at
    # the group's last entry.
    above = jnp.cumsum(entries.positive, -1)
    before = _order.before_group(entries, above)
    start = lax.cummax(
        jnp.where(entries.first, jnp.arange(n, dtype=jnp.int32)[None], 0), entries.first.ndim - 1
    )
    behind = jnp.concatenate([jnp.zeros(1, dtype), reached])
    size = (jnp.arange(1, n + 1, dtype=jnp.int32)[None] - start).astype(dtype)
    mean_discount = (reached[None] - behind[start]) / size
    gain = jnp.where(_order.group_ends(entries.first), above - before, 0).astype(dtype)
    true = jnp.sum(ranking.labels, -1, dtype=jnp.int32)
    return _safe.ratio(jnp.sum(gain * mean_discount, -1), behind[true])


class PspSums(NamedTuple):
    """Weighted sums over examples: worth of the hits, most they could be worth, weights."""

    got: Float[Array, ""]
    best: Float[Array, ""]
    weight: Float[Array, ""]


def _psp_value(sums: PspSums) -> Float[Array, ""]:
    """The ratio of the sums; 0 without true labels, NaN without examples."""
    none = sums.best == 0
    one = (sums.weight != 0).astype(sums.best.dtype)
    return sums.got / jnp.where(none, one, sums.best)


def _psp_sums(ranking: Ranking, k: int, inverse_propensities: ArrayLike) -> PspSums:
    """What `psp_at_k` is a function of."""
    worth = _prepare.as_array(inverse_propensities, "inverse_propensities")
    if worth.shape != ranking.labels.shape[-1:]:
        raise ValueError(
            f"inverse_propensities must have shape [num_labels] = {ranking.labels.shape[-1:]}, "
            f"got {worth.shape}"
        )
    _checks.check_value(
        lambda: jnp.all(worth >= 0), worth, message="inverse_propensities must be >= 0"
    )
    value = jnp.where(ranking.labels, worth.astype(ranking.dtype)[None], 0)
    got = jnp.sum(jnp.take_along_axis(value, _top(ranking, k), -1), -1)
    best = jnp.sum(lax.top_k(value, k)[0], -1)
    weight = _prepare.example_weight(ranking)
    return PspSums(
        *(jnp.sum(_prepare.with_nan(x, ranking, -1)) for x in (weight * got, weight * best, weight))
    )


def _psp(k: int, inverse_propensities: ArrayLike) -> Metric:
    def statistics(
        scores: Any, labels: Any, *, where: Where = None, weights: Weights = None
    ) -> PspSums:
        ranking = _prepare.prepare(scores, labels, where, weights)
        _prepare.check_k(k, ranking.labels.shape[-1])
        return _psp_sums(ranking, k, inverse_propensities)

    return Metric(statistics, _psp_value)


DEFINITIONS: Definitions = {
    precision_at_k: _precision,
    recall_at_k: _recall,
    r_precision_at_k: _r_precision,
    ndcg_at_k: _ndcg,
    psp_at_k: _psp,
}


def report_of_rankings(examples: SortedExamples, ks: tuple[int, ...]) -> dict[str, ExampleValues]:
    """What a report shows of each example's highest-scored labels."""
    ranking = examples.ranking
    values: dict[str, ExampleValues] = {}
    for k in ks:
        hits = _hits(ranking, k)
        values |= {
            f"precision_at_k/{k}": ExampleValues(hits / k),
            f"recall_at_k/{k}": ExampleValues(_recall_of(ranking, hits)),
            f"r_precision_at_k/{k}": ExampleValues(_r_precision_of(ranking, hits, k)),
            f"ndcg_at_k/{k}": ExampleValues(_ndcg_of(ranking, examples.entries, k)),
        }
    return values
