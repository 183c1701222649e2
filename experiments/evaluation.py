"""Decisions fitted on validation and metrics computed on test, for all seeds at once."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from experiments.decision_rules import RULES, UNTUNED, Decision, oracle_f1
from sigmoidf1_jax import decisions, metrics
from sigmoidf1_jax.averaging import Average

Scores = Float[Array, "rows labels"]
Labels = Bool[Array, "rows labels"]
Metric = Callable[[Labels, Labels, Labels], Array]

AVERAGES: tuple[Average, ...] = ("micro", "macro", "weighted", "samples")
SELECTION_AVERAGES: tuple[Average, ...] = ("micro", "macro", "samples")
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


def selection_criteria(scores: Scores, labels: Labels, where: Labels) -> Float[Array, "2"]:
    """`mean_f1` at 0.5, and at the best of a grid of global thresholds."""
    at = jax.lax.map(
        lambda t: mean_f1(scores >= t, labels, where),
        jnp.asarray(SELECTION_THRESHOLDS, jnp.float32),
    )
    return jnp.stack([mean_f1(scores >= 0.5, labels, where), jnp.nanmax(at)])


def criterion(decision: str) -> int:
    """Which criterion selects the run that a decision is applied to: its F1 at 0.5, or tuned."""
    return 0 if decision == UNTUNED else 1


Values = dict[str, Float[Array, " seeds"]]


def evaluate(
    names: Sequence[str], validation: Sequence[Part], test: Sequence[Part]
) -> dict[str, dict[str, Values]]:
    """Decision -> part -> metric -> value per seed; decisions see validation labels only.

    `validation` and `test` hold a part per selection criterion.
    """
    values = {}
    for name in names:
        v, t = validation[criterion(name)], test[criterion(name)]
        decision = _fit(name, v)
        together = RULES[name].together
        values[name] = {
            "validation": _scored(together, decision, v),
            "test": _scored(together, decision, t),
        }
    return values


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
def _scored(together: bool, decision: Decision, part: Part) -> Values:
    def one_seed(decision: Decision, part: Part) -> Values:
        mask = {"where": part.where} if together else {}
        decided = decision(part.scores, **mask)
        return {name: metric(decided, part.labels, part.where) for name, metric in METRICS.items()}

    return jax.vmap(one_seed)(decision, part)


@jax.jit
def oracle(test: Part) -> Values:
    """`oracle_f1` per seed."""
    return jax.vmap(oracle_f1)(*test)


class Curves(NamedTuple):
    """What the plots show, on test, averaged over seeds unless said otherwise."""

    f1: Float[Array, "thresholds averages"]  # order of SELECTION_AVERAGES
    sorted_scores: Float[Array, "quartiles labels"]  # 25, 50, 75 % over examples of all seeds
    knee: Int[Array, ""]  # rank of the knee of the median curve
    predicted_count: Float[Array, " true_count"]  # mean predicted number of labels at 0.5
    examples: Float[Array, " true_count"]  # number of examples with that true number of labels


@jax.jit
def curves(test: Part) -> Curves:
    """F1 against threshold, sorted scores, and predicted against true number of labels."""

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
    return Curves(
        f1=jax.lax.map(at, jnp.asarray(CURVE_THRESHOLDS, jnp.float32)),
        sorted_scores=jnp.stack([curve.lower, curve.median, curve.upper]),
        knee=curve.knee,
        predicted_count=total / jnp.maximum(examples, 1),
        examples=examples,
    )
