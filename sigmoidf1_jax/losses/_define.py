"""How a loss is defined once and offered twice: as a function and as an Objective."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs, _safe, averaging
from sigmoidf1_jax._bound import as_bound, bind
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.averaging import Average, ExampleScores
from sigmoidf1_jax.confusion import Confusion, soft_confusion
from sigmoidf1_jax.label_parts import LabelParts
from sigmoidf1_jax.objective import Objective, SeparableObjective, State
from sigmoidf1_jax.scores import Score
from sigmoidf1_jax.surrogates import Surrogate

P = ParamSpec("P")
Formula = Callable[..., Any]


class LossFunction(Protocol[P]):
    """A public loss: call it with arrays, or take `objective(**hyperparameters)` from it."""

    @property
    def objective(self) -> Callable[P, Objective]: ...

    def __call__(self, logits: Any, labels: Any, *args: P.args, **kwargs: P.kwargs) -> Array: ...


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
        z, y, w = _inputs.prepare(logits, labels, where, weights)
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


def score_loss(score: Score, surrogate: Surrogate, average: Average | None) -> ScoreLoss:
    """A `ScoreLoss` from any callables, checked when it is made."""
    averaging.check_average(average)
    return ScoreLoss(as_bound(score), as_bound(surrogate), average)


class Sums(NamedTuple):
    """The statistic of a mean: weighted losses and weights, each summed."""

    total: Float[Array, ""]
    weight: Float[Array, ""]


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["formula"], meta_fields=["coupled"]
)
@dataclasses.dataclass(frozen=True, repr=False)
class EntryMean(Objective):
    """The weighted mean, over the entries that count, of a loss per entry; 0 if none counts.

    `coupled` formulas look at an example's other labels.
    """

    formula: Formula
    coupled: bool = False

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Sums:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        return Sums(jnp.sum(w * self.formula(z, y)), jnp.sum(w))

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        if self.coupled:
            return super().label_parts(logits, labels, where=where, weights=weights)
        return LabelParts(summed=self.statistics(logits, labels, where=where, weights=weights))

    def from_label_parts(self, parts: LabelParts) -> Sums:
        return parts.summed

    def value(self, statistics: Sums) -> Array:
        return _safe.ratio(statistics.total, statistics.weight)


@functools.partial(jax.tree_util.register_dataclass, data_fields=["formula"], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class ExampleMean(Objective):
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

    def value(self, statistics: Sums) -> Array:
        return _safe.ratio(statistics.total, statistics.weight)


class LabelSums(NamedTuple):
    """Per example, sums over its labels of weight * term, and logs of sums of weight * e^term."""

    summed: Any = ()
    log_summed: Any = ()


@functools.partial(jax.tree_util.register_dataclass, data_fields=["formula"], meta_fields=["sums"])
@dataclasses.dataclass(frozen=True, repr=False)
class LabelSumMean(SeparableObjective):
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

    def value(self, statistics: Sums) -> Array:
        return _safe.ratio(statistics.total, statistics.weight)

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


def from_objective(constructor: Callable[P, Objective]) -> LossFunction[P]:
    """The loss function of an objective's constructor."""

    def loss(  # type: ignore[no-untyped-def]
        logits, labels, *args, where=None, weights=None, axis_name=None, **kwargs
    ):
        objective = constructor(*args, **kwargs)
        return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)

    return _publish(loss, constructor, constructor, ("where", "weights", "axis_name"))


def pointwise(
    formula: Callable[Concatenate[Array, Array, P], Array], *, coupled: bool = False
) -> LossFunction[P]:
    """The loss function of a formula per entry; its objective is the mean over entries.

    The function is unreduced, [..., num_labels]; entries that do not count are 0. `coupled`
    formulas look at an example's other labels.
    """
    signature = _hyperparameters(formula)

    def bound(args: Any, kwargs: Any) -> Any:
        arguments = signature.bind(*args, **kwargs)
        arguments.apply_defaults()
        return bind(formula, **arguments.arguments)

    def loss(logits, labels, *args, where=None, weights=None, **kwargs):  # type: ignore[no-untyped-def]
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        return jnp.where(w > 0, w * bound(args, kwargs)(z, y), 0)

    def constructor(*args: P.args, **kwargs: P.kwargs) -> Objective:
        return EntryMean(bound(args, kwargs), coupled)

    return _publish(loss, constructor, formula, ("where", "weights"))


