"""Objective: a loss as sums over examples (statistics) and a function of those sums (value)."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import _eager
from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where
from sigmoidf1_jax._plain import Plain, number
from sigmoidf1_jax.label_parts import LabelParts

Statistics = Any
State = Any
AxisName = str | tuple[str, ...]


@dataclasses.dataclass(frozen=True, repr=False)
class AnyObjective(Plain):
    """An objective with or without state, in the form in which both are called alike.

    A state goes in and comes out, None where there is none: what trains, sums or maps objectives
    need not ask which kind it holds.
    """

    def init(self, num_labels: int) -> State:
        """The state before the first batch; None of an objective that has none."""
        raise NotImplementedError

    def statistics(
        self,
        logits: Logits,
        labels: Labels,
        *,
        where: Where = None,
        weights: Weights = None,
    ) -> Statistics:
        """A pytree of sums over all leading axes (the examples)."""
        raise NotImplementedError

    def advance(self, statistics: Statistics, state: State, **extra: Any) -> tuple[Array, State]:
        """The loss and the next state, from summed statistics and the state.

        `extra` is what some losses need, such as a `key`; others ignore it.
        """
        raise NotImplementedError

    def apply(
        self,
        logits: Logits,
        labels: Labels,
        state: State,
        *,
        where: Where = None,
        weights: Weights = None,
        axis_name: AxisName | None = None,
        **extra: Any,
    ) -> tuple[Array, State]:
        """The objective's own call, with a state for both kinds; `extra` as in `advance`."""
        raise NotImplementedError

    # Without this a NumPy scalar on the left of * would build an object array.
    __array_ufunc__ = None

    def __repr__(self) -> str:
        fields = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self))
        return f"{type(self).__name__}({fields})"


@dataclasses.dataclass(frozen=True, repr=False)
class Objective(AnyObjective):
    """A loss of the form `value(sum over examples of statistics)`.

    Objectives are frozen dataclasses and pytrees: numeric hyperparameters are leaves (so they
    can be differentiated, scheduled and mapped over), choices are static. They pickle, compare
    and hash by what they hold. A subclass, again a frozen dataclass, defines `statistics` and
    `value`; everything else follows, being a pytree too: fields that hold strings, bools, None
    or functions, or have `metadata={"static": True}`, are static. Statistics of disjoint sets of
    examples add up leaf by leaf, which is what makes the loss of the global batch exact however
    the batch is cut.

    >>> import jax.numpy as jnp
    >>> import sigmoidf1_jax as sf
    >>> objective = sf.objectives.soft_f1(average="micro")
    >>> logits, labels = jnp.array([[2.0, -1.0], [0.0, 1.0]]), jnp.array([[1, 0], [0, 1]])
    >>> first = objective.statistics(logits[:1], labels[:1])
    >>> second = objective.statistics(logits[1:], labels[1:])
    >>> both = jax.tree.map(jnp.add, first, second)
    >>> bool(jnp.allclose(objective.value(both), objective(logits, labels)))
    True
    """

    def init(self, num_labels: int) -> None:
        """None: there is no state."""

    def value(self, statistics: Statistics) -> Float[Array, ""] | Float[Array, " labels"]:
        """The loss as a function of summed statistics."""
        raise NotImplementedError

    def label_parts(
        self,
        logits: Logits,
        labels: Labels,
        *,
        where: Where = None,
        weights: Weights = None,
    ) -> LabelParts:
        """What some of the labels add to the statistics, of a `SeparableObjective` or sum of such.

        Raises:
          TypeError: the statistics need all labels at once.
        """
        raise TypeError(
            f"{self!r} is not separable over labels: its statistics need the logits of all labels "
            "at once"
        )

    def from_label_parts(self, parts: LabelParts) -> Statistics:
        """The statistics, from the joined parts of all labels."""
        raise NotImplementedError

    def __call__(
        self,
        logits: Logits,
        labels: Labels,
        *,
        where: Where = None,
        weights: Weights = None,
        axis_name: AxisName | None = None,
    ) -> Float[Array, ""] | Float[Array, " labels"]:
        """The loss of the batch, or of the global batch when `axis_name` is given.

        Args:
          logits: [..., num_labels] floating; every leading axis holds examples.
          labels: same shape; bool, integer or floating in [0, 1].
          where: True where an entry counts; broadcasts to the labels' shape.
          weights: weights >= 0; broadcast to the labels' shape.
          axis_name: mapped axis (or axes) of pmap, shard_map or vmap over which the statistics
            are summed.

        Returns:
          A scalar, or [num_labels] for `average=None`; in the logits' dtype, float32 at least.

        Raises:
          ValueError, TypeError: see `losses`; shapes and dtypes at trace time, values (NaN,
            labels outside [0, 1], negative weights) on concrete arrays or under checkify.
        """
        data: Any = {"where": where, "weights": weights, "axis_name": axis_name}
        return _eager.call(_loss, self, logits, labels, None, **data)[0]

    def advance(self, statistics: Statistics, state: State, **extra: Any) -> tuple[Array, None]:
        """`value`, and no state."""
        return self.value(statistics), None

    def apply(
        self,
        logits: Logits,
        labels: Labels,
        state: State,
        *,
        where: Where = None,
        weights: Weights = None,
        axis_name: AxisName | None = None,
        **extra: Any,
    ) -> tuple[Array, None]:
        """The call, and no state."""
        return self(logits, labels, where=where, weights=weights, axis_name=axis_name), None

    def __mul__(self, weight: ArrayLike) -> "WeightedSum":
        if isinstance(weight, AnyObjective):
            return NotImplemented
        return WeightedSum((self,), (number(weight),))

    __rmul__ = __mul__

    def __add__(self, other: "Objective") -> "WeightedSum":
        if not isinstance(other, Objective):
            return NotImplemented
        mine, theirs = _as_sum(self), _as_sum(other)
        return WeightedSum(mine.parts + theirs.parts, mine.weights + theirs.weights)

    def __radd__(self, other: Any) -> "Objective":
        # sum([...]) starts from 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented


