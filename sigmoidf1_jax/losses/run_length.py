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
from sigmoidf1_jax._plain import number
from sigmoidf1_jax.losses._define import stateful
from sigmoidf1_jax.objective import StatefulObjective, Statistics


class TencentState(NamedTuple):
    """Per label: batches in a row with a positive, and drawn batches in a row without."""

    positive_run: Float[Array, " labels"]
    negative_run: Float[Array, " labels"]


class TencentSums(NamedTuple):
    """Per label: weighted cross-entropy, weight, number of entries that make it present."""

    total: Float[Array, " labels"]
    weight: Float[Array, " labels"]
    present: Float[Array, " labels"]


def _init(num_labels: int) -> TencentState:
    """Zero runs for `num_labels` labels."""
    return TencentState(jnp.zeros(num_labels), jnp.zeros(num_labels))


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

    init = staticmethod(_init)

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
        entropy = pos_weight * y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z)
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


@stateful(_init, "key")
def tencent(
    pos_weight: ArrayLike = 12.0,
    threshold: ArrayLike = 0.7,
    negative_rate: ArrayLike = 0.3,
) -> Tencent:
    r"""The loss of Tencent ML-Images (CE+T): labels lose weight the longer they stay present.

    $\sum_c r_c \cdot \mathrm{mean}_b(w_+ y\,\mathrm{softplus}(-z) + (1-y)\,\mathrm{softplus}(z))$.
    For a label with a positive in the batch $r = \max(.01, -\log_{10}((.01 + n_+)/10))$, $n_+$
    the batches in a row that had one; for an absent label that is drawn
    $r = -\log_{10}((8 + n_-)/10)$, or .001 where that is at most .01; for others 0. A sum over
    labels, so its size grows with their number. For large vocabularies with rare labels.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape, in [0, 1], or -1 for unknown entries, which cost nothing.
      state: from `tencent.init(num_labels)` or the last call.
      pos_weight: $w_+$ >= 0, weight of positives.
      threshold: a label is present if any of its entries is >= this, in [0, 1].
      negative_rate: the chance that an absent label is drawn, in [0, 1].
      key: random key of the draw; the same on all devices, a new one for every call.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape.
      axis_name: mapped axis whose global batch the loss and the state are of.

    Returns:
      (value, state): a scalar >= 0 and the next `TencentState`.

    Raises:
      TypeError: no key; otherwise as in `sigmoid_f1`.

    Source: Wu et al., Tencent ML-Images, IEEE Access 2019, as its published code computes it.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, -1.0]]), jnp.array([[1, 0]])
      >>> state = sf.losses.tencent.init(2)
      >>> value, state = sf.losses.tencent(logits, labels, state, key=jax.random.key(0))
      >>> state.positive_run
      Array([1., 0.], dtype=float32)
    """
    _inputs.check_hyperparameter("pos_weight", pos_weight, low=0.0)
    for name, value in (("threshold", threshold), ("negative_rate", negative_rate)):
        _inputs.check_hyperparameter(name, value, low=0.0, high=1.0)
    return Tencent(number(pos_weight), number(threshold), number(negative_rate))
