"""Losses that are one minus a score of soft confusion counts: sigmoidF1 and its family."""

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import objectives, scores
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.objective import AxisName
from sigmoidf1_jax.scores import Score
from sigmoidf1_jax.surrogates import Surrogate

__all__ = [
    "any_loss",
    "balanced_accuracy",
    "double_soft_f1",
    "f_beta",
    "from_score",
    "g_mean",
    "jaccard",
    "mcc",
    "score_oriented",
    "sigmoid_f1",
    "soft_f1",
    "tversky",
    "unbounded_f1",
]


def sigmoid_f1(
    logits: Logits,
    labels: Labels,
    slope: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    surrogate: Surrogate | None = None,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""sigmoidF1: 1 - F1 of counts made smooth by a tuned sigmoid.

    $s = S(z; \beta, \eta) = 1/(1+e^{-\beta(z+\eta)})$, $tp = \sum s\,y$, $fp = \sum s(1-y)$,
    $fn = \sum (1-s)\,y$; loss $1 - (2tp + a)/(2tp + fn + fp + a)$, averaged like the metric.
    As the slope grows it tends to 1 - F1 of the hard decisions z > -offset.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      slope: $\beta$ > 0, scalar or [num_labels].
      offset: $\eta$, finite, scalar or [num_labels].
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      smoothing: pseudo-count a >= 0. With 0 a label without positives in the batch has loss 1 and
        gradient 0; with a > 0 its false positives are pushed down.
      zero_division: the score of a label with neither positives nor predictions when a = 0, in
        [0, 1]. With NaN a label without positives in the batch is left out of the average, value
        and gradient (for "samples", an example without positives); where all are left out the loss
        is 0. With `average=None` its loss is NaN.
      surrogate: replaces S; `surrogates.sigmoid_of_probability(slope, offset)` is the published
        code's reading. Slope and offset must then be left at their defaults.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        slope or offset beside a surrogate, a hyperparameter out of range, another `average`; on
        concrete arrays also NaN logits, labels outside [0, 1] and negative weights, where they
        count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Benedict et al., sigmoidF1: A Smooth F1 Score Surrogate Loss for Multilabel
    Classification, TMLR 2022.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits = jnp.array([[2.0, -1.0], [-3.0, 1.0]])
      >>> labels = jnp.array([[1, 0], [0, 1]])
      >>> round(float(sf.losses.sigmoid_f1(logits, labels, slope=2.0)), 4)
      0.0648
    """
    objective = objectives.sigmoid_f1(
        slope,
        offset,
        average=average,
        smoothing=smoothing,
        zero_division=zero_division,
        surrogate=surrogate,
    )
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def soft_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""Soft F1: 1 - F1 of counts in which probabilities stand for decisions.

    $s = \sigma(z)$, $tp = \sum s\,y$, $fp = \sum s(1-y)$, $fn = \sum (1-s)\,y$; loss $1 - (2tp +
    a)/(2tp + fn + fp + a)$, averaged like the metric. It is `sigmoid_f1` with slope 1 and offset 0.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      smoothing: pseudo-count a >= 0. With 0 a label without positives in the batch has loss 1 and
        gradient 0; with a > 0 its false positives are pushed down.
      zero_division: the score of a label with neither positives nor predictions when a = 0, in
        [0, 1]. With NaN a label without positives in the batch is left out of the average, value
        and gradient (for "samples", an example without positives); where all are left out the loss
        is 0. With `average=None` its loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: macroSoftF1 of the sigmoidF1 paper, with the factor 2 that its first draft lacks.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits = jnp.log(jnp.array([[4.0], [3 / 7], [2 / 3], [7 / 3]]))  # p = .8 .3 .4 .7
      >>> labels = jnp.array([[1], [0], [1], [0]])
      >>> round(float(1 - sf.losses.soft_f1(logits, labels)), 4)
      0.5714
    """
    objective = objectives.soft_f1(
        average=average, smoothing=smoothing, zero_division=zero_division
    )
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def double_soft_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""Mean of the soft F1 losses of the positive and of the negative class.

    $1 - \frac12(F_1(tp, fp, fn) + F_1(tn, fn, fp))$ with $F_1(tp, fp, fn) = (2tp + a)/(2tp + fn +
    fp + a)$ of counts of $s = \sigma(z)$. A label without positives still has a gradient through
    its negative class.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      smoothing: pseudo-count a >= 0, added to numerator and denominator of both scores.
      zero_division: the score of a class with neither members nor predictions when a = 0, in
        [0, 1]. With NaN a label without positives in the batch is left out of the average, value
        and gradient (for "samples", an example without positives); where all are left out the loss
        is 0. With `average=None` its loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Maiza, The Unknown Benefits of using a Soft-F1 Loss, 2019.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.double_soft_f1(logits, labels)), 4)
      0.1952
    """
    objective = objectives.double_soft_f1(
        average=average, smoothing=smoothing, zero_division=zero_division
    )
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def unbounded_f1(
    logits: Logits,
    labels: Labels,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""The paper's ablation: F1 of counts in which the logit itself stands for the decision.

    $1 - (2tp + a)/(2tp + fn + fp + a)$ with $s = z$, $tp = \sum s\,y$, $fp = \sum s(1-y)$, $fn =
    \sum (1-s)\,y$: counts can be negative and the loss can leave [0, 1]. Decide z > 0.5.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      smoothing: pseudo-count a >= 0. With 0 a label without positives in the batch has loss 1 and
        gradient 0; with a > 0 its false positives are pushed down.
      zero_division: the score of a label with neither positives nor predictions when a = 0, in
        [0, 1]. With NaN a label without positives in the batch is left out of the average, value
        and gradient (for "samples", an example without positives); where all are left out the loss
        is 0. With `average=None` its loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar, or [num_labels] for `average=None`, which can leave [0, 1]; in the logits' dtype,
      float32 at least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Benedict et al., sigmoidF1, TMLR 2022 (unboundedF1).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0], [0.5]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.unbounded_f1(logits, labels)), 4)
      0.2
    """
    objective = objectives.unbounded_f1(
        average=average, smoothing=smoothing, zero_division=zero_division
    )
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def f_beta(
    logits: Logits,
    labels: Labels,
    beta: ArrayLike = 1.0,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""1 - soft F-beta; beta > 1 weighs recall, beta < 1 precision.

    $1 - ((1+\beta^2)tp + a) / ((1+\beta^2)tp + \beta^2 fn + fp + a)$ of counts of soft decisions s:
    $tp = \sum s\,y$, $fp = \sum s(1-y)$, $fn = \sum (1-s)\,y$.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      beta: > 0, weight of recall; 1 gives `soft_f1`.
      surrogate: soft decisions from logits, one of `surrogates` or your own; None is
        `surrogates.probability()`.
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      smoothing: pseudo-count a >= 0. With 0 a label without positives in the batch has loss 1 and
        gradient 0; with a > 0 its false positives are pushed down.
      zero_division: the score of a label with neither positives nor predictions when a = 0, in
        [0, 1]. With NaN a label without positives in the batch is left out of the average, value
        and gradient (for "samples", an example without positives); where all are left out the loss
        is 0. With `average=None` its loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: van Rijsbergen, Information Retrieval, 1979, on soft counts.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.f_beta(logits, labels, beta=2.0)), 4)
      0.1448
    """
    objective = objectives.f_beta(
        beta, surrogate=surrogate, average=average, smoothing=smoothing, zero_division=zero_division
    )
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def tversky(
    logits: Logits,
    labels: Labels,
    alpha: ArrayLike = 0.5,
    beta: ArrayLike = 0.5,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""1 - soft Tversky index: false positives weighted by alpha, false negatives by beta.

    $1 - (tp + a) / (tp + \alpha\,fp + \beta\,fn + a)$ of counts of soft decisions; (.5, .5) gives
    soft F1 (with half its pseudo-count) and (1, 1) soft Jaccard.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      alpha: weight >= 0 of false positives.
      beta: weight >= 0 of false negatives.
      surrogate: soft decisions from logits, one of `surrogates` or your own; None is
        `surrogates.probability()`.
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      smoothing: pseudo-count a >= 0. With 0 a label without positives in the batch has loss 1 and
        gradient 0; with a > 0 its false positives are pushed down.
      zero_division: the score of a label with neither positives nor predictions when a = 0, in
        [0, 1]. With NaN a label without positives in the batch is left out of the average, value
        and gradient (for "samples", an example without positives); where all are left out the loss
        is 0. With `average=None` its loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Salehi et al., Tversky loss function, MLMI 2017.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.tversky(logits, labels, alpha=0.3, beta=0.7)), 4)
      0.1571
    """
    objective = objectives.tversky(
        alpha,
        beta,
        surrogate=surrogate,
        average=average,
        smoothing=smoothing,
        zero_division=zero_division,
    )
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def from_score(
    logits: Logits,
    labels: Labels,
    score: Score,
    surrogate: Surrogate | None = None,
    *,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""1 - any score of soft counts: metrics as losses.

    $1 - \mathrm{score}(tp, fp, fn, tn)$ of counts of soft decisions s: $tp = \sum s\,y$, $fp = \sum
    s(1-y)$, $fn = \sum (1-s)\,y$, $tn = \sum (1-s)(1-y)$. A label whose score is undefined (NaN
    although no NaN came in) is left out of the average.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      score: a function of a `Confusion`, elementwise over its shape: one of `scores`, your own, or
        `functools.partial(scores.f_beta, beta=2.0, smoothing=1.0)`, whose numbers become leaves.
      surrogate: soft decisions from logits, one of `surrogates` or your own; None is
        `surrogates.probability()`.
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      1 - the averaged score: a scalar, or [num_labels] for `average=None`; in the logits' dtype,
      float32 at least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        score that is not elementwise, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, a `where` that is not bool, or a
        `functools.partial` that binds by position.

    Source: Marchetti et al., Score-Oriented Loss functions, 2022; Han et al., AnyLoss, 2024.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.from_score(logits, labels, sf.scores.informedness)), 4)
      0.3881
    """
    objective = objectives.from_score(score, surrogate, average=average)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def jaccard(
    logits: Logits,
    labels: Labels,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""1 - soft Jaccard index (intersection over union): $1 - (tp + a)/(tp + fp + fn + a)$.

    The counts are those of soft decisions s: $tp = \sum s\,y$, $fp = \sum s(1-y)$, $fn = \sum
    (1-s)\,y$. Orders decisions as F1 does, J = F / (2 - F), but costs small overlaps more.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      surrogate: soft decisions from logits, one of `surrogates` or your own; None is
        `surrogates.probability()`.
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      smoothing: pseudo-count a >= 0. With 0 a label without positives in the batch has loss 1 and
        gradient 0; with a > 0 its false positives are pushed down.
      zero_division: the score of a label with neither positives nor predictions when a = 0, in
        [0, 1]. With NaN a label without positives in the batch is left out of the average, value
        and gradient (for "samples", an example without positives); where all are left out the loss
        is 0. With `average=None` its loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Rahman and Wang, Optimizing Intersection-Over-Union in Deep Neural Networks, 2016.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.jaccard(logits, labels)), 4)
      0.3059
    """
    objective = objectives.jaccard(
        surrogate=surrogate, average=average, smoothing=smoothing, zero_division=zero_division
    )
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def mcc(
    logits: Logits,
    labels: Labels,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""1 - soft Matthews correlation, in [0, 2].

    $1 - (tp\,tn - fp\,fn)/\sqrt{(tp+fp)(tp+fn)(tn+fp)(tn+fn)}$ of counts of soft decisions. Unlike
    F1 it also counts true negatives.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      surrogate: soft decisions from logits, one of `surrogates` or your own; None is
        `surrogates.probability()`.
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      zero_division: the score of a label with one class only, or with decisions for one class only,
        in [-1, 1]. With NaN such a label, and one without positives in the batch, is left out of
        the average, value and gradient; where all are left out the loss is 0. With `average=None`
        its loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 2], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        `zero_division` out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Abhishek and Hamarneh, Matthews Correlation Coefficient Loss, ISBI 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.mcc(logits, labels)), 4)
      0.3812
    """
    objective = objectives.mcc(surrogate=surrogate, average=average, zero_division=zero_division)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def g_mean(
    logits: Logits,
    labels: Labels,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""1 - the geometric mean of soft recall and soft specificity.

    $1 - \sqrt{\frac{tp}{tp + fn} \cdot \frac{tn}{tn + fp}}$ of counts of soft decisions.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      surrogate: soft decisions from logits, one of `surrogates` or your own; None is
        `surrogates.probability()`.
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      zero_division: the score of a label with one class only (public code gives NaN there), in
        [0, 1]. With NaN such a label, and one without positives in the batch, is left out of the
        average, value and gradient; where all are left out the loss is 0. With `average=None` its
        loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        `zero_division` out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Kubat and Matwin, 1997, on soft counts; Han et al., AnyLoss, 2024, whose hand-written
    gradient of it is four times too large.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.g_mean(logits, labels)), 4)
      0.1976
    """
    objective = objectives.g_mean(surrogate=surrogate, average=average, zero_division=zero_division)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def balanced_accuracy(
    logits: Logits,
    labels: Labels,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""1 - the mean of soft recall and soft specificity over the classes present.

    $1 - \frac12\left(\frac{tp}{tp + fn} + \frac{tn}{tn + fp}\right)$ of counts of soft decisions. A
    label with one class only keeps that class's recall, and its gradient.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      surrogate: soft decisions from logits, one of `surrogates` or your own; None is
        `surrogates.probability()`.
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      zero_division: the score of a label with neither class, in [0, 1]. With NaN a label without
        positives in the batch is left out of the average, value and gradient; where all are left
        out the loss is 0. With `average=None` its loss is NaN.
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`; in the logits' dtype, float32 at
      least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        `zero_division` out of range, another `average`; on concrete arrays also NaN logits, labels
        outside [0, 1] and negative weights, where they count (inside `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Brodersen et al., The Balanced Accuracy and Its Posterior Distribution, 2010, on soft
    counts.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.balanced_accuracy(logits, labels)), 4)
      0.1941
    """
    objective = objectives.balanced_accuracy(
        surrogate=surrogate, average=average, zero_division=zero_division
    )
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def any_loss(
    logits: Logits,
    labels: Labels,
    score: Score = scores.f1,
    *,
    slope: ArrayLike = 73.0,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""AnyLoss: any score of probabilities pushed towards 0 and 1 by a steep sigmoid.

    $s = S(\sigma(z); L, -\frac12)$, L = 73. The slope keeps the loss near the score of hard
    decisions; outside p in about [.4, .6] there is little gradient. Published code has NaN
    gradients at saturated outputs and for labels with one class.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      score: a function of a `Confusion`, elementwise over its shape: one of `scores`, your own, or
        `functools.partial(scores.f_beta, beta=2.0, smoothing=1.0)`, whose numbers become leaves.
        The paper uses accuracy, F-beta, the geometric mean and balanced accuracy.
      slope: L > 0, scalar or [num_labels].
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      1 - the averaged score: a scalar, or [num_labels] for `average=None`; in the logits' dtype,
      float32 at least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        slope out of range, a score that is not elementwise, another `average`; on concrete arrays
        also NaN logits, labels outside [0, 1] and negative weights, where they count (inside `jit`
        under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Han et al., AnyLoss: Transforming Classification Metrics into Loss Functions, KDD 2024.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.1], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.any_loss(logits, labels, sf.scores.g_mean)), 4)
      0.0721
    """
    objective = objectives.any_loss(score, slope=slope, average=average)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)


