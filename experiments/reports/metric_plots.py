"""Figures of an evaluation: curves per label and pooled, reliability, F1 by frequency.

Everything here is NumPy's, exact and drawn in seconds, for 1,000 labels too: a sort per label costs
less than the compilation of one.
"""

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.reports.curves import Curves, Numbers, curves, mask, ratio

MAX_LINES = 50
"""Labels that have a line each; of more there is a band."""
_POINTS = 201


def all_figures(
    scores: ArrayLike, labels: ArrayLike, where: ArrayLike | None, decisions: ArrayLike
) -> dict[str, Figure]:
    """Every figure of one evaluation that its scores and labels allow.

    Args:
      scores: [examples, labels] floating, greater for likelier labels. Probabilities have a
        reliability diagram; scores outside [0, 1] have none.
      labels: same shape, bool or 0/1. A label of one class has no curve.
      where: True where an entry counts, broadcast to that shape; None: all do.
      decisions: same shape, bool or 0/1.

    Returns:
      Name -> figure: precision_recall, roc, threshold_curves, f1_by_frequency, reliability.
    """
    of = curves(scores, labels, where)
    drawn = {
        "precision_recall": precision_recall(scores, labels, where, of),
        "roc": roc(scores, labels, where, of),
        "threshold_curves": threshold_curves(scores, labels, where, of),
        "f1_by_frequency": f1_by_frequency(decisions, labels, where),
    }
    counted = np.asarray(scores)[mask(where, labels)]
    if np.all((counted >= 0) & (counted <= 1)):
        drawn["reliability"] = reliability(scores, labels, where=where)
    return drawn


def precision_recall(
    scores: ArrayLike,
    labels: ArrayLike,
    where: ArrayLike | None = None,
    of: Curves | None = None,
) -> Figure:
    """Precision against recall: each label in grey, all entries pooled in colour."""
    of = of or curves(scores, labels, where)
    figure, axes = _axes("recall", "precision")
    # Where nothing is predicted, precision is undefined and not drawn.
    _of_labels(axes, [curve.rates()[1:] for curve in of.labels])
    axes.plot(*of.pooled.rates()[1:], label="all labels")
    areas = [curve.average_precision() for curve in of.labels if len(curve.positive)]
    axes.set_title(f"macro average precision {_number(np.mean(areas) if areas else np.nan)}")
    axes.legend()
    return figure


def roc(
    scores: ArrayLike,
    labels: ArrayLike,
    where: ArrayLike | None = None,
    of: Curves | None = None,
) -> Figure:
    """True against false positive rate: each label in grey, all entries pooled in colour."""
    of = of or curves(scores, labels, where)
    figure, axes = _axes("false positive rate", "true positive rate")
    _of_labels(axes, [curve.rates()[:2] for curve in of.labels])
    axes.plot(*of.pooled.rates()[:2], label="all labels")
    axes.plot([0, 1], [0, 1], color="black", linestyle=":")
    axes.set_title(f"micro ROC AUC {_number(of.pooled.roc_auc())}")
    axes.legend()
    return figure


def threshold_curves(
    scores: ArrayLike,
    labels: ArrayLike,
    where: ArrayLike | None = None,
    of: Curves | None = None,
) -> Figure:
    """F1 against the threshold on scores: each label in grey, macro and micro in colour."""
    of = of or curves(scores, labels, where)
    figure, axes = _axes("threshold", "F1")
    shown = of.pooled.thresholds()
    finite = shown[np.isfinite(shown)]
    if not len(finite):
        return figure
    thresholds = np.linspace(finite.min(), finite.max(), _POINTS)
    f1 = [curve.f1(thresholds) for curve in of.labels]
    _of_labels(axes, [(thresholds, values) for values in f1])
    counted = [values for values, x in zip(f1, of.labels, strict=True) if sum(map(len, x))]
    axes.plot(thresholds, np.mean(counted, 0), label="macro")
    axes.plot(thresholds, of.pooled.f1(thresholds), label="micro")
    axes.legend()
    return figure


def reliability(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 10,
    where: ArrayLike | None = None,
) -> Figure:
    """Observed frequency against predicted probability: each label in grey, pooled in colour."""
    scores, labels, where = (
        np.asarray(probabilities),
        np.asarray(labels, bool),
        mask(where, labels),
    )
    num_labels = labels.shape[1]
    # What does not count may be NaN, which is in no bin.
    place = np.clip((np.where(where, scores, 0) * num_bins).astype(np.int64), 0, num_bins - 1)
    place = (place + num_bins * np.arange(num_labels))[where]

    def summed(weights: Numbers | None) -> Numbers:
        of = np.bincount(place, weights, minlength=num_labels * num_bins)
        return of.reshape(num_labels, num_bins)

    count, predicted, true = summed(None), summed(scores[where]), summed(labels[where])
    figure, axes = _axes("predicted probability", "observed frequency")
    _of_labels(axes, list(zip(ratio(predicted, count), ratio(true, count), strict=True)))
    pooled = [x.sum(0) for x in (predicted, true, count)]
    axes.plot(*(ratio(x, pooled[2]) for x in pooled[:2]), marker="o", label="all labels")
    axes.plot([0, 1], [0, 1], color="black", linestyle=":")
    error = ratio(np.abs(predicted - true).sum(1), count.sum(1))
    known = error[~np.isnan(error)]
    axes.set_title(f"macro calibration error {_number(known.mean() if len(known) else np.nan)}")
    axes.legend()
    return figure


def f1_by_frequency(
    decisions: ArrayLike, labels: ArrayLike, where: ArrayLike | None = None
) -> Figure:
    """F1 of each label against the share of examples that carry it, on a logarithmic axis."""
    figure, axes = _axes("label frequency", "F1")
    decided, labels, where = (
        np.asarray(decisions, bool),
        np.asarray(labels, bool),
        mask(where, labels),
    )
    positive = np.sum(labels & where, 0)
    # A logarithmic axis has no place for 0.
    there = positive > 0
    right, predicted = np.sum(decided & labels & where, 0), np.sum(decided & where, 0)
    f1 = ratio(2 * right, positive + predicted)
    axes.scatter(ratio(positive, np.sum(where, 0))[there], f1[there], s=12)
    axes.set_xscale("log")
    if not there.all():
        axes.set_title(f"without {np.sum(~there):,} labels that no example has", fontsize=10)
    return figure


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    # No pyplot: figures made here belong to the caller and never pile up in a global list.
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _of_labels(axes: Axes, lines: list[tuple[Numbers, Numbers]]) -> None:
    """A line of each label; of many labels their median, and a band."""
    if len(lines) <= MAX_LINES:
        for x, y in lines:
            axes.plot(x, y, color="0.8", linewidth=0.7)
        return
    grid = np.linspace(*_span(lines), _POINTS)
    values = []
    for x, y in lines:
        known = np.isfinite(x) & np.isfinite(y)
        if known.any():
            values.append(np.interp(grid, x[known], y[known]))
    if values:
        low, median, high = np.quantile(values, (0.1, 0.5, 0.9), axis=0)
        axes.fill_between(grid, low, high, color="0.9", label="10 to 90 % of labels")
        axes.plot(grid, median, color="0.6", linewidth=0.9, label="their median")


def _span(lines: list[tuple[Numbers, Numbers]]) -> tuple[float, float]:
    x = np.concatenate([x[np.isfinite(x)] for x, _ in lines])
    return (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)


def _number(value: float | np.floating) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "undefined"
