"""Objectives that rank the examples of a label: area under ROC and precision-recall curves."""

import dataclasses
import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sigmoidf1_jax import _checks, _eager, _inputs, _safe, averaging, surrogates
from sigmoidf1_jax._inputs import AnyArray, Labels, Logits, Weights, Where, per_label
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.objective import (
    AxisName,
    SeparableObjective,
    StatefulObjective,
    Statistics,
    unless_nan,
)
from sigmoidf1_jax.surrogates import Surrogate

__all__ = [
    "auc_margin",
    "average_precision",
    "f_bound",
    "precision_at_recall",
    "recall_at_precision",
]


class Moments(NamedTuple):
    """Per label: mass, sum and sum of squares of the scores of both classes."""

    positives: Float[Array, " labels"]
    positive_sum: Float[Array, " labels"]
    positive_squares: Float[Array, " labels"]
    negatives: Float[Array, " labels"]
    negative_sum: Float[Array, " labels"]
    negative_squares: Float[Array, " labels"]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["margin", "surrogate", "a", "b", "alpha"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True, repr=False)
class AucMargin(SeparableObjective):
    """See `auc_margin`."""

    margin: ArrayLike
    surrogate: Surrogate
    a: ArrayLike | None
    b: ArrayLike | None
    alpha: ArrayLike | None

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        _inputs.refuse_label_weights(weights, z.shape, "macro")
        s, axes = self.surrogate(z), averaging.leading_axes(z)
        sums = [
            jnp.sum(weight * power, axes)
            for weight in (w * y, w * (1 - y))
            for power in (jnp.ones_like(s), s, s * s)
        ]
        return LabelParts(per_label=Moments(*sums))

    def from_label_parts(self, parts: LabelParts) -> Moments:
        return parts.per_label

    def value(self, statistics: Moments) -> Array:
        m = statistics
        total = m.positives + m.negatives
        a, b = self.a, self.b
        a = _safe.ratio(m.positive_sum, m.positives) if a is None else per_label("a", a, total)
        b = _safe.ratio(m.negative_sum, m.negatives) if b is None else per_label("b", b, total)
        # All shares of the label's mass, so that labels with one class have 0, not 0/0.
        p, q = _safe.ratio(m.positives, total), _safe.ratio(m.negatives, total)
        positive = _safe.ratio(m.positive_squares - 2 * a * m.positive_sum, total) + a * a * p
        negative = _safe.ratio(m.negative_squares - 2 * b * m.negative_sum, total) + b * b * q
        margin = jnp.asarray(self.margin, total.dtype)
        gap = p * q * margin + p * _safe.ratio(m.negative_sum, total)
        gap -= q * _safe.ratio(m.positive_sum, total)
        if self.alpha is None:
            both = p * q > 0
            alpha = jnp.maximum(_safe.ratio(gap, p * q), 0)
            ranking = jnp.where(both, alpha * jnp.maximum(gap, 0), 0)
        else:
            alpha = per_label("alpha", self.alpha, total)
            ranking = 2 * alpha * gap - p * q * alpha * alpha
        return _safe.mean(q * positive + p * negative + ranking, (total > 0).astype(total.dtype))

    def __repr__(self) -> str:
        return f"auc_margin(margin={self.margin!r}, surrogate={self.surrogate!r})"


def auc_margin(
    margin: ArrayLike = 1.0,
    *,
    surrogate: Surrogate | None = None,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
) -> AucMargin:
    """`losses.auc_margin`: a squared-hinge surrogate of 1 - ROC AUC."""
    _inputs.check_hyperparameter("margin", margin)
    given = surrogate or surrogates.probability()
    return AucMargin(number(margin), given, number(a), number(b), number(alpha))


class DualState(NamedTuple):
    """One Lagrange multiplier >= 0 per label."""

    multiplier: Float[Array, " labels"]


