"""Every mistake in the inputs has one clear message, in eager calls and under checkify."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify

import sigmoidf1_jax as sf

m = sf.metrics
SCORE_METRICS = [
    m.average_precision,
    m.roc_auc,
    m.label_ranking_average_precision,
    m.coverage_error,
    m.ranking_loss,
    m.one_error,
    lambda *a, **k: m.precision_at_k(*a, 2, **k),
    lambda *a, **k: m.ndcg_at_k(*a, 2, **k),
    lambda *a, **k: m.psp_at_k(*a, 2, np.ones(3), **k),
    m.brier_score,
    m.calibration_error,
    m.score_histogram,
]
SCORES = np.full((4, 3), 0.5, np.float32)
LABELS = np.eye(4, 3, dtype=np.int32)


@pytest.mark.slow
@pytest.mark.parametrize("metric", SCORE_METRICS)
def test_wrong_scores_labels_and_weights_are_named(metric):
    with pytest.raises(ValueError, match="must have the same shape"):
        metric(SCORES, LABELS[:, :2])
    with pytest.raises(TypeError, match="must be floating point"):
        metric(LABELS, LABELS)
    with pytest.raises(ValueError, match="must not be NaN where they count"):
        metric(np.where(LABELS, np.nan, SCORES), LABELS)
    with pytest.raises(ValueError, match="labels must be 0 or 1 where they count"):
        metric(SCORES, LABELS * 2)
    with pytest.raises(ValueError, match="weights must be >= 0"):
        metric(SCORES, LABELS, weights=np.array([[1], [-1], [1], [1]]))
    with pytest.raises(TypeError, match="where must be bool"):
        metric(SCORES, LABELS, where=LABELS)
    with pytest.raises(ValueError, match="where must broadcast"):
        metric(SCORES, LABELS, where=np.ones((4,), bool))


@pytest.mark.parametrize(
    "metric", [m.precision_at_k, m.recall_at_k, m.r_precision_at_k, m.ndcg_at_k]
)
def test_k_lies_between_1_and_the_number_of_labels(metric):
    for k in (0, -1, 4):
        with pytest.raises(ValueError, match="k must lie in"):
            metric(SCORES, LABELS, k)
    with pytest.raises(TypeError, match="k must be a Python int"):
        metric(SCORES, LABELS, 1.0)


def test_unknown_averages_are_named():
    for metric in (m.average_precision, m.roc_auc, m.brier_score, m.calibration_error):
        with pytest.raises(ValueError, match="average must be"):
            metric(SCORES, LABELS, average="binary")
    for metric in (m.brier_score, m.calibration_error):
        with pytest.raises(ValueError, match="got 'samples'"):
            metric(SCORES, LABELS, average="samples")


def test_logits_are_no_probabilities():
    for metric in (m.brier_score, m.calibration_error, m.reliability):
        with pytest.raises(ValueError, match="to logits"):
            metric(SCORES * 4, LABELS)
    with pytest.raises(ValueError, match="num_bins must be"):
        m.calibration_error(SCORES, LABELS, num_bins=0)


def test_propensities_have_one_entry_per_label():
    with pytest.raises(ValueError, match="inverse_propensities must have shape"):
        m.psp_at_k(SCORES, LABELS, 1, np.ones(2))
    with pytest.raises(ValueError, match="inverse_propensities must be >= 0"):
        m.psp_at_k(SCORES, LABELS, 1, -np.ones(3))


def test_label_counts_of_propensities_are_checked():
    for counts, examples, match in (
        ([], 10, "have shape"), (3.0, 10, "have shape"), ([[1, 2]], 10, "have shape"),
        ([1, -1], 10, "must be >= 0"), ([1, np.nan], 10, "must be >= 0"), ([1], 0, "num_examples"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            m.inverse_propensity(counts, examples)


def test_sketches_name_bad_bins():
    with pytest.raises(ValueError, match="num_bins must be even"):
        m.score_histogram(SCORES, LABELS, num_bins=5)
    with pytest.raises(ValueError, match="limit must be > 0"):
        m.score_histogram(SCORES, LABELS, limit=0.0)
    with pytest.raises(ValueError, match="needs no sketch"):
        m.sketched_roc_auc(m.score_histogram(SCORES, LABELS), average="samples")


def test_set_metrics_refuse_scores():
    for metric in (m.f1, m.matthews, m.balanced_accuracy, m.label_count_error):
        with pytest.raises(TypeError, match="decisions must be bool or integer"):
            metric(SCORES, LABELS)


@pytest.mark.slow
def test_checkify_finds_bad_values_inside_jit():
    checked = jax.jit(checkify.checkify(m.roc_auc, errors=checkify.user_checks))
    error, _ = checked(jnp.asarray(SCORES), jnp.asarray(LABELS))
    assert error.get() is None
    error, _ = checked(jnp.asarray(SCORES) * jnp.nan, jnp.asarray(LABELS))
    assert "scores must not be NaN" in error.get()
    error, _ = checked(jnp.asarray(SCORES), jnp.asarray(LABELS) * 3)
    assert "labels must be 0 or 1" in error.get()
