import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import data

d = sf.decisions
utility = d.expected_macro_utility


@pytest.mark.slow
@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("score", [sf.scores.f1, sf.scores.jaccard, sf.scores.g_mean])
def test_block_coordinate_ascent_never_loses_utility(score, k):
    p, _ = data(0)
    values = [
        float(
            utility(
                d.block_coordinate_ascent(score=score, k=k, max_sweeps=n, tolerance=0.0)(p),
                p,
                score=score,
            )
        )
        for n in range(4)
    ]
    # Utilities are float32 means: equal up to their rounding.
    assert all(b >= a - 1e-6 for a, b in itertools.pairwise(values))
    assert values[-1] > values[0]


@pytest.mark.slow
@pytest.mark.parametrize("k", [0, 1])
def test_no_change_of_one_row_improves_the_result_of_block_coordinate_ascent(k):
    p, _ = data(1, n=6, num_labels=3)
    decided = np.asarray(d.block_coordinate_ascent(k=k, tolerance=0.0)(p))
    best = float(utility(decided, p))
    rows = [r for r in itertools.product((False, True), repeat=3) if k == 0 or sum(r) == k]
    for i, row in itertools.product(range(6), rows):
        other = decided.copy()
        other[i] = row
        assert float(utility(other, p)) <= best + 1e-6


@pytest.mark.slow
def test_unconstrained_macro_f1_is_as_good_as_the_best_threshold_per_label():
    p, _ = data(2, n=40)
    decided = d.block_coordinate_ascent(tolerance=0.0)(p)
    lipton = d.lipton_threshold(p)(p)
    # Lipton's threshold is the global optimum of this objective.
    np.testing.assert_allclose(utility(decided, p), utility(lipton, p), atol=1e-5)
    assert float(utility(decided, p)) <= float(utility(lipton, p)) + 1e-6


def test_an_emptied_label_can_be_predicted_again():
    # Precision of counts that are rounding errors would be any number, and block the label.
    p, _ = data(9, n=40)
    decided = d.block_coordinate_ascent(score=sf.scores.precision, k=1)(p)
    assert decided.any(0).all()


@pytest.mark.slow
def test_block_coordinate_ascent_ignores_padded_rows():
    p, _ = data(3)
    where = np.ones((30, 1), bool)
    where[24:] = False
    padded = np.concatenate([p, np.full((6, 5), np.nan, np.float32)])
    decided = d.block_coordinate_ascent(k=2)(padded, where=where)
    np.testing.assert_array_equal(decided[:24], d.block_coordinate_ascent(k=2)(p))
    assert not decided[24:].any()


@pytest.mark.slow
def test_exactly_k_labels_per_example():
    p, labels = data(4, levels=3)
    for decision in (
        d.block_coordinate_ascent(k=2),
        d.frank_wolfe(p, labels, k=2),
        d.weighted(1.0, k=2),
    ):
        np.testing.assert_array_equal(np.sum(decision(p), -1), 2)


def test_a_score_with_hyperparameters_compiles_once():
    p, _ = data(5)
    f2 = functools.partial(sf.scores.f_beta, beta=2.0)
    traces = []

    @jax.jit
    def decide(decision, p):
        traces.append(1)
        return decision(p)

    a = decide(d.block_coordinate_ascent(score=f2), p)
    half = functools.partial(sf.scores.f_beta, beta=0.5)
    b = decide(d.block_coordinate_ascent(score=half), p)
    assert len(traces) == 1
    assert a.sum() > b.sum()


@pytest.mark.slow
@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("observed", [True, False])
def test_frank_wolfe_is_never_worse_than_its_first_rule_and_mixes_to_one(k, observed):
    p, labels = data(6, n=60)
    truth = jnp.asarray(labels, jnp.float32) if observed else p
    few = d.frank_wolfe(p, labels if observed else None, k=k, iterations=1)
    many = d.frank_wolfe(p, labels if observed else None, k=k, iterations=20)
    first = d.weighted(1.0, k=k)(p)
    values = [float(utility(h, truth)) for h in (first, few(p), many(p))]
    assert values[0] <= values[1] <= values[2]
    assert values[0] < values[2]
    np.testing.assert_allclose(many.mixture.sum(), 1, rtol=1e-5)


@pytest.mark.slow
def test_the_mixture_of_frank_wolfe_reaches_the_best_macro_f1_without_a_budget():
    p, _ = data(7, n=80)
    decision = d.frank_wolfe(p, iterations=40)
    best = float(utility(d.lipton_threshold(p)(p), p))
    # A linear rule with Lipton's thresholds is optimal, and Frank-Wolfe passes close to it.
    assert float(utility(decision(p), p)) >= best - 5e-3
    drawn = decision(jnp.tile(jnp.asarray(p), (200, 1)), key=jax.random.key(0))
    assert float(utility(drawn, jnp.tile(jnp.asarray(p), (200, 1)))) >= best - 2e-2


