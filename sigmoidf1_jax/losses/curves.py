"""Losses that rank the examples of a label: area under ROC and precision-recall curves."""

from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sigmoidf1_jax import objectives
from sigmoidf1_jax._inputs import AnyArray, Labels, Logits, Weights, Where
from sigmoidf1_jax.losses._state import with_init
from sigmoidf1_jax.objective import AxisName
from sigmoidf1_jax.objectives.curves import (
    AveragePrecision,
    AveragePrecisionState,
    DualBound,
    DualState,
)
from sigmoidf1_jax.surrogates import Surrogate

__all__ = [
    "auc_margin",
    "average_precision",
    "f_bound",
    "precision_at_recall",
    "recall_at_precision",
]


def auc_margin(
    logits: Logits,
    labels: Labels,
    margin: ArrayLike = 1.0,
    *,
    surrogate: Surrogate | None = None,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""AUC margin loss (AUCM): a squared-hinge surrogate of 1 - ROC AUC without pairs.

    Per label, with s the score, p the share of positives and E the mean over the batch,
    $\min_{a,b}\max_{\alpha \ge 0}\ (1-p)\,E[(s-a)^2 y] + p\,E[(s-b)^2(1-y)]
    + 2\alpha\,(p(1-p)m + E[p\,s(1-y) - (1-p)\,s\,y]) - p(1-p)\,\alpha^2$.
    On a batch the three inner problems have a closed form: a and b are the classes' mean scores
    and $\alpha = \max(0, m + b - a)$, so the loss is $p(1-p)$ times the classes' variances plus
    a squared hinge on the distance of their means: a function of sums, without state. Pass a, b,
    alpha to run the min-max by gradient steps instead: they are leaves of the objective, so
    `jax.grad` with respect to it gives their gradients (ascend in alpha).

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      margin: m, finite: the distance that the classes' mean scores should have. A public multilabel
        class ignores it.
      surrogate: the score; None is `surrogates.probability()`, `surrogates.unbounded()` takes
        logits as they are.
      a: the positives' centre, scalar or [num_labels]; None solves for it.
      b: the negatives' centre, scalar or [num_labels]; None solves for it.
      alpha: the multiplier, scalar or [num_labels]; None solves for it.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel within each label and are refused.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar: the mean over labels, where a label with one class contributes 0; >= 0 unless a, b,
      alpha are given.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        `margin` that is not finite; on concrete arrays also NaN logits, labels outside [0, 1] and
        negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Yuan et al., Large-scale Robust Deep AUC Maximization, ICCV 2021; Ying et al.,
    Stochastic Online AUC Maximization, NIPS 2016.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.auc_margin(logits, labels)), 4)
      0.0377
    """
    objective = objectives.auc_margin(margin, surrogate=surrogate, a=a, b=b, alpha=alpha)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


@with_init(DualBound.init)
def recall_at_precision(
    logits: Logits,
    labels: Labels,
    state: DualState,
    precision: ArrayLike = 0.8,
    *,
    dual_rate: ArrayLike = 0.1,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> tuple[Float[Array, ""], DualState]:
    r"""Maximise recall where precision is at least $\pi$: hinge bounds and a dual variable.

    Per label, with $L_+, L_-$ the mean hinges of positives and negatives over the batch and p
    the share of positives: $\min \max_{\lambda \ge 0}\ L_+ + \lambda\,(L_+ +
    \frac{\pi}{1-\pi} L_- - p)$. The constraint holds when the bound on precision reaches $\pi$
    at the threshold z = 0.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      state: a `DualState`, from `recall_at_precision.init(num_labels)` ($\lambda$ = 1) or the last
        call.
      precision: $\pi$ in (0, 1), scalar or [num_labels].
      dual_rate: step >= 0 of the ascent in $\lambda$, after which it is projected on $\lambda \ge
        0$.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel within each label and are refused.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        and the state are of.

    Returns:
      (value, state): the Lagrangian at the state's multipliers, a scalar, the mean over labels,
      which can be negative; and a `DualState` one ascent step on. No gradient flows through the
      state, and it takes in no NaN.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range; on concrete arrays also NaN logits, labels outside [0, 1] and
        negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Eban et al., Scalable Learning of Non-Decomposable Objectives, AISTATS 2017.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.0], [-2.0]]), jnp.array([[1], [0]])
      >>> state = sf.losses.recall_at_precision.init(1)
      >>> value, state = sf.losses.recall_at_precision(logits, labels, state)
      >>> float(value), state.multiplier.tolist()
      (0.5, [1.0])
    """
    objective = objectives.recall_at_precision(precision, dual_rate=dual_rate)
    return objective(logits, labels, state, where=where, weights=weights, axis_name=axis_name)


@with_init(DualBound.init)
def precision_at_recall(
    logits: Logits,
    labels: Labels,
    state: DualState,
    recall: ArrayLike = 0.8,
    *,
    dual_rate: ArrayLike = 0.1,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> tuple[Float[Array, ""], DualState]:
    r"""Maximise precision where recall is at least $\rho$: hinge bounds and a dual variable.

    Per label, with $L_+, L_-$ the mean hinges of positives and negatives over the batch and p the
    share of positives: $\min \max_{\lambda \ge 0}\ L_- + \lambda\,(L_+ - (1 - \rho)\,p)$; at a
    fixed recall precision is highest where there are fewest false positives.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      state: a `DualState`, from `precision_at_recall.init(num_labels)` ($\lambda$ = 1) or the last
        call.
      recall: $\rho$ in (0, 1), scalar or [num_labels].
      dual_rate: step >= 0 of the ascent in $\lambda$, after which it is projected on $\lambda \ge
        0$.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel within each label and are refused.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        and the state are of.

    Returns:
      (value, state): the Lagrangian at the state's multipliers, a scalar, the mean over labels,
      which can be negative; and a `DualState` one ascent step on. No gradient flows through the
      state, and it takes in no NaN.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range; on concrete arrays also NaN logits, labels outside [0, 1] and
        negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Eban et al., AISTATS 2017.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.0], [-2.0]]), jnp.array([[1], [0]])
      >>> state = sf.losses.precision_at_recall.init(1)
      >>> value, state = sf.losses.precision_at_recall(logits, labels, state, 0.5)
      >>> float(value), [round(x, 4) for x in state.multiplier.tolist()]
      (0.25, [1.025])
    """
    objective = objectives.precision_at_recall(recall, dual_rate=dual_rate)
    return objective(logits, labels, state, where=where, weights=weights, axis_name=axis_name)


@with_init(DualBound.init)
def f_bound(
    logits: Logits,
    labels: Labels,
    state: DualState,
    beta: ArrayLike = 1.0,
    *,
    dual_rate: ArrayLike = 0.1,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> tuple[Float[Array, ""], DualState]:
    r"""Maximise a lower bound of F-beta: hinge bounds, an auxiliary and a dual variable.

    $F_\beta$ is largest where $(\beta^2 fn + fp) / tp$ is smallest. Per label, with $L_+, L_-$ the
    mean hinges of positives and negatives over the batch and p the share of positives, $fn \le
    L_+$, $fp \le L_-$ and $tp \ge p - L_+$; with $\varphi p$ for the denominator this is $\min
    \min_{.01 \le \varphi \le 1} \max_{\lambda \ge 0}\ \frac{\beta^2 L_+ + L_-}{\varphi} +
    \lambda\,(L_+ - (1 - \varphi)\,p)$; the best $\varphi = \sqrt{(\beta^2 L_+ + L_-) / (\lambda
    p)}$ is put in. (Times p, so that a label absent from the batch keeps the gradient of its false
    positives.)

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      state: a `DualState`, from `f_bound.init(num_labels)` ($\lambda$ = 1) or the last call.
      beta: $\beta$ > 0, weight of recall, scalar or [num_labels].
      dual_rate: step >= 0 of the ascent in $\lambda$, after which it is projected on $\lambda \ge
        0$.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel within each label and are refused.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        and the state are of.

    Returns:
      (value, state): the Lagrangian at the state's multipliers, a scalar, the mean over labels,
      which can be negative; and a `DualState` one ascent step on. No gradient flows through the
      state, and it takes in no NaN.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range; on concrete arrays also NaN logits, labels outside [0, 1] and
        negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Eban et al., AISTATS 2017 (F-score).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.5], [-2.0]]), jnp.array([[1], [0]])
      >>> state = sf.losses.f_bound.init(1)
      >>> value, state = sf.losses.f_bound(logits, labels, state)
      >>> round(float(value), 4), [round(x, 4) for x in state.multiplier.tolist()]
      (0.4571, [1.0104])
    """
    objective = objectives.f_bound(beta, dual_rate=dual_rate)
    return objective(logits, labels, state, where=where, weights=weights, axis_name=axis_name)


@with_init(AveragePrecision.init)
def average_precision(
    logits: Logits,
    labels: Labels,
    state: AveragePrecisionState,
    gamma: ArrayLike = 0.9,
    *,
    margin: ArrayLike = 1.0,
    index: Int[AnyArray, "*batch"] | None = None,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> tuple[Float[Array, ""], AveragePrecisionState]:
    r"""1 - average precision, by stochastic compositional optimisation (SOAP).

    Per label $1 - \mathrm{mean}_{i \in P} \frac{v_i}{u_i}$, with
    $\ell_{is} = \max(0, m - (z_i - z_s))^2$, $u_i$ a moving average of
    $\mathrm{mean}_s\,\ell_{is}$ over all examples and $v_i$ over positives. The mean of a ratio
    over a batch is biased; the moving averages, one per (label, example), remove that, and the
    gradient is $(u\,dv - v\,du)/u^2$ at their values (not the derivative of the value). O(batch²)
    work per label and O(batch²) memory.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      state: an `AveragePrecisionState`, from `average_precision.init(num_labels, num_examples)` or
        the last call. With `init(num_labels)` nothing is remembered and u, v are the batch's own
        means.
      gamma: weight of the current batch in the moving averages, in (0, 1].
      margin: m > 0.
      index: [...] integers, the examples' places in the training data, all different; needed
        exactly when the state remembers.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel within each label and are refused.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        and the state are of. Pairs are no sum over examples, so this gathers the logits of the
        batch.

    Returns:
      (value, state): a scalar in [0, 1], the mean over labels (0 for a label without positives),
      and the next `AveragePrecisionState`. No gradient flows through the state, and it takes in no
      NaN. Public code reports a value that is identically 0 on the first step; the gradients agree.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range, an index without a remembering state or the reverse; on
        concrete arrays also repeated indices, NaN logits, labels outside [0, 1] and negative
        weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Qi et al., Stochastic Optimization of Areas Under Precision-Recall Curves with Provable
    Convergence, NeurIPS 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [1.5], [-1.0]]), jnp.array([[1], [0], [0]])
      >>> state = sf.losses.average_precision.init(1)
      >>> value, state = sf.losses.average_precision(logits, labels, state)
      >>> round(float(value), 4)
      0.2
    """
    objective = objectives.average_precision(gamma, margin=margin)
    return objective(
        logits, labels, state, index=index, where=where, weights=weights, axis_name=axis_name
    )
