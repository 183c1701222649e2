"""Simulated data: rates, posteriors, dependence, noise, outliers and structure are what they say.

Tolerances are in standard errors of the statistic: a right generator fails a bound of five once
in two million keys, and the keys are fixed.
"""

import dataclasses
import functools

import jax
import numpy as np
import pytest
import scipy.stats

pytest.importorskip("sklearn", reason="the data sets need the experiments extra")

from experiments import datasets
from experiments.datasets.sources.simulated import Simulation, load_simulated, rates, simulate
from experiments.datasets.sources.sklearn_multilabel import make_multilabel
from experiments.errors import UserError

EXAMPLES = 8000
BASE = Simulation(examples=EXAMPLES, num_labels=6, num_features=12, mean_labels=2.0, groups=2)
SUB = dataclasses.replace(BASE, structure="sub-entity")
CASES = {
    "base": {},
    "even_counts": {"count_variation": 0.0},
    "uneven_counts": {"count_variation": 3.0},
    "correlation": {"correlation": 0.8},
    "noise": {"noise_positive": 0.2, "noise_negative": 0.05},
    "outliers": {"outliers": 0.2},
    "sub_entity": {"structure": "sub-entity"},
    "sub_entity_all": {
        "structure": "sub-entity",
        "count_variation": 1.5,
        "correlation": 0.7,
        "noise_negative": 0.1,
        "outliers": 0.2,
    },
}


@functools.cache
def drawn(simulation, seed=0):
    return tuple(np.asarray(x) for x in simulate(simulation, jax.random.key(seed)))


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    simulation = dataclasses.replace(BASE, **CASES[request.param])
    return simulation, drawn(simulation)


def test_rates_add_up_to_mean_labels_and_fall_by_the_imbalance():
    for imbalance in (1.0, 4.0):
        r = rates(dataclasses.replace(BASE, imbalance=imbalance))
        np.testing.assert_allclose(r.sum(), 2.0)
        np.testing.assert_allclose(r[0] / r[-1], imbalance)
        np.testing.assert_allclose(r[1:] / r[:-1], r[1] / r[0])


@pytest.mark.slow
def test_labels_and_posteriors_have_the_rates(case):
    simulation, (_, labels, posteriors) = case
    clean = rates(simulation)
    rate = (1 - simulation.noise_positive) * clean + simulation.noise_negative * (1 - clean)
    for drawn_values in (labels, posteriors):
        error = drawn_values.mean(0) - rate
        assert np.all(np.abs(error) < 5 * np.sqrt(rate * (1 - rate) / EXAMPLES))
    # Noise bounds what can be known.
    assert posteriors.min() >= simulation.noise_negative - 1e-6  # float32
    assert posteriors.max() <= 1 - simulation.noise_positive + 1e-6


@pytest.mark.slow
def test_posteriors_are_calibrated(case):
    _, (_, labels, posteriors) = case
    bins = np.minimum((posteriors * 10).astype(int), 9)
    for k in range(10):
        inside = bins == k
        p = posteriors[inside]
        # Labels are independent given the posteriors, so this is the sum's standard error.
        error = (labels[inside] - p).sum() / max(np.sqrt((p * (1 - p)).sum()), 1)
        assert abs(error) < 5


@pytest.mark.slow
def test_pairs_of_labels_are_independent_given_the_features(case):
    _, (_, labels, p) = case
    residual = (labels - p) / np.sqrt(np.maximum(p * (1 - p), 1e-2))
    correlation = residual.T @ residual / EXAMPLES
    off = correlation[~np.eye(len(correlation), dtype=bool)]
    assert np.abs(off).max() < 5 / np.sqrt(EXAMPLES)


@pytest.mark.slow
def test_a_linear_model_of_the_features_gives_the_posteriors():
    # Score and evidence are linear in the features: the posterior is a function of them.
    for simulation, link in (
        (BASE, lambda p: scipy.stats.norm.ppf(p.astype(np.float64))),
        (SUB, lambda p: -np.log1p(-p)),
    ):
        x, _, p = drawn(simulation)
        # Float32 posteriors near 0 and 1 carry too few digits to be inverted.
        rows = ((p > 0.01) & (p < 0.99)) if simulation is BASE else p < 0.99
        for c in range(p.shape[1]):
            design = np.c_[x, np.ones(len(x))][rows[:, c]]
            score = link(p[rows[:, c], c])
            fit = design @ np.linalg.lstsq(design, score, rcond=None)[0]
            # Inverting a float32 posterior at .99 has an error of 6e-8 / .01 and little more.
            np.testing.assert_allclose(fit, score, atol=2e-4)


