"""How well the number of labels per example is predicted."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from sigmoidf1_jax._inputs import Labels, Weights, Where
from sigmoidf1_jax.metrics import _prepare, set_based
from sigmoidf1_jax.metrics._prepare import Ranking
from sigmoidf1_jax.metrics.set_based import Decisions


def label_count_error(
    decisions: Decisions, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    r"""Mean over examples of $|\,|\hat Y_i| - |Y_i|\,|$: by how many labels the count is off.

    Arguments and errors as in `f_beta`; masked entries count on neither side.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.label_count_error(jnp.array([[1, 1], [0, 0]]), jnp.array([[1, 0], [1, 1]]))
      Array(1.5, dtype=float32)
    """
    surplus, ranking = _surplus(decisions, labels, where, weights)
    return _prepare.example_mean(jnp.abs(surplus), ranking)


def label_count_bias(
    decisions: Decisions, labels: Labels, *, where: Where = None, weights: Weights = None
) -> Float[Array, ""]:
    r"""Mean over examples of $|\hat Y_i| - |Y_i|$: positive if too many labels are predicted.

    Arguments and errors as in `f_beta`; masked entries count on neither side.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.metrics.label_count_bias(jnp.array([[1, 1], [0, 0]]), jnp.array([[1, 0], [1, 1]]))
      Array(-0.5, dtype=float32)
    """
    surplus, ranking = _surplus(decisions, labels, where, weights)
    return _prepare.example_mean(surplus, ranking)


def _surplus(
    decisions: Any, labels: Any, where: Where, weights: Weights
) -> tuple[Float[Array, " examples"], Ranking]:
    chosen, true = set_based.binary(decisions, labels, where)
    dtype = jnp.result_type(float)
    ranking = _prepare.prepare(chosen.astype(dtype), true, where, weights)
    difference = ranking.scores - ranking.labels.astype(dtype)
    return jnp.sum(difference, -1), ranking
