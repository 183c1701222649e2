"""Losses that compare the labels of one example with each other: means over examples."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sigmoidf1_jax import _inputs, _safe, averaging
from sigmoidf1_jax._inputs import AnyArray, Labels, Logits, Weights, Where
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.losses._define import (
    LabelSums,
    Sums,
    from_label_sums,
    from_objective,
    mean_one,
    within_example,
)
from sigmoidf1_jax.objective import AxisName, Objective, SeparableObjective, Statistics


class Classes(NamedTuple):
    """One number for the positives and one for the negatives of each example."""

    positive: Float[Array, "*batch"]
    negative: Float[Array, "*batch"]


def _log_sums(z: Array, y: Array, w: Array) -> LabelSums:
    """Logs of the sums of e^-z over positives and of e^z over negatives."""
    positive = _safe.logsumexp(-z, w * y)
    return LabelSums(log_summed=Classes(positive, _safe.logsumexp(z, w * (1 - y))))


def _log_sums_and_masses(z: Array, y: Array, w: Array) -> LabelSums:
    masses = Classes(jnp.sum(w * y, -1), jnp.sum(w * (1 - y), -1))
    return _log_sums(z, y, w)._replace(summed=masses)


def _log_pairs(sums: LabelSums) -> tuple[Array, Array]:
    """Log of the sum over (negative, positive) pairs of e^(z_neg - z_pos), in O(labels).

    The sum over pairs is a product of two sums. The second result says whether a pair exists.
    """
    positive, has_positive = _safe.finite_log(sums.log_summed.positive)
    negative, has_negative = _safe.finite_log(sums.log_summed.negative)
    return negative + positive, has_negative & has_positive


@from_label_sums(_log_sums)
def pairwise_logistic(sums: LabelSums) -> Float[Array, "*batch"]:
    r"""Log-sum-exp pairwise loss (LSEP): every positive should score above every negative.

    $\ell = \log\left(1 + \sum_{k \notin P}\sum_{j \in P} e^{z_k - z_j}\right)
    = \mathrm{softplus}(\mathrm{LSE}_{k \notin P}(z_k) + \mathrm{LSE}_{j \in P}(-z_j))$ per
    example: O(labels), without the pairs, and without the random subset of pairs that published
    codes draw. Only the order of the labels is learned: decide with `top_k` or a fitted
    threshold, not at z = 0.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape, in [0, 1]; a soft label counts y as positive and 1 - y as negative.
      where: True where an entry counts; the others have no part in their example's sums.
      weights: weights >= 0; broadcast to the labels' shape.
      axis_name: mapped axis whose global batch the loss is of.

    Returns:
      A scalar >= 0: the mean over examples. An example without positives or without negatives
      contributes 0, with zero gradient.

    Raises:
      ValueError, TypeError: shapes or dtypes at trace time; values in concrete arrays.

    Source: Li et al., Improving Pairwise Ranking for Multi-label Image Classification, CVPR
    2017.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.0, -1.0]]), jnp.array([[1, 0, 0]])
      >>> round(float(sf.losses.pairwise_logistic(logits, labels)), 4)
      0.4076
    """
    log_sum, exists = _log_pairs(sums)
    return jnp.where(exists, jax.nn.softplus(log_sum), 0)


@from_label_sums(_log_sums_and_masses)
def bp_mll(sums: LabelSums, limit: ArrayLike = 10.0) -> Float[Array, "*batch"]:
    r"""BP-MLL: the mean over (positive, negative) pairs of an exponential loss.

    $\ell = \frac{1}{|P||N|}\sum_{j \in P}\sum_{k \in N} e^{-(z_j - z_k)} = e^x$ per example, in
    O(labels) as a product of two sums. An exponential of logits overflows: public codes give
    1e34 at |z| = 40, and one example without positives makes their batch NaN. Here $e^x$ goes on
    as its tangent above x = `limit`, so value and gradient stay finite.

    Args:
      logits, labels, where, weights, axis_name: as in `pairwise_logistic`.
      limit: where the tangent takes over; e^10 is below float16's largest number.

    Returns:
      A scalar >= 0: the mean over examples, where an example without pairs contributes 0.

    Source: Zhang and Zhou, Multilabel Neural Networks with Applications to Functional Genomics
    and Text Categorization, TKDE 2006. The paper's outputs are tanh units in [-1, 1];
    pass `jnp.tanh(logits)` for that.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.0, -1.0]]), jnp.array([[1, 0, 0]])
      >>> round(float(sf.losses.bp_mll(logits, labels)), 4)
      0.2516
    """
    _inputs.check_hyperparameter("limit", limit)
    log_sum, exists = _log_pairs(sums)
    pairs = sums.summed.positive * sums.summed.negative
    x = log_sum - jnp.log(jnp.where(exists, pairs, 1))
    limit = jnp.asarray(limit, x.dtype)
    # A choice, not a sum of both parts, whose derivatives of e^limit would cancel below it.
    inside = x < limit
    curve = jnp.exp(jnp.where(inside, x, limit))
    tangent = jnp.exp(limit) * (1 + jnp.where(inside, 0, x - limit))
    return jnp.where(exists, jnp.where(inside, curve, tangent), 0)


@within_example
def rank_hinge(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    within: Float[Array, "*batch labels"],
    margin: ArrayLike = 1.0,
) -> Float[Array, "*batch"]:
    r"""Pairwise ranking hinge (RankSVM): positives should lead negatives by a margin.

    $\ell = \frac{1}{|P||N|}\sum_{j \in P}\sum_{k \in N} \max(0, m - (z_j - z_k))$ per example, in
    O(labels log labels): after one sort the sum over pairs is a sum over the gaps between
    neighbours, each times the number of pairs that span it. Every term is >= 0, so nothing
    cancels. Piecewise linear: second derivatives are 0 or undefined.

    Args:
      logits, labels, where, weights, axis_name: as in `pairwise_logistic`.
      margin: m >= 0.

    Returns:
      A scalar >= 0: the mean over examples, where an example without pairs contributes 0.

    Source: Elisseeff and Weston, A kernel method for multi-labelled classification, NIPS 2001.
    torch's MultiLabelMarginLoss divides by the number of labels instead of pairs.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.5, -1.0]]), jnp.array([[1, 0, 0]])
      >>> float(sf.losses.rank_hinge(logits, labels))
      0.25
    """
    _inputs.check_hyperparameter("margin", margin, low=0.0)
    logits, labels, within = map(_inputs.whole_rows, (logits, labels, within))
    positive, negative = within * labels, within * (1 - labels)
    nothing = jnp.zeros_like(positive)
    keys = jnp.concatenate([logits - jnp.asarray(margin, logits.dtype), logits], -1)
    order = jnp.argsort(jax.lax.stop_gradient(keys), axis=-1)
    keys, below, above = (
        jnp.take_along_axis(x, order, -1)
        for x in (
            keys,
            jnp.concatenate([positive, nothing], -1),
            jnp.concatenate([nothing, negative], -1),
        )
    )
    # A pair counts where its negative's key is above its positive's, by the sum of the gaps
    # between them.
    gaps = keys[..., 1:] - keys[..., :-1]
    below = jnp.cumsum(below, -1)[..., :-1]
    above = jnp.flip(jnp.cumsum(jnp.flip(above, -1), -1), -1)[..., 1:]
    pairs = jnp.sum(positive, -1) * jnp.sum(negative, -1)
    return _safe.ratio(jnp.sum(gaps * below * above, -1), pairs)


@from_label_sums(_log_sums)
def zlpr(sums: LabelSums) -> Float[Array, "*batch"]:
    r"""ZLPR: positives above zero, negatives below zero, as one softmax-like loss.

    $\ell = \log(1 + \sum_{k \notin P} e^{z_k}) + \log(1 + \sum_{j \in P} e^{-z_j})$ per example;
    decide z > 0. Made for many labels and few positives; an example without positives still
    has a loss. `zlpr_sparse` takes label indices.

    Args:
      logits, labels, where, weights, axis_name: as in `pairwise_logistic`.

    Returns:
      A scalar >= 0: the mean over examples.

    Source: Su et al., ZLPR: A Novel Loss for Multi-label Classification, 2022.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.0, -1.0]]), jnp.array([[1, 0, 0]])
      >>> round(float(sf.losses.zlpr(logits, labels)), 4)
      1.1753
    """
    positive, has_positive = _safe.finite_log(sums.log_summed.positive)
    negative, has_negative = _safe.finite_log(sums.log_summed.negative)
    return jnp.where(has_negative, jax.nn.softplus(negative), 0) + jnp.where(
        has_positive, jax.nn.softplus(positive), 0
    )


def zlpr_sparse(
    logits: Logits,
    indices: Int[AnyArray, "*batch positives"],
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""`zlpr` of labels given as padded indices of each example's positives.

    Public sparse forms subtract the positives' exponentials from the sum over all labels, which
    cancels (3.88 instead of 4.91 in one case); this leaves them out of the sum.

    Args:
      logits: [..., num_labels], floating.
      indices: [..., max_positives], integer; values outside [0, num_labels), such as -1, are
        padding, and repeated indices count once.
      where, weights, axis_name: as in `pairwise_logistic`.

    Returns:
      A scalar >= 0: the mean over examples.

    Raises:
      TypeError: indices are not integers.
      ValueError: leading axes differ; otherwise as in `zlpr`.

    Source: Su et al., ZLPR, 2022.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, indices = jnp.array([[1.0, 0.0, -1.0]]), jnp.array([[0, -1]])
      >>> round(float(sf.losses.zlpr_sparse(logits, indices)), 4)
      1.1753
    """
    logits = _inputs.as_array(logits, "logits")
    indices = _inputs.label_indices(indices, logits, "indices")
    labels = _inputs.labels_at(indices, 0, logits.shape[-1])
    return zlpr.objective()(logits, labels, where=where, weights=weights, axis_name=axis_name)


