import functools
import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import data, f_beta

d = sf.decisions


def brute_force(p, labels, value):
    """The largest best threshold among all distinct scores and +inf, and its value."""
    candidates = np.concatenate([[np.inf], np.unique(p)[::-1]])
    values = np.array([value(p >= t, labels) for t in candidates])
    best = np.argmax(values > values.max() - 1e-9)
    return candidates[best], values[best]


def average_f(average, beta):
    axis = {"micro": None, "macro": 0, "samples": -1}[average]
    return lambda h, y: float(np.mean(f_beta(h, y, beta, axis=axis)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("levels", [None, 6])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("average", ["micro", "macro", "samples"])
def test_global_threshold_is_the_best_of_all_thresholds(average, beta, levels, seed):
    p, labels = data(seed, levels=levels)
    value = average_f(average, beta)
    decision = d.global_threshold(p, labels, average=average, beta=beta)
    threshold, best = brute_force(p, labels, value)
    # The running sum of float32 changes is right to 1e-6; thresholds closer than that are equal.
    assert value(np.asarray(decision(p)), labels) == pytest.approx(best, abs=2e-6)
    if average == "micro":
        assert float(decision.threshold) == np.float32(threshold)


@pytest.mark.slow
@pytest.mark.parametrize("levels", [None, 6])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_per_label_threshold_is_the_largest_best_of_all_thresholds(beta, levels):
    p, labels = data(11, levels=levels)
    thresholds = d.per_label_threshold(p, labels, beta=beta).threshold
    for c in range(p.shape[1]):
        expected, _ = brute_force(p[:, c], labels[:, c], average_f("micro", beta))
        assert float(thresholds[c]) == np.float32(expected)


SCORES = [
    sf.scores.jaccard,
    sf.scores.mcc,
    sf.scores.balanced_accuracy,
    sf.scores.accuracy,
    functools.partial(sf.scores.tversky, alpha=0.25, beta=1.0),
]


@pytest.mark.slow
@pytest.mark.parametrize("score", SCORES, ids=lambda s: getattr(s, "__name__", "tversky"))
def test_any_score_is_maximised_over_all_thresholds(score):
    p, labels = data(12, levels=9)

    def value(h, y, axis=None):
        h, y = np.asarray(h, bool), np.asarray(y, bool)
        parts = (h & y, h & ~y, ~h & y, ~h & ~y)
        counts = sf.Confusion(*(jnp.asarray(x.sum(axis), jnp.float32) for x in parts))
        return float(jnp.mean(score(counts)))

    own = d.per_label_threshold(p, labels, score=score)
    for c in range(p.shape[1]):
        _, best = brute_force(p[:, c], labels[:, c], value)
        assert value(own(p)[:, c], labels[:, c]) == pytest.approx(best, abs=1e-6)
    for average, axis in (("micro", None), ("macro", 0)):
        of_average = functools.partial(value, axis=axis)
        _, best = brute_force(p, labels, of_average)
        decision = d.global_threshold(p, labels, score=score, average=average)
        assert of_average(decision(p), labels) == pytest.approx(best, abs=3e-6)


@pytest.mark.slow
def test_jaccard_and_f1_choose_the_same_threshold_per_label():
    p, labels = data(13)
    f1 = d.per_label_threshold(p, labels).threshold
    jaccard = d.per_label_threshold(p, labels, score=sf.scores.jaccard).threshold
    np.testing.assert_array_equal(f1, jaccard)


def test_accuracy_of_a_rare_label_with_useless_scores_predicts_nothing():
    p = jnp.asarray([[0.9], [0.8], [0.7], [0.1]])
    labels = jnp.asarray([[0], [0], [0], [1]])
    decision = d.per_label_threshold(p, labels, score=sf.scores.accuracy)
    assert float(decision.threshold[0]) == np.inf


@pytest.mark.slow
def test_neighbouring_float32_scores_are_told_apart():
    low = np.float32(0.3)
    p = np.array([[low], [np.nextafter(low, np.float32(1))]])
    threshold = d.per_label_threshold(p, np.array([[0], [1]])).threshold
    assert float(threshold[0]) == p[1, 0]


def test_float32_thresholds_decide_half_precision_scores_as_float32():
    scores = jnp.asarray([0.2998, 0.3], jnp.float16)
    decided = d.fixed(0.29990)(scores)
    np.testing.assert_array_equal(decided, np.asarray(scores, np.float32) >= np.float32(0.29990))


@pytest.mark.slow
@pytest.mark.parametrize("shift", [1, 20])
def test_a_shift_of_the_logits_shifts_the_thresholds(shift):
    p, labels = data(14)
    a = d.per_label_threshold(p, labels)
    b = d.per_label_threshold(p + shift, labels)
    np.testing.assert_array_equal(a(p), b(p + np.float32(shift)))


@pytest.mark.slow
def test_uninformative_scores_predict_everything_with_f_2b_over_1_plus_b():
    p = np.full((40, 3), 0.5, np.float32)
    labels = np.zeros((40, 3), int)
    labels[:4, 0], labels[:10, 1], labels[:20, 2] = 1, 1, 1
    decided = d.per_label_threshold(p, labels)(p)
    b = labels.mean(0)
    assert bool(decided.all())
    np.testing.assert_allclose(
        sf.metrics.f1(decided, labels, average=None), 2 * b / (1 + b), rtol=1e-6
    )


@pytest.mark.slow
def test_folds_average_the_thresholds_of_interleaved_thirds():
    p, labels = data(15, n=30)
    labels[:3] = 1
    thirds = [d.per_label_threshold(p[i::3], labels[i::3]).threshold for i in range(3)]
    decision = d.per_label_threshold(p, labels, folds=3)
    np.testing.assert_allclose(decision.threshold, np.mean(thirds, 0), rtol=1e-6)
    thirds = [d.global_threshold(p[i::3], labels[i::3]).threshold for i in range(3)]
    decision = d.global_threshold(p, labels, folds=3)
    np.testing.assert_allclose(decision.threshold, np.mean(thirds), rtol=1e-6)


@pytest.mark.slow
def test_folds_without_a_positive_of_a_label_are_left_out():
    p, labels = data(16, n=30)
    labels[:3] = 1
    labels[0::3, 2] = 0
    kept = [d.per_label_threshold(p[i::3, 2:3], labels[i::3, 2:3]).threshold[0] for i in (1, 2)]
    decision = d.per_label_threshold(p, labels, folds=3)
    np.testing.assert_allclose(decision.threshold[2], np.mean(kept), rtol=1e-6)


@pytest.mark.slow
def test_rare_labels_take_the_global_threshold_with_one_warning():
    p, labels = data(17)
    labels[:, 1], labels[:, 3] = 0, 0
    labels[5, 3] = 1
    with pytest.warns(UserWarning, match=r"labels \[1, 3\] have fewer than 2") as record:
        thresholds = d.per_label_threshold(p, labels, min_positives=2).threshold
    assert len(record) == 1
    shared = d.global_threshold(p, labels).threshold
    assert float(thresholds[1]) == float(thresholds[3]) == float(shared)
    assert np.isfinite(float(shared))


def test_no_positives_at_all_predict_nothing():
    p, _ = data(18)
    labels = np.zeros(p.shape, int)
    assert float(d.global_threshold(p, labels).threshold) == np.inf
    with pytest.warns(UserWarning, match=r"labels \[0, 1, 2, 3, 4\]"):
        assert not bool(d.per_label_threshold(p, labels)(p).any())


@pytest.mark.slow
def test_nothing_is_predicted_by_an_infinite_threshold_not_even_infinite_scores():
    scores = jnp.asarray([[jnp.inf, 1.0, -jnp.inf]])
    labels = jnp.zeros((1, 3), int)
    assert not d.global_threshold(scores, labels)(scores).any()
    assert not d.fixed(np.inf)(scores).any()
    with pytest.warns(UserWarning, match=r"labels \[0, 1, 2\]"):
        assert not d.per_label_threshold(scores, labels)(scores).any()
    assert d.fixed(-np.inf)(scores).all()


@pytest.mark.slow
def test_infinite_scores_are_scores():
    scores = jnp.asarray([[jnp.inf], [3e38], [0.0], [-jnp.inf]])
    # The best threshold lies above the largest finite score, at -inf, and in between.
    for labels, last in (([1, 0, 0, 0], 1), ([1, 0, 1, 1], 4), ([1, 1, 0, 0], 2)):
        y = jnp.asarray(labels)[:, None]
        for fit in (d.global_threshold, d.per_label_threshold):
            decided = fit(scores, y)(scores)[:, 0]
            np.testing.assert_array_equal(decided, np.arange(4) < last)


def test_thresholds_that_are_nan_predict_nothing():
    scores = jnp.asarray([[-jnp.inf, 0.5, jnp.inf]])
    for nan in (np.float32(np.nan), -np.float32(np.nan)):
        decided = d.Threshold(jnp.asarray([nan, 0.25, nan]))(scores)
        np.testing.assert_array_equal(decided, [[False, True, False]])


@pytest.mark.slow
def test_examples_weigh_as_the_mean_of_their_entries_in_the_samples_average():
    p, labels = data(20)
    weights = np.random.default_rng(0).integers(1, 4, 24)[:, None].astype(np.float32)
    value = average_f("samples", 1.0)
    repeated = [np.repeat(x, weights[:, 0].astype(int), 0) for x in (p, labels)]
    _, best = brute_force(*repeated, value)
    decided = np.asarray(
        d.global_threshold(p, labels, average="samples", weights=weights)(repeated[0])
    )
    assert value(decided, repeated[1]) == pytest.approx(best, abs=2e-6)


def test_masked_entries_do_not_count():
    p, labels = data(19)
    where = np.random.default_rng(0).random(p.shape) < 0.7
    where[:2] = True
    spoiled = np.where(where, p, np.nan)
    thresholds = d.per_label_threshold(spoiled, labels, where=where).threshold
    for c in range(p.shape[1]):
        rows = where[:, c]
        expected, _ = brute_force(p[rows, c], labels[rows, c], average_f("micro", 1.0))
        assert float(thresholds[c]) == np.float32(expected)


def test_leading_axes_are_examples():
    p, labels = data(20)
    folded = d.per_label_threshold(p.reshape(2, 12, 5), labels.reshape(2, 12, 5))
    np.testing.assert_array_equal(folded.threshold, d.per_label_threshold(p, labels).threshold)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_positives": 0}, "min_positives must be an integer >= 1, got 0"),
        ({"folds": 0}, "folds must be an integer >= 1 and <= 24, got 0"),
        ({"folds": 25}, "folds must be an integer >= 1 and <= 24, got 25"),
        ({"beta": 0.0}, "beta must be a finite number > 0"),
        ({"beta": np.nan}, "beta must be a finite number > 0"),
    ],
)
def test_per_label_threshold_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        d.per_label_threshold(*data(1), **arguments)


