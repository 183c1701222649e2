"""All metrics of one evaluation at once, with bootstrap intervals on request, and as a table."""

import functools
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from sigmoidf1_jax import _inputs, _safe, averaging
from sigmoidf1_jax import scores as score_functions
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.confusion import Confusion
from sigmoidf1_jax.metrics import _order, _prepare, counts, curves, ranking, set_based, top_k
from sigmoidf1_jax.metrics._order import Order, Ordered
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Decided, Decisions, Ranking, Scores

_SCORES: dict[str, Callable[[Confusion], Array]] = {
    "f1": score_functions.f1,
    "precision": score_functions.precision,
    "recall": score_functions.recall,
    "jaccard": score_functions.jaccard,
}
_PER_LABEL: dict[str, Callable[[Confusion], Array]] = {
    "matthews": score_functions.mcc,
    "balanced_accuracy": score_functions.balanced_accuracy,
}
_AVERAGES: tuple[Average, ...] = ("micro", "macro", "weighted")


_COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "average_precision": "avg precision",
    "roc_auc": "ROC AUC",
    "support": "support",
}
_LONGEST = 40
"""Cells that a name of the table takes at most."""


class Estimate(NamedTuple):
    """A metric with its bootstrap interval; arrays of labels with that of each."""

    value: Float[Array, "..."]
    low: Float[Array, "..."]
    high: Float[Array, "..."]


@jax.tree_util.register_pytree_with_keys_class
class Report(dict[str, Any]):
    """The values of a `report`: a dict that prints as a table, and a pytree.

    Args:
      values: name -> scalar, array of labels or `Estimate` of them.
      label_names: what the table calls the labels; None numbers them.
    """

    def __init__(self, values: Any = (), label_names: tuple[str, ...] | None = None) -> None:
        super().__init__(values)
        self.label_names = label_names

    def __str__(self) -> str:
        # A trace has no numbers to show.
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(self))
        return repr(self) if traced else self.table()

    def table(self, digits: int = 3) -> str:
        """The values as text: labels (with `per_label`), averages, and everything else in lines.

        What is NaN or not defined for an average is "-"; intervals stand in brackets. Names are
        printed as they are, in one line each, cut to 40 cells.

        Args:
          digits: after the point.
        """
        rows: list[tuple[str, list[str]]] = []
        columns = [c for c in _COLUMNS if any(name.startswith(f"{c}/") for name in self)]
        if "f1/per_label" in self:
            arrays = [_flat(self[f"{c}/per_label"]) for c in columns]
            count = len(arrays[0])
            names = self.label_names or tuple(map(str, range(count)))
            for name, *cells in zip(names, *arrays, strict=True):
                shown = [_shown(x, digits) for x in cells[:-1]]
                # Of weights, or of resamples, it need not be a whole number.
                whole = all(x.is_integer() for x in cells[-1])
                rows.append((_name(name), [*shown, _shown(cells[-1], 0 if whole else digits)]))
            rows.append(("", [""] * len(columns)))
        for average in (*_AVERAGES, "samples"):
            values = [_flat(self.get(f"{c}/{average}")) for c in columns]
            rows.append((f"{average} avg", [_shown(x, digits) for (x,) in values]))
        text = _aligned([("", [_COLUMNS[c] for c in columns]), *rows])
        others = [
            (name, [_shown(_flat(value)[0], digits)])
            for name, value in self.items()
            if name.partition("/")[0] not in _COLUMNS
        ]
        return f"{text}\n\n{_aligned(others)}" if others else text

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """Its values by name; names and the labels' names are static."""
        names = tuple(self)
        children = [(jax.tree_util.DictKey(name), self[name]) for name in names]
        return children, (names, self.label_names)

    @classmethod
    def tree_unflatten(cls, static: Any, values: Iterable[Any]) -> "Report":
        """The inverse of `tree_flatten_with_keys`."""
        names, label_names = static
        return cls(zip(names, values, strict=True), label_names)


def _flat(value: Any) -> list[tuple[float, ...]]:
    """One (value,) or (value, low, high) per label."""
    if value is None:
        return [(float("nan"),)]
    parts = value if isinstance(value, Estimate) else (value,)
    return list(zip(*(np.ravel(x).tolist() for x in parts), strict=True))


def _shown(numbers: tuple[float, ...], digits: int) -> str:
    shown = ["-" if x != x else f"{x:.{digits}f}" for x in numbers]
    return shown[0] if len(shown) == 1 else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _name(name: str) -> str:
    """A name in one line of `_LONGEST` cells."""
    name = "".join(c if c.isprintable() else " " for c in name)
    if _width(name) <= _LONGEST:
        return name
    while _width(name) >= _LONGEST:
        name = name[:-1]
    return name + "…"