class HingeSums(NamedTuple):
    """Per label: sums of the hinge over positives and negatives, and both masses."""

    positive: Float[Array, " labels"]
    negative: Float[Array, " labels"]
    positives: Float[Array, " labels"]
    negatives: Float[Array, " labels"]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["target", "dual_rate"],
    meta_fields=["kind"],
)
@dataclasses.dataclass(frozen=True, repr=False)
class DualBound(StatefulObjective):
    """See `recall_at_precision`, `precision_at_recall` and `f_bound`.

    1 - hinge bounds the indicator of a true positive from below, and hinge that of a false
    positive from above, so the sums of hinges L+ and L- bound the counts.
    """

    target: ArrayLike
    dual_rate: ArrayLike
    kind: Literal["recall_at_precision", "precision_at_recall", "f_bound"]

    @staticmethod
    def init(num_labels: int) -> DualState:
        """Multipliers of 1 for `num_labels` labels."""
        return DualState(jnp.ones(num_labels))

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        _inputs.refuse_label_weights(weights, z.shape, "macro")
        axes = averaging.leading_axes(z)
        return HingeSums(
            jnp.sum(w * y * jnp.maximum(1 - z, 0), axes),
            jnp.sum(w * (1 - y) * jnp.maximum(1 + z, 0), axes),
            jnp.sum(w * y, axes),
            jnp.sum(w * (1 - y), axes),
        )

    def value(self, statistics: HingeSums, state: DualState, **_: Any) -> tuple[Array, DualState]:
        total = statistics.positives + statistics.negatives
        # Shares of the label's mass: an absent label keeps a gradient through its negatives.
        positive, negative, share = (
            _safe.ratio(x, total)
            for x in (statistics.positive, statistics.negative, statistics.positives)
        )
        multiplier = state.multiplier.astype(total.dtype)
        lagrangian, slope = self._lagrangian(positive, negative, share, multiplier)
        rate = jnp.asarray(self.dual_rate, total.dtype)
        ascended = jnp.maximum(multiplier + rate * slope, 0).astype(state.multiplier.dtype)
        value = _safe.mean(lagrangian, (total > 0).astype(total.dtype))
        return value, DualState(ascended)

    def _lagrangian(
        self, positive: Array, negative: Array, share: Array, multiplier: Array
    ) -> tuple[Array, Array]:
        """The Lagrangian of each label and its derivative by the multiplier, the violation."""
        target = per_label("target", self.target, share)
        if self.kind == "recall_at_precision":
            violation = positive + target / (1 - target) * negative - share
            return positive + multiplier * violation, violation
        if self.kind == "precision_at_recall":
            violation = positive - (1 - target) * share
            return negative + multiplier * violation, violation
        errors = jnp.square(target) * positive + negative
        # The best phi has a closed form, and the Lagrangian's derivative by it is 0 there (or
        # phi is at the end of its range), so it is a constant for the gradient.
        wanted = _safe.sqrt(_safe.ratio(errors, multiplier * share, jnp.inf))
        phi = jax.lax.stop_gradient(jnp.clip(wanted, 0.01, 1))
        violation = positive - (1 - phi) * share
        return errors / phi + multiplier * violation, violation


def _bound(
    kind: Literal["recall_at_precision", "precision_at_recall", "f_bound"],
    target: ArrayLike,
    dual_rate: ArrayLike,
) -> DualBound:
    _inputs.check_hyperparameter("dual_rate", dual_rate, low=0.0)
    return DualBound(number(target), number(dual_rate), kind)


def recall_at_precision(precision: ArrayLike = 0.8, *, dual_rate: ArrayLike = 0.1) -> DualBound:
    """`losses.recall_at_precision`: recall where precision suffices."""
    _inputs.check_hyperparameter("precision", precision, above=0.0, below=1.0)
    return _bound("recall_at_precision", precision, dual_rate)


