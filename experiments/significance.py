"""Paired tests over seeds, corrected for the number of systems."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import wilcoxon


def wilcoxon_p_value(values: Sequence[float], baseline: Sequence[float]) -> float:
    """Two-sided p-value of the Wilcoxon signed-rank test of paired values; 1 if all are equal."""
    difference = np.asarray(values) - np.asarray(baseline)
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
