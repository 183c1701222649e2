"""The Bayes optimum against brute force, other decisions, and labels that are drawn."""

import itertools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytest.importorskip("sklearn", reason="the comparison needs the experiments extra")

from experiments.bayes_optimum import bayes_decisions, bayes_optimal, expected_f1

SHAPE = (3, 2)
SETS = np.array(list(itertools.product([False, True], repeat=6))).reshape(-1, *SHAPE)
# 0.01 apart: two decisions whose float32 values differ by rounding alone are as good.
POSTERIORS = hnp.arrays(np.float32, SHAPE, elements=st.integers(0, 100).map(lambda k: k / 100))


def f1_of_sets(decided, labels):
    """F1 over the last axis, 0 for two empty sets."""
    total = decided.sum(-1) + labels.sum(-1)
    return 2 * (decided & labels).sum(-1) / np.maximum(total, 1)


def brute(decided, p):
    """Expected F1 of `decided` [..., 3, 2], by definition."""
    decided = np.asarray(decided)
    p = p.astype(np.float64)
    ratio = lambda a, b: np.where(b > 0, 2 * a / np.maximum(b, 1e-12), 0.0)  # noqa: E731
    samples = 0
    for labels in itertools.product([False, True], repeat=2):
        labels = np.array(labels)
        weight = np.prod(np.where(labels, p, 1 - p), -1)
        samples = samples + weight * f1_of_sets(decided, labels)
    return {
        "micro": ratio((decided * p).sum((-1, -2)), (decided + p).sum((-1, -2))),
        "macro": ratio((decided * p).sum(-2), (decided + p).sum(-2)).mean(-1),
        "samples": samples.mean(-1),
    }


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(POSTERIORS)
def test_no_decision_beats_it_and_the_expectation_is_the_definition(p):
    with warnings.catch_warnings():
        # Labels of probability 0 take the shared threshold, and say so.
        warnings.filterwarnings("ignore", "labels .* have probability 0", UserWarning)
        best = bayes_decisions(p)
    of_all = brute(SETS, p)
    for average, decided in best.items():
        value = float(expected_f1(decided, p)[average])
        # Float32 sums of six terms.
        np.testing.assert_allclose(value, brute(decided, p)[average], atol=2e-6)
        assert value >= of_all[average].max() - 2e-6


@pytest.mark.slow
def test_it_is_reached_on_labels_that_are_drawn():
    for_p, for_labels = jax.random.split(jax.random.key(0))
    p = jax.random.beta(for_p, 0.5, 1.0, (20_000, 4))
    labels = jax.random.uniform(for_labels, p.shape) < p
    expected, attained = bayes_optimal(p), bayes_optimal(p, labels)
    for average, value in expected.items():
        # An F1 of n examples varies by less than 1 / sqrt(n) for each; five of that.
        assert abs(value - attained[average]) < 5 / np.sqrt(20_000)
    at_half = expected_f1(p >= 0.5, p)
    assert all(float(at_half[a]) < v for a, v in expected.items())


def test_refuses_what_is_not_a_probability():
    with pytest.raises(ValueError, match="probabilities must lie in"):
        bayes_decisions(jnp.array([[1.5]]))