@dataclasses.dataclass(frozen=True, repr=False)
class SeparableObjective(Objective):
    """An objective whose statistics follow from parts that blocks of labels add.

    A subclass defines `label_parts`, `from_label_parts` and `value`. Since the parts are sums
    over labels, or stand for one label each, the logits of all labels never have to exist at
    once: see `training.label_blocks`. Every objective of which that is true is one of these, or
    a `WeightedSum` whose parts all are.

    >>> import jax.numpy as jnp
    >>> import sigmoidf1_jax as sf
    >>> objective = sf.objectives.soft_f1(average="micro")
    >>> parts = objective.label_parts(jnp.zeros((2, 3)), jnp.ones((2, 3)))
    >>> objective.from_label_parts(parts).tp
    Array(3., dtype=float32)
    """

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        parts = self.label_parts(logits, labels, where=where, weights=weights)
        return self.from_label_parts(parts)


@dataclasses.dataclass(frozen=True, repr=False)
class StatefulObjective(AnyObjective):
    """A loss of summed statistics and of a state that it also updates.

    `init(num_labels)` makes the state, a pytree of arrays that checkpoints; a call returns
    `(value, state)`. The state is updated from statistics that are summed under `axis_name`, so
    it stays equal on all devices. No gradient flows through the state.
    """

    def value(self, statistics: Statistics, state: State, **extra: Any) -> tuple[Array, State]:
        """The loss, and the next state, as functions of summed statistics and the state.

        `extra` is what some losses need, such as a `key`; others ignore it.
        """
        raise NotImplementedError

    def __call__(
        self,
        logits: Logits,
        labels: Labels,
        state: State,
        *,
        where: Where = None,
        weights: Weights = None,
        axis_name: AxisName | None = None,
        **extra: Any,
    ) -> tuple[Array, State]:
        """The loss of the batch (of the global batch with `axis_name`) and the next state."""
        data: Any = {"where": where, "weights": weights, "axis_name": axis_name}
        return _eager.call(_loss, self, logits, labels, state, **data, **extra)

    def advance(self, statistics: Statistics, state: State, **extra: Any) -> tuple[Array, State]:
        """`value`, with a state that takes in no NaN and lets no gradient through.

        Where the statistics hold a NaN, so does the value, and the state stays as it was: one
        bad batch does not spoil all that come after it.
        """
        state = jax.lax.stop_gradient(state)
        value, new = self.value(statistics, state, **extra)
        return value, jax.lax.stop_gradient(unless_nan(statistics, new, state))

    def apply(
        self,
        logits: Logits,
        labels: Labels,
        state: State,
        *,
        where: Where = None,
        weights: Weights = None,
        axis_name: AxisName | None = None,
        **extra: Any,
    ) -> tuple[Array, State]:
        """The call."""
        return self(
            logits, labels, state, where=where, weights=weights, axis_name=axis_name, **extra
        )

    def __mul__(self, weight: ArrayLike) -> "StatefulSum":
        if isinstance(weight, AnyObjective):
            return NotImplemented
        return StatefulSum((self,), (number(weight),))

    __rmul__ = __mul__

    def __add__(self, other: AnyObjective) -> "StatefulSum":
        return _stateful_sum(self, other)

    def __radd__(self, other: Any) -> "StatefulObjective":
        if isinstance(other, int) and other == 0:
            return self
        return _stateful_sum(other, self)


