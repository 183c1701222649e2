"""Losses on the number of labels of an example."""

from typing import Literal

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import objectives
from sigmoidf1_jax._inputs import AnyArray, Labels, Logits, Weights, Where
from sigmoidf1_jax.objective import AxisName

__all__ = [
    "cross_entropy_with_count",
    "label_count",
]


def cross_entropy_with_count(
    logits: Logits,
    labels: Labels,
    count_weight: ArrayLike = 1.0,
    variant: Literal["corrected", "draft", "seed"] = "corrected",
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Cross-entropy plus a penalty on the number of predicted labels (CE+N).

    $\ell = \frac1C \sum_c \mathrm{CE}(z_c, y_c) + \frac{\lambda}{C}
    \left(\sum_c p_c - \sum_c y_c\right)^2$ per example. `variant="draft"` is the first draft's
    formula, $\frac1C\sum_c \mathrm{CE} + \lambda\, tp / |\{p > .5\}|$: its indicator has no
    gradient and its sign would reward wrong predictions, so it trains exactly like
    cross-entropy. It is kept to show that.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      count_weight: $\lambda$ >= 0; 0 gives the mean of `binary_cross_entropy`.
      variant: "corrected" or "draft"; "seed", its old name, is taken as "draft".
      where: bool, True where an entry counts; broadcasts to the labels' shape. C is the number of
        those in the example.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over the examples that count.

    Raises:
      ValueError: shapes that differ or do not broadcast, a `count_weight` out of range, another
        `variant`; on concrete arrays also NaN logits, labels outside [0, 1] and negative weights,
        where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: the draft that preceded Benedict et al., sigmoidF1, TMLR 2022 (CE+N).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.0, 0.0]]), jnp.array([[1, 1]])
      >>> round(float(sf.losses.cross_entropy_with_count(logits, labels)), 4)
      1.1931
    """
    objective = objectives.cross_entropy_with_count(count_weight, variant)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def label_count(
    logits: Float[AnyArray, "*batch counts"],
    labels: Labels,
    *,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Cross-entropy of the number of labels: a head that learns how many to predict.

    $\ell = -\log \mathrm{softmax}(u)_k$ with $k = \min(|y|, K)$ and u the logits of the counts
    0 to K. Train the head on features whose gradient is stopped (`jax.lax.stop_gradient`), as
    the paper does, and predict the k best labels with the most probable count k. A calibrated
    head's expected count is the mean number of labels.

    Args:
      logits: [..., max_count + 1], floating: one per count, not one per label.
      labels: [..., num_labels] with the same leading axes; bool, integer or floating, in [0, 1].
      where: bool, True where an entry counts; broadcasts to the labels' shape. Masked labels are
        not counted; an example with all masked does not count.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar >= 0, the mean over the examples that count.

    Raises:
      ValueError: leading axes that differ, a `where` or weights that do not broadcast; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Du et al., ML-Net: multi-label classification of biomedical texts with deep neural
    networks, JAMIA 2019 (label count prediction network).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> counts, labels = jnp.zeros((1, 4)), jnp.array([[1, 0, 1]])
      >>> round(float(sf.losses.label_count(counts, labels)), 4)
      1.3863
    """
    objective = objectives.label_count()
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)
