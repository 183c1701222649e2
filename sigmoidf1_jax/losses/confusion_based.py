"""Losses that are one minus a score of soft confusion counts: sigmoidF1 and its family."""

from jax.typing import ArrayLike

from sigmoidf1_jax import _inputs, scores, surrogates
from sigmoidf1_jax._bound import bind
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.losses._define import from_objective, score_loss
from sigmoidf1_jax.objective import Objective
from sigmoidf1_jax.scores import Score
from sigmoidf1_jax.surrogates import Surrogate


@from_objective
def sigmoid_f1(
    slope: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    surrogate: Surrogate | None = None,
) -> Objective:
    r"""sigmoidF1: 1 - F1 of counts made smooth by a tuned sigmoid.

    $s = S(z; \beta, \eta) = 1/(1+e^{-\beta(z+\eta)})$, $tp = \sum s\,y$, $fp = \sum s(1-y)$,
    $fn = \sum (1-s)\,y$; loss $1 - (2tp + a)/(2tp + fn + fp + a)$, averaged like the metric.
    As the slope grows it tends to 1 - F1 of the hard decisions z > -offset.

    Args:
      logits: [..., num_labels], floating; all leading axes hold examples.
      labels: same shape, in [0, 1].
      slope: $\beta$ > 0, scalar or [num_labels].
      offset: $\eta$, scalar or [num_labels].
      average: "macro" (mean over labels), "micro" (pooled counts), "weighted" (labels weighted
        by their positives), "samples" (mean over examples) or None ([num_labels]).
      smoothing: pseudo-count a >= 0. With 0, the paper's choice, a label without positives in
        the batch has loss 1 and gradient 0; with a > 0 its false positives are pushed down.
      zero_division: the score of a label with neither positives nor predictions when a = 0, in
        [0, 1]. With NaN a label without positives in the batch is left out of the average, value
        and gradient (for "samples", an example without positives); where all are left out the
        loss is 0. With `average=None` its loss is NaN.
      surrogate: replaces S; `surrogates.sigmoid_of_probability(slope, offset)` is the published
        code's reading. Slope and offset must then be left at their defaults.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape. An entry of weight 0 does not count,
        whatever stands there. Weights of labels, [num_labels], would cancel in the "macro"
        average and in None, and are refused there.
      axis_name: mapped axis whose global batch the loss is of.

    Returns:
      A scalar in [0, 1], or [num_labels] for `average=None`. NaN where an entry that counts is.

    Raises:
      ValueError, TypeError: shapes or dtypes at trace time; values in concrete arrays.

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
    if surrogate is None:
        surrogate = surrogates.sigmoid(slope, offset)
    elif not (_is_default(slope, 1.0) and _is_default(offset, 0.0)):
        raise ValueError("pass slope and offset to the surrogate, not beside it")
    return _f_beta(1.0, surrogate, average, smoothing, zero_division)


def _is_default(value: ArrayLike, default: float) -> bool:
    return isinstance(value, int | float) and value == default


def _f_beta(
    beta: ArrayLike,
    surrogate: Surrogate,
    average: Average | None,
    smoothing: ArrayLike,
    zero_division: ArrayLike,
) -> Objective:
    _inputs.check_hyperparameter("beta", beta, above=0.0)
    _inputs.check_hyperparameter("smoothing", smoothing, low=0.0)
    score = bind(scores.f_beta, beta=beta, smoothing=smoothing, zero_division=zero_division)
    return score_loss(score, surrogate, average)


@from_objective
def soft_f1(
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""Soft F1: 1 - F1 of counts in which probabilities stand for decisions.

    `sigmoid_f1` with slope 1 and offset 0: $s = \sigma(z)$ and loss
    $1 - (2tp + a)/(2tp + fn + fp + a)$. Arguments, result and errors as in `sigmoid_f1`.

    Source: macroSoftF1 of the sigmoidF1 paper, with the factor 2 that its first draft lacks.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits = jnp.log(jnp.array([[4.0], [3 / 7], [2 / 3], [7 / 3]]))  # p = .8 .3 .4 .7
      >>> labels = jnp.array([[1], [0], [1], [0]])
      >>> round(float(1 - sf.losses.soft_f1(logits, labels)), 4)
      0.5714
    """
    return _f_beta(1.0, surrogates.probability(), average, smoothing, zero_division)


