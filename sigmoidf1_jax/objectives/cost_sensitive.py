"""F-beta and Jaccard as weighted cross-entropies whose weights follow the running score."""

import dataclasses
import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from sigmoidf1_jax import _inputs, _safe, averaging, scores
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where, per_label
from sigmoidf1_jax._logistic import softplus, softplus_of_negative
from sigmoidf1_jax._partial import Partial, bind
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.confusion import Confusion, soft_confusion
from sigmoidf1_jax.objective import StatefulObjective, Statistics
from sigmoidf1_jax.surrogates import Surrogate, hard

__all__ = [
    "cost_sensitive_f_beta",
    "cost_sensitive_jaccard",
]

# Half an example of each kind: F1 starts at 1/2, Jaccard at 1/3, and the first batches overrule it.
_PRIOR = 0.5

# Far below what one entry of a batch adds: (1 - decay) for any decay of use.
_FADED = 1e-6


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["score", "positive_weight", "decay", "level", "surrogate"],
    meta_fields=["average"],
)
@dataclasses.dataclass(frozen=True, repr=False)
class CostSensitive(StatefulObjective):
    """See `cost_sensitive_f_beta`.

    `score` is N / D; N - level * D is, up to a constant, `positive_weight(level)` times the true
    positives minus `level` times the false positives.
    """

    score: Partial
    positive_weight: Partial
    decay: ArrayLike
    level: ArrayLike | None
    surrogate: Surrogate
    average: Literal["macro", "micro"]

    @staticmethod
    def init(num_labels: int) -> Confusion:
        """Running counts of `num_labels` labels: half an example of each kind."""
        return Confusion(*(jnp.full(num_labels, _PRIOR) for _ in range(4)))

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        axes = averaging.leading_axes(z)
        decisions = jax.lax.stop_gradient(self.surrogate(z))
        return (
            jnp.sum(w * y * softplus_of_negative(z), axes),
            jnp.sum(w * (1 - y) * softplus(z), axes),
            soft_confusion(decisions, y, w, axes),
        )

    def value(self, statistics: Statistics, state: Confusion, **_: Any) -> tuple[Array, Confusion]:
        positive, negative, counts = statistics
        decay = jnp.asarray(self.decay, jnp.float32)

        def moved(old: Array, new: Array) -> Array:
            return (decay * old + (1 - decay) * new).astype(old.dtype)

        state = _held_up(jax.tree.map(moved, state, counts))
        level = self.level_of(state).astype(positive.dtype)
        total = jnp.sum(self.positive_weight(level) * positive + level * negative)
        weight = jnp.sum(counts.tp + counts.fp + counts.fn + counts.tn)
        return _safe.ratio(total, weight), state

    def level_of(self, state: Confusion) -> Array:
        """The score of the running counts, [num_labels] or []; `level` if that is given."""
        if self.level is not None:
            return per_label("level", self.level, state.tp)
        return self.score(averaging.pool(state) if self.average == "micro" else state)


def _cost_sensitive(
    score: Partial,
    positive_weight: Partial,
    decay: ArrayLike,
    level: ArrayLike | None,
    surrogate: Surrogate | None,
    average: Literal["macro", "micro"],
) -> CostSensitive:
    if average not in ("macro", "micro"):
        raise ValueError(f"average must be 'macro' or 'micro', got {average!r}")
    _inputs.check_hyperparameter("decay", decay, low=0.0, below=1.0)
    if level is not None:
        _inputs.check_hyperparameter("level", level, low=0.0, high=1.0)
    counted = surrogate or hard()
    return CostSensitive(score, positive_weight, number(decay), number(level), counted, average)


def _held_up(counts: Confusion) -> Confusion:
    """Counts that are almost forgotten, enlarged: their score is what the next batch starts from.

    A label that is neither true nor predicted for a thousand batches would otherwise fade to
    0/0, and the weight of its negatives with it.
    """
    relevant = counts.tp + counts.fp + counts.fn
    factor = jnp.maximum(_safe.ratio(jnp.asarray(_FADED, relevant.dtype), relevant, 1.0), 1)
    return Confusion(counts.tp * factor, counts.fp * factor, counts.fn * factor, counts.tn)


def _f_beta_weight(level: Array, *, beta: ArrayLike) -> Array:
    return 1 + jnp.square(jnp.asarray(beta, level.dtype)) - level


def _jaccard_weight(level: Array) -> Array:
    return jnp.ones_like(level)


def cost_sensitive_f_beta(
    beta: ArrayLike = 1.0,
    *,
    average: Literal["macro", "micro"] = "macro",
    decay: ArrayLike = 0.95,
    level: ArrayLike | None = None,
    surrogate: Surrogate | None = None,
) -> CostSensitive:
    """`losses.cost_sensitive_f_beta`: cross-entropy weighted by the running F-beta."""
    _inputs.check_hyperparameter("beta", beta, above=0.0)
    score, weight = bind(scores.f_beta, beta=beta), bind(_f_beta_weight, beta=beta)
    return _cost_sensitive(score, weight, decay, level, surrogate, average)


def cost_sensitive_jaccard(
    *,
    average: Literal["macro", "micro"] = "macro",
    decay: ArrayLike = 0.95,
    level: ArrayLike | None = None,
    surrogate: Surrogate | None = None,
) -> CostSensitive:
    """`losses.cost_sensitive_jaccard`: the same by the running Jaccard index."""
    return _cost_sensitive(
        bind(scores.jaccard), bind(_jaccard_weight), decay, level, surrogate, average
    )
