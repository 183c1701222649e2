"""Probability-based metrics and label counts against NumPy and scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics as sk

import sigmoidf1_jax as sf
from tests.metrics.strategies import close

pytestmark = pytest.mark.xdist_group("metrics_calibration")

m = sf.metrics


def data():
    rng = np.random.default_rng(0)
    probabilities = rng.random((200, 4)).astype(np.float32)
    probabilities[0] = [0, 1, 0.5, 0.2]
    return probabilities, (rng.random((200, 4)) < probabilities**2).astype(int), rng.random(200)


def naive_error(p, y, w, bins):
    place = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs(np.sum(w * (p - y) * (place == b))) for b in range(bins)]
    return np.sum(gaps) / w.sum()


@pytest.mark.slow
@pytest.mark.parametrize("bins", [1, 10])
def test_calibration_error_equals_a_loop_over_bins(bins):
    p, y, w = data()
    w = w.astype(np.float32)
    each = [naive_error(p[:, c], y[:, c], w, bins) for c in range(4)]
    close(m.calibration_error(p, y, num_bins=bins, weights=w[:, None], average=None), each)
    close(m.calibration_error(p, y, num_bins=bins, weights=w[:, None]), np.mean(each))
    pooled = naive_error(p.ravel(), y.ravel(), np.repeat(w, 4), bins)
    close(m.calibration_error(p, y, num_bins=bins, weights=w[:, None], average="micro"), pooled)


def test_brier_score_equals_scikit_learn():
    p, y, w = data()
    each = [sk.brier_score_loss(y[:, c], p[:, c], sample_weight=w) for c in range(4)]
    close(m.brier_score(p, y, weights=w[:, None].astype(np.float32), average=None), each)
    close(m.brier_score(p, y, average="micro"), np.mean((p - y) ** 2))


@pytest.mark.slow
def test_masked_entries_equal_a_subset():
    p, y, _ = data()
    where = np.arange(200)[:, None] < 150
    spoiled = np.where(where, p, np.nan)
    for metric in (m.brier_score, m.calibration_error):
        close(metric(spoiled, y, where=where), metric(p[:150], y[:150]))
    columns = np.array([True, True, False, False])
    for average in ("macro", "micro", "weighted"):
        close(
            m.brier_score(p, y, where=columns[None], average=average),
            m.brier_score(p[:, :2], y[:, :2], average=average),
        )


def test_reliability_shows_observed_frequencies():
    p = np.repeat(np.array([[0.1], [0.7]], np.float32), [4, 2], axis=0)
    curve = m.reliability(p, np.array([[1], [0], [0], [0], [1], [1]]), num_bins=2)
    close(curve.probability, [[0.1, 0.7]])
    close(curve.frequency, [[0.25, 1.0]])
    close(curve.weight, [[4, 2]])


def test_label_count_error_and_bias_count_labels():
    decisions = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 1]])
    labels = np.array([[1, 0, 0], [1, 1, 1], [1, 0, 1]])
    close(m.label_count_error(decisions, labels), 4 / 3)
    close(m.label_count_bias(decisions, labels), -2 / 3)
    weights = np.array([[1.0], [0.0], [1.0]])
    close(m.label_count_bias(decisions, labels, weights=weights), 0.5)
    where = np.array([[True, True, True], [True, False, False], [False, False, False]])
    close(m.label_count_error(decisions, labels, where=where), 1.0)
