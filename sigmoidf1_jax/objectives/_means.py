"""Objectives that are means: over entries, over examples, and of sums over labels."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sigmoidf1_jax import _eager, _inputs, _safe, averaging
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.objective import Objective, SeparableObjective

Formula = Callable[..., Any]


class Sums(NamedTuple):
    """The statistic of a mean: weighted losses and weights, each summed."""

    total: Float[Array, ""]
    weight: Float[Array, ""]


@dataclasses.dataclass(frozen=True, repr=False)
class Mean(Objective):
    """A weighted mean over whatever counts; 0 if nothing does."""

    def value(self, statistics: Sums) -> Array:
        return _safe.ratio(statistics.total, statistics.weight)


@functools.partial(jax.tree_util.register_dataclass, data_fields=["formula"], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class CoupledEntryMean(Mean):
    """The weighted mean, over the entries that count, of a loss per entry; 0 if none counts.

    The formula may look at an example's other labels.
    """

    formula: Formula

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Sums:
        z, y, w = _inputs.prepare(logits, labels, where, weights, nan_labels=True)
        return Sums(jnp.sum(w * self.formula(z, y)), jnp.sum(w))

    def entries(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Float[Array, "*batch labels"]:
        """The unreduced losses, times their weights; entries that do not count are 0."""
        return _eager.call(_entries, self, logits, labels, where=where, weights=weights)


def _entries(objective: CoupledEntryMean, logits: Any, labels: Any, **data: Any) -> Array:
    z, y, w = _inputs.prepare(logits, labels, **data, nan_labels=True)
    return jnp.where(w > 0, w * objective.formula(z, y), 0)


@functools.partial(jax.tree_util.register_dataclass, data_fields=["formula"], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class EntryMean(CoupledEntryMean, SeparableObjective):
    """`CoupledEntryMean` of a formula that sees each entry alone: blocks of labels add up."""

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        return LabelParts(summed=self.statistics(logits, labels, where=where, weights=weights))

    def from_label_parts(self, parts: LabelParts) -> Sums:
        return parts.summed


@functools.partial(jax.tree_util.register_dataclass, data_fields=["formula"], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class ExampleMean(Mean):
    """The weighted mean, over the examples that count, of a loss per example; 0 if none counts.

    The formula is given logits, labels and the weights of entries within their example (mean 1,
    0 where masked), all [..., num_labels], and returns [...].
    """

    formula: Formula

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Sums:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        example, within = averaging.example_weights(w)
        # Formulas leave out examples without pairs, but a NaN there counts too.
        total = jnp.sum(example * self.formula(z, y, within)) + _inputs.nan_of(z)
        return Sums(total, jnp.sum(example))


class LabelSums(NamedTuple):
    """Per example, sums over its labels of weight * term, and logs of sums of weight * e^term."""

    summed: Any = ()
    log_summed: Any = ()


@functools.partial(jax.tree_util.register_dataclass, data_fields=["formula"], meta_fields=["sums"])
@dataclasses.dataclass(frozen=True, repr=False)
class LabelSumMean(Mean, SeparableObjective):
    """`ExampleMean` of a formula of sums over the labels of an example.

    `sums(z, y, w)` gives the sums for weights w of entries; the formula is given those for
    weights that have mean 1 within an example, and returns a loss per example.
    """

    sums: Callable[[Array, Array, Array], LabelSums]
    formula: Formula

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        sums = self.sums(z, y, w)
        return LabelParts(
            summed=(sums.summed, averaging.example_mass(w, z)), log_summed=sums.log_summed
        )

    def from_label_parts(self, parts: LabelParts) -> Sums:
        summed, mass = parts.summed
        example, sums = mean_one(mass, LabelSums(summed, parts.log_summed))
        return Sums(jnp.sum(example * self.formula(sums)), jnp.sum(example))

    def __repr__(self) -> str:
        return repr(self.formula)


def mean_one(mass: averaging.ExampleMass, sums: LabelSums) -> tuple[Array, LabelSums]:
    """Weights of examples, and the sums for weights of entries with mean 1 in each example."""
    example = averaging.mean_weight(mass)
    # Where no entry counts the sums are 0 and -inf already.
    log_example = jnp.log(jnp.where(example > 0, example, 1))
    return example, LabelSums(
        jax.tree.map(lambda x: _safe.ratio(x, example), sums.summed),
        jax.tree.map(lambda x: x - log_example, sums.log_summed),
    )
