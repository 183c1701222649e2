"""The loss of Tencent ML-Images (CE+T): run-length weights per label, in an explicit state."""

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import objectives
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.losses._state import with_init
from sigmoidf1_jax.objective import AxisName
from sigmoidf1_jax.objectives.run_length import Tencent, TencentState

__all__ = [
    "tencent",
]


@with_init(Tencent.init)
def tencent(
    logits: Logits,
    labels: Labels,
    state: TencentState,
    pos_weight: ArrayLike = 12.0,
    threshold: ArrayLike = 0.7,
    negative_rate: ArrayLike = 0.3,
    *,
    key: Array,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> tuple[Float[Array, ""], TencentState]:
    r"""The loss of Tencent ML-Images (CE+T): labels lose weight the longer they stay present.

    $\sum_c r_c \cdot \mathrm{mean}_b(w_+ y\,\mathrm{softplus}(-z) + (1-y)\,\mathrm{softplus}(z))$.
    For a label with a positive in the batch $r = \max(.01, -\log_{10}((.01 + n_+)/10))$, $n_+$
    the batches in a row that had one; for an absent label that is drawn
    $r = -\log_{10}((8 + n_-)/10)$, or .001 where that is at most .01; for others 0. A sum over
    labels, so its size grows with their number. For large vocabularies with rare labels.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1], or -1 for unknown entries, which
        cost nothing.
      state: a `TencentState`, from `tencent.init(num_labels)` or the last call.
      pos_weight: $w_+$ >= 0, weight of positives, scalar or [num_labels].
      threshold: a label is present if any of its entries is >= this, in [0, 1].
      negative_rate: the chance that an absent label is drawn, in [0, 1].
      key: random key of the draw; the same on all devices, a new one for every call.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel within each label and are refused.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        and the state are of.

    Returns:
      (value, state): a scalar >= 0 and the next `TencentState`. No gradient flows through the
      state, and it takes in no NaN.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range; on concrete arrays also NaN logits, labels that are neither -1
        nor in [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, a `where` that is not bool, or no
        `key`.

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
    objective = objectives.tencent(pos_weight, threshold, negative_rate)
    return objective(
        logits, labels, state, key=key, where=where, weights=weights, axis_name=axis_name
    )
