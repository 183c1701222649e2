"""Figures of an evaluation: curves per label and pooled, reliability, F1 by frequency."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import sigmoidf1_jax as sf

Scores = Float[Array, "examples labels"]
Labels = Bool[Array, "examples labels"]


def precision_recall(logits: Scores, labels: Labels) -> Figure:
    """Precision against recall: each label in grey, all entries pooled in colour."""
    figure, axes = _axes("recall", "precision")
    for counts, style in _curves(logits, labels):
        # Where nothing is predicted, precision is undefined and not drawn.
        precision = sf.scores.precision(counts, zero_division=jnp.nan)
        axes.plot(sf.scores.recall(counts), precision, **style)
    area = float(sf.metrics.average_precision(logits, labels))
    axes.set_title(f"macro average precision {area:.3f}")
    axes.legend()
    return figure


def roc(logits: Scores, labels: Labels) -> Figure:
    """True against false positive rate: each label in grey, all entries pooled in colour."""
    figure, axes = _axes("false positive rate", "true positive rate")
    for counts, style in _curves(logits, labels):
        axes.plot(1 - sf.scores.specificity(counts), sf.scores.recall(counts), **style)
    axes.plot([0, 1], [0, 1], color="black", linestyle=":")
    area = float(sf.metrics.roc_auc(logits, labels, average="micro"))
    axes.set_title(f"micro ROC AUC {area:.3f}")
    axes.legend()
    return figure


def reliability(probabilities: Scores, labels: Labels, num_bins: int = 10) -> Figure:
    """Observed frequency against predicted probability: each label in grey, pooled in colour."""
    curve = sf.metrics.reliability(probabilities, labels, num_bins=num_bins)
    pooled = sf.metrics.Reliability(*(jnp.sum(x, 0) for x in curve))
    figure, axes = _axes("predicted probability", "observed frequency")
    for x, y in zip(curve.probability, curve.frequency, strict=True):
        axes.plot(x, y, color="0.8", linewidth=0.7)
    axes.plot(pooled.probability, pooled.frequency, marker="o", label="all labels")
    axes.plot([0, 1], [0, 1], color="black", linestyle=":")
    error = float(sf.metrics.calibration_error(probabilities, labels, num_bins=num_bins))
    axes.set_title(f"macro calibration error {error:.3f}")
    axes.legend()
    return figure


def threshold_curves(
    logits: Scores,
    labels: Labels,
    score: Callable[[sf.Confusion], Array] = sf.scores.f1,
) -> Figure:
    """A score against the threshold on logits: each label in grey, macro and micro in colour."""
    counts = _counts(logits, labels)
    thresholds = np.asarray(sf.metrics.bin_thresholds())
    per_label = score(counts)
    pooled = score(sf.Confusion(*(jnp.sum(x, 0) for x in _fields(counts))))
    figure, axes = _axes("threshold", getattr(score, "__name__", "score"))
    for values in per_label:
        axes.plot(thresholds, values, color="0.8", linewidth=0.7)
    axes.plot(thresholds, jnp.mean(per_label, 0), label="macro")
    axes.plot(thresholds, pooled, label="micro")
    inside = np.asarray(logits)[np.isfinite(logits)]
    axes.set_xlim(float(inside.min()), float(inside.max()))
    axes.legend()
    return figure


def f1_by_frequency(decisions: Labels, labels: Labels) -> Figure:
    """F1 of each label against the share of examples that carry it, on a logarithmic axis."""
    figure, axes = _axes("label frequency", "F1")
    frequency = jnp.mean(labels, 0, dtype=jnp.float32)
    axes.scatter(frequency, sf.metrics.f1(decisions, labels, average=None), s=12)
    axes.set_xscale("log")
    return figure


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    # No pyplot: figures made here belong to the caller and never pile up in a global list.
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _counts(logits: Scores, labels: Labels) -> sf.Confusion:
    return sf.metrics.threshold_counts(sf.metrics.score_histogram(logits, labels))


def _fields(counts: sf.Confusion) -> tuple[Array, Array, Array, Array]:
    return counts.tp, counts.fp, counts.fn, counts.tn


def _curves(logits: Scores, labels: Labels) -> list[tuple[sf.Confusion, dict[str, Any]]]:
    counts = _counts(logits, labels)
    grey: dict[str, Any] = {"color": "0.8", "linewidth": 0.7}
    curves = [
        (sf.Confusion(*(x[c] for x in _fields(counts))), grey) for c in range(labels.shape[-1])
    ]
    pooled = sf.Confusion(*(jnp.sum(x, 0) for x in _fields(counts)))
    return [*curves, (pooled, {"label": "all labels"})]
