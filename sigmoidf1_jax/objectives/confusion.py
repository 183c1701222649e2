"""Objectives that are one minus a score of soft confusion counts: sigmoidF1 and its family."""

import dataclasses
import functools

import jax
from jax.typing import ArrayLike
from jaxtyping import Array

from sigmoidf1_jax import _inputs, _safe, averaging, scores, surrogates
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax._partial import as_partial, bind
from sigmoidf1_jax.averaging import Average, ExampleScores
from sigmoidf1_jax.confusion import Confusion, soft_confusion
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.objective import SeparableObjective
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


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["score", "surrogate"],
    meta_fields=["average"],
)
@dataclasses.dataclass(frozen=True, repr=False)
class ScoreLoss(SeparableObjective):
    """`1 - score` of the soft confusion of `surrogate(logits)` and the labels."""

    score: Score
    surrogate: Surrogate
    average: Average | None

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        z, y, w = _inputs.prepare(logits, labels, where, weights, nan_labels=True)
        _inputs.refuse_label_weights(weights, z.shape, self.average)
        s = self.surrogate(z)
        if self.average == "samples":
            return LabelParts(summed=(soft_confusion(s, y, w, -1), averaging.example_mass(w)))
        per_label = soft_confusion(s, y, w, averaging.leading_axes(s))
        if self.average == "micro":
            return LabelParts(summed=averaging.pool(per_label))
        return LabelParts(per_label=per_label)

    def from_label_parts(self, parts: LabelParts) -> Confusion | ExampleScores:
        if self.average == "samples":
            per_example, mass = parts.summed
            example = averaging.mean_weight(mass)
            # Counts are linear in the weights: these are the counts of weights with mean 1.
            per_example = jax.tree.map(lambda x: _safe.ratio(x, example), per_example)
            return averaging.example_scores(self.score, per_example, example, self._zero_division)
        return parts.summed if self.average == "micro" else parts.per_label

    def value(self, statistics: Confusion | ExampleScores) -> Array:
        # Where all labels are left out there is nothing to lose: score 1, gradient 0.
        empty = None if self._zero_division is None else 1.0
        return 1 - averaging.score_value(
            self.score, statistics, self.average, zero_division=self._zero_division, empty=empty
        )

    @property
    def _zero_division(self) -> ArrayLike | None:
        """What the score is given as `zero_division`; None if it is left to the score."""
        return getattr(self.score, "parameters", {}).get("zero_division")


def _score_loss(score: Score, surrogate: Surrogate, average: Average | None) -> ScoreLoss:
    """A `ScoreLoss` from any callables, checked when it is made."""
    averaging.check_average(average)
    return ScoreLoss(as_partial(score), as_partial(surrogate), average)


def sigmoid_f1(
    slope: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
    surrogate: Surrogate | None = None,
) -> ScoreLoss:
    """`losses.sigmoid_f1`: 1 - F1 of counts made smooth by a sigmoid."""
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
) -> ScoreLoss:
    _inputs.check_hyperparameter("beta", beta, above=0.0)
    _inputs.check_hyperparameter("smoothing", smoothing, low=0.0)
    score = bind(scores.f_beta, beta=beta, smoothing=smoothing, zero_division=zero_division)
    return _score_loss(score, surrogate, average)


def soft_f1(
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.soft_f1`: 1 - F1 of probabilities."""
    return _f_beta(1.0, surrogates.probability(), average, smoothing, zero_division)


def double_soft_f1(
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.double_soft_f1`: the mean soft F1 loss of both classes."""
    _inputs.check_hyperparameter("smoothing", smoothing, low=0.0)
    score = bind(scores.double_f1, smoothing=smoothing, zero_division=zero_division)
    return _score_loss(score, surrogates.probability(), average)


def unbounded_f1(
    *,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.unbounded_f1`: 1 - F1 of the logits themselves."""
    return _f_beta(1.0, surrogates.unbounded(), average, smoothing, zero_division)


def f_beta(
    beta: ArrayLike = 1.0,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.f_beta`: 1 - soft F-beta."""
    return _f_beta(beta, surrogate or surrogates.probability(), average, smoothing, zero_division)


def tversky(
    alpha: ArrayLike = 0.5,
    beta: ArrayLike = 0.5,
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.tversky`: 1 - the soft Tversky index."""
    for name, value in (("alpha", alpha), ("beta", beta), ("smoothing", smoothing)):
        _inputs.check_hyperparameter(name, value, low=0.0)
    score = bind(
        scores.tversky, alpha=alpha, beta=beta, smoothing=smoothing, zero_division=zero_division
    )
    return _score_loss(score, surrogate or surrogates.probability(), average)


def from_score(
    score: Score,
    surrogate: Surrogate | None = None,
    *,
    average: Average | None = "macro",
) -> ScoreLoss:
    """`losses.from_score`: 1 - any score of soft counts."""
    return _score_loss(score, surrogate or surrogates.probability(), average)


def jaccard(
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    smoothing: ArrayLike = 0.0,
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.jaccard`: 1 - the soft Jaccard index."""
    _inputs.check_hyperparameter("smoothing", smoothing, low=0.0)
    score = bind(scores.jaccard, smoothing=smoothing, zero_division=zero_division)
    return _score_loss(score, surrogate or surrogates.probability(), average)


def mcc(
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.mcc`: 1 - the soft Matthews correlation."""
    score = bind(scores.mcc, zero_division=zero_division)
    return _score_loss(score, surrogate or surrogates.probability(), average)


def g_mean(
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.g_mean`: 1 - the geometric mean of soft recall and specificity."""
    score = bind(scores.g_mean, zero_division=zero_division)
    return _score_loss(score, surrogate or surrogates.probability(), average)


def balanced_accuracy(
    *,
    surrogate: Surrogate | None = None,
    average: Average | None = "macro",
    zero_division: ArrayLike = 0.0,
) -> ScoreLoss:
    """`losses.balanced_accuracy`: 1 - the mean of soft recall and specificity."""
    score = bind(scores.balanced_accuracy, zero_division=zero_division)
    return _score_loss(score, surrogate or surrogates.probability(), average)


def any_loss(
    score: Score = scores.f1,
    *,
    slope: ArrayLike = 73.0,
    average: Average | None = "macro",
) -> ScoreLoss:
    """`losses.any_loss`: 1 - a score of probabilities pushed towards 0 and 1."""
    return _score_loss(score, surrogates.sigmoid_of_probability(slope, -0.5), average)


def score_oriented(
    score: Score = scores.f1,
    *,
    mu: ArrayLike = 0.5,
    delta: ArrayLike = 0.1,
    average: Average | None = "macro",
) -> ScoreLoss:
    """`losses.score_oriented`: 1 - a score under random thresholds."""
    return _score_loss(score, surrogates.raised_cosine(mu, delta), average)
