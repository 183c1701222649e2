"""All metrics of one evaluation at once, with bootstrap intervals on request."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from sigmoidf1_jax import _safe, averaging
from sigmoidf1_jax import scores as score_functions
from sigmoidf1_jax._inputs import Weights, Where
from sigmoidf1_jax.averaging import Average
from sigmoidf1_jax.confusion import Confusion
from sigmoidf1_jax.metrics import _order, _prepare, curves, ranking, set_based, top_k
from sigmoidf1_jax.metrics._order import Order, Ordered
from sigmoidf1_jax.metrics._prepare import BinaryLabels, Ranking, Scores
from sigmoidf1_jax.metrics.set_based import Decisions

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


class Estimate(NamedTuple):
    """A metric with its bootstrap interval."""

    value: Float[Array, ""]
    low: Float[Array, ""]
    high: Float[Array, ""]


class _Parts(NamedTuple):
    """What resampling examples leaves unchanged: every sort and every score of one example."""

    chosen: Float[Array, "examples labels"]
    true: Float[Array, "examples labels"]
    weight: Float[Array, "examples labels"]
    example: Float[Array, " examples"]
    per_example: dict[str, Float[Array, " examples"]]
    by_label: Order | Ordered


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
) -> dict[str, Array] | dict[str, Estimate]:
    r"""Every metric of label sets and of rankings, from one sort per label and one per example.

    Keys are `f1/macro`, `average_precision/macro`, `precision_at_k/3`, `ranking_loss`, ...: the
    functions of `sf.metrics` and their average or k. Micro areas would need a sort of all
    entries and calibration needs probabilities: call `roc_auc(..., average="micro")` and
    `calibration_error` for those. Values of k above num_labels are left out.

    Args:
      scores: [..., num_labels] floating, logits or probabilities; leading axes hold examples.
      labels: same shape, bool or 0/1.
      decisions: same shape, bool or 0/1.
      k: the values of k for the metrics at k.
      where: True where an entry counts; broadcasts to the labels' shape.
      weights: weights >= 0; broadcast to the labels' shape.
      bootstrap: number of resamples of the examples, or None for values alone. Examples with no
        counted entry are never drawn.
      key: a `jax.random.key`, needed for `bootstrap`; the same key gives the same intervals.
      level: coverage of the intervals, which are percentiles of the resampled metrics (NaNs,
        such as the AUC of a label that a resample misses, left out).

    Returns:
      A dict of scalars, or of `Estimate(value, low, high)` with `bootstrap`.

    Raises:
      ValueError: shapes differ, bootstrap < 1 or without a key, level outside (0, 1); in concrete
        arrays also NaN scores, labels or decisions not 0 or 1, negative weights.
      TypeError: scores not floating, decisions floating.

    Source: Efron, Bootstrap Methods, 1979 (percentile interval).

    Example:
      >>> import jax.numpy as jnp
      >>> import sigmoidf1_jax as sf
      >>> scores, labels = jnp.array([[2., -1.], [-3., 1.]]), jnp.array([[1, 0], [1, 1]])
      >>> values = sf.metrics.report(scores, labels, scores > 0)
      >>> round(float(values["f1/micro"]), 4), float(values["one_error"])
      (0.8, 0.0)
    """
    if bootstrap is not None and bootstrap < 1:
        raise ValueError(f"bootstrap must be >= 1, got {bootstrap}")
    if bootstrap is not None and key is None:
        raise ValueError("bootstrap needs a key, e.g. key=jax.random.key(0)")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    chosen, _ = set_based.binary(decisions, labels, where)
    ranked = _prepare.prepare(scores, labels, where, weights)
    chosen = chosen.reshape(ranked.labels.shape)
    ks = tuple(i for i in k if i <= ranked.labels.shape[-1])
    for i in ks:
        _prepare.check_k(i, ranked.labels.shape[-1])
    if bootstrap is None:
        return _point(ranked, chosen, ks)
    return _intervals(ranked, chosen, ks, bootstrap, key, level)


@functools.partial(jax.jit, static_argnames="ks")
def _point(ranked: Ranking, chosen: Array, ks: tuple[int, ...]) -> dict[str, Array]:
    return _values(_parts(ranked, chosen, ks, resampled=False), None)


@functools.partial(jax.jit, static_argnames=("ks", "bootstrap", "level"))
def _intervals(
    ranked: Ranking, chosen: Array, ks: tuple[int, ...], bootstrap: int, key: Any, level: float
) -> dict[str, Estimate]:
    parts = _parts(ranked, chosen, ks, resampled=True)
    n = ranked.labels.shape[0]
    counted = parts.example > 0
    # Draws are positions among the examples that count, so padding changes nothing but n.
    places = jnp.argsort(~counted, stable=True)
    total = jnp.sum(counted)

    def resample(key: Array) -> dict[str, Array]:
        drawn = jax.random.randint(key, (n,), 0, jnp.maximum(total, 1))
        one = (jnp.arange(n) < total).astype(parts.example.dtype)
        return _values(parts, jnp.zeros(n, one.dtype).at[places[drawn]].add(one))

    # About 2^22 entries at a time, whatever the number of resamples.
    batch = max(1, min(bootstrap, 2**22 // max(1, ranked.labels.size)))
    samples = lax.map(resample, jax.random.split(key, bootstrap), batch_size=batch)
    tails = jnp.array([(1 - level) / 2, (1 + level) / 2])
    values = _values(parts, None)
    return {
        name: Estimate(value, *jnp.nanquantile(samples[name], tails))
        for name, value in values.items()
    }


def _parts(ranked: Ranking, chosen: Array, ks: tuple[int, ...], *, resampled: bool) -> _Parts:
    dtype = ranked.scores.dtype
    shape = ranked.labels.shape
    if ranked.weight is not None:
        weight = ranked.weight
    else:
        weight = jnp.ones(shape, dtype) if ranked.mask is None else ranked.mask.astype(dtype)
    example, within = averaging.example_weights(weight)
    mask = None if ranked.mask is None else ranked.mask.T
    transposed = ranked.scores.T, ranked.labels.T, mask
    by_label: Order | Ordered
    if resampled or ranked.weight is not None:
        by_label = _order.argsort(*transposed)
    else:
        by_label = _order.ordered(*transposed, None)
    chosen = chosen & (weight > 0)
    return _Parts(
        chosen.astype(dtype),
        ranked.labels.astype(dtype),
        weight,
        example,
        _per_example(ranked, chosen, within, ks),
        by_label,
    )


def _per_example(
    ranked: Ranking, chosen: Array, within: Array, ks: tuple[int, ...]
) -> dict[str, Array]:
    dtype = ranked.scores.dtype
    true = ranked.labels
    entries = _order.ordered(*ranked._replace(weight=None))
    counted = within > 0

    def total(x: Array) -> Array:
        return jnp.sum(jnp.where(x, within, 0), -1)

    table = Confusion(
        tp=total(chosen & true), fp=total(chosen & ~true),
        fn=total(~chosen & true), tn=total(~chosen & ~true),
    )  # fmt: skip
    surplus = jnp.sum(chosen & counted, -1, dtype=dtype) - jnp.sum(true & counted, -1, dtype=dtype)
    wrong = (chosen != true) & counted
    precision = _order.average_precision(entries, dtype)
    values = {f"{name}/samples": score(table) for name, score in _SCORES.items()}
    values |= {
        "subset_accuracy": 1 - jnp.any(wrong, -1).astype(dtype),
        "label_count_error": jnp.abs(surplus),
        "label_count_bias": surplus,
        "average_precision/samples": precision,
        "roc_auc/samples": _order.roc_auc(entries, dtype),
        "label_ranking_average_precision": jnp.where(jnp.any(true, -1), precision, 1),
        "coverage_error": ranking.coverage_per_example(ranked),
        "ranking_loss": ranking.ranking_loss_per_example(ranked),
        "one_error": ranking.one_error_per_example(ranked),
    }
    for k in ks:
        hits = jnp.sum(top_k.hits(ranked, k), -1, dtype=dtype)
        found = jnp.sum(true, -1, dtype=dtype)
        values |= {
            f"precision_at_k/{k}": hits / k,
            f"recall_at_k/{k}": _safe.ratio(hits, found),
            f"r_precision_at_k/{k}": _safe.ratio(hits, jnp.minimum(found, k)),
            f"ndcg_at_k/{k}": top_k.ndcg_per_example(ranked, k),
        }
    return values


def _values(parts: _Parts, drawn: Float[Array, " examples"] | None) -> dict[str, Array]:
    if drawn is None:
        drawn = jnp.ones_like(parts.example)

    def total(x: Array) -> Array:
        # Full precision: on accelerators a matrix product may otherwise round its inputs.
        return jnp.matmul(drawn, x, precision=lax.Precision.HIGHEST)

    w, s, y = parts.weight, parts.chosen, parts.true
    tp, chosen, true, entries = total(w * s * y), total(w * s), total(w * y), total(w)
    counts = Confusion(tp, chosen - tp, true - tp, entries - chosen - true + tp)
    values: dict[str, Array] = {}
    for average in _AVERAGES:
        pooled = averaging.pool(counts) if average == "micro" else counts
        for name, score in _SCORES.items():
            values[f"{name}/{average}"] = averaging.score_value(score, pooled, average)
    for name, score in _PER_LABEL.items():
        values[f"{name}/macro"] = averaging.score_value(score, counts, "macro")
    right = score_functions.accuracy(averaging.pool(counts), zero_division=1.0)
    values["hamming_loss"] = 1 - right
    example = drawn * parts.example
    for name, value in parts.per_example.items():
        summed = jnp.sum(jnp.where(example > 0, example * value, 0))
        values[name] = _safe.ratio(summed, jnp.sum(example))
    by_label = parts.by_label
    if isinstance(by_label, Order):
        by_label = _order.weigh(by_label, (drawn[:, None] * w).T)
    for name, area in (
        ("average_precision", _order.average_precision),
        ("roc_auc", _order.roc_auc),
    ):
        areas = curves.label_areas(area, by_label, w.dtype)
        for average in ("macro", "weighted"):
            values[f"{name}/{average}"] = curves.average_over_labels(areas, average)
    return values
