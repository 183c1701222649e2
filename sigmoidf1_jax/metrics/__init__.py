"""Metrics of label sets and of scores, with scikit-learn's definitions, averages and edge cases.

>>> import jax.numpy as jnp
>>> import sigmoidf1_jax as sf
>>> scores, labels = jnp.array([[2.0, -1.0], [-3.0, 1.0]]), jnp.array([[1, 0], [1, 1]])
>>> round(float(sf.metrics.f1(scores > 0, labels)), 4)
0.8333
>>> float(sf.metrics.average_precision(scores, labels))
1.0
"""

from sigmoidf1_jax.metrics.calibration import (
    Reliability,
    brier_score,
    calibration_error,
    reliability,
)
from sigmoidf1_jax.metrics.confusion import (
    accuracy,
    balanced_accuracy,
    f1,
    f_beta,
    hamming_loss,
    jaccard,
    matthews,
    mcc,
    precision,
    recall,
    specificity,
    subset_accuracy,
)
from sigmoidf1_jax.metrics.counts import label_count_bias, label_count_error
from sigmoidf1_jax.metrics.curves import average_precision, roc_auc
from sigmoidf1_jax.metrics.metric import Metric
from sigmoidf1_jax.metrics.ranking import (
    coverage_error,
    label_ranking_average_precision,
    one_error,
    ranking_loss,
)
from sigmoidf1_jax.metrics.report import report
from sigmoidf1_jax.metrics.sketch import (
    Bounds,
    ScoreHistogram,
    average_precision_bounds,
    bin_thresholds,
    roc_auc_bounds,
    score_histogram,
    sketched_average_precision,
    sketched_roc_auc,
    threshold_counts,
)
from sigmoidf1_jax.metrics.streaming import State, Stream
from sigmoidf1_jax.metrics.table import Estimate, Report
from sigmoidf1_jax.metrics.top_k import (
    inverse_propensity,
    ndcg_at_k,
    precision_at_k,
    psp_at_k,
    r_precision_at_k,
    recall_at_k,
)

__all__ = [
    "Bounds",
    "Estimate",
    "Metric",
    "Reliability",
    "Report",
    "ScoreHistogram",
    "State",
    "Stream",
    "accuracy",
    "average_precision",
    "average_precision_bounds",
    "balanced_accuracy",
    "bin_thresholds",
    "brier_score",
    "calibration_error",
    "coverage_error",
    "f1",
    "f_beta",
    "hamming_loss",
    "inverse_propensity",
    "jaccard",
    "label_count_bias",
    "label_count_error",
    "label_ranking_average_precision",
    "matthews",
    "mcc",
    "ndcg_at_k",
    "one_error",
    "precision",
    "precision_at_k",
    "psp_at_k",
    "r_precision_at_k",
    "ranking_loss",
    "recall",
    "recall_at_k",
    "reliability",
    "report",
    "roc_auc",
    "roc_auc_bounds",
    "score_histogram",
    "sketched_average_precision",
    "sketched_roc_auc",
    "specificity",
    "subset_accuracy",
    "threshold_counts",
]
