"""Formulas of published implementations that fail where this library's are finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf

L = sf.losses


def gradient(loss, z, y):
    value, slope = jax.value_and_grad(lambda z: jnp.sum(loss(z, y)))(z)
    return np.asarray(value, np.float32), np.asarray(slope, np.float32)


def naive_sigmoid(z):
    return 1 / (1 + jnp.exp(-z))


@pytest.mark.slow
def test_a_naive_sigmoid_has_a_nan_gradient_and_an_epsilon_vanishes_in_float16():
    z, y = jnp.full((2, 1), -100.0), jnp.zeros((2, 1))
    assert np.isnan(gradient(lambda z, y: naive_sigmoid(z), z, y)[1]).all()
    assert np.isfinite(gradient(L.soft_f1, z, y)[1]).all()
    assert jnp.float16(1e-16) == 0
    value, slope = gradient(L.soft_f1, jnp.full((2, 1), -60.0, jnp.float16), y)
    assert value == 1
    assert np.isfinite(slope).all()


@pytest.mark.slow
def test_asymmetric_clamped_at_1e_8():
    def clamped(z, y):
        p = jax.nn.sigmoid(z)
        return -(y * (1 - p) * jnp.log(jnp.maximum(p, 1e-8)))

    z, y = jnp.array([-20.0]), jnp.array([1.0])
    assert gradient(clamped, z, y)[1] > -1e-6  # 1e-8 is above sigmoid(-20): no pull
    assert gradient(L.asymmetric, z, y)[1] < -0.99

    def half(z, y):
        p = jax.nn.sigmoid(z)
        return -(y * (1 - p) * jnp.log(jnp.maximum(p, jnp.float16(1e-8))))

    z, y = jnp.array([-40.0], jnp.float16), jnp.array([0.0], jnp.float16)
    assert not np.isfinite(gradient(half, z, y)[0])  # 0 * log 0
    assert all(np.isfinite(x).all() for x in gradient(L.asymmetric, z, y))


@pytest.mark.slow
@pytest.mark.parametrize("z", [-110.0, -1e4])
def test_hill_as_the_log_of_a_rounded_sigmoid(z):
    def rounded(z, y):
        p = jax.nn.sigmoid(z - 1)
        return -y * (1 - p) ** 2 * jnp.log(p)

    z, y = jnp.array([z]), jnp.array([1.0])
    assert not np.isfinite(gradient(rounded, z, y)[0])
    value, slope = gradient(L.hill, z, y)
    np.testing.assert_allclose(value, 1 - z[0], rtol=1e-6)
    np.testing.assert_allclose(slope, -1, rtol=1e-6)


@pytest.mark.slow
def test_two_way_without_positives_is_zero_not_nan():
    z, y = jnp.ones((3, 2)), jnp.zeros((3, 2))
    # The published code takes the mean over the labels that have a positive: of nothing here.
    assert jnp.isnan(jnp.mean(jnp.zeros(2)[y.sum(0) > 0]))
    value, slope = gradient(L.two_way, z, y)
    assert value == 0
    assert not slope.any()


@pytest.mark.slow
def test_sparse_zlpr_by_subtraction_cancels():
    """log(1 + sum over all - sum over positives): the positive's 4.8e8 has no units digit."""
    z, places = jnp.array([[20.0, 3.0, 4.5]]), jnp.array([[0, -1]])
    everything = jax.nn.logsumexp(z[0])
    rest = jnp.log1p(-jnp.exp(z[0, 0] - everything)) + everything
    subtracted = jax.nn.softplus(rest) + jax.nn.softplus(-z[0, 0])
    exact = np.log1p(np.exp(3) + np.exp(4.5)) + np.log1p(np.exp(-20))
    assert abs(subtracted - exact) > 0.05
    np.testing.assert_allclose(L.zlpr_sparse(z, places), exact, rtol=1e-6)


def test_bp_mll_with_an_example_without_positives():
    z, y = jnp.array([[1.0, -1.0], [0.5, 0.0]]), jnp.array([[1, 0], [0, 0]])
    pairs = np.asarray(y.sum(1) * (1 - y).sum(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        assert np.isnan(np.mean(np.array([np.exp(-2.0), 0.0]) / pairs))
    np.testing.assert_allclose(L.bp_mll(z, y), np.exp(-2.0) / 2, rtol=1e-6)


@pytest.mark.slow
def test_any_loss_of_a_label_with_one_class():
    def g_mean(z, y):
        s = jax.nn.sigmoid(73 * (jax.nn.sigmoid(z) - 0.5))
        tp, p, n = (s * y).sum(0), y.sum(0), (1 - y).sum(0)
        tn = ((1 - s) * (1 - y)).sum(0)
        return 1 - jnp.sqrt(tp * tn / (p * n))

    z, y = jnp.array([[0.1], [-0.2]]), jnp.zeros((2, 1))
    assert np.isnan(gradient(g_mean, z, y)[1]).all()
    ours = gradient(lambda z, y: L.any_loss(z, y, sf.scores.g_mean), z, y)
    assert all(np.isfinite(x).all() for x in ours)


def test_the_margin_of_auc_margin_matters():
    z, y = jnp.array([[1.0], [-1.0]]), jnp.array([[1], [0]])
    assert L.auc_margin(z, y, 1.0) != L.auc_margin(z, y, 0.3)


@pytest.mark.slow
def test_the_published_sigmoid_f1_squashes_twice_and_has_next_to_no_gradient():
    z, y = jnp.array([[1.0], [-1.0], [0.3]]), jnp.array([[1], [0], [0]])
    twice = sf.surrogates.sigmoid_of_probability(10.0, 1.0)
    published = gradient(lambda z, y: L.sigmoid_f1(z, y, surrogate=twice), z, y)[1]
    ours = gradient(L.sigmoid_f1, z, y)[1]
    assert np.abs(published).max() < 1e-4 * np.abs(ours).max()
