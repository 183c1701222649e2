"""How a loss is defined once and offered twice: as a function and as an Objective."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sigmoidf1_jax import _inputs, _safe, averaging
from sigmoidf1_jax._bound import as_bound, bind
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax.averaging import Average, ExampleScores
from sigmoidf1_jax.confusion import Confusion, soft_confusion
from sigmoidf1_jax.objective import Objective, State, Statistics
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
class ScoreLoss(Objective):
    """`1 - score` of the soft confusion of `surrogate(logits)` and the labels."""

    score: Score
    surrogate: Surrogate
    average: Average | None

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        inputs = _inputs.prepare(logits, labels, where, weights)
        return self.sums(inputs)

    def sums(self, inputs: _inputs.Inputs) -> Confusion | ExampleScores:
        """The statistics of checked inputs."""
        s, y, w = self.surrogate(inputs.logits), inputs.labels, inputs.weight
        if self.average == "samples":
            example, within = averaging.example_weights(w)
            return averaging.example_scores(self.score, soft_confusion(s, y, within, -1), example)
        per_label = soft_confusion(s, y, w, averaging.leading_axes(s))
        return averaging.pool(per_label) if self.average == "micro" else per_label

    def value(self, statistics: Confusion | ExampleScores) -> Array:
        return 1 - averaging.score_value(self.score, statistics, self.average)


def score_loss(score: Score, surrogate: Surrogate, average: Average | None) -> ScoreLoss:
    """A `ScoreLoss` from any callables, checked when it is made."""
    averaging.check_average(average)
    return ScoreLoss(as_bound(score), as_bound(surrogate), average)


class Sums(NamedTuple):
    """The statistic of a mean: weighted losses and weights, each summed."""

    total: Float[Array, ""]
    weight: Float[Array, ""]


@functools.partial(jax.tree_util.register_dataclass, data_fields=["formula"], meta_fields=[])
@dataclasses.dataclass(frozen=True, repr=False)
class EntryMean(Objective):
    """The weighted mean, over the entries that count, of a loss per entry; 0 if none counts."""

    formula: Formula

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        return Sums(jnp.sum(w * self.formula(z, y)), jnp.sum(w))

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
    ) -> Statistics:
        z, y, w = _inputs.prepare(logits, labels, where, weights)
        example, within = averaging.example_weights(w)
        return Sums(jnp.sum(example * self.formula(z, y, within)), jnp.sum(example))

    def value(self, statistics: Sums) -> Array:
        return _safe.ratio(statistics.total, statistics.weight)


def from_objective(constructor: Callable[P, Objective]) -> LossFunction[P]:
    """The loss function of an objective's constructor."""

    def loss(  # type: ignore[no-untyped-def]
        logits, labels, *args, where=None, weights=None, axis_name=None, **kwargs
    ):
        objective = constructor(*args, **kwargs)
        return objective(logits, labels, where=where, weights=weights, axis_name=axis_name)

    return _publish(loss, constructor, constructor, ("where", "weights", "axis_name"))


def pointwise(formula: Callable[Concatenate[Array, Array, P], Array]) -> LossFunction[P]:
    """The loss function of a formula per entry; its objective is the mean over entries.

    The function is unreduced, [..., num_labels]; entries that do not count are 0.
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
        return EntryMean(bound(args, kwargs))

    return _publish(loss, constructor, formula, ("where", "weights"))


def within_example(
    formula: Callable[Concatenate[Array, Array, Array, P], Array],
) -> LossFunction[P]:
    """The loss function of a formula per example: the mean over the examples that count.

    The formula takes logits, labels and the weights of entries within their example.
    """
    signature = _hyperparameters(formula)

    def constructor(*args: P.args, **kwargs: P.kwargs) -> Objective:
        arguments = signature.bind(*args, **kwargs)
        arguments.apply_defaults()
        return ExampleMean(bind(formula, **arguments.arguments))

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


def _hyperparameters(function: Callable[..., Any]) -> inspect.Signature:
    parameters = inspect.signature(function).parameters
    keep = [p for name, p in parameters.items() if name not in ("logits", "labels", "within")]
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
    loss.objective = constructor
    return loss
