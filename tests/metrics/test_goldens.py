"""Values that scikit-learn, torchmetrics and pyxclib computed, on stored cases."""

import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.metrics.strategies import close

pytestmark = pytest.mark.xdist_group("metrics_goldens")

m = sf.metrics
CASES = ["case_a", "case_b1", "case_b2", "case_c", "case_d", "case_e"]
AVERAGES = {"micro": "micro", "macro": "macro", "weighted": "weighted", "samples": "samples",
            "none": None}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_set_metrics_equal_the_stored_values(goldens, case):
    stored = goldens("metrics")
    labels, decisions = (stored[f"inputs/{case}/{x}"] for x in ("labels", "pred"))
    tested = 0
    for key in stored:
        parts = key.split("/")
        if parts[0] != "sklearn" or parts[-2] != case or "zero_division=" not in key:
            continue
        average, zero = (x.split("=")[1] for x in parts[-3].split(","))
        name, _, beta = parts[1].partition("=")
        options = {"beta": float(beta)} if beta else {}
        function = {"fbeta": m.f_beta}.get(name) or getattr(m, name)
        value = function(decisions, labels, average=AVERAGES[average],
                         zero_division=float(zero), **options)  # fmt: skip
        np.testing.assert_allclose(value, stored[key], rtol=2e-6, atol=1e-6, err_msg=key)
        tested += 1
    assert tested == 85
    close(m.hamming_loss(decisions, labels), stored[f"sklearn/hamming_loss/{case}/value"])
    close(m.subset_accuracy(decisions, labels), stored[f"sklearn/accuracy_subset/{case}/value"])
    for name, key in (("matthews", "mcc"), ("balanced_accuracy", "balanced_accuracy")):
        value = getattr(m, name)(decisions, labels, average=None)
        close(value, stored[f"sklearn/{key}_per_label/{case}/value"])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_score_metrics_equal_the_stored_values(goldens, case):
    stored = goldens("metrics")
    labels, logits = stored[f"inputs/{case}/labels"], stored[f"inputs/{case}/logits"]
    logits = jnp.asarray(logits, jnp.float32)
    for text, average in AVERAGES.items():
        for name in ("average_precision", "roc_auc"):
            value = getattr(m, name)(logits, labels, average=average)
            expected = stored[f"sklearn/{name}/average={text}/{case}/value"]
            np.testing.assert_allclose(value, expected, rtol=2e-6, atol=1e-6, err_msg=name + text)
    for key, function in (
        ("lrap", m.label_ranking_average_precision),
        ("coverage_error", m.coverage_error),
        ("label_ranking_loss", m.ranking_loss),
    ):
        close(function(logits, labels), stored[f"sklearn/{key}/{case}/value"])
    for k in (1, 3, 5, None):
        key = f"sklearn/ndcg/k={k},ignore_ties=False/{case}/value"
        if key in stored and (k or 1) <= labels.shape[1]:
            close(m.ndcg_at_k(logits, labels, k or labels.shape[1]), stored[key])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["case_a", "case_b1", "case_d", "case_e"])
def test_torchmetrics_agrees_where_definitions_do(goldens, case):
    stored = goldens("metrics")
    labels, scores = (stored[f"inputs/{case}/{x}"] for x in ("labels", "scores"))
    scores = jnp.asarray(scores, jnp.float32)
    close(m.coverage_error(scores, labels), stored[f"torchmetrics/coverage_error/{case}/value"])
    lrap = m.label_ranking_average_precision(scores, labels)
    close(lrap, stored[f"torchmetrics/lrap/{case}/value"])
    value = m.average_precision(scores, labels, average="micro")
    close(value, stored[f"torchmetrics/average_precision/average=micro/{case}/value"])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["case_a", "case_b1", "case_e"])
def test_top_k_metrics_equal_pyxclib(goldens, case):
    stored = goldens("metrics")
    labels, logits, worth = (
        stored[f"inputs/{case}/{x}"] for x in ("labels", "logits", "inv_propensity")
    )
    logits = jnp.asarray(logits, jnp.float32)
    train = stored[f"inputs/{case}/train_labels"]
    close(m.inverse_propensity(train.sum(0), len(train)), worth)
    largest = min(5, labels.shape[1])
    for name, function in (("precision", m.precision_at_k), ("psprecision", m.psp_at_k),
                           ("recall", m.recall_at_k), ("ndcg", m.ndcg_at_k)):  # fmt: skip
        expected = stored[f"pyxclib/{name}_at_1..K/{case}/value"]
        for k in range(1, largest + 1):
            extra = (worth,) if name == "psprecision" else ()
            close(function(logits, labels, k, *extra), expected[k - 1])