@pytest.mark.slow
@pytest.mark.parametrize("k", [0, 2])
def test_frank_wolfe_gives_labels_without_positives_the_global_threshold_with_one_warning(k):
    p, labels = data(6, n=60)
    labels[:, 1] = labels[:, 3] = 0
    labels[7, 3] = 1
    with pytest.warns(UserWarning, match=r"labels \[1, 3\] have fewer than 2") as record:
        decision = d.frank_wolfe(p, labels, k=k, min_positives=2)
    assert len(record) == 1
    shared = d.global_threshold(p, labels)
    if k == 0:
        for rule in range(decision.mixture.shape[0]):
            one = dataclasses.replace(decision, best=jnp.asarray(rule))
            np.testing.assert_array_equal(one(p)[:, [1, 3]], shared(p)[:, [1, 3]])
        # On a score that is the threshold itself, too.
        at = np.full((1, 5), shared.threshold)
        assert bool(decision(at)[0, 1])
        assert not bool(decision(np.nextafter(at, np.float32(0)))[0, 1])
    else:
        np.testing.assert_array_equal(decision(p).sum(-1), 2)
        # Such a label is above its place in the others' order for hardly anybody.
        assert decision(p)[:, 1].mean() < 0.5


@pytest.mark.slow
def test_labels_that_nobody_has_are_predicted_for_nobody():
    p, labels = data(6, n=40)
    with pytest.warns(UserWarning, match="have fewer than 1 positives"):
        assert not d.frank_wolfe(p, labels * 0)(p).any()
    p[:, 2] = 0
    for decision in (
        d.frank_wolfe(p),
        d.block_coordinate_ascent(),
        d.block_coordinate_ascent(max_sweeps=0),
        d.block_coordinate_ascent(score=sf.scores.accuracy),
    ):
        decided = decision(p)
        assert not decided[:, 2].any()
        assert decided.any()


def test_a_label_that_gains_nothing_is_not_predicted():
    decision = d.weighted(jnp.asarray([1.0, 0.0, 1.0]), jnp.asarray([-0.5, 0.0, 0.5]))
    np.testing.assert_array_equal(decision(jnp.full(3, 0.5)), [False, False, True])


@pytest.mark.slow
def test_bad_arguments_raise():
    p, labels = data(8)
    with pytest.raises(ValueError, match="k must be <= the number of labels, 5, got 6"):
        d.block_coordinate_ascent(k=6)(p)
    with pytest.raises(ValueError, match="k must be <= the number of labels, 5, got 6"):
        d.frank_wolfe(p, labels, k=6)
    with pytest.raises(ValueError, match="k must be an integer >= 0, got -1"):
        d.block_coordinate_ascent(k=-1)
    with pytest.raises(ValueError, match="iterations must be an integer >= 1"):
        d.frank_wolfe(p, labels, iterations=0)
    with pytest.raises(ValueError, match="tolerance must be a finite number >= 0"):
        d.block_coordinate_ascent(tolerance=-1.0)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        d.block_coordinate_ascent()(p * 2)
    with pytest.raises(ValueError, match="slope must be a finite number"):
        d.weighted(np.inf)
    with pytest.raises(ValueError, match="probabilities must have 5 labels as in the fit"):
        d.frank_wolfe(p, labels)(p[:, :4])


CASES = ["case_a", "case_b1", "case_b2"]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_goldens_of_weighted_rules(goldens, case):
    vectors = goldens("decisions")
    p, prior = vectors[f"inputs/{case}/probs"], vectors[f"inputs/{case}/priors"]
    rare = 1 / (1 - prior - 1e-6)
    gains = {
        "top_k": (1.0, 0.0),
        "macro_recall": (1 / (prior + 1e-6), 0.0),
        "log_weighted": (-np.log(prior + 1e-9), 0.0),
        "power_law_beta=0.25": ((prior + 1e-9) ** -0.25, 0.0),
        "psp": (vectors[f"inputs/{case}/inv_propensity"], 0.0),
        "macro_balanced_accuracy": (1 / (prior + 1e-6) + rare, -rare),
    }
    compared = 0
    with jax.enable_x64(True):
        for name, (slope, offset) in gains.items():
            for k in (1, 3):
                key = f"xcolumns/{name}/k={k}/{case}/pred"
                if key in vectors:
                    gain = np.sort(slope * p + offset, -1)
                    # Which of equal gains is taken is arbitrary there.
                    clear = gain[:, -k] - gain[:, -k - 1] > 1e-12
                    decided = d.weighted(slope, offset, k=k)(p)
                    np.testing.assert_array_equal(decided[clear], vectors[key][clear])
                    compared += int(clear.sum())
        decided = d.weighted(1.0, -0.3)(p)
        np.testing.assert_array_equal(decided, vectors[f"xcolumns/weighted_th=0.3/k=0/{case}/pred"])
    assert compared > 0


SCORES = {
    "macro_f1_score": sf.scores.f1,
    "macro_jaccard_score": sf.scores.jaccard,
    "macro_recall": sf.scores.recall,
    "macro_precision": sf.scores.precision,
    "macro_balanced_accuracy": sf.scores.balanced_accuracy,
    "macro_gmean": sf.scores.g_mean,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORES)
def test_goldens_of_block_coordinate_ascent(goldens, name):
    vectors = goldens("decisions")
    compared = 0
    with jax.enable_x64(True):
        for k in (0, 1, 3):
            decision = d.block_coordinate_ascent(score=SCORES[name], k=k)
            for case in CASES:
                at = f"xcolumns_bca/{name}/k={k}/{case}"
                if f"{at}/utilities" not in vectors:
                    continue
                p = jnp.asarray(vectors[f"inputs/{case}/probs"])
                value = float(utility(decision(p), p, score=SCORES[name]))
                # Ties lead to other local optima; theirs adds 1e-9 to denominators.
                theirs = float(utility(vectors[f"{at}/pred"] == 1, p, score=SCORES[name]))
                assert value >= theirs - 1e-3, (k, case)
                compared += 1
    assert compared >= 6