def precision_at_recall(recall: ArrayLike = 0.8, *, dual_rate: ArrayLike = 0.1) -> DualBound:
    """`losses.precision_at_recall`: precision where recall suffices."""
    _inputs.check_hyperparameter("recall", recall, above=0.0, below=1.0)
    return _bound("precision_at_recall", recall, dual_rate)


def f_bound(beta: ArrayLike = 1.0, *, dual_rate: ArrayLike = 0.1) -> DualBound:
    """`losses.f_bound`: a lower bound of F-beta."""
    _inputs.check_hyperparameter("beta", beta, above=0.0)
    return _bound("f_bound", beta, dual_rate)


class AveragePrecisionState(NamedTuple):
    """Running means of the pairwise losses of each (label, example), [num_labels, num_examples].

    `all` runs over all examples of a batch, `positive` over its positives.
    """

    all: Float[Array, "labels examples"]
    positive: Float[Array, "labels examples"]


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["gamma", "margin"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True, repr=False)
class AveragePrecision(StatefulObjective):
    """See `average_precision`. Not a function of sums: under `axis_name` it gathers the batch."""

    gamma: ArrayLike
    margin: ArrayLike

    @staticmethod
    def init(num_labels: int, num_examples: int = 0) -> AveragePrecisionState:
        """Zeros; with `num_examples` = 0 nothing is remembered from batch to batch."""
        # Two arrays, not one twice: a state whose memory is donated must not hold a buffer twice.
        return AveragePrecisionState(*(jnp.zeros((num_labels, num_examples)) for _ in range(2)))

    def __call__(
        self,
        logits: Logits,
        labels: Labels,
        state: AveragePrecisionState,
        *,
        where: Where = None,
        weights: Weights = None,
        axis_name: AxisName | None = None,
        index: Int[AnyArray, "*batch"] | None = None,
        **_: Any,
    ) -> tuple[Array, AveragePrecisionState]:
        data: Any = {"where": where, "weights": weights, "axis_name": axis_name, "index": index}
        return _eager.call(AveragePrecision._batch, self, logits, labels, state, **data)

    def _batch(
        self,
        logits: Logits,
        labels: Labels,
        state: AveragePrecisionState,
        *,
        where: Where,
        weights: Weights,
        axis_name: AxisName | None,
        index: Int[AnyArray, "*batch"] | None,
    ) -> tuple[Array, AveragePrecisionState]:
        inputs = _inputs.prepare(logits, labels, where, weights)
        _inputs.refuse_label_weights(weights, inputs.logits.shape, "macro")
        z, y, w = (
            jnp.moveaxis(_inputs.replicated(x), -1, 0).reshape(x.shape[-1], -1) for x in inputs
        )
        remembers = state.all.shape[-1] > 0
        if remembers != (index is not None):
            raise ValueError(
                "index must be given exactly when the state was made for num_examples > 0"
            )
        rows = None if index is None else _rows(index, w, state.all.shape[-1])
        if axis_name is not None:
            z, y, w = (_gather(x, axis_name) for x in (z, y, w))
            rows = None if rows is None else _gather(rows, axis_name)
        old = jax.lax.stop_gradient(state)
        if rows is not None:
            old = AveragePrecisionState(old.all[:, rows], old.positive[:, rows])
        # One label at a time, rematerialised: [batch, batch] numbers, not times the labels.
        label = jax.checkpoint(functools.partial(self._label, remembers))
        value, fresh = jax.lax.map(lambda x: label(*x), (z, y, w, old if remembers else None))
        counted = (jnp.sum(w, -1) > 0).astype(value.dtype)
        if rows is not None:
            # Examples that are no positive of a label, or masked, keep what they had.
            # Those may repeat an index (padding does): they are sent past the end and dropped.
            places = jnp.where((w * y) > 0, rows, state.all.shape[-1])
            labels_ = jnp.arange(places.shape[0])[:, None]

            def put(all_rows: Array, new: Array) -> Array:
                return all_rows.at[labels_, places].set(new.astype(all_rows.dtype), mode="drop")

            state = unless_nan(z, jax.tree.map(put, state, fresh), state)
        value = _safe.mean(value + _inputs.nan_of(z, -1), counted)
        return value, jax.lax.stop_gradient(state)

    def _label(
        self,
        remembers: bool,
        z: Array,
        y: Array,
        w: Array,
        old: AveragePrecisionState | None,
    ) -> tuple[Array, AveragePrecisionState]:
        margin = jnp.asarray(self.margin, z.dtype)
        # Rows are the positives i, columns all examples s; w weighs both.
        pairs = jnp.square(jnp.maximum(margin - (z[:, None] - z[None, :]), 0))
        mass = jnp.sum(w)
        every = _safe.ratio(pairs @ w, mass)
        positive = _safe.ratio(pairs @ (w * y), mass)
        fresh = AveragePrecisionState(*jax.lax.stop_gradient((every, positive)))
        if remembers and old is not None:
            gamma = jnp.asarray(self.gamma, z.dtype)
            fresh = jax.tree.map(lambda u, g: (1 - gamma) * u + gamma * g, old, fresh)
        rank = _safe.ratio(fresh.positive, fresh.all)
        # d(v/u) = (dv - (v/u) du) / u at the running u and v, which is the estimate of the
        # gradient; the value is what the running means say.
        change = _safe.ratio(rank * every - positive, fresh.all)
        share = w * y
        value = _safe.ratio(jnp.sum(share * (1 - rank)), jnp.sum(share))
        moved = _safe.ratio(jnp.sum(share * change), jnp.sum(share))
        return value + moved - jax.lax.stop_gradient(moved), fresh


