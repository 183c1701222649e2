"""The loss of Tencent ML-Images (CE+T): run-length weights per label, in an explicit state."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs, _safe, averaging
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where, per_label
from sigmoidf1_jax._logistic import cross_entropy
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.objective import StatefulObjective, Statistics

__all__ = [
    "tencent",
]


class TencentState(NamedTuple):
    """Per label: batches in a row with a positive, and drawn batches in a row without."""

    positive_run: Float[Array, " labels"]
    negative_run: Float[Array, " labels"]


class TencentSums(NamedTuple):
    """Per label: weighted cross-entropy, weight, number of entries that make it present."""

    total: Float[Array, " labels"]
    weight: Float[Array, " labels"]
    present: Float[Array, " labels"]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["pos_weight", "threshold", "negative_rate"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True, repr=False)
class Tencent(StatefulObjective):
    """See `tencent`."""

    pos_weight: ArrayLike
    threshold: ArrayLike
    negative_rate: ArrayLike

    @staticmethod
    def init(num_labels: int) -> TencentState:
        """Zero runs for `num_labels` labels."""
        return TencentState(jnp.zeros(num_labels), jnp.zeros(num_labels))

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        labels = _inputs.as_array(labels, "labels")
        # Exactly -1: NaN and other numbers outside [0, 1] are mistakes.
        known = labels.astype(jnp.float32) != -1
        mask, _ = _inputs.entry_weights(labels.shape, jnp.float32, where, None)
        known = known if mask is None else known & mask
        z, y, w = _inputs.prepare(logits, labels, known, weights)
        _inputs.refuse_label_weights(weights, z.shape, "macro")
        pos_weight = per_label("pos_weight", self.pos_weight, z)
        entropy = cross_entropy(z, pos_weight * y, 1 - y)
        present = (y >= jnp.asarray(self.threshold, y.dtype)) & (w > 0)
        # Entries with y = -1 cost nothing but are part of the batch over which the mean runs.
        _, batch = _inputs.entry_weights(labels.shape, z.dtype, where, weights)
        axes = averaging.leading_axes(z)
        return TencentSums(
            jnp.sum(w * entropy, axes), jnp.sum(batch, axes), jnp.sum(present.astype(z.dtype), axes)
        )

    def value(
        self, statistics: TencentSums, state: TencentState, *, key: Array | None = None, **_: Any
    ) -> tuple[Array, TencentState]:
        if key is None:
            raise TypeError("tencent draws labels: pass key=, for instance from jax.random.key")
        rate = jnp.asarray(self.negative_rate, jnp.float32)
        drawn = jax.random.uniform(key, statistics.total.shape) < rate
        return self.value_given_draw(statistics, state, drawn)

    def value_given_draw(
        self, statistics: TencentSums, state: TencentState, drawn: Array
    ) -> tuple[Array, TencentState]:
        """`value` with the absent labels that take part already drawn, bool [num_labels]."""
        present = statistics.present > 0
        drawn = drawn & ~present
        positive_run = jnp.where(present, state.positive_run + 1, 0)
        negative_run = jnp.where(present, 0, state.negative_run + drawn.astype(jnp.float32))
        positive = jnp.maximum(-jnp.log10((0.01 + positive_run) / 10), 0.01)
        negative = -jnp.log10((8 + negative_run) / 10)
        negative = jnp.where(negative > 0.01, negative, 0.001)
        coefficient = jnp.where(present, positive, jnp.where(drawn, negative, 0))
        means = _safe.ratio(statistics.total, statistics.weight)
        value = jnp.sum(coefficient.astype(means.dtype) * means)
        return value, TencentState(positive_run, negative_run)


def tencent(
    pos_weight: ArrayLike = 12.0,
    threshold: ArrayLike = 0.7,
    negative_rate: ArrayLike = 0.3,
) -> Tencent:
    """`losses.tencent`: cross-entropy with run-length weights."""
    _inputs.check_hyperparameter("pos_weight", pos_weight, low=0.0)
    for name, value in (("threshold", threshold), ("negative_rate", negative_rate)):
        _inputs.check_hyperparameter(name, value, low=0.0, high=1.0)
    return Tencent(number(pos_weight), number(threshold), number(negative_rate))
