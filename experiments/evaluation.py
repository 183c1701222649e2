"""Decisions fitted on validation and metrics computed on test, for all seeds at once."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, Bool, Float

from experiments.decision_rules import RULES, UNTUNED, Decision, oracle_f1
from sigmoidf1_jax import decisions, metrics
from sigmoidf1_jax.averaging import Average

Scores = Float[Array, "rows labels"]
Labels = Bool[Array, "rows labels"]
Metric = Callable[[Labels, Labels, Labels], Array]
Numbers = npt.NDArray[np.float64]
T = TypeVar("T")

AVERAGES: tuple[Average, ...] = ("micro", "macro", "weighted", "samples")
SELECTION_AVERAGES: tuple[Average, ...] = ("micro", "macro", "samples")
# What systems are ranked by, on test or on validation.
RANKED_BY = tuple(f"{average}_f1" for average in SELECTION_AVERAGES)
# Scores are probabilities, so these thresholds cover their range.
CURVE_THRESHOLDS = np.linspace(0.02, 0.98, 49)
SELECTION_THRESHOLDS = np.linspace(0.05, 0.95, 19)


def _averaged(metric: Callable[..., Array], average: Average) -> Metric:
    return lambda d, y, where: metric(d, y, average=average, where=where)


# Name -> metric(decisions, labels, where).
METRICS: dict[str, Metric] = {
    **{
        f"{average}_{name}": _averaged(getattr(metrics, name), average)
        for name in ("f1", "precision", "recall")
        for average in AVERAGES
    },
    "hamming_loss": lambda d, y, where: metrics.hamming_loss(d, y, where=where),
    "subset_accuracy": lambda d, y, where: metrics.subset_accuracy(d, y, where=where),
}


def why_undefined(metric: str) -> str:
    """Why a metric has no value on a part."""
    if metric == "subset_accuracy":
        return "it needs an example whose labels are all known, and there is none in test"
    return "no label of an example in test is known"


class Part(NamedTuple):
    """One part (validation or test) of all seeds' splits: [seeds, rows, labels]."""

    scores: Float[Array, "seeds rows labels"]
    labels: Bool[Array, "seeds rows labels"]
    where: Bool[Array, "seeds rows labels"]


def mean_f1(decided: Labels, labels: Labels, where: Labels) -> Float[Array, ""]:
    """What runs are selected by: the mean of micro, macro and samples F1, as far as defined."""
    return jnp.nanmean(
        jnp.stack([metrics.f1(decided, labels, average=a, where=where) for a in SELECTION_AVERAGES])
    )


class ByCriterion(NamedTuple, Generic[T]):
    """One for each criterion that runs are selected by: `mean_f1` on validation, at two thresholds.

    Attributes:
      fixed: at 0.5.
      tuned: at the best of a grid of global thresholds.
    """

    fixed: T
    tuned: T

    def of(self, decision: str) -> T:
        """That of the criterion which selects the run that a decision is applied to."""
        return self.fixed if decision == UNTUNED else self.tuned


def selection_criteria(scores: Scores, labels: Labels, where: Labels) -> Float[Array, "2"]:
    """The criteria of a run, in the order of `ByCriterion`."""
    at = jax.lax.map(
        lambda t: mean_f1(scores >= t, labels, where),
        jnp.asarray(SELECTION_THRESHOLDS, jnp.float32),
    )
    criteria = ByCriterion(fixed=mean_f1(scores >= 0.5, labels, where), tuned=jnp.nanmax(at))
    return jnp.stack(criteria)


Values = Mapping[str, tuple[float, ...]]
"""Metric -> value per seed, NaN where it is undefined."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The values of one decision on test, and on validation unless it saw the test labels."""

    test: Values
    validation: Values | None = None


def evaluate(
    names: Sequence[str], validation: ByCriterion[Part], test: ByCriterion[Part]
) -> dict[str, Evaluation]:
    """Decision -> its values; decisions see validation labels only."""
    evaluations = {}
    for name in names:
        v, t = validation.of(name), test.of(name)
        decision = _fit(name, v)
        together = RULES[name].together
        on_validation = _floats(_scored(together, decision, v))
        evaluations[name] = Evaluation(_floats(_scored(together, decision, t)), on_validation)
    return evaluations


def oracle(test: Part) -> Evaluation:
    """`oracle_f1` per seed."""
    return Evaluation(_floats(_oracle(test)))


Arrays = dict[str, Float[Array, " seeds"]]


def _floats(values: Arrays) -> Values:
    return {name: tuple(np.asarray(x, np.float64).tolist()) for name, x in values.items()}


@functools.partial(jax.jit, static_argnums=0)
def _fit(name: str, validation: Part) -> Decision:
    """The decisions of all seeds, stacked."""

    def one_seed(part: Part) -> Decision:
        decision = RULES[name].fit(*part)
        if isinstance(decision, decisions.Threshold):  # one shape, so that scoring compiles once
            per_label = jnp.broadcast_to(decision.threshold, part.scores.shape[-1:])
            return decisions.Threshold(per_label)
        return decision

    return jax.vmap(one_seed)(validation)


@functools.partial(jax.jit, static_argnums=0)
def _scored(together: bool, decision: Decision, part: Part) -> Arrays:
    def one_seed(decision: Decision, part: Part) -> Arrays:
        mask = {"where": part.where} if together else {}
        decided = decision(part.scores, **mask)
        return {name: metric(decided, part.labels, part.where) for name, metric in METRICS.items()}

    return jax.vmap(one_seed)(decision, part)


@jax.jit
def _oracle(test: Part) -> Arrays:
    return jax.vmap(oracle_f1)(*test)


@dataclasses.dataclass(frozen=True)
class Curves:
    """What the plots show, on test, averaged over seeds unless said otherwise."""

    knee: float  # rank of the knee of the median curve
    f1: Numbers  # [thresholds, averages], in the order of SELECTION_AVERAGES
    sorted_scores: Numbers  # [quartiles, labels]: 25, 50, 75 % over examples of all seeds
    predicted_count: Numbers  # [true_count]: mean predicted number of labels at 0.5
    examples: Numbers  # [true_count]: number of examples with that true number of labels


def curves(test: Part) -> Curves:
    """F1 against threshold, sorted scores, and predicted against true number of labels."""
    knee, *drawn = (np.asarray(x, np.float64) for x in _curves(test))
    return Curves(float(knee), *drawn)


@jax.jit
def _curves(test: Part) -> tuple[Array, ...]:
    """As the fields of `Curves`."""

    def at(threshold: Array) -> Array:
        def one_seed(part: Part) -> Array:
            values = [
                metrics.f1(part.scores >= threshold, part.labels, average=a, where=part.where)
                for a in SELECTION_AVERAGES
            ]
            return jnp.stack(values)

        return jnp.nanmean(jax.vmap(one_seed)(test), 0)

    num_labels = test.labels.shape[-1]
    counted = jnp.any(test.where, -1)
    curve = decisions.knee_curve(test.scores, where=test.where)
    true = jnp.sum(test.labels & test.where, -1)
    predicted = jnp.sum((test.scores >= 0.5) & test.where, -1)
    of_count = (true[..., None] == jnp.arange(num_labels + 1)) & counted[..., None]
    examples = jnp.sum(of_count, (0, 1))
    total = jnp.sum(of_count * predicted[..., None], (0, 1))
    return (
        curve.knee,
        jax.lax.map(at, jnp.asarray(CURVE_THRESHOLDS, jnp.float32)),
        jnp.stack([curve.lower, curve.median, curve.upper]),
        total / jnp.maximum(examples, 1),
        examples,
    )