@within_example
def sparsemax(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    within: Float[Array, "*batch labels"],
) -> Float[Array, "*batch"]:
    r"""Multilabel sparsemax loss against the uniform distribution over the positives.

    $\ell = \langle \pi - q, z \rangle + \frac12\|q\|^2 - \frac12\|\pi\|^2$ with
    $\pi = \mathrm{sparsemax}(z)$, the projection of z on the simplex, and $q = y / |y|$; the
    gradient is $\pi - q$. Zero when the projection is exactly q. Only differences of logits
    matter: decide where $\pi > 0$, or by `top_k`. O(labels log labels). The gradient is
    continuous, its derivative jumps where a label enters the support.

    Args:
      logits, labels, where, axis_name: as in `pairwise_logistic`.
      weights: weights >= 0 of examples; within an example they weigh the entries of q.

    Returns:
      A scalar >= 0: the mean over examples, where an example without positives contributes 0.

    Source: Martins and Astudillo, From Softmax to Sparsemax, ICML 2016.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.5, -1.0]]), jnp.array([[1, 0, 0]])
      >>> float(sf.losses.sparsemax(logits, labels))
      0.0625
    """
    logits, labels, within = map(_inputs.whole_rows, (logits, labels, within))
    counted = within > 0
    top = jnp.max(jnp.where(counted, logits, -jnp.inf), -1, keepdims=True)
    top = jnp.where(jnp.isfinite(top), top, 0)
    # Shift invariance: with the maximum at 0 the support lies in [-1, 0], so squares of large
    # logits never meet and cancel. Entries left out sit far below any support.
    u = jnp.where(counted, logits - jax.lax.stop_gradient(top), -2)
    ordered = -jnp.sort(-jax.lax.stop_gradient(u), axis=-1)
    rank = jax.lax.broadcasted_iota(u.dtype, u.shape, u.ndim - 1) + 1
    inside = 1 + rank * ordered > jnp.cumsum(jnp.maximum(ordered, -2), -1)
    lowest = jnp.min(jnp.where(inside, ordered, 0), -1, keepdims=True)
    support = counted & (u >= lowest)
    size = jnp.sum(support.astype(u.dtype), -1, keepdims=True)
    threshold = _safe.ratio(jnp.sum(jnp.where(support, u, 0), -1, keepdims=True) - 1, size)
    pi = jnp.where(support, u - threshold, 0)
    q = _safe.ratio(within * labels, jnp.sum(within * labels, -1, keepdims=True))
    u = jnp.where(counted, u, 0)
    loss = jnp.sum((pi - q) * u, -1) + 0.5 * jnp.sum(q * q - pi * pi, -1)
    return jnp.where(jnp.any(q > 0, -1), loss, 0)


