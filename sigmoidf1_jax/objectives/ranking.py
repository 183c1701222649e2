"""Objectives that compare the labels of one example with each other: means over examples."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs, _safe, _tiles, averaging
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax._keys import integer_keys, scores_of_keys
from sigmoidf1_jax._partial import bind
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.objective import SeparableObjective, Statistics
from sigmoidf1_jax.objectives._means import (
    ExampleMean,
    LabelSumMean,
    LabelSums,
    Sums,
    mean_one,
)

__all__ = [
    "bp_mll",
    "pairwise_logistic",
    "rank_hinge",
    "sparsemax",
    "two_way",
    "zlpr",
]


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


def pairwise_logistic() -> LabelSumMean:
    """Mean over examples of `losses.pairwise_logistic`."""
    return LabelSumMean(_log_sums, bind(_pairwise_logistic))


def _pairwise_logistic(sums: LabelSums) -> Float[Array, "*batch"]:
    log_sum, exists = _log_pairs(sums)
    return jnp.where(exists, jax.nn.softplus(log_sum), 0)


def bp_mll(limit: ArrayLike = 10.0) -> LabelSumMean:
    """Mean over examples of `losses.bp_mll`."""
    return LabelSumMean(_log_sums_and_masses, bind(_bp_mll, limit=limit))


def _bp_mll(sums: LabelSums, limit: ArrayLike) -> Float[Array, "*batch"]:
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


def rank_hinge(margin: ArrayLike = 1.0) -> ExampleMean:
    """Mean over examples of `losses.rank_hinge`."""
    return ExampleMean(bind(_rank_hinge, margin=margin))


def _rank_hinge(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    within: Float[Array, "*batch labels"],
    margin: ArrayLike,
) -> Float[Array, "*batch"]:
    _inputs.check_hyperparameter("margin", margin, low=0.0)
    margin = jnp.asarray(margin, logits.dtype)
    rows = [_inputs.whole_rows(x) for x in (logits, labels, within)]

    def of_rows(z: Array, y: Array, w: Array) -> tuple[Array, tuple[()]]:
        shape = z.shape
        z, y, w = (x.reshape(-1, shape[-1]) for x in (z, y, w))
        positive, negative = w * y, w * (1 - y)
        pairs = jnp.sum(positive, -1) * jnp.sum(negative, -1)
        gaps = _weighted_gaps(z, margin, positive, negative)
        return _safe.ratio(gaps, pairs).reshape(shape[:-1]), ()

    # Lookups within rows say nothing of meshes; Explicit ones have to hear it.
    return _inputs.on_its_mesh(
        lambda *rows: _tiles.rows_in_parts(of_rows, *rows)[0], *rows, axes=range(logits.ndim - 1)
    )


class _Ranked(NamedTuple):
    """All keys in order, the weights of positives and negatives at them, and their places."""

    keys: Array
    below: Array
    above: Array
    of_positives: Array
    of_negatives: Array


def _ranked(z: Array, margin: Array, positive: Array, negative: Array) -> _Ranked:
    """The keys are z - margin of positives and z of negatives; equal ones share the first place.

    XLA's CPU sort of one integer array is many times faster than that of pairs, so the places of
    the keys are looked up in it.
    """
    low, high = integer_keys(z - margin), integer_keys(z)
    ordered = _tiles.concurrent(jax.lax.sort, jnp.concatenate([low, high], -1))
    find = jax.vmap(functools.partial(jnp.searchsorted, method="scan_unrolled"))

    @jax.vmap
    def put(weight: Array, place: Array) -> Array:
        return jnp.zeros(ordered.shape[1], weight.dtype).at[place].add(weight)

    low, high = find(ordered, low), find(ordered, high)
    keys = scores_of_keys(ordered).astype(z.dtype)
    return _Ranked(keys, put(positive, low), put(negative, high), low, high)


@jax.custom_jvp
def _weighted_gaps(z: Array, margin: Array, positive: Array, negative: Array) -> Array:
    """Sum over pairs of how far a negative's key is above a positive's, where it is."""
    # A pair counts in every gap between neighbouring keys from its positive's to its negative's.
    keys, below, above, _, _ = _ranked(z, margin, positive, negative)
    pairs = jnp.cumsum(below, -1)[:, :-1] * _cumsum_from_right(above)[:, 1:]
    return jnp.sum((keys[:, 1:] - keys[:, :-1]) * pairs, -1)


def _cumsum_from_right(x: Array) -> Array:
    return jnp.flip(jnp.cumsum(jnp.flip(x, -1), -1), -1)


def _pairs(z: Array, margin: Array, positive: Array, negative: Array) -> tuple[Array, Array]:
    """Weights of the pairs that count, by their positive and by their negative."""
    _, below, above, of_positives, of_negatives = _ranked(z, margin, positive, negative)
    above = _cumsum_from_right(above) - above
    below = jnp.cumsum(below, -1) - below
    return (
        positive * jnp.take_along_axis(above, of_positives, -1),
        negative * jnp.take_along_axis(below, of_negatives, -1),
    )


def _by_logits(tangent: Array, value: Array, *given: Array) -> Array:
    of_positives, of_negatives = _pairs(*given)
    return jnp.sum((of_negatives - of_positives) * tangent, -1)


def _by_margin(tangent: Array, value: Array, *given: Array) -> Array:
    return jnp.sum(_pairs(*given)[0], -1) * tangent


# Linear in either weight.
_weighted_gaps.defjvps(
    _by_logits,
    _by_margin,
    lambda tangent, value, z, margin, _, negative: _weighted_gaps(z, margin, tangent, negative),
    lambda tangent, value, z, margin, positive, _: _weighted_gaps(z, margin, positive, tangent),
)


def zlpr() -> LabelSumMean:
    """Mean over examples of `losses.zlpr`."""
    return LabelSumMean(_log_sums, bind(_zlpr))


def _zlpr(sums: LabelSums) -> Float[Array, "*batch"]:
    positive, has_positive = _safe.finite_log(sums.log_summed.positive)
    negative, has_negative = _safe.finite_log(sums.log_summed.negative)
    return jnp.where(has_negative, jax.nn.softplus(negative), 0) + jnp.where(
        has_positive, jax.nn.softplus(positive), 0
    )


def sparsemax() -> ExampleMean:
    """Mean over examples of `losses.sparsemax`."""
    return ExampleMean(bind(_sparsemax))


def _sparsemax(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    within: Float[Array, "*batch labels"],
) -> Float[Array, "*batch"]:
    counted = within > 0
    top = jnp.max(jnp.where(counted, logits, -jnp.inf), -1, keepdims=True)
    top = jnp.where(jnp.isfinite(top), top, 0)
    # Shift invariance: with the maximum at 0 the support lies in [-1, 0], so squares of large
    # logits never meet and cancel. Entries left out sit far below any support.
    u = jnp.where(counted, logits - jax.lax.stop_gradient(top), -2)
    support = _support(jax.lax.stop_gradient(u))
    size = jnp.sum(support.astype(u.dtype), -1, keepdims=True)
    threshold = _safe.ratio(jnp.sum(jnp.where(support, u, 0), -1, keepdims=True) - 1, size)
    pi = jnp.where(support, u - threshold, 0)
    q = _safe.ratio(within * labels, jnp.sum(within * labels, -1, keepdims=True))
    u = jnp.where(counted, u, 0)
    loss = jnp.sum((pi - q) * u, -1) + 0.5 * jnp.sum(q * q - pi * pi, -1)
    return jnp.where(jnp.any(q > 0, -1), loss, 0)


def _support(u: Array) -> Array:
    """Where sparsemax is positive, of rows whose maximum is 0: above the root of a threshold.

    Newton's steps on sum(max(u - t, 0)) = 1, which is convex and falls, from t = -1: they only go
    up, and end when no row loses an entry. Each is a pass; a sort of the rows takes many.
    """

    def step(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        support, size, _ = carry
        total = jnp.sum(jnp.where(support, u, 0), -1, keepdims=True)
        support &= u > (total - 1) / jnp.maximum(size, 1)
        left = jnp.sum(support, -1, keepdims=True, dtype=u.dtype)
        return support, left, jnp.any(left < size)

    support = u > -1
    size = jnp.sum(support, -1, keepdims=True, dtype=u.dtype)
    return jax.lax.while_loop(lambda carry: carry[2], step, (support, size, jnp.any(size > 1)))[0]


# A sum of e^x over the batch overflows, and (maximum, scaled sum) pairs do not add up under
# psum. So the sum is kept in bins: those x within 64 of a multiple of 128 are summed as
# e^(x - multiple), between e^-64 and e^64, which float32 holds for 1e10 examples. Bins add up.
_SPACING, _BINS = 128.0, 11


class Columns(NamedTuple):
    """Per label: binned sums of exponentials [bins, num_labels], and masses [num_labels]."""

    positive: Float[Array, "bins labels"]
    negative: Float[Array, "bins labels"]
    positives: Float[Array, " labels"]
    negatives: Float[Array, " labels"]


def _binned_sum(x: Array, weight: Array, axes: tuple[int, ...]) -> Array:
    limit = _SPACING * (_BINS // 2) + _SPACING / 2
    # Beyond the last bin the value stops growing, but its gradient still points the right way.
    x = x - jax.lax.stop_gradient(x - jnp.clip(x, -limit, limit))
    bins = jnp.clip(jnp.round(jax.lax.stop_gradient(x) / _SPACING), -(_BINS // 2), _BINS // 2)
    terms = weight * jnp.exp(x - _SPACING * bins)
    return _sum_by_bin(terms, bins.astype(jnp.int8) + _BINS // 2, axes)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _sum_by_bin(terms: Array, place: Array, axes: tuple[int, ...]) -> Array:
    def one_bin(b: Array) -> Array:
        return jnp.sum(jnp.where(place == b, terms, 0), axes)

    # One after the other: together they are as many arrays as there are bins.
    return _if_in_middle(
        lambda: _middle(jnp.sum(terms, axes)),
        lambda: jax.lax.map(one_bin, jnp.arange(_BINS, dtype=place.dtype)),
        place,
    )


@_sum_by_bin.defjvp
def _sum_by_bin_jvp(
    axes: tuple[int, ...], primals: tuple[Array, Array], tangents: tuple[Array, Any]
) -> tuple[Array, Array]:
    terms, place = primals

    def all_bins() -> Array:
        # Its transpose, which is what a gradient needs, is one pass: each entry takes its bin's.
        changes = (jnp.where(place == b, tangents[0], 0) for b in range(_BINS))
        return jnp.stack([jnp.sum(change, axes) for change in changes])

    change = _if_in_middle(lambda: _middle(jnp.sum(tangents[0], axes)), all_bins, place)
    return _sum_by_bin(terms, place, axes), change


def _if_in_middle(middle: Callable[[], Array], other: Callable[[], Array], place: Array) -> Array:
    """The first where all entries are in the middle bin, |x| <= 64, as nearly always."""
    return jax.lax.cond(jnp.all(place == _BINS // 2), middle, other)


def _middle(sums: Array) -> Array:
    nothing = jnp.zeros_like(sums)
    return jnp.stack([sums if b == _BINS // 2 else nothing for b in range(_BINS)])


def _log_binned(sums: Array) -> Array:
    offsets = _SPACING * (jnp.arange(_BINS, dtype=sums.dtype) - _BINS // 2)[:, None]
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

        def of_rows(z: Array, y: Array, w: Array) -> tuple[Classes, Columns]:
            positive, negative = w * y, w * (1 - y)
            axes = averaging.leading_axes(z)
            rows = Classes(_safe.logsumexp(-z / tp, positive), _safe.logsumexp(z / tn, negative))
            return rows, Columns(
                _binned_sum(-z / tp, positive, axes),
                _binned_sum(z / tn, negative, axes),
                jnp.sum(positive, axes) + _inputs.nan_of(z, axes),
                jnp.sum(negative, axes),
            )

        rows, columns = _tiles.rows_in_parts(jax.checkpoint(of_rows), z, y, w)
        return LabelParts(columns, averaging.example_mass(w, z), rows)

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


def two_way(positive_temperature: ArrayLike = 4.0, negative_temperature: ArrayLike = 1.0) -> TwoWay:
    """`losses.two_way`: labels ranked within examples, and examples within labels."""
    _inputs.check_hyperparameter("positive_temperature", positive_temperature, above=0.0)
    _inputs.check_hyperparameter("negative_temperature", negative_temperature, above=0.0)
    return TwoWay(number(positive_temperature), number(negative_temperature))