def score_oriented(
    logits: Logits,
    labels: Labels,
    score: Score = scores.f1,
    *,
    mu: ArrayLike = 0.5,
    delta: ArrayLike = 0.1,
    average: Average | None = "macro",
    where: Where = None,
    weights: Weights = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    r"""Score-oriented loss (SOL): 1 - a score of the expected confusion under random thresholds.

    The threshold is drawn from a raised cosine on $[\mu \pm \delta]$, and the soft decision is its
    CDF at $p = \sigma(z)$: $s = \frac12\left(1 + x + \frac{\sin \pi x}{\pi}\right)$ with $x = (p -
    \mu)/\delta$ clipped to [-1, 1]. Probabilities outside the band have no gradient. For a uniform
    prior use `from_score(score, surrogates.linear(mu, delta))`.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape; bool, integer or floating, in [0, 1].
      score: a function of a `Confusion`, elementwise over its shape: one of `scores`, your own, or
        `functools.partial(scores.f_beta, beta=2.0, smoothing=1.0)`, whose numbers become leaves.
      mu: centre of the thresholds, in [0, 1], scalar or [num_labels].
      delta: half their width, > 0, scalar or [num_labels]. The second derivative jumps at the ends
        of the band.
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted by
        their positives), "samples" (mean over examples) or None (one loss per label).
      where: bool, True where an entry counts; broadcasts to the labels' shape.
      weights: numbers >= 0 that broadcast to the labels' shape; weight 0 is the same as masked.
        Weights of labels, [num_labels], would cancel in the "macro" average and in None, and are
        refused there.
      axis_name: mapped axis (or axes) of `pmap`, `shard_map` or `vmap` whose global batch the loss
        is of.

    Returns:
      1 - the averaged score: a scalar, or [num_labels] for `average=None`; in the logits' dtype,
      float32 at least. NaN where an entry that counts is.

    Raises:
      ValueError: shapes that differ or do not broadcast, weights of labels where they cancel, a
        hyperparameter out of range, a score that is not elementwise, another `average`; on concrete
        arrays also NaN logits, labels outside [0, 1] and negative weights, where they count (inside
        `jit` under `checkify`).
      TypeError: logits that are not floating, complex labels, or a `where` that is not bool.

    Source: Marchetti et al., Score-Oriented Loss functions, Pattern Recognition 2022.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.1], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.score_oriented(logits, labels)), 4)
      0.1512
    """
    objective = objectives.score_oriented(score, mu=mu, delta=delta, average=average)
    return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)
