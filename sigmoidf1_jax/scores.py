r"""Scores: pure functions of a `Confusion`, elementwise over its shape.

The same function is a metric on hard counts and, as `1 - score`, a loss on soft counts.
Every score takes `zero_division`, its value (with zero gradient) where it is 0/0: a label that
is neither present nor predicted. With `zero_division=nan` such labels leave the average, as in
scikit-learn. A NaN among the counts makes the score NaN; averages tell the two apart.
Ratio scores also take `smoothing`, a pseudo-count $a \ge 0$: (numerator + a) / (denominator + a).
With a > 0 a label without positives is still pushed to have no false positives.

>>> import sigmoidf1_jax as sf
>>> counts = sf.Confusion(tp=1.2, fp=1.0, fn=0.8, tn=1.0)
>>> round(float(f1(counts)), 4)
0.5714
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs, _safe
from sigmoidf1_jax.confusion import Confusion, floating_counts

Score = Callable[[Confusion], Float[Array, "..."]]


def _ratio(
    numerator: Array, denominator: Array, zero_division: ArrayLike, smoothing: ArrayLike
) -> Array:
    _inputs.check_zero_division(zero_division)
    _inputs.check_hyperparameter("smoothing", smoothing, low=0.0)
    a = jnp.asarray(smoothing, numerator.dtype)
    return _safe.ratio(numerator + a, denominator + a, zero_division)


def f_beta(
    confusion: Confusion,
    beta: ArrayLike = 1.0,
    *,
    zero_division: ArrayLike = 0.0,
    smoothing: ArrayLike = 0.0,
) -> Float[Array, "..."]:
    r"""$F_\beta = (1+\beta^2)\,tp / ((1+\beta^2)\,tp + \beta^2 fn + fp)$, in [0, 1].

    Args:
      confusion: counts of any shape.
      beta: weight of recall against precision; 1 weighs them equally.
      zero_division: value where tp + fn + fp = 0.
      smoothing: pseudo-count a >= 0.

    Source: van Rijsbergen, Information Retrieval, 1979.
    """
    _inputs.check_hyperparameter("beta", beta, low=0.0)
    tp, fp, fn, _ = floating_counts(confusion)
    b2 = jnp.square(jnp.asarray(beta, tp.dtype))
    hits = (1 + b2) * tp
    return _ratio(hits, hits + b2 * fn + fp, zero_division, smoothing)


def f1(
    confusion: Confusion, *, zero_division: ArrayLike = 0.0, smoothing: ArrayLike = 0.0
) -> Float[Array, "..."]:
    r"""$F_1 = 2\,tp / (2\,tp + fn + fp)$: the harmonic mean of precision and recall."""
    return f_beta(confusion, 1.0, zero_division=zero_division, smoothing=smoothing)


def double_f1(
    confusion: Confusion, *, zero_division: ArrayLike = 0.0, smoothing: ArrayLike = 0.0
) -> Float[Array, "..."]:
    """Mean of the F1 of the positive class and the F1 of the negative class."""
    swapped = Confusion(tp=confusion.tn, fp=confusion.fn, fn=confusion.fp, tn=confusion.tp)
    both = [f1(c, zero_division=zero_division, smoothing=smoothing) for c in (confusion, swapped)]
    return (both[0] + both[1]) / 2


def precision(
    confusion: Confusion, *, zero_division: ArrayLike = 0.0, smoothing: ArrayLike = 0.0
) -> Float[Array, "..."]:
    r"""$tp / (tp + fp)$: the share of predicted labels that are right."""
    tp, fp, _, _ = floating_counts(confusion)
    return _ratio(tp, tp + fp, zero_division, smoothing)


def recall(
    confusion: Confusion, *, zero_division: ArrayLike = 0.0, smoothing: ArrayLike = 0.0
) -> Float[Array, "..."]:
    r"""$tp / (tp + fn)$: the share of true labels that are predicted."""
    tp, _, fn, _ = floating_counts(confusion)
    return _ratio(tp, tp + fn, zero_division, smoothing)


def specificity(
    confusion: Confusion, *, zero_division: ArrayLike = 0.0, smoothing: ArrayLike = 0.0
) -> Float[Array, "..."]:
    r"""$tn / (tn + fp)$: the recall of the negative class."""
    _, fp, _, tn = floating_counts(confusion)
    return _ratio(tn, tn + fp, zero_division, smoothing)


def accuracy(
    confusion: Confusion, *, zero_division: ArrayLike = 0.0, smoothing: ArrayLike = 0.0
) -> Float[Array, "..."]:
    r"""$(tp + tn) / (tp + fp + fn + tn)$: the share of right entries."""
    tp, fp, fn, tn = floating_counts(confusion)
    return _ratio(tp + tn, tp + tn + fp + fn, zero_division, smoothing)


def jaccard(
    confusion: Confusion, *, zero_division: ArrayLike = 0.0, smoothing: ArrayLike = 0.0
) -> Float[Array, "..."]:
    r"""$tp / (tp + fp + fn)$: intersection over union."""
    return tversky(confusion, 1.0, 1.0, zero_division=zero_division, smoothing=smoothing)


def tversky(
    confusion: Confusion,
    alpha: ArrayLike = 0.5,
    beta: ArrayLike = 0.5,
    *,
    zero_division: ArrayLike = 0.0,
    smoothing: ArrayLike = 0.0,
) -> Float[Array, "..."]:
    r"""$tp / (tp + \alpha\,fp + \beta\,fn)$; (.5, .5) is F1 and (1, 1) is Jaccard.

    `alpha` weighs false positives and `beta` false negatives, as in the paper; Keras has them
    the other way round.

    Source: Tversky, Features of Similarity, 1977; Salehi et al., Tversky loss, 2017.
    """
    _inputs.check_hyperparameter("alpha", alpha, low=0.0)
    _inputs.check_hyperparameter("beta", beta, low=0.0)
    tp, fp, fn, _ = floating_counts(confusion)
    alpha, beta = jnp.asarray(alpha, tp.dtype), jnp.asarray(beta, tp.dtype)
    return _ratio(tp, tp + alpha * fp + beta * fn, zero_division, smoothing)


def balanced_accuracy(
    confusion: Confusion, *, zero_division: ArrayLike = 0.0
) -> Float[Array, "..."]:
    """Mean of recall and specificity over the classes that are present.

    With one class present it is that class's recall, as in scikit-learn; `zero_division` is the
    value with none.
    """
    _inputs.check_zero_division(zero_division)
    tp, fp, fn, tn = floating_counts(confusion)
    positives, negatives = tp + fn, tn + fp
    total = _safe.ratio(tp, positives) + _safe.ratio(tn, negatives)
    present = (positives != 0).astype(tp.dtype) + (negatives != 0).astype(tp.dtype)
    return _safe.ratio(total, present, zero_division)


def _recall_specificity_absent(confusion: Confusion) -> tuple[Array, Array, Array]:
    """Recall and specificity, 0 where they are undefined, and whether a class is absent."""
    tp, fp, fn, tn = floating_counts(confusion)
    # A NaN in the one class is no reason to call the other one absent.
    absent = ((tp + fn == 0) | (tn + fp == 0)) & ~jnp.isnan(tp + fp + fn + tn)
    return recall(confusion), specificity(confusion), absent


def g_mean(confusion: Confusion, *, zero_division: ArrayLike = 0.0) -> Float[Array, "..."]:
    r"""$\sqrt{\text{recall} \cdot \text{specificity}}$; gradient 0 where it is exactly 0.

    `zero_division` is its value where a class is absent.

    Source: Kubat and Matwin, Addressing the Curse of Imbalanced Training Sets, 1997.
    """
    _inputs.check_zero_division(zero_division)
    r, s, absent = _recall_specificity_absent(confusion)
    return jnp.where(absent, jnp.asarray(zero_division, r.dtype), _safe.sqrt(r * s))


def informedness(confusion: Confusion, *, zero_division: ArrayLike = 0.0) -> Float[Array, "..."]:
    r"""Youden's J: recall + specificity - 1, in [-1, 1].

    `zero_division` is its value where a class is absent.

    Source: Youden, Index for Rating Diagnostic Tests, 1950.
    """
    _inputs.check_zero_division(zero_division, -1.0)
    r, s, absent = _recall_specificity_absent(confusion)
    return jnp.where(absent, jnp.asarray(zero_division, r.dtype), r + s - 1)


def mcc(confusion: Confusion, *, zero_division: ArrayLike = 0.0) -> Float[Array, "..."]:
    r"""Matthews correlation, in [-1, 1].

    $(tp\,tn - fp\,fn) / \sqrt{(tp+fp)(tp+fn)(tn+fp)(tn+fn)}$; `zero_division` where a factor
    of the root is 0.

    Source: Matthews, 1975.
    """
    _inputs.check_zero_division(zero_division, -1.0)
    tp, fp, fn, tn = floating_counts(confusion)
    # Products of two roots instead of the root of a product of four: counts up to 1e18 fit.
    root = _safe.sqrt((tp + fp) * (tp + fn)) * _safe.sqrt((tn + fp) * (tn + fn))
    return _safe.ratio(tp * tn - fp * fn, root, zero_division)


def cohen_kappa(confusion: Confusion, *, zero_division: ArrayLike = 0.0) -> Float[Array, "..."]:
    r"""Agreement beyond chance, in [-1, 1].

    $2(tp\,tn - fp\,fn) / ((tp+fp)(fp+tn) + (tp+fn)(fn+tn))$.

    Source: Cohen, 1960.
    """
    _inputs.check_zero_division(zero_division, -1.0)
    tp, fp, fn, tn = floating_counts(confusion)
    chance = (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn)
    return _safe.ratio(2 * (tp * tn - fp * fn), chance, zero_division)