def test_bad_arguments_raise():
    p, labels = data(1)
    with pytest.raises(ValueError, match="average must be 'micro', 'macro' or 'samples'"):
        d.global_threshold(p, labels, average="weighted")
    with pytest.raises(ValueError, match="threshold must not be NaN"):
        d.fixed(np.nan)
    with pytest.raises(ValueError, match=r"threshold must be a scalar or have shape"):
        d.fixed([0.5, 0.5])(p)
    with pytest.raises(ValueError, match="at least one entry"):
        d.per_label_threshold(p[:0], labels[:0])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["case_a", "case_b1", "case_b2", "case_e"])
def test_goldens_of_scikit_learns_precision_recall_curve(goldens, case):
    vectors = goldens("decisions")
    p, labels = vectors[f"inputs/{case}/probs"], vectors[f"inputs/{case}/labels"]
    best = vectors[f"thresholds/prc_best_f1/{case}/best_f1"]
    expected = vectors[f"thresholds/prc_best_f1/{case}/highest_threshold"]
    present = labels.any(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if not present.all() else "error")
        decision = d.per_label_threshold(p, labels)
    np.testing.assert_allclose(decision.threshold[present], expected[present], rtol=1e-6)
    f = sf.metrics.f1(decision(p), labels, average=None)
    np.testing.assert_allclose(f[present], best[present], rtol=1e-6)
    assert best[~present].max(initial=0) == 0
