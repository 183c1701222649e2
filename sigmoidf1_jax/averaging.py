"""micro / macro / weighted / samples / None averages of a score, for losses and metrics alike.

An averaged score is a function of sums over examples: `score_value(score_statistics(...))`.
"""

from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
from jaxtyping import Array, Float

from sigmoidf1_jax import _safe
from sigmoidf1_jax.confusion import Confusion, floating_counts
from sigmoidf1_jax.scores import Score

Average = Literal["micro", "macro", "weighted", "samples"]


class ExampleScores(NamedTuple):
    """The statistic of `average="samples"`: scores and weights of examples, each summed."""

    total: Float[Array, ""]
    weight: Float[Array, ""]


def check_average(average: Any) -> None:
    """Raises ValueError unless `average` is one of scikit-learn's multilabel values."""
    if average is not None and average not in get_args(Average):
        raise ValueError(
            f"average must be 'micro', 'macro', 'weighted', 'samples' or None, got {average!r}"
        )


def leading_axes(x: Array) -> tuple[int, ...]:
    """All axes but the last: those that hold examples."""
    return tuple(range(x.ndim - 1))


def pool(per_label: Confusion) -> Confusion:
    """Sums counts over the last axis, as floats so that large integer counts do not overflow."""
    return Confusion(*(jnp.sum(x, -1) for x in floating_counts(per_label)))


def example_scores(
    score: Score, per_example: Confusion, weight: Float[Array, "*batch"]
) -> ExampleScores:
    """Sums the score of each example, weighted; undefined (NaN) scores do not count."""
    values = score(per_example)
    weight = jnp.where(jnp.isnan(values), 0, weight).astype(values.dtype)
    return ExampleScores(jnp.sum(weight * jnp.where(jnp.isnan(values), 0, values)), jnp.sum(weight))


class ExampleMass(NamedTuple):
    """Per example: the weight of its entries and how many count. Both add up over labels."""

    weight: Float[Array, "*batch"]
    counted: Float[Array, "*batch"]


def example_mass(weight: Float[Array, "*batch labels"]) -> ExampleMass:
    """The mass of each example, from weights of entries."""
    return ExampleMass(jnp.sum(weight, -1), jnp.sum((weight > 0).astype(weight.dtype), -1))


def mean_weight(mass: ExampleMass) -> Float[Array, "*batch"]:
    """An example's weight: the mean weight of its counted entries, 0 if none counts."""
    return _safe.ratio(mass.weight, mass.counted)


def example_weights(
    weight: Float[Array, "*batch labels"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch labels"]]:
    """Splits weights of entries into weights of examples and of entries within an example.

    Within an example the weights have mean 1, so that a pseudo-count means the same for every
    example.
    """
    example = mean_weight(example_mass(weight))
    return example, _safe.ratio(weight, example[..., None])


def score_value(
    score: Score, statistics: Confusion | ExampleScores, average: Average | None
) -> Float[Array, ""] | Float[Array, " labels"]:
    """The averaged score of summed statistics.

    A label with no counted entry at all (everything masked) leaves the macro average, so a mask
    equals a subset of labels; if no label counts, the value is the score of empty counts.
    """
    if isinstance(statistics, ExampleScores):
        zero = jnp.zeros((), statistics.total.dtype)
        empty = score(Confusion(zero, zero, zero, zero))
        return _safe.ratio(statistics.total, statistics.weight, empty)
    values = score(statistics)
    if jnp.shape(values) != jnp.shape(statistics.tp):
        raise ValueError(
            "a score must be elementwise over the counts it is given (its hyperparameters too): "
            f"counts {jnp.shape(statistics.tp)} became {jnp.shape(values)}"
        )
    if average in (None, "micro"):
        return values
    tp, fp, fn, tn = (
        jnp.asarray(x) for x in (statistics.tp, statistics.fp, statistics.fn, statistics.tn)
    )
    counted = ((tp != 0) | (fp != 0) | (fn != 0) | (tn != 0)).astype(values.dtype)
    if average == "macro":
        return _safe.mean(values, counted)
    return _safe.mean(values, (tp + fn).astype(values.dtype), counted)