@from_objective
def double_soft_f1(
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""Mean of the soft F1 losses of the positive and of the negative class.

    $1 - \frac12(F_1(tp, fp, fn) + F_1(tn, fn, fp))$ with $s = \sigma(z)$. A label without
    positives still has a gradient through its negative class. Arguments, result and errors as
    in `sigmoid_f1`.

    Source: Maiza, The Unknown Benefits of using a Soft-F1 Loss, 2019.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.double_soft_f1(logits, labels)), 4)
      0.1952
    """
    _inputs.check_hyperparameter("smoothing", smoothing, low=0.0)
    score = bind(scores.double_f1, smoothing=smoothing, zero_division=zero_division)
    return score_loss(score, surrogates.probability(), average)


@from_objective
def unbounded_f1(
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""The paper's ablation: F1 of counts in which the logit itself stands for the decision.

    $s = z$, so counts can be negative and the loss can leave [0, 1]; decide z > 0.5. Arguments
    and errors as in `sigmoid_f1`.

    Source: Benedict et al., sigmoidF1, TMLR 2022 (unboundedF1).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[1.0], [0.5]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.unbounded_f1(logits, labels)), 4)
      0.2
    """
    return _f_beta(1.0, surrogates.unbounded(), average, smoothing, zero_division)


@from_objective
def f_beta(
    beta: ArrayLike = 1.0,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""1 - soft F-beta; beta > 1 weighs recall, beta < 1 precision.

    $1 - ((1+\beta^2)tp + a) / ((1+\beta^2)tp + \beta^2 fn + fp + a)$.

    Args:
      logits, labels, average, smoothing, zero_division, where, weights, axis_name: as in
        `sigmoid_f1`.
      beta: > 0; 1 gives `soft_f1`.
      surrogate: from `surrogates`; None is `surrogates.probability()`.

    Source: van Rijsbergen, Information Retrieval, 1979, on soft counts.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.f_beta(logits, labels, beta=2.0)), 4)
      0.1448
    """
    return _f_beta(beta, surrogate or surrogates.probability(), average, smoothing, zero_division)


@from_objective
def tversky(
    alpha: ArrayLike = 0.5,
    beta: ArrayLike = 0.5,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""1 - soft Tversky index: false positives weighted by alpha, false negatives by beta.

    $1 - (tp + a) / (tp + \alpha\,fp + \beta\,fn + a)$; (.5, .5) gives soft F1 (with half its
    pseudo-count) and (1, 1) soft Jaccard.

    Args:
      logits, labels, average, smoothing, zero_division, where, weights, axis_name: as in
        `sigmoid_f1`.
      alpha: weight >= 0 of false positives.
      beta: weight >= 0 of false negatives.
      surrogate: from `surrogates`; None is `surrogates.probability()`.

    Source: Salehi et al., Tversky loss function, MLMI 2017.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.tversky(logits, labels, alpha=0.3, beta=0.7)), 4)
      0.1571
    """
    for name, value in (("alpha", alpha), ("beta", beta), ("smoothing", smoothing)):
        _inputs.check_hyperparameter(name, value, low=0.0)
    score = bind(
        scores.tversky, alpha=alpha, beta=beta, smoothing=smoothing, zero_division=zero_division
    )
    return score_loss(score, surrogate or surrogates.probability(), average)


@from_objective
def from_score(
    score: Score,
    surrogate: Surrogate | None = None,
    *,
    average: Average | None = "macro",
) -> Objective:
    """1 - any score of soft counts: metrics as losses.

    Args:
      logits, labels, average, where, weights, axis_name: as in `sigmoid_f1`.
      score: a function of a `Confusion`, elementwise over its shape: one of `scores`, your own,
        or `functools.partial(scores.f_beta, beta=2.0, smoothing=1.0)`, whose numbers become
        leaves.
      surrogate: from `surrogates`; None is `surrogates.probability()`.

    Raises:
      ValueError, TypeError: as in `sigmoid_f1`; ValueError if the score changes the shape.

    Source: Marchetti et al., Score-Oriented Loss functions, 2022; Han et al., AnyLoss, 2024.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.from_score(logits, labels, sf.scores.informedness)), 4)
      0.3881
    """
    return score_loss(score, surrogate or surrogates.probability(), average)


