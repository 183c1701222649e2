import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import data

d = sf.decisions


@pytest.mark.parametrize("k", [1, 3, 5])
def test_exactly_k_labels_the_highest_and_ties_to_the_lower_index(k):
    p, _ = data(0, levels=3)
    decided = np.asarray(d.top_k(k=k)(p))
    for row, chosen in zip(p, decided, strict=True):
        expected = sorted(range(5), key=lambda c: (-row[c], c))[:k]
        assert sorted(np.flatnonzero(chosen)) == sorted(expected)


def test_density_rounds_half_up_and_never_to_zero():
    assert int(d.top_k(None, np.array([[1, 1, 1], [1, 1, 0]])).k) == 3
    assert int(d.top_k(None, np.zeros((4, 3), int)).k) == 1
    where = np.array([[True, True, False], [True, False, False]])
    labels = np.array([[1, 1, 7], [0, 7, 7]])
    # Two of three counted entries: two of three labels.
    assert int(d.top_k(None, labels, where=where).k) == 2


def test_top_k_refuses():
    p, _ = data(1)
    with pytest.raises(ValueError, match="top_k needs k=, or labels"):
        d.top_k()
    for k in (0, -1, 2.0, True):
        with pytest.raises(ValueError, match="k must be an integer >= 1"):
            d.top_k(k=k)
    with pytest.raises(ValueError, match="k must be <= the number of labels, 5, got 6"):
        d.top_k(k=6)(p)
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        d.top_k(None, p)


def test_label_count_rounds_the_sum_of_probabilities():
    p, _ = data(2)
    decided = d.label_count()(p)
    np.testing.assert_array_equal(decided.sum(-1), np.floor(p.sum(-1) + 0.5))


@pytest.mark.slow
def test_a_fitted_label_count_has_the_right_mean_size():
    p, labels = data(3, n=400, num_labels=20)
    # Square roots of probabilities are too large: their sums overstate the sizes.
    sizes = {
        "raw": d.label_count()(np.sqrt(p)).sum(-1).mean(),
        "fitted": d.label_count(np.sqrt(p), labels)(np.sqrt(p)).sum(-1).mean(),
    }
    # Rounding errors average to zero over 400 examples, within 0.29 / 20 times three.
    assert float(sizes["fitted"]) == pytest.approx(labels.sum(-1).mean(), abs=0.05)
    assert float(sizes["raw"]) > labels.sum(-1).mean() + 1


def test_given_counts_are_rounded_and_kept_in_their_range():
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)), jnp.float32)
    counts = jnp.asarray([-3.0, 0.4, 1.5, 2.6, 99.0])
    sizes = d.label_count()(scores, counts).sum(-1)
    np.testing.assert_array_equal(sizes, [0, 0, 2, 3, 4])
    sizes = d.label_count(min_labels=1, max_labels=2)(scores, counts).sum(-1)
    np.testing.assert_array_equal(sizes, [1, 1, 2, 2, 2])


def test_a_count_head_decides_by_median_mode_or_mean():
    logits = jnp.log(jnp.asarray([[0.4, 0.15, 0.15, 0.3]]))
    assert [float(d.counts_from_logits(logits, how=h)[0]) for h in ("mode", "median")] == [0, 1]
    assert float(d.counts_from_logits(logits, how="mean")[0]) == pytest.approx(1.35)
    with pytest.raises(ValueError, match="how must be 'median', 'mode' or 'mean', got 'max'"):
        d.counts_from_logits(logits, how="max")


def test_counts_pass_over_masked_labels():
    p = jnp.asarray([[0.9, 0.8, 0.7, 0.1]])
    where = jnp.asarray([[False, True, True, True]])
    # Their probabilities sum to 1.6, without the mask to 2.5.
    np.testing.assert_array_equal(d.label_count()(p, where=where), [[False, True, True, False]])
    np.testing.assert_array_equal(
        d.label_count()(p, jnp.asarray([1]), where=where), [[False, True, False, False]]
    )
    decided = d.label_count(min_labels=4)(p, where=where)
    np.testing.assert_array_equal(decided, where)


def test_subnormal_scores_are_told_apart():
    scores = jnp.asarray([[1e-45, 3e-45, -1e-40, 0.0]])
    np.testing.assert_array_equal(d.top_k(k=1)(scores), [[False, True, False, False]])
    np.testing.assert_array_equal(d.top_k(k=3)(scores), [[True, True, False, True]])


def test_label_count_refuses():
    p, labels = data(4)
    with pytest.raises(ValueError, match="fitted on both scores and labels"):
        d.label_count(p)
    with pytest.raises(ValueError, match="max_labels must be an integer >= 2, got 1"):
        d.label_count(min_labels=2, max_labels=1)
    with pytest.raises(ValueError, match=r"scores must lie in \[0, 1\]"):
        d.label_count()(p * 9)
    with pytest.raises(ValueError, match="counts must have the scores' shape without labels"):
        d.label_count()(p, np.ones(3))
    with pytest.raises(ValueError, match="counts must not be NaN"):
        d.label_count()(p, np.full(24, np.nan))
    with pytest.raises(ValueError, match="scores must have a positive sum"):
        d.label_count(p * 0, labels)
