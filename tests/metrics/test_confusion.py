"""Metrics of label sets equal scikit-learn's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

import sigmoidf1_jax as sf
from tests.metrics.strategies import FAST, close, labelled, reference

pytestmark = pytest.mark.xdist_group("metrics_confusion")

AVERAGES = ["micro", "macro", "weighted", "samples", None]
RATIOS = {
    "f1": sk.f1_score,
    "f_beta": functools.partial(sk.fbeta_score, beta=2.0),
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "jaccard": sk.jaccard_score,
}


@functools.cache
def jitted(name, **options):
    return jax.jit(functools.partial(getattr(sf.metrics, name), **options))


@pytest.mark.slow
@pytest.mark.parametrize("name", RATIOS)
@FAST
@given(data=labelled("decisions"), average=st.sampled_from(AVERAGES), weighted=st.booleans(),
       zero=st.sampled_from([0.0, 1.0, np.nan]))  # fmt: skip
def test_ratios_equal_scikit_learn(name, data, average, weighted, zero):
    decisions, labels, weights = data
    if name == "jaccard" and np.isnan(zero):
        zero = 0.0  # scikit-learn's jaccard_score accepts only 0 and 1
    options = {"beta": 2.0} if name == "f_beta" else {}
    if not weighted:
        weights = np.ones_like(weights)
    actual = jitted(name, average=average, **options)(
        decisions, labels, zero_division=zero, weights=weights[:, None]
    )
    expected = reference(
        RATIOS[name], labels, decisions, average=average, sample_weight=weights, zero_division=zero
    )
    close(actual, expected)


@pytest.mark.slow
@FAST
@given(data=labelled("decisions"))
def test_unweighted_ratios_equal_scikit_learn(data):
    decisions, labels, _ = data
    for average in AVERAGES:
        expected = reference(sk.f1_score, labels, decisions, average=average, zero_division=0)
        close(jitted("f1", average=average)(decisions, labels), expected)


@pytest.mark.slow
@FAST
@given(data=labelled("decisions"))
def test_per_label_scores_equal_scikit_learn_on_each_column(data):
    decisions, labels, weights = data
    for name, function in (
        ("matthews", sk.matthews_corrcoef),
        ("balanced_accuracy", sk.balanced_accuracy_score),
        ("accuracy", sk.accuracy_score),
    ):
        actual = jitted(name, average=None)(decisions, labels, weights=weights[:, None])
        # Zero weights leave scikit-learn's class list: drop those examples first.
        keep = weights > 0
        expected = [
            reference(function, y[keep], s[keep], sample_weight=weights[keep])
            for y, s in zip(labels.T, decisions.T, strict=True)
        ]
        close(actual, expected)


@pytest.mark.slow
@FAST
@given(data=labelled("decisions"))
def test_losses_of_whole_sets_equal_scikit_learn(data):
    decisions, labels, weights = data
    for w in (weights, np.ones_like(weights)):
        close(
            jitted("hamming_loss")(decisions, labels, weights=w[:, None]),
            sk.hamming_loss(labels, decisions, sample_weight=w),
        )
        close(
            jitted("subset_accuracy")(decisions, labels, weights=w[:, None]),
            sk.accuracy_score(labels, decisions, sample_weight=w),
        )


def test_matthews_of_a_large_label_does_not_overflow():
    decisions = np.zeros((200_000, 1), bool)
    decisions[:100_000] = True
    labels = decisions.copy()
    labels[:100] = False
    expected = sk.matthews_corrcoef(labels[:, 0], decisions[:, 0])
    close(sf.metrics.matthews(decisions, labels), expected)


def test_integer_counts_of_a_batch_are_exact():
    counts = sf.confusion(np.ones((1, 5), bool), np.ones((1, 5), bool))
    assert counts.tp.dtype == jnp.int32
