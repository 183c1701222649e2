"""Losses per entry (example, label), unreduced; as objectives they are means over entries."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax._inputs import per_label
from sigmoidf1_jax.losses._define import pointwise


@pointwise
def binary_cross_entropy(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    pos_weight: ArrayLike = 1.0,
    label_smoothing: ArrayLike = 0.0,
) -> Float[Array, "*batch labels"]:
    r"""Cross-entropy of every label on its own (CE).

    $\ell = w_+\,y\,\mathrm{softplus}(-z) + (1-y)\,\mathrm{softplus}(z)$, after
    $y \leftarrow (1-\epsilon)\,y + \epsilon/2$. The losses are unreduced, [..., num_labels]; the
    objective is their mean over the entries that count.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1].
      pos_weight: weight of positives, scalar or [num_labels].
      label_smoothing: $\epsilon$ in [0, 1].
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses >= 0, [..., num_labels].

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> sf.losses.binary_cross_entropy(jnp.array([0.0, 2.0]), jnp.array([1, 0]))
      Array([0.6931472, 2.126928 ], dtype=float32)
    """
    pos_weight = per_label("pos_weight", pos_weight, logits)
    smoothing = per_label("label_smoothing", label_smoothing, logits)
    labels = (1 - smoothing) * labels + smoothing / 2
    return pos_weight * labels * jax.nn.softplus(-logits) + (1 - labels) * jax.nn.softplus(logits)


@pointwise
def focal(
    logits: Float[Array, "*batch labels"],
    labels: Float[Array, "*batch labels"],
    gamma: ArrayLike = 2.0,
    alpha: ArrayLike | None = None,
) -> Float[Array, "*batch labels"]:
    r"""Focal loss: cross-entropy with the weight of easy entries reduced.

    $\ell = \alpha_t (1-p_t)^\gamma\,\mathrm{CE}(z, y)$, $p_t = p\,y + (1-p)(1-y)$,
    $\alpha_t = \alpha y + (1-\alpha)(1-y)$, from log-space. The losses are unreduced; the
    objective is their mean over the entries that count.

    Args:
      logits: [..., num_labels], floating.
      labels: same shape, in [0, 1].
      gamma: focusing exponent >= 0; 0 gives `binary_cross_entropy`.
      alpha: weight of positives in [0, 1], or None for no weights.
      where: True where an entry counts; others are 0.
      weights: weights >= 0, broadcast to the labels' shape.

    Returns:
      Losses >= 0, [..., num_labels].

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, eq. 5. The torch code
    published with sigmoidF1 swaps logits and labels; this does not.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> [round(float(x), 3) for x in sf.losses.focal(jnp.array([0.0, 2.0]), jnp.array([1, 0]))]
      [0.173, 1.65]
    """
    # log(1 - p_t): for hard labels log_sigmoid of the signed logit, exact at any logit; for soft
    # labels the log of a mixture that is bounded away from 0.
    is_hard = (labels == 0) | (labels == 1)
    soft = jnp.where(is_hard, 0.5, labels)
    p = jax.nn.sigmoid(logits)
    log_miss = jnp.where(
        is_hard,
        jax.nn.log_sigmoid((1 - 2 * labels) * logits),
        jnp.log(p * (1 - soft) + (1 - p) * soft),
    )
    entropy = labels * jax.nn.softplus(-logits) + (1 - labels) * jax.nn.softplus(logits)
    loss = jnp.exp(per_label("gamma", gamma, logits) * log_miss) * entropy
    if alpha is not None:
        alpha = per_label("alpha", alpha, logits)
        loss *= alpha * labels + (1 - alpha) * (1 - labels)
    return loss
