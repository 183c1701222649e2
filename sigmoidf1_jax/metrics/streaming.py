"""Metrics over a stream of batches: a frozen description and a small state that adds up."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from sigmoidf1_jax import _inputs, _safe, averaging, scores
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.metrics import (
    _order,
    _prepare,
    calibration,
    counts,
    curves,
    ranking,
    set_based,
    sketch,
    top_k,
)
from sigmoidf1_jax.metrics._prepare import BinaryLabels
from sigmoidf1_jax.metrics.sketch import Bounds, ScoreHistogram
from sigmoidf1_jax.objective import AxisName

# How each metric adds up. Counts per label are enough for these, with their scores ...
_OF_COUNTS: dict[Callable[..., Any], Callable[..., Array]] = {
    set_based.accuracy: scores.accuracy,
    set_based.balanced_accuracy: scores.balanced_accuracy,
    set_based.f1: scores.f1,
    set_based.f_beta: scores.f_beta,
    set_based.hamming_loss: set_based.share_wrong,
    set_based.jaccard: scores.jaccard,
    set_based.matthews: scores.mcc,
    set_based.precision: scores.precision,
    set_based.recall: scores.recall,
    set_based.specificity: scores.specificity,
}
# ... these are means over examples ...
_OF_EXAMPLES: tuple[Callable[..., Any], ...] = (
    counts.label_count_bias,
    counts.label_count_error,
    ranking.coverage_error,
    ranking.label_ranking_average_precision,
    ranking.one_error,
    ranking.ranking_loss,
    set_based.subset_accuracy,
    top_k.ndcg_at_k,
    top_k.precision_at_k,
    top_k.r_precision_at_k,
    top_k.recall_at_k,
)
# ... and these need the scores themselves, kept as histograms.
_SKETCHED: dict[Callable[..., Any], curves.Area] = {
    curves.average_precision: _order.average_precision,
    curves.roc_auc: _order.roc_auc,
}


_BINS = ("num_bins", "limit")


class Counter(NamedTuple):
    """A sum as high + low, two floats: integers stay exact up to 2^47 in float32."""

    high: Float[Array, "..."]
    low: Float[Array, "..."]


def _add(counter: Counter, x: Num[Array, "..."]) -> Counter:
    dtype = counter.high.dtype
    if jnp.issubdtype(x.dtype, jnp.integer):
        # An int32 above 2^24 fits no float32, its upper and lower bits do.
        low = x & 0xFFF
        return _add_floats(_add_floats(counter, (x - low).astype(dtype)), low.astype(dtype))
    return _add_floats(counter, x.astype(dtype))


def _add_floats(counter: Counter, x: Float[Array, "..."]) -> Counter:
    # Knuth's two-sum gives the rounding error exactly; the low word collects it.
    total = counter.high + x
    shadow = total - counter.high
    error = (counter.high - (total - shadow)) + (x - shadow)
    low = counter.low + error
    high = total + low
    return Counter(high, low - (high - total))


def _is_counter(x: Any) -> bool:
    return isinstance(x, Counter)


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
      metric: a function of `sf.metrics`.
      num_labels: the last axis of its inputs.
      **options: the metric's own static options (average, k, beta, zero_division, ...), and for
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
        try:
            self.empty()
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
    def _of_examples(self) -> bool:
        options = dict(self.options)
        return self.metric in _OF_EXAMPLES or options.get("average") == "samples"

    def _sketch_options(self) -> tuple[dict[str, Any], dict[str, Any]]:
        options = dict(self.options)
        bins: dict[str, Any] = {k: options.pop(k) for k in _BINS if k in options}
        return bins, options

    @property
    def _average(self) -> Average | None:
        average: Average | None = dict(self.options).get("average", "macro")
        return average

    def _statistics(self, predictions: Any, labels: Any, where: Where, weights: Weights) -> Any:
        given: dict[str, Any] = {"where": where, "weights": weights}
        options = dict(self.options)
        if self.metric in _SKETCHED and self._average == "samples":
            self.metric(predictions, labels, **options, **given)
            ranked = _prepare.prepare(predictions, labels, where, weights)
            # Sums of what the metric averages: an example that it skips has no weight.
            default = "zero" if self.metric is curves.average_precision else "nan"
            undefined = options.get("undefined", default)
            return curves.example_sums(_SKETCHED[self.metric], ranked, undefined)
        if self._of_examples:
            if _is_nan(options.get("zero_division")):
                raise ValueError("a stream of average='samples' needs zero_division 0 or 1")
            mean = self.metric(predictions, labels, **options, **given)
            _, weight = _inputs.entry_weights(jnp.shape(labels), mean.dtype, where, weights)
            total = jnp.sum(averaging.example_weights(weight)[0])
            # Nothing counts: that the mean is NaN then is no NaN to keep.
            return jnp.where(total == 0, 0, mean * total), total
        if self.metric in _OF_COUNTS:
            # The metric itself checks the inputs and the options; its value is not used.
            self.metric(predictions, labels, **options, **given)
            return set_based.counts_of(_prepare.decided(predictions, labels, where, weights), 0)
        if self.metric in _SKETCHED:
            _inputs.refuse_label_weights(weights, labels.shape, self._average)
            bins, options = self._sketch_options()
            if unknown := set(options) - {"average", "undefined"}:
                raise TypeError(f"unknown options {sorted(unknown)}")
            curves.check_undefined(options.get("undefined", "nan"))
            return sketch.score_histogram(predictions, labels, **bins, **given)
        if self.metric is top_k.psp_at_k:
            ranked = _prepare.prepare(predictions, labels, where, weights)
            _prepare.check_k(options["k"], self.num_labels)
            return top_k.psp_sums(
                ranked, options["k"], np.asarray(options["inverse_propensities"], np.float32)
            )
        if self.metric is calibration.calibration_error:
            _inputs.refuse_label_weights(weights, labels.shape, self._average)
            options.pop("average", None)
            return calibration.reliability(predictions, labels, **options, **given)
        raise ValueError(f"{self._name} is not a metric that can be streamed")

    def empty(self) -> "State":
        """The state of no examples."""
        decided = self.metric in (*_OF_COUNTS, set_based.subset_accuracy) or self.metric in (
            counts.label_count_bias,
            counts.label_count_error,
        )
        shape = (1, self.num_labels)
        predictions = jax.ShapeDtypeStruct(shape, bool if decided else jnp.float32)
        labels = jax.ShapeDtypeStruct(shape, bool)
        shapes = jax.eval_shape(
            functools.partial(self._statistics, where=None, weights=None), predictions, labels
        )
        dtype = jnp.result_type(float)

        def zero(x: Any) -> Counter:
            return Counter(jnp.zeros(x.shape, dtype), jnp.zeros(x.shape, dtype))

        return State(self, jax.tree.map(zero, shapes))

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
        sums = self._statistics(predictions, labels, where, weights)
        if axis_name is not None:
            sums = jax.lax.psum(sums, axis_name)
        return State(self, jax.tree.map(_add, state.sums, sums, is_leaf=_is_counter))

    def merge(self, first: "State", second: "State") -> "State":
        """The state of both sets of examples."""
        self._check(first)
        self._check(second)

        def both(a: Counter, b: Counter) -> Counter:
            return _add_floats(_add_floats(a, b.high), b.low)

        return State(self, jax.tree.map(both, first.sums, second.sums, is_leaf=_is_counter))

    def compute(self, state: "State") -> Array:
        """The metric of all examples so far: a scalar, or [num_labels] for `average=None`.

        Of no examples it is what the metric is where nothing counts: NaN, or `zero_division`.
        """
        sums = self._totals(state)
        options = dict(self.options)
        if self.metric is top_k.psp_at_k:
            return top_k.psp_value(sums)
        if self._of_examples:
            if self.metric in _OF_COUNTS:
                return _safe.ratio(sums[0], sums[1], options.get("zero_division", 0.0))
            return sums[0] / sums[1]
        if self.metric is set_based.hamming_loss:
            return set_based.share_wrong(averaging.pool(sums))
        if self.metric in _OF_COUNTS:
            options.pop("average", None)
            score = functools.partial(_OF_COUNTS[self.metric], **options)
            return set_based.score_of_counts(score, sums, self._average)
        if self.metric in _SKETCHED:
            _, options = self._sketch_options()
            if self.metric is curves.roc_auc:
                return sketch.sketched_roc_auc(sums, **options)
            return sketch.sketched_average_precision(sums, **options)
        return calibration.error_of_curve(sums, self._average)  # type: ignore[arg-type]

    def bounds(self, state: "State") -> Bounds:
        """An interval that holds the exact value, for `average_precision` and `roc_auc`."""
        histogram = self.histogram(state)
        _, options = self._sketch_options()
        if self.metric is curves.roc_auc:
            return sketch.roc_auc_bounds(histogram, **options)
        return sketch.average_precision_bounds(histogram, **options)

    def histogram(self, state: "State") -> ScoreHistogram:
        """The sketch's histogram, e.g. for `threshold_counts`."""
        if self.metric not in _SKETCHED or self._of_examples:
            raise ValueError(f"{self._name} with these options keeps no histogram")
        return self._totals(state)

    def _totals(self, state: "State") -> Any:
        self._check(state)
        return jax.tree.map(lambda c: c.high + c.low, state.sums, is_leaf=_is_counter)

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