def _loss(
    objective: AnyObjective,
    logits: Logits,
    labels: Labels,
    state: State,
    *,
    where: Where,
    weights: Weights,
    axis_name: AxisName | None,
    **extra: Any,
) -> tuple[Array, State]:
    statistics = objective.statistics(logits, labels, where=where, weights=weights)
    if axis_name is not None:
        statistics = jax.lax.psum(statistics, axis_name)
    return objective.advance(statistics, state, **extra)


def unless_nan(checked: Any, new: State, old: State) -> State:
    """`new`, or `old` if there is a NaN anywhere in `checked`."""
    leaves = [x for x in jax.tree.leaves(checked) if jnp.issubdtype(x.dtype, jnp.inexact)]
    bad = jnp.any(jnp.asarray([jnp.any(jnp.isnan(x)) for x in leaves]))
    return jax.tree.map(lambda a, b: jnp.where(bad, b, a), new, old)


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["parts", "weights"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True, repr=False)
class WeightedSum(Objective):
    """`sum(weight * part)`: statistics side by side, values summed.

    >>> import sigmoidf1_jax as sf
    >>> len((0.3 * sf.objectives.binary_cross_entropy() + sf.objectives.soft_f1()).parts)
    2
    """

    parts: tuple[Objective, ...]
    weights: tuple[ArrayLike, ...]

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        return tuple(
            part.statistics(logits, labels, where=where, weights=weights) for part in self.parts
        )

    def label_parts(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> LabelParts:
        each = [
            part.label_parts(logits, labels, where=where, weights=weights) for part in self.parts
        ]
        return LabelParts(*zip(*each, strict=True))

    def from_label_parts(self, parts: LabelParts) -> Statistics:
        each = (LabelParts(*fields) for fields in zip(*parts, strict=True))
        return tuple(p.from_label_parts(x) for p, x in zip(self.parts, each, strict=True))

    def value(self, statistics: Statistics) -> Float[Array, ""] | Float[Array, " labels"]:
        values = [part.value(own) for part, own in zip(self.parts, statistics, strict=True)]
        return _weighted(values, self.weights)

    def __mul__(self, weight: ArrayLike) -> "WeightedSum":
        if isinstance(weight, AnyObjective):
            return NotImplemented
        return WeightedSum(self.parts, tuple(w * number(weight) for w in self.weights))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return " + ".join(f"{w} * {p!r}" for w, p in zip(self.weights, self.parts, strict=True))


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["parts", "weights"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True, repr=False)
class StatefulSum(StatefulObjective):
    """`sum(weight * part)` of objectives of which some have a state: states side by side.

    The state is a tuple with one state for each part, None for those that have none. What a part
    needs besides, such as a `key`, is given to the call of the sum. A sum with
    `average_precision` can be called, but has no statistics, as that has none.

    >>> import jax, jax.numpy as jnp
    >>> import sigmoidf1_jax as sf
    >>> objective = 0.5 * sf.objectives.soft_f1() + sf.objectives.tencent()
    >>> logits, labels = jnp.array([[1.0, -1.0]]), jnp.array([[1, 0]])
    >>> state = objective.init(2)
    >>> value, state = objective(logits, labels, state, key=jax.random.key(0))
    >>> state[0] is None, state[1].positive_run.tolist()
    (True, [1.0, 0.0])
    """

    parts: tuple[AnyObjective, ...]
    weights: tuple[ArrayLike, ...]

    def init(self, num_labels: int) -> tuple[State, ...]:
        """The states of the parts before the first batch."""
        return tuple(part.init(num_labels) for part in self.parts)

    def statistics(
        self, logits: Logits, labels: Labels, *, where: Where = None, weights: Weights = None
    ) -> Statistics:
        return tuple(
            part.statistics(logits, labels, where=where, weights=weights) for part in self.parts
        )

    def value(
        self, statistics: Statistics, state: tuple[State, ...], **extra: Any
    ) -> tuple[Array, tuple[State, ...]]:
        each = zip(self.parts, statistics, self._states(state), strict=True)
        return self._total(part.advance(own, old, **extra) for part, own, old in each)

    def __call__(
        self,
        logits: Logits,
        labels: Labels,
        state: tuple[State, ...],
        *,
        where: Where = None,
        weights: Weights = None,
        axis_name: AxisName | None = None,
        **extra: Any,
    ) -> tuple[Array, tuple[State, ...]]:
        """The loss of the batch (of the global batch with `axis_name`) and the next state."""
        options: Any = {"where": where, "weights": weights, "axis_name": axis_name, **extra}
        each = zip(self.parts, self._states(state), strict=True)
        # Each by its own call, as not every part is a function of sums.
        return self._total(part.apply(logits, labels, old, **options) for part, old in each)

    def _states(self, state: tuple[State, ...]) -> tuple[State, ...]:
        # A single state is often a named tuple, which is not meant.
        if type(state) not in (tuple, list) or len(state) != len(self.parts):
            raise TypeError(
                f"state must be a tuple of {len(self.parts)} states, one for each part as "
                f"init(num_labels) makes them, got {state!r}"
            )
        return tuple(state)

    def _total(self, results: Iterable[tuple[Array, State]]) -> tuple[Array, tuple[State, ...]]:
        values, states = zip(*results, strict=True)
        return _weighted(values, self.weights), states

    def __mul__(self, weight: ArrayLike) -> "StatefulSum":
        if isinstance(weight, AnyObjective):
            return NotImplemented
        return StatefulSum(self.parts, tuple(w * number(weight) for w in self.weights))

    __rmul__ = __mul__

    __repr__ = WeightedSum.__repr__


def _as_sum(objective: Objective) -> WeightedSum:
    if isinstance(objective, WeightedSum):
        return objective
    return WeightedSum((objective,), (1.0,))


def _stateful_sum(one: Any, other: Any) -> StatefulSum:
    parts: tuple[Any, ...] = ()
    weights: tuple[ArrayLike, ...] = ()
    for term in (one, other):
        if isinstance(term, WeightedSum | StatefulSum):
            parts, weights = parts + term.parts, weights + term.weights
        elif isinstance(term, AnyObjective):
            parts, weights = (*parts, term), (*weights, 1.0)
        else:
            return NotImplemented
    return StatefulSum(parts, weights)


def _weighted(values: Sequence[Array], weights: Sequence[ArrayLike]) -> Array:
    total: Any = 0.0
    for value, weight in zip(values, weights, strict=True):
        total = total + jnp.asarray(weight, value.dtype) * value
    return total
