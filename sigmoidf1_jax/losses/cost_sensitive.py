"""F-beta and Jaccard as weighted cross-entropies whose weights follow the running score."""

from typing import Literal

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import objectives
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.confusion import Confusion
from sigmoidf1_jax.losses._state import with_init
from sigmoidf1_jax.objective import AxisName
from sigmoidf1_jax.objectives.cost_sensitive import CostSensitive
from sigmoidf1_jax.surrogates import Surrogate

__all__ = [
    "cost_sensitive_f_beta",
    "cost_sensitive_jaccard",
]


@with_init(CostSensitive.init)
def cost_sensitive_f_beta(
    logits: Logits,
    labels: Labels,
    state: Confusion,
    beta: ArrayLike = 1.0,
    *,
    average: Literal["macro", "micro"] = "macro",
    decay: ArrayLike = 0.95,
    level: ArrayLike | None = None,
    surrogate: Surrogate | None = None,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> tuple[Float[Array, ""], Confusion]:
    r"""F-beta by a weighted cross-entropy whose weights follow the F-beta reached so far.

    F = N / D is largest, at F = $\lambda^*$, where $N - \lambda^* D$ is largest (and 0). For
    F-beta that is a weighted error, here $\ell = (1 + \beta^2 - \lambda)\,y\,\mathrm{softplus}(-z)
    + \lambda\,(1-y)\,\mathrm{softplus}(z)$ averaged over entries, with $\lambda$ the F-beta of
    moving-average counts: of each label ("macro") or of all ("micro"). The Bayes decision,
    $p > \lambda / (1 + \beta^2)$, is at z = 0 of the trained network, so no threshold is needed.
    A label absent from a batch keeps a gradient: what the smooth F1 losses lack.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      state: running counts, a `Confusion`, from `cost_sensitive_f_beta.init(num_labels)` or the
        last call.
      beta: > 0; larger weighs recall more.
      average: "macro" (a $\lambda$ per label) or "micro" (one).
      decay: of the moving average of the counts, in [0, 1).
      level: a fixed $\lambda$ in [0, 1] instead of the running score, scalar or [num_labels]: train
        with a few and choose on validation data, as the theory does.
      surrogate: the decisions that are counted; None is `surrogates.hard()`,
        `surrogates.probability()` counts softly.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        and the state are of.

    Returns:
      (value, state): a scalar >= 0, the mean over the entries that count, and the next running
      counts, a `Confusion`. The counts include this batch; no gradient flows through them, and they
      take in no NaN.

    Raises:
      ValueError: shapes that differ or do not broadcast, a hyperparameter out of range, another
        `average`; on concrete arrays also NaN logits, labels outside [0, 1] and negative weights,
        where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Parambath et al., Optimizing F-Measures by Cost-Sensitive Classification, NIPS 2014;
    Dinkelbach, On Nonlinear Fractional Programming, 1967; Mao, Mohri and Zhong, ICML 2025.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, -1.0]]), jnp.array([[1, 0]])
      >>> state = sf.losses.cost_sensitive_f_beta.init(2)
      >>> value, state = sf.losses.cost_sensitive_f_beta(logits, labels, state)
      >>> round(float(value), 4)
      0.3093
    """
    objective = objectives.cost_sensitive_f_beta(
        beta, average=average, decay=decay, level=level, surrogate=surrogate
    )
    return objective(logits, labels, state, where=where, weights=weights, axis_name=axis_name)


@with_init(CostSensitive.init)
def cost_sensitive_jaccard(
    logits: Logits,
    labels: Labels,
    state: Confusion,
    *,
    average: Literal["macro", "micro"] = "macro",
    decay: ArrayLike = 0.95,
    level: ArrayLike | None = None,
    surrogate: Surrogate | None = None,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> tuple[Float[Array, ""], Confusion]:
    r"""The Jaccard index by a weighted cross-entropy whose weights follow the index reached so far.

    J = N / D with N = tp, D = tp + fp + fn is largest, at J = $\lambda^*$, where $N - \lambda^* D$
    is largest (and 0). That is a weighted error, here $\ell = y\,\mathrm{softplus}(-z) +
    \lambda\,(1-y)\,\mathrm{softplus}(z)$ averaged over entries, with $\lambda$ the Jaccard index of
    moving-average counts: of each label ("macro") or of all ("micro"). The Bayes decision, $p >
    \lambda / (1 + \lambda)$, is at z = 0 of the trained network, so no threshold is needed. A label
    absent from a batch keeps a gradient.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      state: running counts, a `Confusion`, from `cost_sensitive_jaccard.init(num_labels)` or the
        last call.
      average: "macro" (a $\lambda$ per label) or "micro" (one).
      decay: of the moving average of the counts, in [0, 1).
      level: a fixed $\lambda$ in [0, 1] instead of the running score, scalar or [num_labels]: train
        with a few and choose on validation data, as the theory does.
      surrogate: the decisions that are counted; None is `surrogates.hard()`,
        `surrogates.probability()` counts softly.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        and the state are of.

    Returns:
      (value, state): a scalar >= 0, the mean over the entries that count, and the next running
      counts, a `Confusion`. The counts include this batch; no gradient flows through them, and they
      take in no NaN.

    Raises:
      ValueError: shapes that differ or do not broadcast, a hyperparameter out of range, another
        `average`; on concrete arrays also NaN logits, labels outside [0, 1] and negative weights,
        where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Dinkelbach, 1967, on the Jaccard index; Parambath et al., NIPS 2014.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0, -1.0]]), jnp.array([[1, 0]])
      >>> state = sf.losses.cost_sensitive_jaccard.init(2)
      >>> value, state = sf.losses.cost_sensitive_jaccard(logits, labels, state)
      >>> round(float(value), 4)
      0.2088
    """
    objective = objectives.cost_sensitive_jaccard(
        average=average, decay=decay, level=level, surrogate=surrogate
    )
    return objective(logits, labels, state, where=where, weights=weights, axis_name=axis_name)
