"""Metrics of label sets, with scikit-learn's definitions, averages and edge cases."""

from sigmoidf1_jax.metrics.set_based import (
    accuracy,
    f1,
    f_beta,
    hamming_loss,
    jaccard,
    precision,
    recall,
    subset_accuracy,
)

__all__ = [
    "accuracy",
    "f1",
    "f_beta",
    "hamming_loss",
    "jaccard",
    "precision",
    "recall",
    "subset_accuracy",
]
