"""All metrics of one evaluation at once, with bootstrap intervals on request."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from sigmoidf1_jax import _inputs, _safe, _tiles, averaging
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.confusion import Confusion
from sigmoidf1_jax.metrics import _order, _prepare, confusion, counts, curves, ranking, top_k
from sigmoidf1_jax.metrics._order import Order
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Decided, Decisions, Ranking, Scores
from sigmoidf1_jax.metrics.curves import Areas
from sigmoidf1_jax.metrics.metric import ExampleValues
from sigmoidf1_jax.metrics.table import Estimate, Report


class _Parts(NamedTuple):
    """What resampling examples leaves unchanged: every sort and every metric of one example."""

    cells: Confusion
    """The weight of each entry, in its cell of the confusion."""
    weight: Float[Array, "examples labels"]
    example: Float[Array, " examples"]
    per_example: dict[str, ExampleValues]
    by_label: Order
    nan_of_sets: Float[Array, " labels"] | None
    """NaN where a label has one in what decisions are compared with, else 0."""
    nan_of_scores: Float[Array, " labels"] | None
    """The same of scores."""


def report(
    scores: Scores,
    labels: BinaryLabels,
    decisions: Decisions,
    *,
    k: tuple[int, ...] = (1, 3, 5),
    where: Where = None,
    weights: Weights = None,
    bootstrap: int | None = None,
    key: PRNGKeyArray | None = None,
    level: float = 0.95,
    label_names: Sequence[str] | None = None,
    per_label: bool | None = None,
) -> Report:
    r"""Every metric of label sets and of rankings, from one sort per label and one per example.

    Keys are `f1/macro`, `average_precision/macro`, `precision_at_k/3`, `ranking_loss`, ...: the
    functions of `sf.metrics` and their average or k. Micro areas would need a sort of all
    entries and calibration needs probabilities: call `roc_auc(..., average="micro")` and
    `calibration_error` for those. Values of k above num_labels are left out. Every value is that
    of its function, but for `roc_auc`: labels and examples of one class are left out of its
    averages (`undefined="skip"`), because a single one would make the average NaN.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      decisions: same shape, bool or 0/1.
      k: the values of k for the metrics at k.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0, e.g. [batch, 1] for examples; an entry of weight 0 does not count.
      bootstrap: number of resamples of the examples, or None for values alone. Examples with no
        counted entry are never drawn.
      key: a `jax.random.key`, needed for `bootstrap`; the same key gives the same intervals.
      level: coverage of the intervals, which are percentiles of the resampled metrics (NaNs,
        such as the AUC of a label that a resample misses, left out; NaN where the value is).
      label_names: num_labels names for the table, which need not be distinct; static.
      per_label: adds the values of each label, arrays [num_labels]: `precision/per_label`,
        `recall/per_label`, `f1/per_label`, `average_precision/per_label`, `roc_auc/per_label` (NaN
        for a label of one class) and `support/per_label`, the number (or weight) of its positives;
        by default if there are label_names. With `bootstrap` memory is bootstrap * num_labels.

    Returns:
      A `Report`: a dict of scalars, or of `Estimate(value, low, high)` with `bootstrap`, that
      prints as a table (`report.table(digits)`). Where nothing counts f1, precision, recall,
      jaccard, matthews and balanced_accuracy are 0 and the others NaN.

    Raises:
      ValueError: shapes differ, no axis of examples, weights of labels, bootstrap < 1 or without
        a key, level outside (0, 1), label_names of another number; in concrete arrays also NaN
        scores, labels or decisions not 0 or 1, negative weights.
      TypeError: scores not floating, decisions floating, label_names one string.

    Source: Efron, Bootstrap Methods, 1979 (percentile interval).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[2., -1.], [-3., 1.]]), jnp.array([[1, 0], [1, 1]])
      >>> values = sf.metrics.report(scores, labels, scores > 0)
      >>> round(float(values["f1/micro"]), 4), float(values["one_error"])
      (0.8, 0.0)
      >>> names = ["drama", "comedy [m]"]
      >>> values = sf.metrics.report(scores, labels, scores > 0, k=(1,), label_names=names)
      >>> values["f1/per_label"]
      Array([0.6666667, 1.       ], dtype=float32)
      >>> print(values.table(2).partition("\n\nb")[0])
                    precision  recall    F1  avg precision  ROC AUC  support
      drama              1.00    0.50  0.67           1.00        -        2
      comedy [m]         1.00    1.00  1.00           1.00     1.00        1
      <BLANKLINE>
      micro avg          1.00    0.67  0.80              -        -        -
      macro avg          1.00    0.75  0.83           1.00     1.00        -
      weighted avg       1.00    0.67  0.78           1.00     1.00        -
      samples avg        1.00    0.75  0.83           1.00     1.00        -
    """
    if bootstrap is not None and bootstrap < 1:
        raise ValueError(f"bootstrap must be >= 1, got {bootstrap}")
    if bootstrap is not None and key is None:
        raise ValueError("bootstrap needs a key, e.g. key=jax.random.key(0)")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    decided = _prepare.decided(decisions, labels, where, weights)
    ranked = _prepare.prepare(scores, labels, where, weights)
    # Most entries are averages over labels, in which such weights would be lost.
    _inputs.refuse_label_weights(weights, np.shape(labels), "macro")
    ks = tuple(i for i in k if i <= ranked.labels.shape[-1])
    for i in ks:
        _prepare.check_k(i, ranked.labels.shape[-1])
    names = _names(label_names, ranked.labels.shape[-1])
    per_label = names is not None if per_label is None else per_label
    if bootstrap is None:
        return Report(_point(ranked, decided, ks, per_label), names)
    return Report(_intervals(ranked, decided, ks, per_label, bootstrap, key, level), names)


def _names(names: Sequence[str] | None, num_labels: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError(f"label_names must be a sequence of names, got the one string {names!r}")
    if len(names) != num_labels:
        raise ValueError(f"label_names must be {num_labels} names, got {len(names)}")
    return tuple(map(str, names))


@functools.partial(jax.jit, static_argnames=("ks", "per_label"))
def _point(
    ranked: Ranking, decided: Decided, ks: tuple[int, ...], per_label: bool
) -> dict[str, Array]:
    # Labels and examples in tiles: their sorts and cells never exist for all at once.
    weight = _prepare.entry_weight(ranked)
    nan_of_sets, nan_of_scores = _nan_of_labels(ranked, decided)

    def columns(part: tuple[Ranking, Decided, Array]) -> tuple[Confusion, tuple[Areas, ...]]:
        ranked, decided, weight = part
        rows = (_order.columns(x) for x in ranked[:4])
        areas = curves.areas_of_report(_order.ordered(*rows), weight.dtype)  # type: ignore[arg-type]
        return jax.tree.map(lambda x: jnp.sum(x, 0), _cells(decided, weight)), areas

    counts, areas = _tiles.per_slice(columns, (ranked, decided, weight), 1)
    if nan_of_sets is not None:
        counts = jax.tree.map(lambda x: x + nan_of_sets, counts)
    values = confusion.report_of_labels(counts, per_label)
    values |= curves.report_of_labels(areas, nan_of_scores, per_label)
    example, _ = averaging.example_weights(weight)
    per_example = _per_example(ranked, decided, ks, weight.dtype)
    return values | {name: _mean(x, example) for name, x in per_example.items()}


@functools.partial(jax.jit, static_argnames=("ks", "per_label", "bootstrap", "level"))
def _intervals(
    ranked: Ranking,
    decided: Decided,
    ks: tuple[int, ...],
    per_label: bool,
    bootstrap: int,
    key: Any,
    level: float,
) -> dict[str, Estimate]:
    parts = _parts(ranked, decided, ks)
    n = ranked.labels.shape[0]
    counted = parts.example > 0
    # Draws are positions among the examples that count, so padding changes nothing but n.
    places = jnp.argsort(~counted, stable=True)
    total = jnp.sum(counted)

    def resample(key: Array) -> dict[str, Array]:
        drawn = jax.random.randint(key, (n,), 0, jnp.maximum(total, 1))
        one = (jnp.arange(n) < total).astype(parts.example.dtype)
        return _values(parts, jnp.zeros(n, one.dtype).at[places[drawn]].add(one), per_label)

    # About 2^22 entries at a time, whatever the number of resamples.
    size = ranked.labels.size if isinstance(n, int) else 2**22
    batch = max(1, min(bootstrap, 2**22 // max(1, size)))
    samples = lax.map(resample, jax.random.split(key, bootstrap), batch_size=batch)
    tails = jnp.array([(1 - level) / 2, (1 + level) / 2])

    def estimate(value: Array, samples: Array) -> Estimate:
        low, high = jnp.nanquantile(samples, tails, axis=0)
        # Resamples without the NaN that makes the value NaN are no interval of it.
        return Estimate(value, *(jnp.where(jnp.isnan(value), value, x) for x in (low, high)))

    values = _values(parts, None, per_label)
    return {name: estimate(x, samples[name]) for name, x in values.items()}


def _parts(ranked: Ranking, decided: Decided, ks: tuple[int, ...]) -> _Parts:
    weight = _prepare.entry_weight(ranked)
    example, _ = averaging.example_weights(weight)
    return _Parts(
        _cells(decided, weight),
        weight,
        example,
        _per_example(ranked, decided, ks, weight.dtype),
        _order.argsort(*(_order.columns(x) for x in ranked[:3])),
        *_nan_of_labels(ranked, decided),
    )


def _cells(decided: Decided, weight: Float[Array, "examples labels"]) -> Confusion:
    chosen, true = decided.decisions, decided.labels
    cells = (chosen & true, chosen & ~true, ~chosen & true, ~chosen & ~true)
    return Confusion(*(jnp.where(x, weight, 0) for x in cells))


def _nan_of_labels(ranked: Ranking, decided: Decided) -> tuple[Array | None, Array | None]:
    of_sets, of_scores = (
        None if x.nan is None else jnp.sum(x.nan, 0).astype(ranked.dtype) for x in (decided, ranked)
    )
    return of_sets, of_scores


def _per_example(
    ranked: Ranking, decided: Decided, ks: tuple[int, ...], dtype: jnp.dtype
) -> dict[str, ExampleValues]:
    """The metrics of each example."""
    nothing: dict[str, float | None] = {}

    def rows(part: tuple[Ranking, Decided]) -> tuple[dict[str, ExampleValues], ...]:
        ranked, decided = part
        examples = _order.sort_examples(ranked)
        of_sets = confusion.report_of_sets(decided) | counts.report_of_sets(decided)
        of_rankings = (
            curves.report_of_rankings(examples)
            | ranking.report_of_rankings(examples)
            | top_k.report_of_rankings(examples, ks)
        )
        # A number that is no example's: it does not go through the tiles.
        nothing.update({name: x.nothing for name, x in (of_sets | of_rankings).items()})
        return tuple(
            {name: x._replace(nothing=None) for name, x in values.items()}
            for values in (of_sets, of_rankings)
        )

    tiled = _tiles.per_slice(rows, (ranked.unweighted, decided), 0)
    both: tuple[Ranking | Decided, ...] = (decided, ranked)
    return {
        name: ExampleValues(
            _prepare.with_nan(x.value, prepared, -1).astype(dtype), x.defined, nothing[name]
        )
        for prepared, values in zip(both, tiled, strict=True)
        for name, x in values.items()
    }


def _values(
    parts: _Parts, drawn: Float[Array, " examples"] | None, per_label: bool
) -> dict[str, Array]:
    if drawn is None:
        drawn = jnp.ones_like(parts.example)

    def total(x: Array) -> Array:
        # Full precision: on accelerators a matrix product may otherwise round its inputs.
        summed = jnp.matmul(drawn, x, precision=lax.Precision.HIGHEST)
        return summed if parts.nan_of_sets is None else summed + parts.nan_of_sets

    # Each cell is summed by itself: a difference of sums is not exactly 0 where a cell is empty.
    values = confusion.report_of_labels(jax.tree.map(total, parts.cells), per_label)
    by_label = _order.weigh(parts.by_label, (drawn[:, None] * parts.weight).T)
    areas = curves.areas_of_report(by_label, parts.weight.dtype)
    values |= curves.report_of_labels(areas, parts.nan_of_scores, per_label)
    example = drawn * parts.example
    return values | {name: _mean(x, example) for name, x in parts.per_example.items()}


def _mean(values: ExampleValues, weight: Float[Array, " examples"]) -> Float[Array, ""]:
    value, defined, nothing = values
    if defined is not None:
        # An example with a NaN is not left out as one that is undefined.
        weight = jnp.where(defined | jnp.isnan(value), weight, 0)
    total = jnp.sum(jnp.where(weight > 0, weight * value, 0))
    if nothing is None:
        return total / jnp.sum(weight)
    return _safe.ratio(total, jnp.sum(weight), nothing)
