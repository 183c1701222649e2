"""Metrics over a stream of batches: a frozen description and a small state that adds up."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sigmoidf1_jax import averaging
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.metrics import (
    _compensated,
    _prepare,
    calibration,
    confusion,
    counts,
    ranking,
    sketch,
    top_k,
)
from sigmoidf1_jax.metrics._prepare import BinaryLabels
from sigmoidf1_jax.metrics.metric import Definitions, Metric
from sigmoidf1_jax.metrics.sketch import Bounds, ScoreHistogram, Sketched
from sigmoidf1_jax.objective import AxisName, Objective

# How the metrics of each file add up.
_DEFINITIONS: Definitions = {
    **calibration.DEFINITIONS,
    **confusion.DEFINITIONS,
    **counts.DEFINITIONS,
    **ranking.DEFINITIONS,
    **sketch.DEFINITIONS,
    **top_k.DEFINITIONS,
}


def _is_nan(x: Any) -> bool:
    return isinstance(x, float) and x != x


def _plain(x: Any) -> Any:
    """Options are compared and hashed: arrays become numbers and tuples of them."""
    if hasattr(x, "tolist"):
        x = x.tolist()
    return tuple(_plain(y) for y in x) if isinstance(x, list) else x


@dataclasses.dataclass(frozen=True, init=False, eq=False)
class Stream:
    """A metric over many batches, processes or devices, in a state of fixed size.

    The description is static and hashable; the state is a pytree of arrays, so `update` runs in
    jit and scan and the state can be checkpointed. What the state holds follows from the metric:
    confusion counts per label, a sum over examples, calibration bins, or for `average_precision`
    and `roc_auc` a histogram of logits per label (`sketch`), whose `bounds` hold the exact value.
    Sums are pairs of floats: counts are exact up to 2^47 (float32), one batch up to 2^31 - 1.

    A NaN that counts raises in an eager `update`. Inside jit, where it cannot, it stays in the
    sums of its label: from then on the metric of that label, and every average that it has a
    part in, is NaN in `compute`, in all later and merged states. To go on without a bad batch,
    keep the state from before it.

    Args:
      metric: a function of `sf.metrics`, a `Metric` of one's own or an `Objective`, whose value
        on all examples is then exact.
      num_labels: the last axis of its inputs.
      **options: the function's own static options (average, k, beta, zero_division, ...), and for
        sketches `num_bins` and `limit` of `score_histogram`.

    Raises:
      ValueError: a metric that does not add up, unknown `average`, an option that the metric
        does not have; `update`, `merge` and `compute` for the state of another stream.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> stream = sf.metrics.Stream(sf.metrics.f1, num_labels=2, average="micro")
      >>> state = stream.empty()
      >>> state = stream.update(state, jnp.array([[1, 0]]), jnp.array([[1, 1]]))
      >>> state = stream.update(state, jnp.array([[1, 1]]), jnp.array([[1, 1]]))
      >>> round(float(stream.compute(state)), 4)
      0.8571
    """

    metric: Callable[..., Any]
    num_labels: int
    options: tuple[tuple[str, Any], ...]

    def __init__(self, metric: Callable[..., Any], num_labels: int, **options: Any) -> None:
        if num_labels < 1:
            raise ValueError(f"num_labels must be >= 1, got {num_labels}")
        averaging.check_average(options.get("average"))
        object.__setattr__(self, "metric", metric)
        object.__setattr__(self, "num_labels", num_labels)
        object.__setattr__(
            self, "options", tuple(sorted((k, _plain(v)) for k, v in options.items()))
        )
        hash(self)
        if options.get("average") == "samples" and _is_nan(dict(self.options).get("zero_division")):
            raise ValueError("a stream of average='samples' needs zero_division 0 or 1")
        try:
            jax.eval_shape(self.compute, self.empty())
        except TypeError as error:
            raise ValueError(f"{self._name} cannot be streamed so: {error}") from error

    @property
    def _key(self) -> Any:
        # NaN equals not even itself; what stands for it equals no option.
        return (
            self.metric,
            self.num_labels,
            tuple((name, "NaN" if _is_nan(value) else value) for name, value in self.options),
        )

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Stream) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _name(self) -> str:
        return f"metrics.{getattr(self.metric, '__name__', self.metric)}"

    @property
    def _definition(self) -> Metric:
        """The metric with its options: statistics and value."""
        options = dict(self.options)
        if self.metric in _DEFINITIONS:
            return _DEFINITIONS[self.metric](**options)
        if not isinstance(self.metric, Metric | Objective):
            raise ValueError(f"{self._name} is not a metric that can be streamed")
        if options:
            raise TypeError(f"it takes no options, got {sorted(options)}")
        if isinstance(self.metric, Objective):
            return Metric(self.metric.statistics, self.metric.value)
        return self.metric

    def empty(self) -> "State":
        """The state of no examples."""
        metric = self._definition
        shape = (1, self.num_labels)
        predictions = jax.ShapeDtypeStruct(shape, bool if metric.decided else jnp.float32)
        labels = jax.ShapeDtypeStruct(shape, bool)
        shapes = jax.eval_shape(metric.statistics, predictions, labels)
        dtype = jnp.result_type(float)
        return State(self, jax.tree.map(lambda x: _compensated.zeros(x.shape, dtype), shapes))

    def update(
        self,
        state: "State",
        predictions: Any,
        labels: BinaryLabels,
        *,
        where: Where = None,
        weights: Weights = None,
        axis_name: AxisName | None = None,
    ) -> "State":
        """The state with one more batch; with `axis_name`, with the batches of all devices.

        Args:
          state: from `empty`, `update` or `merge` of this stream.
          predictions: [..., num_labels], what the metric takes first: decisions, scores or
            probabilities; logits for a sketch.
          labels: same shape, with at least one axis of examples.
          where: True where an entry counts; broadcasts to the labels' shape.
          weights: weights >= 0; broadcast to the labels' shape.
          axis_name: mapped axis (or axes) over which the batch is summed. The state is the same
            on all devices then and must not be merged over them again.
        """
        self._check(state)
        predictions = _prepare.as_array(predictions, "predictions")
        labels = _prepare.as_array(labels, "labels")
        where = None if where is None else _prepare.as_array(where, "where")
        weights = None if weights is None else _prepare.as_array(weights, "weights")
        if labels.shape[-1:] != (self.num_labels,):
            raise ValueError(
                f"labels must have shape [..., num_labels = {self.num_labels}], got {labels.shape}"
            )
        sums = self._definition.statistics(predictions, labels, where=where, weights=weights)
        if axis_name is not None:
            sums = jax.lax.psum(sums, axis_name)
        return State(self, _compensated.each(_compensated.add, state.sums, sums))

    def merge(self, first: "State", second: "State") -> "State":
        """The state of both sets of examples."""
        self._check(first)
        self._check(second)
        return State(self, _compensated.each(_compensated.join, first.sums, second.sums))

    def compute(self, state: "State") -> Array:
        """The metric of all examples so far: a scalar, or [num_labels] for `average=None`.

        Of no examples it is what the metric is where nothing counts: NaN, or `zero_division`.
        """
        return self._definition.value(self._totals(state))

    def bounds(self, state: "State") -> Bounds:
        """An interval that holds the exact value, for `average_precision` and `roc_auc`."""
        histogram, metric = self.histogram(state), self._definition
        if not isinstance(metric, Sketched):
            raise ValueError(f"{self._name} has no bounds of its histogram")
        return metric.bounds(histogram)

    def histogram(self, state: "State") -> ScoreHistogram:
        """The sketch's histogram, e.g. for `threshold_counts`."""
        sums = self._totals(state)
        if not isinstance(sums, ScoreHistogram):
            raise ValueError(f"{self._name} with these options keeps no histogram")
        return sums

    def _totals(self, state: "State") -> Any:
        self._check(state)
        return _compensated.each(_compensated.total, state.sums)

    def _check(self, state: "State") -> None:
        if not isinstance(state, State):
            raise TypeError(f"state must come from Stream.empty, got {type(state).__name__}")
        if state.stream != self:
            raise ValueError(f"the state is one of {state.stream}, not of {self}")


@functools.partial(jax.tree_util.register_dataclass, data_fields=["sums"], meta_fields=["stream"])
@dataclasses.dataclass(frozen=True)
class State:
    """What a `Stream` has seen: sums over examples, and (static) the stream they belong to."""

    stream: Stream
    sums: Any