def _width(text: str) -> int:
    """The cells that a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _aligned(rows: Sequence[tuple[str, list[str]]]) -> str:
    """Names to the left, numbers to the right of their columns."""
    first = max(_width(name) for name, _ in rows)
    widths = [max(map(len, column)) for column in zip(*(x for _, x in rows), strict=True)]
    lines = (
        name
        + " " * (first - _width(name))
        + "".join(f"  {x:>{width}}" for x, width in zip(cells, widths, strict=True))
        for name, cells in rows
    )
    return "\n".join(line.rstrip() for line in lines)


class _Parts(NamedTuple):
    """What resampling examples leaves unchanged: every sort and every score of one example."""

    cells: Confusion
    """The weight of each entry, in its cell of the table."""
    weight: Float[Array, "examples labels"]
    example: Float[Array, " examples"]
    per_example: dict[str, Float[Array, " examples"]]
    both_classes: Bool[Array, " examples"]
    by_label: Order | Ordered
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
    return _values(_parts(ranked, decided, ks, resampled=False), None, per_label)


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
    parts = _parts(ranked, decided, ks, resampled=True)
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


def _parts(ranked: Ranking, decided: Decided, ks: tuple[int, ...], *, resampled: bool) -> _Parts:
    weight = _prepare.entry_weight(ranked)
    example, within = averaging.example_weights(weight)
    mask = None if ranked.mask is None else ranked.mask.T
    transposed = ranked.scores.T, ranked.labels.T, mask
    by_label: Order | Ordered
    if resampled or ranked.weight is not None:
        by_label = _order.argsort(*transposed)
    else:
        by_label = _order.ordered(*transposed, None)
    true, entries = ranked.labels, _order.ordered(*ranked.entries[:4])
    areas = curves.areas_of(_order.roc_auc, entries, ranked.dtype)
    of_sets, of_rankings = _per_example(ranked, decided, within, entries, areas, ks)
    per_example = {k: _prepare.with_nan(x, decided, -1) for k, x in of_sets.items()}
    per_example |= {k: _prepare.with_nan(x, ranked, -1) for k, x in of_rankings.items()}
    # An example with a NaN is not left out as one of a single class.
    unknown = _prepare.with_nan(areas.value, ranked, -1)
    return _Parts(
        _cells(decided.decisions, true, weight),
        weight,
        example,
        per_example,
        areas.defined | jnp.isnan(unknown),
        by_label,
        *(
            None if x.nan is None else jnp.sum(x.nan, 0).astype(ranked.dtype)
            for x in (decided, ranked)
        ),
    )


def _cells(chosen: Array, true: Array, weight: Array) -> Confusion:
    cells = (chosen & true, chosen & ~true, ~chosen & true, ~chosen & ~true)
    return Confusion(*(jnp.where(x, weight, 0) for x in cells))


def _per_example(
    ranked: Ranking,
    decided: Decided,
    within: Array,
    entries: Ordered,
    areas: curves.Areas,
    ks: tuple[int, ...],
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Metrics of each example's set, and of its ranking."""
    dtype = ranked.dtype
    true = ranked.labels
    table = jax.tree.map(lambda x: jnp.sum(x, -1), _cells(decided.decisions, true, within))
    surplus = counts.surplus(decided).astype(dtype)
    precision = _order.average_precision(entries, dtype)
    of_sets = {f"{name}/samples": score(table) for name, score in _SCORES.items()} | {
        "subset_accuracy": jnp.all(decided.decisions == true, -1).astype(dtype),
        "label_count_error": jnp.abs(surplus),
        "label_count_bias": surplus,
    }
    of_rankings = {
        "average_precision/samples": precision,
        "roc_auc/samples": areas.value,
        "label_ranking_average_precision": jnp.where(jnp.any(true, -1), precision, 1),
        "coverage_error": ranking.coverage_per_example(ranked),
        "ranking_loss": ranking.ranking_loss_per_example(ranked),
        "one_error": ranking.one_error_per_example(ranked),
    }
    for k in ks:
        hits = jnp.sum(top_k.hits(ranked, k), -1, dtype=dtype)
        found = jnp.sum(true, -1, dtype=dtype)
        of_rankings |= {
            f"precision_at_k/{k}": hits / k,
            f"recall_at_k/{k}": _safe.ratio(hits, found),
            f"r_precision_at_k/{k}": _safe.ratio(hits, jnp.minimum(found, k)),
            f"ndcg_at_k/{k}": top_k.ndcg_per_example(ranked, k),
        }
    return of_sets, of_rankings


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
    table = jax.tree.map(total, parts.cells)
    values: dict[str, Array] = {}
    for average in _AVERAGES:
        for name, score in _SCORES.items():
            values[f"{name}/{average}"] = set_based.score_of_counts(score, table, average)
    for name, score in _PER_LABEL.items():
        values[f"{name}/macro"] = set_based.score_of_counts(score, table, "macro")
    values["hamming_loss"] = set_based.share_wrong(averaging.pool(table))
    example = drawn * parts.example
    for name, value in parts.per_example.items():
        weight = example
        if name == "roc_auc/samples":
            weight = jnp.where(parts.both_classes, example, 0)
        summed = jnp.sum(jnp.where(weight > 0, weight * value, 0))
        if name.partition("/")[0] in _SCORES:
            # These have a value where nothing counts.
            values[name] = _safe.ratio(summed, jnp.sum(weight))
        else:
            values[name] = summed / jnp.sum(weight)
    by_label = parts.by_label
    if isinstance(by_label, Order):
        by_label = _order.weigh(by_label, (drawn[:, None] * parts.weight).T)
    undefined: curves.Undefined
    for name, area, undefined in (
        ("average_precision", _order.average_precision, "zero"),
        ("roc_auc", _order.roc_auc, "skip"),
    ):
        areas = curves.areas_of(area, by_label, parts.weight.dtype).with_nan(parts.nan_of_scores)
        for average in ("macro", "weighted"):
            values[f"{name}/{average}"] = curves.average_over_labels(areas, average, undefined)
        if per_label:
            of_labels: curves.Undefined = "nan" if undefined == "skip" else undefined
            values[f"{name}/per_label"] = curves.with_undefined(areas, of_labels)
    if per_label:
        for name in ("f1", "precision", "recall"):
            of_label = set_based.score_of_counts(_SCORES[name], table, None)
            values[f"{name}/per_label"] = of_label
        values["support/per_label"] = table.tp + table.fn
    return values
