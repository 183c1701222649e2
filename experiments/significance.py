"""Paired tests over seeds, corrected for the number of systems."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import wilcoxon


def wilcoxon_p_value(values: npt.ArrayLike, baseline: npt.ArrayLike) -> float:
    """Two-sided p-value of the Wilcoxon signed-rank test of paired values; 1 if all are equal.

    Pairs of which one is NaN are left out.
    """
    difference = np.asarray(values) - np.asarray(baseline)
    difference = difference[~np.isnan(difference)]
    if len(difference) < 2 or not np.any(difference):
        return 1.0
    return float(wilcoxon(difference).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: adjusted p-values in the given order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, running)
    return [float(p) for p in adjusted]


def mean_and_deviation(values: npt.ArrayLike) -> tuple[float, float]:
    """Mean and standard deviation of what is not NaN; both NaN where nothing is.

    The deviation of a single value is 0.

    Example:
      >>> mean_and_deviation([1.0, 3.0, float("nan")])
      (2.0, 1.4142135623730951)
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan")
    return float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
