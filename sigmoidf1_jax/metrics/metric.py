"""Metric: a metric as sums over examples (statistics) and a function of those sums (value)."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float

from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.metrics import _prepare
from sigmoidf1_jax.metrics._prepare import ExampleSums


class ExampleValues(NamedTuple):
    """A metric of each example, as a report shows its mean over examples."""

    value: Float[Array, " examples"]
    defined: Bool[Array, " examples"] | None = None
    """False where an example is left out of the mean; None leaves out none."""
    nothing: float | None = None
    """The mean where no example counts; None is NaN."""


Definitions = dict[Callable[..., Any], Callable[..., "Metric"]]
"""How public metrics add up: each function, and what makes its `Metric` of its options."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric of the form `value(sum over examples of statistics)`, as an `Objective` is.

    This is the whole definition of a metric: a call computes it at once, and `Stream` takes it
    as it is. Two are equal if their functions are; those of a module also pickle.

    Args:
      statistics: function (predictions, labels, *, where, weights) -> a pytree of sums over all
        leading axes (the examples); `where` and `weights` may be None and broadcast to the
        labels' shape [..., num_labels].
      value: function of the summed statistics, of float leaves in a stream.
      decided: whether the predictions are decisions (bool or 0/1), not floating scores.

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> def predicted(decisions, labels, *, where=None, weights=None):
      ...     counts = sf.confusion(decisions, labels, where=where, weights=weights, axis=None)
      ...     return counts.tp + counts.fp, counts.tp + counts.fp + counts.fn + counts.tn
      >>> share = sf.metrics.Metric(predicted, lambda sums: sums[0] / sums[1], decided=True)
      >>> decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]])
      >>> share(decisions, labels)
      Array(0.75, dtype=float32)
      >>> stream = sf.metrics.Stream(share, num_labels=2)
      >>> state = stream.update(stream.empty(), decisions[:1], labels[:1])
      >>> stream.compute(stream.update(state, decisions[1:], labels[1:]))
      Array(0.75, dtype=float32)
    """

    statistics: Callable[..., Any]
    value: Callable[[Any], Any]
    decided: bool = False

    def __call__(
        self, predictions: Any, labels: Any, *, where: Where = None, weights: Weights = None
    ) -> Any:
        """The metric of these examples."""
        return self.value(self.statistics(predictions, labels, where=where, weights=weights))


def mean_over_examples(
    values: Callable[[Any], Float[Array, " examples"]], *, decided: bool = False
) -> Metric:
    """The mean of `values(ranking or decided)` over the examples that count; NaN if none does."""
    prepare: Callable[..., Any] = _prepare.decided if decided else _prepare.prepare

    def statistics(
        predictions: Any, labels: Any, *, where: Where = None, weights: Weights = None
    ) -> ExampleSums:
        prepared = prepare(predictions, labels, where, weights)
        return _prepare.example_sums(values(prepared), prepared)

    return Metric(statistics, mean, decided)


def mean(sums: ExampleSums) -> Float[Array, ""]:
    """The mean that the sums are of; NaN where nothing counts."""
    return sums.total / sums.weight