def within_example(
    formula: Callable[Concatenate[Array, Array, Array, P], Array],
) -> LossFunction[P]:
    """The loss function of a formula per example: the mean over the examples that count.

    The formula takes logits, labels and the weights of entries within their example.
    """
    return _example_loss(formula, ExampleMean)


def from_label_sums(
    sums: Callable[[Array, Array, Array], LabelSums],
) -> Callable[[Callable[Concatenate[LabelSums, P], Array]], LossFunction[P]]:
    """`within_example` for formulas of sums over labels, see `LabelSumMean`."""
    return functools.partial(_example_loss, mean=functools.partial(LabelSumMean, sums))


def _example_loss(formula: Callable[..., Any], mean: Callable[..., Objective]) -> Any:
    signature = _hyperparameters(formula)

    def constructor(*args, **kwargs):  # type: ignore[no-untyped-def]
        arguments = signature.bind(*args, **kwargs)
        arguments.apply_defaults()
        return mean(bind(formula, **arguments.arguments))

    def loss(  # type: ignore[no-untyped-def]
        logits, labels, *args, where=None, weights=None, axis_name=None, **kwargs
    ):
        objective = constructor(*args, **kwargs)
        return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)

    return _publish(loss, constructor, formula, ("where", "weights", "axis_name"))


class StatefulLossFunction(Protocol[P]):
    """A public loss with state: `init(num_labels)`, then `(value, state)` from every call."""

    @property
    def objective(self) -> Callable[P, Any]: ...

    @property
    def init(self) -> Callable[..., State]: ...

    def __call__(
        self, logits: Any, labels: Any, state: State, *args: Any, **kwargs: Any
    ) -> tuple[Array, State]: ...


def stateful(
    init: Callable[..., State], *extra: str
) -> Callable[[Callable[P, Any]], StatefulLossFunction[P]]:
    """The loss function of a stateful objective's constructor; `extra` are its call's keywords."""
    keywords = (*extra, "where", "weights", "axis_name")

    def decorate(constructor: Callable[P, Any]) -> StatefulLossFunction[P]:
        def loss(logits, labels, state, *args, **kwargs):  # type: ignore[no-untyped-def]
            data = {k: kwargs.pop(k) for k in keywords if k in kwargs}
            return constructor(*args, **kwargs)(logits, labels, state, **data)

        published = _publish(
            loss, constructor, constructor, keywords, ("logits", "labels", "state")
        )
        published.init = init
        return published

    return decorate


FORMULA_ARRAYS = ("logits", "labels", "within", "sums")
"""The arguments of formulas that are data; the others are hyperparameters."""


def _hyperparameters(function: Callable[..., Any]) -> inspect.Signature:
    parameters = inspect.signature(function).parameters
    keep = [p for name, p in parameters.items() if name not in FORMULA_ARRAYS]
    return inspect.Signature(keep, return_annotation=Objective)


_DATA = {
    "logits": Float[Array, "*batch labels"],
    "labels": "Num[Array, '*batch labels'] | Bool[Array, '*batch labels']",
    "state": "State",
    "key": "Array",
    "index": "Int[Array, '*batch'] | None",
    "where": "Bool[Array, '...'] | None",
    "weights": "Num[Array, '...'] | None",
    "axis_name": "str | tuple[str, ...] | None",
}


def _publish(
    loss: Any,
    constructor: Any,
    source: Callable[..., Any],
    keywords: tuple[str, ...],
    arrays: tuple[str, ...] = ("logits", "labels"),
) -> Any:
    """Gives both callables their true name, docstring and signature."""
    hyper = _hyperparameters(source)
    kinds = inspect.Parameter
    data = [kinds(n, kinds.POSITIONAL_OR_KEYWORD, annotation=_DATA[n]) for n in arrays]
    options = [
        # A key has no default: a draw that repeats itself would be a silent mistake.
        kinds(
            n,
            kinds.KEYWORD_ONLY,
            default=kinds.empty if n == "key" else None,
            annotation=_DATA[n],
        )
        for n in keywords
    ]
    parameters = [*data, *hyper.parameters.values(), *options]
    signatures = {
        loss: inspect.Signature(parameters, return_annotation=Array),
        constructor: hyper,
    }
    for function, signature in signatures.items():
        if function is not source:
            for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
                setattr(function, attribute, getattr(source, attribute))
        function.__signature__ = signature
    if source is not constructor:
        # The name by which pickle finds the formula again: its own is the public function's.
        source.__qualname__, loss.formula = f"{source.__name__}.formula", source
    loss.objective = constructor
    return loss