def _rows(index: Any, weight: Array, num_examples: int) -> Int[Array, " batch"]:
    """The checked places of a batch's examples; those that do not count may hold anything."""
    rows = _inputs.as_array(index, "index")
    if not jnp.issubdtype(rows.dtype, jnp.integer) or rows.size != weight.shape[-1]:
        raise ValueError(
            f"index must be an integer for each of the {weight.shape[-1]} examples, "
            f"got {rows.dtype} {rows.shape}"
        )
    rows = _inputs.replicated(rows).reshape(-1).astype(jnp.int32)
    counted = jnp.any(weight > 0, 0)

    def fine() -> Array:
        inside = (rows >= 0) & (rows < num_examples)
        ordered = jnp.sort(jnp.where(counted, rows, num_examples))
        repeated = (ordered[1:] == ordered[:-1]) & (ordered[1:] < num_examples)
        return jnp.all(inside | ~counted) & ~jnp.any(repeated)

    _checks.check_value(
        fine,
        rows,
        counted,
        message=f"index must hold different numbers in 0..{num_examples - 1} where examples count",
    )
    return rows


def _gather(x: Array, axis_name: AxisName) -> Array:
    """All shards of x, side by side along the last axis."""
    # As a psum: unlike that of an all_gather, its result is known to be equal on all devices,
    # which shard_map asks of the value and the state, and its gradient follows the same rule as
    # that of all other losses.
    mine = jnp.arange(jax.lax.psum(1, axis_name)) == jax.lax.axis_index(axis_name)
    parts = jax.lax.psum(
        jnp.where(jnp.expand_dims(mine, tuple(range(1, x.ndim + 1))), x, 0), axis_name
    )
    return jnp.moveaxis(parts, 0, -2).reshape(*x.shape[:-1], -1)


def average_precision(gamma: ArrayLike = 0.9, *, margin: ArrayLike = 1.0) -> AveragePrecision:
    """`losses.average_precision`: 1 - average precision, from running means."""
    _inputs.check_hyperparameter("gamma", gamma, above=0.0, high=1.0)
    _inputs.check_hyperparameter("margin", margin, above=0.0)
    return AveragePrecision(number(gamma), number(margin))
