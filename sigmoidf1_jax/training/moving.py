"""Moving-average statistics: an F1 loss of many small batches instead of one."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.objective import Objective, StatefulObjective, Statistics


class MovingState(NamedTuple):
    """Moving average of the statistics before bias correction, and the correction.

    `weight` is the sum of the averaging weights, $1 - d^t$ after t batches of decay d.
    """

    statistics: Statistics
    weight: Float[Array, ""]


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["objective", "decay"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True, repr=False)
class Moving(StatefulObjective):
    """See `moving`."""

    objective: Objective
    decay: ArrayLike

    def init(self, num_labels: int) -> MovingState:
        """No batch yet: zeros in the structure of the objective's statistics."""
        example = jnp.zeros((1, num_labels), jnp.float32)
        shapes = jax.eval_shape(self.objective.statistics, example, example)
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        return MovingState(zeros, jnp.zeros((), jnp.float32))

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        return self.objective.statistics(logits, labels, where=where, weights=weights)

    def value(
        self, statistics: Statistics, state: MovingState, **_: Any
    ) -> tuple[Array, MovingState]:
        decay = jnp.asarray(self.decay, state.weight.dtype)
        weight = decay * state.weight + (1 - decay)

        def moved(old: Array, new: Array) -> Array:
            d = decay.astype(new.dtype)
            return d * old.astype(new.dtype) + (1 - d) * new

        average = jax.tree.map(moved, state.statistics, statistics)
        corrected = jax.tree.map(lambda x: x / weight.astype(x.dtype), average)
        kept = jax.tree.map(lambda x, old: x.astype(old.dtype), average, state.statistics)
        return self.objective.value(corrected), MovingState(kept, weight)


def moving(objective: Objective, decay: ArrayLike = 0.9) -> Moving:
    r"""The objective on moving averages of its statistics, for batches too small for it.

    $\bar S_t = (d\,\bar S_{t-1} + (1-d)\,S_t)$, corrected for its start by $1 - d^t$; the loss is
    the objective's value of the corrected average. A label that is absent from the batch but
    present in the average has a score, and its false positives a gradient. The gradient flows
    through the current batch's part only, so it is $(1-d)/(1-d^t)$ times the gradient that the
    averaged statistics would have: optimizers that normalise, as Adam does, do not mind.

    Args:
      objective: any objective without state, also a weighted sum.
      decay: d in [0, 1), the memory is about 1 / (1 - d) batches; 0 is the objective itself.

    Returns:
      A stateful objective: `init(num_labels)`, then `(logits, labels, state, where=, weights=,
      axis_name=) -> (value, state)`. Under `axis_name` the statistics are summed first, so that
      the state stays equal on all devices; in a checkpoint it is a pytree of arrays.

    Raises:
      TypeError: an objective with state, or none at all.
      ValueError: decay outside [0, 1).

    Source: the running means of Wang et al., Momentum Accelerates the Convergence of Stochastic
    AUPRC Maximization, 2022, applied to confusion counts: O(labels) numbers, not one per
    example.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> objective = sf.training.moving(sf.objectives.soft_f1(), decay=0.9)
      >>> state = objective.init(1)
      >>> _, state = objective(jnp.array([[2.0]]), jnp.array([[1]]), state)
      >>> absent = lambda z: objective(z, jnp.array([[0]]), state)[0]
      >>> bool(jax.grad(absent)(jnp.array([[1.0]]))[0, 0] > 0)
      True
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective without state, got {objective!r}")
    _inputs.check_hyperparameter("decay", decay, low=0.0, below=1.0)
    return Moving(objective, decay)
