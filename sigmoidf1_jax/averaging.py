"""micro / macro / weighted / samples / None averages of a score, for losses and metrics alike.

An averaged score is a function of sums over examples: `score_value(score_statistics(...))`.
What is left out because it is undefined and what is NaN because a NaN came in are two things: a
score is left out where it is NaN although its counts are not.
"""

from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from sigmoidf1_jax import _inputs, _safe
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


def has_nan(counts: Confusion) -> Bool[Array, "..."]:
    """Where a NaN came in: among the counts."""
    return jnp.isnan(sum(floating_counts(counts)))


def without_positives(counts: Confusion) -> Bool[Array, "..."]:
    """Where no positive was counted."""
    tp, _, fn, _ = floating_counts(counts)
    return tp + fn == 0


def undefined(
    values: Float[Array, "..."], counts: Confusion, zero_division: ArrayLike | None
) -> Bool[Array, "..."]:
    """Which scores are left out: those that are NaN although no NaN came in.

    With a `zero_division`, none unless that is NaN; then also labels without positives.
    """
    if zero_division is None:
        out = jnp.isnan(values)
    else:
        asked_for = jnp.isnan(jnp.asarray(zero_division, values.dtype))
        out = asked_for & (jnp.isnan(values) | without_positives(counts))
    return out & ~has_nan(counts)


def example_scores(
    score: Score,
    per_example: Confusion,
    weight: Float[Array, "*batch"],
    zero_division: ArrayLike | None = None,
) -> ExampleScores:
    """Sums the score of each example, weighted; undefined scores do not count."""
    values = score(per_example)
    out = undefined(values, per_example, zero_division) | (weight == 0)
    weight = jnp.where(out, 0, weight).astype(values.dtype)
    return ExampleScores(jnp.sum(weight * jnp.where(out, 0, values)), jnp.sum(weight))


class ExampleMass(NamedTuple):
    """Per example: the weight of its entries and how many count. Both add up over labels."""

    weight: Float[Array, "*batch"]
    counted: Float[Array, "*batch"]


def example_mass(
    weight: Float[Array, "*batch labels"], logits: Float[Array, "*batch labels"] | None = None
) -> ExampleMass:
    """The mass of each example, from weights of entries; NaN where one of the logits is."""
    counted = jnp.sum((weight > 0).astype(weight.dtype), -1)
    total = jnp.sum(weight, -1)
    return ExampleMass(total if logits is None else total + _inputs.nan_of(logits, -1), counted)


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
    score: Score,
    statistics: Confusion | ExampleScores,
    average: Average | None,
    *,
    zero_division: ArrayLike | None = None,
    empty: ArrayLike | None = None,
) -> Float[Array, ""] | Float[Array, " labels"]:
    """The averaged score of summed statistics.

    A label with no counted entry at all (everything masked) leaves the macro average, so a mask
    equals a subset of labels; if no label counts, the value is the score of empty counts. So
    does a label whose score is undefined: NaN although no NaN came in.

    Args:
      score: function of a `Confusion`, elementwise.
      statistics: sums, of the kind that `average` needs.
      average: which average.
      zero_division: where it is NaN, labels without positives are left out too.
      empty: the average where all is left out; NaN by default.
    """
    if isinstance(statistics, ExampleScores):
        zero = jnp.zeros((), statistics.total.dtype)
        nothing = score(Confusion(zero, zero, zero, zero))
        if empty is not None:
            nothing = jnp.where(jnp.isnan(nothing), empty, nothing)
        return _safe.ratio(statistics.total, statistics.weight, nothing)
    values = score(statistics)
    if jnp.shape(values) != jnp.shape(statistics.tp):
        raise ValueError(
            "a score must be elementwise over the counts it is given (its hyperparameters too): "
            f"counts {jnp.shape(statistics.tp)} became {jnp.shape(values)}"
        )
    out = undefined(values, statistics, zero_division)
    if average is None:
        # Where a label is left out `zero_division` is NaN.
        nan = values if zero_division is None else jnp.asarray(zero_division, values.dtype)
        return jnp.where(out, nan, values)
    if average == "micro":
        return values if empty is None else jnp.where(out, empty, values)
    tp, fp, fn, tn = (
        jnp.asarray(x) for x in (statistics.tp, statistics.fp, statistics.fn, statistics.tn)
    )
    counted = ((tp != 0) | (fp != 0) | (fn != 0) | (tn != 0)).astype(values.dtype)
    weights = (counted,) if average == "macro" else ((tp + fn).astype(values.dtype), counted)
    return _safe.mean(jnp.where(out, 0, values), *weights, left_out=out, empty=empty)
