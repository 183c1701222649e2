"""Curves of an evaluation: counts, rates and scores by threshold, of each label and pooled.

Everything here is NumPy's and exact: a sort per label costs less than the compilation of one.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from jax.typing import ArrayLike

Numbers = npt.NDArray[Any]
_THRESHOLDS = 1000


class Curve(NamedTuple):
    """The scores of positives and of negatives, each ascending: what every curve follows from."""

    positive: Numbers
    negative: Numbers

    def counts(self, threshold: Numbers) -> tuple[Numbers, Numbers]:
        """True and false positives of the decisions `score >= threshold`."""
        tp, fp = (len(x) - np.searchsorted(x, threshold) for x in self)
        return tp, fp

    def thresholds(self) -> Numbers:
        """All that matter, from infinity down, or as many of them as can be seen."""
        chosen = [x[np.linspace(0, len(x) - 1, min(len(x), _THRESHOLDS)).astype(int)] for x in self]
        return np.append(np.unique(np.concatenate(chosen)), np.inf)[::-1]

    def rates(self) -> tuple[Numbers, Numbers, Numbers]:
        """False positive rate, recall and precision by threshold; NaN where undefined."""
        tp, fp = self.counts(self.thresholds())
        return ratio(fp, len(self.negative)), ratio(tp, len(self.positive)), ratio(tp, tp + fp)

    def f1(self, threshold: Numbers) -> Numbers:
        """F1 at any thresholds; 0 where there is nothing to find and nothing found."""
        tp, fp = self.counts(threshold)
        return 2 * tp / np.maximum(tp + fp + len(self.positive), 1)

    def average_precision(self) -> float:
        """As `sf.metrics.average_precision`; NaN without positives."""
        scores, count = np.unique(self.positive, return_counts=True)
        tp, fp = self.counts(scores)
        return float(ratio(np.sum(count * ratio(tp, tp + fp)), len(self.positive)))

    def roc_auc(self) -> float:
        """As `sf.metrics.roc_auc`; NaN without positives or without negatives."""
        below, not_above = (
            np.sum(np.searchsorted(self.negative, self.positive, side=side))
            for side in ("left", "right")
        )
        return float(ratio((below + not_above) / 2, len(self.positive) * len(self.negative)))


class Curves(NamedTuple):
    """A curve of each label, and that of all entries pooled."""

    labels: list[Curve]
    pooled: Curve


def curves(scores: ArrayLike, labels: ArrayLike, where: ArrayLike | None = None) -> Curves:
    """The curves of an evaluation, to be drawn by several figures; as `all_figures`."""
    labels, where = np.asarray(labels, bool), mask(where, labels)
    # A label's scores side by side in memory.
    columns = np.ascontiguousarray(np.asarray(scores).T)
    positive, negative = (labels & where).T, (~labels & where).T
    return Curves(
        [
            Curve(*(np.sort(x[known]) for known in (p, n)))
            for x, p, n in zip(columns, positive, negative, strict=True)
        ],
        Curve(*(np.sort(columns[known]) for known in (positive, negative))),
    )


def mask(where: ArrayLike | None, labels: ArrayLike) -> npt.NDArray[np.bool_]:
    """Where entries count, in the shape of the labels; None: everywhere."""
    return np.broadcast_to(True if where is None else np.asarray(where, bool), np.shape(labels))


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Numbers:
    """NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator, np.float64) / denominator