@pytest.mark.slow
def test_sub_entity_is_a_noisy_or_of_parts():
    # Pooling two examples' parts adds their features; the absence probabilities multiply.
    x, _, p = drawn(SUB)
    coefficients = []
    for c in range(p.shape[1]):
        rows = p[:, c] < 0.99
        coefficients.append(np.linalg.lstsq(x[rows], -np.log1p(-p[rows, c]), rcond=None)[0])
    pooled = x[: EXAMPLES // 2] + x[EXAMPLES // 2 :]
    absent = np.exp(-pooled @ np.stack(coefficients, 1))
    product = (1 - p[: EXAMPLES // 2]) * (1 - p[EXAMPLES // 2 :])
    np.testing.assert_allclose(absent, product, atol=2e-4)  # as above
    # Evidence is never below 0, and an example without any for a label does not have it.
    assert (p == 0).any()


def counts(**changes):
    return drawn(dataclasses.replace(BASE, **changes))[1].sum(1)


def test_count_variance_rises_and_passes_that_of_independent_labels_at_one():
    independent = (rates(BASE) * (1 - rates(BASE))).sum()
    less, equal, more = (counts(count_variation=v).var() for v in (0.0, 1.0, 2.0))
    # A variance of n counts with kurtosis about 3 has the standard error sqrt(2/n) of itself.
    margin = 5 * np.sqrt(2 / EXAMPLES)
    assert less < (1 - margin) * independent
    assert abs(equal / independent - 1) < margin
    assert more > (1 + margin) * independent


@pytest.mark.slow
def test_count_variance_of_parts_rises():
    values = [counts(structure="sub-entity", count_variation=v).var() for v in (1.0, 1.5, 2.5)]
    assert values[0] < 0.9 * values[1] < 0.81 * values[2]


@pytest.mark.slow
@pytest.mark.parametrize("structure", ["entity-wide", "sub-entity"])
def test_correlation_is_within_groups_only(structure):
    def correlations(value):
        labels = drawn(dataclasses.replace(BASE, structure=structure, correlation=value))[1]
        matrix = np.corrcoef(labels.T)
        group = np.arange(6) // 3
        same = group[:, None] == group[None]
        return matrix[same & ~np.eye(6, dtype=bool)], matrix[~same]

    margin = 5 / np.sqrt(EXAMPLES)
    within, across = correlations(0.8)
    assert within.min() > 0.2
    assert np.abs(across).max() < margin
    assert np.abs(np.concatenate(correlations(0.0))).max() < margin


def test_outliers_are_far_and_say_nothing():
    simulation = dataclasses.replace(BASE, outliers=0.3)
    x, labels, p = drawn(simulation)
    far = np.linalg.norm(x, axis=1) >= np.sqrt(12) + 6 - 1e-3  # float32 norms
    assert abs(far.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / EXAMPLES)
    np.testing.assert_allclose(p[far], np.broadcast_to(rates(simulation), p[far].shape), rtol=1e-6)
    assert np.linalg.norm(x[far], axis=1).max() > 100
    assert not np.allclose(p[~far].std(0), 0)


def test_a_key_gives_one_data_set_and_another_key_another():
    first, again, other = drawn(BASE), drawn(BASE), drawn(BASE, seed=1)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_it_compiles_in_one_piece():
    whole = jax.jit(simulate, static_argnums=0)(BASE, jax.random.key(0))
    np.testing.assert_allclose(whole.posteriors, drawn(BASE)[2], atol=1e-6)  # fused float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"examples": 0}, "examples must be >= 1, got 0"),
        ({"num_labels": 0}, "num_labels must be >= 1"),
        ({"groups": 7}, r"groups must be 1 to 6 \(num_labels\), got 7"),
        ({"num_features": 7}, r"num_features must be >= 8 \(num_labels \+ groups\), got 7"),
        ({"mean_labels": 0.0}, "mean_labels must be > 0"),
        ({"mean_labels": 5.0}, "mean_labels 5 of 6 labels with imbalance 4 give"),
        ({"imbalance": 0.5}, "imbalance must be >= 1"),
        ({"count_variation": -1.0}, r"count_variation must be >= 0 \(entity-wide\)"),
        ({"structure": "sub-entity", "count_variation": 0.5}, "count_variation must be >= 1"),
        ({"count_variation": 0.0, "correlation": 1.0, "groups": 1}, "nothing to vary by"),
        ({"correlation": 1.5}, r"correlation must be in \[0, 1\]"),
        ({"signal": float("nan")}, "signal must be > 0 and finite, got nan"),
        ({"noise_positive": 1.0}, r"noise_positive must be in \[0, 1\)"),
        ({"noise_negative": -0.1}, "noise_negative must be"),
        ({"outliers": 2.0}, "outliers must be"),
        ({"structure": "bag"}, "structure 'bag'; expected one of"),
    ],
)
def test_bad_parameters_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(BASE, **changes)


@pytest.mark.slow
def test_as_data_sets():
    dataset, posteriors = load_simulated(SUB, seed=3)
    assert (dataset.scope, dataset.labels.shape) == ("sub-entity", posteriors.shape)
    assert "correlation=0.0" in dataset.source
    assert datasets.load("simulated").labels.shape == (4000, 12)
    assert datasets.load("sklearn_multilabel").features.shape == (2000, 50)


def test_sklearn_parameters_are_passed_on_and_mistakes_named():
    # Without unlabelled examples every one has a label.
    assert make_multilabel(n_samples=50, allow_unlabeled=False).labels.any(1).all()
    with pytest.raises(UserError, match=r"make_multilabel.*n_rows"):
        make_multilabel(n_rows=3)
