"""Confusion counts and scores, against hand-computed values and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.catalogue import batch

HAND = sf.Confusion(tp=1.2, fp=1.0, fn=0.8, tn=1.0)


def test_hand_computed_counts():
    counts = sf.confusion(jnp.array([0.8, 0.3, 0.4, 0.7]), jnp.array([1, 0, 1, 0]))
    np.testing.assert_allclose(
        [counts.tp, counts.fp, counts.fn, counts.tn], [1.2, 1.0, 0.8, 1.0], rtol=1e-6
    )
    np.testing.assert_allclose(sf.scores.f1(counts), 2.4 / 4.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (sf.scores.f1, 2.4 / 4.2),
        (lambda c: sf.scores.f_beta(c, 2.0), 6 / (6 + 3.2 + 1)),
        (sf.scores.precision, 1.2 / 2.2),
        (sf.scores.recall, 0.6),
        (sf.scores.specificity, 0.5),
        (sf.scores.accuracy, 0.55),
        (sf.scores.balanced_accuracy, 0.55),
        (sf.scores.jaccard, 0.4),
        (lambda c: sf.scores.tversky(c, 0.3, 0.7), 1.2 / (1.2 + 0.3 + 0.56)),
        (sf.scores.g_mean, np.sqrt(0.3)),
        (sf.scores.informedness, 0.1),
        (sf.scores.mcc, 0.4 / np.sqrt(2.2 * 2.0 * 2.0 * 1.8)),
        (sf.scores.cohen_kappa, 0.8 / (2.2 * 2.0 + 2.0 * 1.8)),
        (sf.scores.double_f1, (2.4 / 4.2 + 2.0 / 3.8) / 2),
    ],
)
def test_hand_computed_scores(score, expected):
    np.testing.assert_allclose(score(HAND), expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("zero_division", [0.0, 1.0, np.nan])
@pytest.mark.parametrize(
    "name",
    ["f1", "precision", "recall", "specificity", "accuracy", "jaccard", "mcc", "g_mean"]
    + ["balanced_accuracy", "informedness", "cohen_kappa", "tversky", "double_f1"],
)
def test_empty_counts_give_zero_division(name, zero_division):
    empty = sf.Confusion(*(jnp.zeros(3) for _ in range(4)))
    value = getattr(sf.scores, name)(empty, zero_division=zero_division)
    np.testing.assert_array_equal(value, np.full(3, zero_division))


def test_smoothing_is_a_pseudo_count():
    np.testing.assert_allclose(sf.scores.f1(HAND, smoothing=1.0), 3.4 / 5.2, rtol=1e-6)
    np.testing.assert_allclose(sf.scores.recall(HAND, smoothing=0.5), 1.7 / 2.5, rtol=1e-6)


@pytest.mark.slow
def test_hard_counts_are_exact_integers_beyond_float32():
    decisions = jnp.ones((2**24 + 1, 1), bool)
    counts = sf.confusion(decisions, decisions)
    assert counts.tp.dtype == jnp.int32
    assert int(counts.tp[0]) == 2**24 + 1


def test_counts_of_parts_add_up_and_axes_agree():
    logits, labels = batch(1, (4, 3, 5))
    soft = 1 / (1 + np.exp(-logits))
    whole = sf.confusion(jnp.asarray(soft), labels, axis=(0, 1))
    parts = sum(sf.confusion(jnp.asarray(s), y) for s, y in zip(soft, labels, strict=True))
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    per_example = sf.confusion(jnp.asarray(soft), labels, axis=-1)
    np.testing.assert_allclose(per_example.tp, (soft * labels).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(
        sf.confusion(jnp.asarray(soft), labels, axis=None).fn,
        ((1 - soft) * labels).sum(),
        rtol=1e-5,
    )


def test_masks_and_weights_of_counts():
    decisions, labels = jnp.array([[1, 1], [0, 1]]), jnp.array([[1, 0], [1, 1]])
    masked = sf.confusion(decisions, labels, where=jnp.array([[True], [False]]))
    assert masked.tp.tolist() == [1, 0]
    assert masked.fn.tolist() == [0, 0]
    weighted = sf.confusion(decisions, labels, weights=jnp.array([[2.0], [0.5]]))
    assert weighted.tp.tolist() == [2.0, 0.5]
    assert weighted.fp.tolist() == [0.0, 2.0]


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="integer decisions must be 0 or 1"):
        sf.confusion(jnp.array([2, 0]), jnp.array([1, 0]))
    with pytest.raises(ValueError, match=r"decisions and labels must have the same shape"):
        sf.confusion(jnp.array([1, 0]), jnp.array([1, 0, 1]))
    with pytest.raises(TypeError, match="labels must be an array of numbers, got NoneType"):
        sf.confusion(jnp.array([1, 0]), None)


def test_surrogates():
    z = jnp.array([-2.0, -0.1, 0.0, 0.1, 2.0])
    sigmoid = 1 / (1 + np.exp(-np.asarray(z)))
    np.testing.assert_allclose(sf.surrogates.probability()(z), sigmoid, rtol=1e-6)
    np.testing.assert_allclose(
        sf.surrogates.sigmoid(3.0, 0.5)(z), 1 / (1 + np.exp(-3 * (np.asarray(z) + 0.5))), rtol=1e-6
    )
    np.testing.assert_allclose(
        sf.surrogates.sigmoid_of_probability(3.0, 0.5)(z),
        1 / (1 + np.exp(-3 * (sigmoid + 0.5))),
        rtol=1e-6,
    )
    np.testing.assert_allclose(sf.surrogates.linear()(z), sigmoid, rtol=1e-6)
    x = np.clip((sigmoid - 0.5) / 0.1, -1, 1)
    np.testing.assert_allclose(
        sf.surrogates.raised_cosine()(z), 0.5 * (1 + x + np.sin(np.pi * x) / np.pi), atol=1e-6
    )
    np.testing.assert_array_equal(sf.surrogates.hard()(z), [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(sf.surrogates.straight_through(5.0)(z), [0, 0, 1, 1, 1])


def test_straight_through_has_the_sigmoid_gradient():
    z = jnp.linspace(-3, 3, 7)
    through = jax.grad(lambda z: sf.surrogates.straight_through(2.0)(z).sum())(z)
    smooth = jax.grad(lambda z: sf.surrogates.sigmoid(2.0)(z).sum())(z)
    np.testing.assert_allclose(through, smooth, rtol=1e-6)


def test_pooled_counts_add_up_beyond_32_bits():
    half = sf.Confusion(*(jnp.int32(2**30 + 1),) * 4)
    total = half + half + half
    assert int(total.tp) == 3 * (2**30 + 1)
    assert (half + half).tp.dtype == np.int64
    assert isinstance((sf.Confusion(1, 2, 3, 4) + sf.Confusion(1, 2, 3, 4)).tp, int)
    assert isinstance(sf.confusion(jnp.ones((2, 2), bool), jnp.ones((2, 2), bool)).tp, jax.Array)
    np.testing.assert_allclose(sf.scores.f1(total), 0.5, rtol=1e-6)
    traced = jax.jit(lambda a, b: a + b)(half, half)
    np.testing.assert_allclose(traced.tp, 2**31, rtol=1e-6)


@pytest.mark.parametrize("kind", [bool, np.float32])
def test_an_axis_that_is_not_there_is_refused(kind):
    decisions = np.ones((3, 2), kind)
    for axis in (2, -3, (0, 0)):
        with pytest.raises(ValueError, match="axis must name different axes of arrays with 2"):
            sf.confusion(decisions, np.ones((3, 2), int), axis=axis)
    assert sf.confusion(decisions, np.ones((3, 2), int), axis=-1).tp.shape == (3,)


def test_a_nan_count_makes_its_score_nan_and_an_undefined_score_is_left_out():
    nan, zero = jnp.float32(jnp.nan), jnp.zeros(())
    for name in (
        "f1",
        "precision",
        "jaccard",
        "balanced_accuracy",
        "g_mean",
        "informedness",
        "mcc",
    ):
        score = getattr(sf.scores, name)
        for other in (zero, jnp.ones(())):
            assert jnp.isnan(score(sf.Confusion(nan, other, other, other))), name
        assert score(sf.Confusion(zero, zero, zero, zero), zero_division=1.0) == 1, name