# A sum of e^x over the batch overflows, and (maximum, scaled sum) pairs do not add up under
# psum. So the sum is kept in bins: those x within 64 of a multiple of 128 are summed as
# e^(x - multiple), between e^-64 and e^64, which float32 holds for 1e10 examples. Bins add up.
_SPACING, _BINS = 128.0, tuple(float(i) for i in range(-5, 6))


class Columns(NamedTuple):
    """Per label: binned sums of exponentials [bins, num_labels], and masses [num_labels]."""

    positive: Float[Array, "bins labels"]
    negative: Float[Array, "bins labels"]
    positives: Float[Array, " labels"]
    negatives: Float[Array, " labels"]


def _binned_sum(x: Array, weight: Array, axes: tuple[int, ...]) -> Array:
    limit = _SPACING * (len(_BINS) // 2) + _SPACING / 2
    # Beyond the last bin the value stops growing, but its gradient still points the right way.
    x = x - jax.lax.stop_gradient(x - jnp.clip(x, -limit, limit))
    bins = jnp.clip(jnp.round(jax.lax.stop_gradient(x) / _SPACING), _BINS[0], _BINS[-1])
    terms = weight * jnp.exp(x - _SPACING * bins)
    return jnp.stack([jnp.sum(jnp.where(bins == b, terms, 0), axes) for b in _BINS])


def _log_binned(sums: Array) -> Array:
    offsets = _SPACING * jnp.asarray(_BINS, sums.dtype)[:, None]
    filled = sums > 0
    logs = jnp.where(filled, offsets + jnp.log(jnp.where(filled, sums, 1)), 0)
    return _safe.finite_log(_safe.logsumexp(logs, filled.astype(sums.dtype), 0))[0]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["positive_temperature", "negative_temperature"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True, repr=False)
class TwoWay(SeparableObjective):
    """See `two_way`."""

    positive_temperature: ArrayLike
    negative_temperature: ArrayLike

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        tp, tn = self._temperatures(z)
        positive = _safe.logsumexp(-z / tp, w * y)
        negative = _safe.logsumexp(z / tn, w * (1 - y))
        axes = averaging.leading_axes(z)
        columns = Columns(
            _binned_sum(-z / tp, w * y, axes),
            _binned_sum(z / tn, w * (1 - y), axes),
            jnp.sum(w * y, axes) + _inputs.nan_of(z, axes),
            jnp.sum(w * (1 - y), axes),
        )
        return LabelParts(columns, averaging.example_mass(w, z), Classes(positive, negative))

    def from_label_parts(self, parts: LabelParts) -> Statistics:
        example, sums = mean_one(parts.summed, LabelSums(log_summed=parts.log_summed))
        tp, tn = self._temperatures(example)
        positive, has_positive = _safe.finite_log(sums.log_summed.positive)
        negative, has_negative = _safe.finite_log(sums.log_summed.negative)
        both = jax.nn.softplus(tp * positive + tn * negative)
        example = jnp.where(has_positive, example, 0)
        rows = Sums(jnp.sum(example * jnp.where(has_negative, both, 0)), jnp.sum(example))
        return rows, parts.per_label

    def value(self, statistics: Statistics) -> Array:
        rows, columns = statistics
        tp, tn = self._temperatures(columns.positives)
        both = jax.nn.softplus(
            tp * _log_binned(columns.positive) + tn * _log_binned(columns.negative)
        )
        present = columns.positives > 0
        both = jnp.where(present & (columns.negatives > 0), both, 0)
        mean = _safe.ratio(jnp.sum(both), jnp.sum(present.astype(both.dtype)))
        mean += _inputs.nan_of(columns.positives)
        return (mean + _safe.ratio(rows.total, rows.weight)) / 2

    def _temperatures(self, like: Array) -> tuple[Array, Array]:
        return (
            jnp.asarray(self.positive_temperature, like.dtype),
            jnp.asarray(self.negative_temperature, like.dtype),
        )

    def __repr__(self) -> str:
        return (
            f"two_way(positive_temperature={self.positive_temperature!r}, "
            f"negative_temperature={self.negative_temperature!r})"
        )


@from_objective
def two_way(
    positive_temperature: ArrayLike = 4.0, negative_temperature: ArrayLike = 1.0
) -> Objective:
    r"""Two-way loss: rank labels within each example, and examples within each label.

    $\ell_A = \mathrm{softplus}\left(T_n\,\mathrm{LSE}_{k \in N_A}(z_k / T_n) +
    T_p\,\mathrm{LSE}_{j \in P_A}(-z_j / T_p)\right)$ with A an example's labels or a label's
    examples; the loss is the mean of the mean over examples and the mean over labels. The sums
    over a label's examples are kept in bins of the exponent, so they add up over devices and
    micro-batches like every other statistic.

    Args:
      logits, labels, where, weights, axis_name: as in `pairwise_logistic`.
      positive_temperature: $T_p$ > 0.
      negative_temperature: $T_n$ > 0.

    Returns:
      A scalar >= 0. The means are over examples and labels that have a positive; those without
      negatives contribute 0. Half of the published code's value, which adds the two means, and
      which is NaN for a batch without positives. In the sums over a label's examples |z| / T
      counts as 704 at most.

    Source: Kobayashi, Two-way Multi-Label Loss, CVPR 2023.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([[1, 0], [0, 1]])
      >>> round(float(sf.losses.two_way(logits, labels)), 4)
      0.3133
    """
    _inputs.check_hyperparameter("positive_temperature", positive_temperature, above=0.0)
    _inputs.check_hyperparameter("negative_temperature", negative_temperature, above=0.0)
    return TwoWay(number(positive_temperature), number(negative_temperature))