@from_objective
def jaccard(
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""1 - soft Jaccard index (intersection over union): $1 - (tp + a)/(tp + fp + fn + a)$.

    Orders decisions as F1 does, J = F / (2 - F), but costs small overlaps more. Arguments,
    result and errors as in `f_beta`.

    Source: Rahman and Wang, Optimizing Intersection-Over-Union in Deep Neural Networks, 2016.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.jaccard(logits, labels)), 4)
      0.3059
    """
    _inputs.check_hyperparameter("smoothing", smoothing, low=0.0)
    score = bind(scores.jaccard, smoothing=smoothing, zero_division=zero_division)
    return score_loss(score, surrogate or surrogates.probability(), average)


@from_objective
def mcc(
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""1 - soft Matthews correlation, in [0, 2].

    $1 - (tp\,tn - fp\,fn)/\sqrt{(tp+fp)(tp+fn)(tn+fp)(tn+fn)}$. Unlike F1 it also counts true
    negatives. `zero_division` is the score of a label with one class only; other arguments,
    result and errors as in `f_beta`.

    Source: Abhishek and Hamarneh, Matthews Correlation Coefficient Loss, ISBI 2021.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.mcc(logits, labels)), 4)
      0.3812
    """
    score = bind(scores.mcc, zero_division=zero_division)
    return score_loss(score, surrogate or surrogates.probability(), average)


@from_objective
def g_mean(
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""1 - the geometric mean of soft recall and soft specificity.

    `zero_division` is the score of a label with one class only (public code gives NaN there);
    other arguments, result and errors as in `f_beta`.

    Source: Kubat and Matwin, 1997, on soft counts; Han et al., AnyLoss, 2024, whose hand-written
    gradient of it is four times too large.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.g_mean(logits, labels)), 4)
      0.1976
    """
    score = bind(scores.g_mean, zero_division=zero_division)
    return score_loss(score, surrogate or surrogates.probability(), average)


@from_objective
def balanced_accuracy(
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
) -> Objective:
    r"""1 - the mean of soft recall and soft specificity over the classes present.

    A label with one class only keeps that class's recall, and its gradient; `zero_division` is
    the score with none. Other arguments, result and errors as in `f_beta`.

    Source: Brodersen et al., The Balanced Accuracy and Its Posterior Distribution, 2010, on soft
    counts.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[2.0], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.balanced_accuracy(logits, labels)), 4)
      0.1941
    """
    score = bind(scores.balanced_accuracy, zero_division=zero_division)
    return score_loss(score, surrogate or surrogates.probability(), average)


@from_objective
def any_loss(
    score: Score = scores.f1,
    *,
    slope: ArrayLike = 73.0,
    average: Average | None = "macro",
) -> Objective:
    r"""AnyLoss: any score of probabilities pushed towards 0 and 1 by a steep sigmoid.

    $s = S(\sigma(z); L, -\frac12)$, L = 73. The slope keeps the loss near the score of hard
    decisions; outside p in about [.4, .6] there is little gradient. Published code has NaN
    gradients at saturated outputs and for labels with one class.

    Args:
      logits, labels, average, where, weights, axis_name: as in `sigmoid_f1`.
      score: as in `from_score`; the paper uses accuracy, F-beta, the geometric mean and balanced
        accuracy.
      slope: L > 0.

    Source: Han et al., AnyLoss: Transforming Classification Metrics into Loss Functions, KDD
    2024.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.1], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.any_loss(logits, labels, sf.scores.g_mean)), 4)
      0.0721
    """
    return score_loss(score, surrogates.sigmoid_of_probability(slope, -0.5), average)


@from_objective
def score_oriented(
    score: Score = scores.f1,
    *,
    mu: ArrayLike = 0.5,
    delta: ArrayLike = 0.1,
    average: Average | None = "macro",
) -> Objective:
    r"""Score-oriented loss (SOL): 1 - a score of the expected confusion under random thresholds.

    The threshold is drawn from a raised cosine on $[\mu \pm \delta]$, and the soft decision is
    its CDF at $\sigma(z)$. Probabilities outside the band have no gradient. For a uniform prior
    use `from_score(score, surrogates.linear(mu, delta))`.

    Args:
      logits, labels, average, where, weights, axis_name: as in `sigmoid_f1`.
      score: as in `from_score`.
      mu: centre of the thresholds.
      delta: half their width, > 0. The second derivative jumps at the ends of the band.

    Source: Marchetti et al., Score-Oriented Loss functions, Pattern Recognition 2022.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> logits, labels = jnp.array([[0.1], [-1.0]]), jnp.array([[1], [0]])
      >>> round(float(sf.losses.score_oriented(logits, labels)), 4)
      0.1512
    """
    return score_loss(score, surrogates.raised_cosine(mu, delta), average)
