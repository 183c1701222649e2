"""Losses at the values of their hyperparameters where they are known to coincide, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.catalogue import batch

LOGITS, LABELS = batch(0)
LOGITS = jnp.asarray(LOGITS, jnp.float32)
L = sf.losses


def test_the_soft_counts_of_four_entries_by_hand():
    p, y = jnp.array([[0.8, 0.3, 0.4, 0.7]]), jnp.array([[1, 0, 1, 0]])
    counts = sf.confusion(p, y, axis=None)
    np.testing.assert_allclose([counts.tp, counts.fp, counts.fn], [1.2, 1.0, 0.8], rtol=1e-6)
    logits = jnp.log(p / (1 - p))
    loss = L.soft_f1(logits, y, average="micro")
    np.testing.assert_allclose(1 - loss, 4 / 7, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("average", ["macro", "micro", "samples", "weighted"])
def test_sigmoid_f1_tends_to_one_minus_f1_of_hard_decisions(average):
    hard = sf.metrics.f1(LOGITS > 0.5, LABELS, average=average)
    for slope, gap in ((10.0, 0.1), (100.0, 0.03), (10000.0, 1e-5)):
        loss = L.sigmoid_f1(LOGITS, LABELS, slope, -0.5, average=average)
        np.testing.assert_allclose(loss, 1 - hard, atol=gap)


@pytest.mark.slow
def test_special_cases_coincide():
    def same(first, second):
        np.testing.assert_allclose(first, second, rtol=1e-5)

    same(L.f_beta(LOGITS, LABELS, 1.0), L.soft_f1(LOGITS, LABELS))
    same(L.tversky(LOGITS, LABELS), L.soft_f1(LOGITS, LABELS))
    same(L.tversky(LOGITS, LABELS, 1.0, 1.0), L.jaccard(LOGITS, LABELS))
    one = (LOGITS[:, :1], LABELS[:, :1])
    same(L.sigmoid_f1(*one, average="micro"), L.sigmoid_f1(*one, average="macro"))
    entropy = L.binary_cross_entropy(LOGITS, LABELS)
    same(L.focal(LOGITS, LABELS, gamma=0.0), entropy)
    same(L.asymmetric(LOGITS, LABELS, 0.0, 0.0, 0.0), entropy)
    same(L.propensity_weighted(LOGITS, LABELS, 1.0), entropy)
    same(L.propensity_weighted(LOGITS, LABELS, 1.0, "unbiased"), entropy)
    same(L.class_balanced(LOGITS, LABELS, 20.0, beta=0.0), L.focal(LOGITS, LABELS))
    same(L.cross_entropy_with_count(LOGITS, LABELS, 0.0), entropy.mean())
    linear = L.from_score(LOGITS, LABELS, sf.scores.f1, sf.surrogates.linear())
    same(linear, L.soft_f1(LOGITS, LABELS))


def test_unbiased_propensities_expect_the_loss_of_complete_labels():
    q = np.array([0.3, 0.5, 0.7, 0.9, 1.0])
    complete = L.binary_cross_entropy(LOGITS, LABELS)
    recorded = L.propensity_weighted(LOGITS, LABELS, q, "unbiased")
    missed = L.propensity_weighted(LOGITS, LABELS * 0, q, "unbiased")
    np.testing.assert_allclose(
        np.where(LABELS, q * recorded + (1 - q) * missed, recorded), complete, rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_the_draft_variant_of_the_count_penalty_has_no_gradient_of_its_own():
    def slope(**hyper):
        return jax.grad(lambda z: L.cross_entropy_with_count(z, LABELS, **hyper))(LOGITS)

    np.testing.assert_allclose(slope(variant="draft"), slope(count_weight=0.0), rtol=1e-6)
    assert np.abs(slope() - slope(count_weight=0.0)).max() > 1e-3
    # And its sign is wrong: true positives raise it.
    right = jnp.where(LABELS == 1, 9.0, -9.0)
    assert L.cross_entropy_with_count(right, LABELS, variant="draft") > 0.99


def test_the_old_name_of_the_draft_variant_is_the_same_objective():
    old, new = (sf.objectives.cross_entropy_with_count(0.5, variant=v) for v in ("seed", "draft"))
    assert old == new
    assert hash(old) == hash(new)
    assert repr(old) == repr(new)
    assert jax.tree.structure(old) == jax.tree.structure(new)
    assert L.cross_entropy_with_count(LOGITS, LABELS, 0.5, "seed") == new(LOGITS, LABELS)
    with pytest.raises(ValueError, match="variant must be 'corrected' or 'draft', got 'first'"):
        L.cross_entropy_with_count(LOGITS, LABELS, variant="first")


def test_the_count_penalty_by_hand():
    # p = (.5, .5), two labels: log 2 + (1 - 2)^2 / 2.
    value = L.cross_entropy_with_count(jnp.zeros((1, 2)), jnp.ones((1, 2)))
    np.testing.assert_allclose(value, np.log(2) + 0.5, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_rankings_equal_their_sums_over_pairs(seed):
    logits, labels = batch(seed, (7, 9))
    logits = np.round(logits * 4) / 4  # ties included
    labels[0], labels[1] = 0, 1
    losses = {"pairwise_logistic": [], "bp_mll": [], "rank_hinge": []}
    for z, y in zip(logits, labels, strict=True):
        gaps = (z[y == 1][:, None] - z[y == 0][None, :]).ravel()
        losses["pairwise_logistic"].append(np.log1p(np.exp(-gaps).sum()))
        losses["bp_mll"].append(np.exp(-gaps).mean() if gaps.size else 0)
        losses["rank_hinge"].append(np.maximum(1 - gaps, 0).mean() if gaps.size else 0)
    for name, expected in losses.items():
        value = getattr(L, name)(jnp.asarray(logits, jnp.float32), labels)
        np.testing.assert_allclose(value, np.mean(expected), rtol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pairwise_logistic", "bp_mll", "rank_hinge", "two_way"])
@pytest.mark.parametrize("label", [0, 1])
def test_examples_without_pairs_are_zero_with_zero_gradient(name, label):
    logits = jnp.array([[3.0, -2.0, 1.0]] * 2)
    value, gradient = jax.value_and_grad(getattr(L, name))(logits, jnp.full((2, 3), label))
    assert value == 0
    assert not np.any(gradient)


@pytest.mark.slow
def test_two_way_equals_its_formula():
    z, y = batch(3, (6, 4))

    def mean_over(axis):
        values = []
        for i in range(z.shape[axis]):
            zi, yi = np.take(z, i, axis), np.take(y, i, axis)
            v = np.log(np.exp(zi[yi == 0]).sum())
            u = 4 * np.log(np.exp(-zi[yi == 1] / 4).sum())
            values.append(np.log1p(np.exp(u + v)))
        return np.mean(values)

    expected = (mean_over(0) + mean_over(1)) / 2
    np.testing.assert_allclose(L.two_way(jnp.asarray(z, jnp.float32), y), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 63.9, 64.1, 200.0, -350.0])
def test_two_way_sums_of_exponentials_do_not_depend_on_the_bin(shift):
    # All logits and temperatures 1: shifting z by c moves both sums by c and -c.
    z, y = batch(4, (6, 4))
    here, there = (
        L.two_way(jnp.asarray(x, jnp.float32), y, positive_temperature=1.0) for x in (z, z + shift)
    )
    np.testing.assert_allclose(here, there, rtol=1e-4)


@pytest.mark.slow
def test_zlpr_of_indices_equals_zlpr_of_labels():
    indices = np.full((12, 7), -1)
    for i, row in enumerate(LABELS):
        places = np.flatnonzero(row)
        indices[i, : len(places)] = places
    indices[:, 6] = 99  # any value out of range is padding
    indices[0, 5] = indices[0, 0]  # repeated
    for scale in (1.0, 1000.0):
        dense = jax.value_and_grad(L.zlpr)(LOGITS * scale, LABELS)
        sparse = jax.value_and_grad(L.zlpr_sparse)(LOGITS * scale, indices)
        for a, b in zip(dense, sparse, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    with pytest.raises(TypeError, match="indices must be integers"):
        L.zlpr_sparse(LOGITS, indices.astype(np.float32))
    with pytest.raises(ValueError, match="leading axes"):
        L.zlpr_sparse(LOGITS, indices[:3])


@pytest.mark.slow
def test_sparsemax_has_the_projection_minus_the_target_as_its_gradient():
    logits = jnp.array([[1.0, 0.5, -1.0], [3.0, 0.0, 0.0]])
    labels = jnp.array([[1, 1, 0], [1, 0, 0]])
    value, gradient = jax.value_and_grad(L.sparsemax)(logits, labels)
    # sparsemax((1, .5, -1)) = (.75, .25, 0); the second example is projected on its label.
    np.testing.assert_allclose(gradient, [[0.125, -0.125, 0], [0, 0, 0]], atol=1e-7)
    # <pi - q, z> + |q|^2 / 2 - |pi|^2 / 2 = .125 + .25 - .3125.
    np.testing.assert_allclose(value, 0.0625 / 2, rtol=1e-6)


@pytest.mark.slow
def test_margin_losses_by_hand():
    z, y = jnp.array([-1.0, 0.5, 2.0, 0.5]), jnp.array([1, 1, 1, 0])  # t = -1, .5, 2, -.5
    np.testing.assert_allclose(L.hinge(z, y), [2, 0.5, 0, 1.5])
    np.testing.assert_allclose(L.squared_hinge(z, y), [4, 0.25, 0, 2.25])
    np.testing.assert_allclose(L.smooth_hinge(z, y), [1.5, 0.125, 0, 1.0])
    np.testing.assert_allclose(L.huber(z, y), [1.5, 0.125, 0.5, 1.0])


def test_non_negative_pu_risk_by_hand():
    z, y = jnp.zeros((4, 1)), jnp.array([[1], [0], [0], [0]])
    # Every cross-entropy is log 2: pi log 2 + max(0, log 2 - pi log 2).
    np.testing.assert_allclose(L.positive_unlabeled(z, y, 0.3), np.log(2), rtol=1e-6)
    # Confident positives as negatives cost more than all unlabeled: the estimate stops at 0.
    z = jnp.array([[8.0], [-8.0], [-8.0], [-8.0]])
    np.testing.assert_allclose(
        L.positive_unlabeled(z, y, 0.3), 0.3 * np.log1p(np.exp(-8)), rtol=1e-5
    )


def test_auc_margin_solves_its_min_max_problem():
    closed = L.auc_margin(LOGITS, LABELS)
    p, y = np.asarray(jax.nn.sigmoid(LOGITS)), LABELS
    a = (p * y).sum(0) / y.sum(0)
    b = (p * (1 - y)).sum(0) / (1 - y).sum(0)
    alpha = np.maximum(1 + b - a, 0)
    np.testing.assert_allclose(
        L.auc_margin(LOGITS, LABELS, a=a, b=b, alpha=alpha), closed, rtol=1e-5
    )
    for step in (-0.1, 0.1):
        assert L.auc_margin(LOGITS, LABELS, a=a + step, b=b, alpha=alpha) > closed
        assert L.auc_margin(LOGITS, LABELS, a=a, b=b + step, alpha=alpha) > closed
        assert L.auc_margin(LOGITS, LABELS, a=a, b=b, alpha=alpha + step) < closed
    share = y.mean(0)
    variances = (p * p * y).sum(0) / y.sum(0) - a**2
    variances += (p * p * (1 - y)).sum(0) / (1 - y).sum(0) - b**2
    by_hand = (share * (1 - share) * (variances + alpha**2)).mean()
    np.testing.assert_allclose(closed, by_hand, rtol=1e-5)


@pytest.mark.slow
def test_a_trained_count_head_expects_the_mean_number_of_labels():
    labels = LABELS
    counts = labels.sum(1)
    frequencies = np.bincount(counts, minlength=6) / len(counts)
    logits = jnp.zeros(6)
    function = jax.jit(jax.grad(lambda u: L.label_count(jnp.broadcast_to(u, (12, 6)), labels)))
    for _ in range(800):
        logits = logits - 2.0 * function(logits)
    p = jax.nn.softmax(logits)
    np.testing.assert_allclose(p, frequencies, atol=5e-3)
    np.testing.assert_allclose(p @ jnp.arange(6), counts.mean(), rtol=1e-2)


@pytest.mark.slow
def test_label_counts_are_capped_masked_and_finite():
    labels = jnp.array([[1, 1, 1], [0, 1, 0]])
    uniform = jnp.zeros((2, 3))
    np.testing.assert_allclose(L.label_count(uniform, labels), np.log(3), rtol=1e-6)
    # Three labels with counts 0 to 2 are "2 or more".
    sure = jnp.array([[-9.0, -9.0, 9.0], [-9.0, 9.0, -9.0]])
    assert L.label_count(sure, labels) < 1e-6
    # With the first label masked the first example has two labels, the second one.
    assert L.label_count(sure, labels, where=jnp.array([False, True, True])) < 1e-6
    for dtype in (jnp.float16, jnp.bfloat16, jnp.float32):
        value, gradient = jax.value_and_grad(L.label_count)((-1e3 * sure).astype(dtype), labels)
        assert np.isfinite(value)
        assert np.isfinite(np.asarray(gradient, np.float32)).all()
    assert L.label_count(sure, labels, where=jnp.zeros((2, 1), bool)) == 0
    with pytest.raises(ValueError, match="leading axes"):
        L.label_count(uniform[:1], labels)
    shards = jax.vmap(lambda u, y: L.label_count(u[None], y[None], axis_name="i"), axis_name="i")(
        jnp.eye(3)[:2], labels
    )
    np.testing.assert_allclose(shards, L.label_count(jnp.eye(3)[:2], labels), rtol=1e-6)


@pytest.mark.slow
def test_losses_of_labels_that_are_closed_over_compile():
    """Value checks of concrete labels and hyperparameters run while the function is traced."""
    value = jax.jit(lambda z: L.sigmoid_f1(z, LABELS, slope=3.0))(LOGITS)
    np.testing.assert_allclose(value, L.sigmoid_f1(LOGITS, LABELS, slope=3.0), rtol=1e-6)
    fixed, twice = jnp.asarray(LABELS), jnp.asarray(2 * LABELS)
    np.testing.assert_allclose(
        jax.jit(lambda z, w: L.soft_f1(z, fixed, where=w))(LOGITS, np.ones((12, 5), bool)),
        L.soft_f1(LOGITS, LABELS),
        rtol=1e-6,
    )
    with pytest.raises(ValueError, match="labels must lie in"):
        jax.jit(lambda z: L.soft_f1(z, twice))(LOGITS)
