import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import sigmoidf1_jax as sf
from tests.decisions.cases import data, f_beta

d = sf.decisions

# Positives N(+.5, 1), negatives N(-.5, 1), as many of each: the posterior is sigmoid(x). The
# values of one draw of 10,000 + 10,000; a draw's F has a standard error of about 0.003.
T_STAR, F_STAR = 0.3599, 0.7197


def exact_gaussian():
    """The best threshold on the posterior and its F, from the normal tail probabilities."""
    x = np.linspace(-2, 2, 40_001)
    above_positive, above_negative = norm.sf(x - 0.5), norm.sf(x + 0.5)
    f = 2 * above_positive / (1 + above_positive + above_negative)
    best = np.argmax(f)
    return 1 / (1 + np.exp(-x[best])), f[best]


def test_the_exact_gaussian_optimum_is_half_of_f_and_that_of_the_draw():
    t, f = exact_gaussian()
    # x is on a grid of 1e-4.
    assert t == pytest.approx(f / 2, abs=3e-5)
    assert t == pytest.approx(T_STAR, abs=1e-3)
    assert f == pytest.approx(F_STAR, abs=2e-3)


@pytest.fixture(scope="module")
def gaussian():
    # Quantiles instead of draws: no Monte Carlo error, only that of the 10,000-point rule.
    q = norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    x = np.concatenate([q + 0.5, q - 0.5])
    labels = np.repeat([1, 0], 10_000)
    order = np.random.default_rng(0).permutation(20_000)
    p = (1 / (1 + np.exp(-x)))[order, None].astype(np.float32)
    return p, labels[order, None]


@pytest.mark.slow
def test_gaussian_case_with_labels_and_from_probabilities_alone(gaussian):
    p, labels = gaussian
    with_labels = d.lipton_threshold(p, labels)
    alone = d.lipton_threshold(p)
    t, f = exact_gaussian()
    # One quantile more or less above the threshold changes F by 1e-4 / 2 at most.
    for decision in (with_labels, alone):
        assert float(decision.threshold[0]) == pytest.approx(t, abs=1e-4)
        decided = np.asarray(decision(p))
        assert float(f_beta(decided, labels)) == pytest.approx(f, abs=2e-4)


@pytest.mark.slow
def test_gaussian_case_with_ten_thousand_draws_of_each(gaussian):
    keys = jax.random.split(jax.random.key(0), 2)
    x = jnp.concatenate(
        [jax.random.normal(k, (10_000, 1)) + s for k, s in zip(keys, (0.5, -0.5), strict=True)]
    )
    labels = jnp.repeat(jnp.asarray([1, 0]), 10_000)[:, None]
    # The standard error of F at n = 20,000 is below 0.004, that of F/2 half as much.
    threshold = float(d.lipton_threshold(jax.nn.sigmoid(x), labels).threshold[0])
    assert threshold == pytest.approx(T_STAR, abs=0.006)


@pytest.mark.slow
def test_without_labels_the_expected_f_equals_brute_force():
    p, _ = data(0, n=12)
    for beta in (0.5, 1.0, 2.0):
        thresholds = d.lipton_threshold(p, beta=beta).threshold
        b2 = beta**2
        for c in range(p.shape[1]):
            column = np.sort(p[:, c].astype(float))[::-1]
            f = (1 + b2) * column.cumsum() / (b2 * column.sum() + np.arange(1, 13))
            assert float(thresholds[c]) == pytest.approx(f.max() / (1 + b2), rel=1e-6)


@pytest.mark.slow
def test_micro_pools_all_labels():
    p, labels = data(1)
    micro = d.lipton_threshold(p, labels, average="micro").threshold
    pooled = d.lipton_threshold(p.reshape(-1, 1), labels.reshape(-1, 1)).threshold[0]
    assert float(micro) == float(pooled)


@pytest.mark.slow
def test_labels_without_positives_take_the_global_threshold_with_one_warning():
    p, labels = data(2)
    labels[:, 2] = 0
    with pytest.warns(UserWarning, match=r"labels \[2\] have fewer than 1 positives") as record:
        decision = d.lipton_threshold(p, labels)
    assert len(record) == 1
    assert float(decision.threshold[2]) == float(
        d.lipton_threshold(p, labels, average="micro").threshold
    )


@pytest.mark.slow
def test_zero_probabilities_predict_nothing():
    p = np.zeros((4, 2), np.float32)
    with pytest.warns(UserWarning, match=r"labels \[0, 1\] have probability 0"):
        assert not d.lipton_threshold(p)(p).any()


def test_bad_arguments_raise():
    p, labels = data(3)
    with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\]; calibrate"):
        d.lipton_threshold(p * 3, labels)
    with pytest.raises(ValueError, match="average must be 'micro' or 'macro', got 'samples'"):
        d.lipton_threshold(p, labels, average="samples")
    with pytest.raises(ValueError, match="min_positives"):
        d.lipton_threshold(p, labels, min_positives=0)


@pytest.mark.slow
def test_goldens_of_the_f_optimal_sets(goldens):
    vectors = goldens("decisions")
    names = [
        k.removesuffix("/probs")
        for k in vectors
        if k.startswith("lipton/") and k.endswith("/probs")
    ]
    assert len(names) == 11
    for name in names:
        beta = float(name.split("fbeta=")[1]) if "fbeta" in name else 1.0
        p = vectors[f"{name}/probs"][:, None]
        decision = d.lipton_threshold(p, beta=beta)
        assert math.isclose(
            float(decision.threshold[0]), vectors[f"{name}/F_star"] / (1 + beta**2), rel_tol=1e-6
        )
        np.testing.assert_array_equal(decision(p)[:, 0], vectors[f"{name}/decision"])
