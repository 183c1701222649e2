"""Scheduled, learned and random slopes and offsets."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sigmoidf1_jax as sf
from tests.catalogue import batch

LOGITS, LABELS = batch(0)
LOGITS = jnp.asarray(LOGITS, jnp.float32)


def loss(surrogate):
    return sf.losses.sigmoid_f1(LOGITS, LABELS, surrogate=surrogate)


def test_a_scheduled_slope_is_the_slope_of_its_step_in_one_trace():
    schedule = optax.linear_schedule(1.0, 5.0, 10)
    traces = []

    @jax.jit
    def at(step):
        traces.append(1)
        return loss(sf.slopes.scheduled(step, schedule, optax.constant_schedule(0.3)))

    for step in (0, 5, 10):
        expected = sf.losses.sigmoid_f1(LOGITS, LABELS, slope=1.0 + 0.4 * step, offset=0.3)
        np.testing.assert_allclose(at(step), expected, rtol=1e-6)
    assert len(traces) == 1


@pytest.mark.parametrize("slope", [1e-3, 1.0, 200.0])
def test_learned_parameters_start_at_the_given_slope(slope):
    surrogate = sf.slopes.learned(sf.slopes.init_learned(slope, 0.5, num_labels=5))
    np.testing.assert_allclose(surrogate.parameters["slope"], np.full(5, slope), rtol=1e-4)


def test_gradients_reach_learned_slopes_and_training_lowers_the_loss():
    parameters = sf.slopes.init_learned(num_labels=5)
    function = jax.jit(jax.value_and_grad(lambda p: loss(sf.slopes.learned(p))))
    first, gradient = function(parameters)
    assert np.all(np.asarray(gradient.raw_slope) != 0)
    assert np.all(np.asarray(gradient.offset) != 0)
    for _ in range(20):
        parameters = jax.tree.map(lambda p, g: p - g, parameters, function(parameters)[1])
    assert function(parameters)[0] < first


@pytest.mark.slow
def test_the_monte_carlo_loss_tends_to_the_loss_of_the_median_as_the_scale_vanishes():
    posterior = sf.slopes.init_posterior(3.0, 0.5, scale=1e-6, num_labels=5)
    value = sf.slopes.monte_carlo(loss, posterior, jax.random.key(0), 4)
    np.testing.assert_allclose(
        value, sf.losses.sigmoid_f1(LOGITS, LABELS, slope=3.0, offset=0.5), rtol=1e-4
    )


@pytest.mark.slow
def test_gradients_reach_every_field_of_the_posterior():
    posterior = sf.slopes.init_posterior(scale=0.5, num_labels=5)
    gradient = jax.grad(lambda p: sf.slopes.monte_carlo(loss, p, jax.random.key(1)))(posterior)
    for leaf in gradient:
        assert np.isfinite(leaf).all()
        assert np.all(np.asarray(leaf) != 0)


def test_the_summary_agrees_with_draws():
    posterior = sf.slopes.init_posterior(2.0, -1.0, scale=0.3)
    keys = jax.random.split(jax.random.key(2), 4000)
    drawn = jax.vmap(lambda k: sf.slopes.sample(posterior, k).parameters)(keys)
    said = sf.slopes.summary(posterior)
    # 4000 draws: a percentile is off by a few hundredths of the scale.
    quantiles = [50, 5, 95]
    np.testing.assert_allclose(np.percentile(drawn["slope"], quantiles), said[:3], rtol=0.05)
    np.testing.assert_allclose(np.percentile(drawn["offset"], quantiles), said[3:], atol=0.05)


def test_the_divergence_is_zero_only_at_the_prior():
    prior = sf.slopes.init_posterior(scale=1.0, num_labels=3)
    assert sf.slopes.divergence(prior, prior) == 0
    for other in (
        sf.slopes.init_posterior(2.0, scale=1.0, num_labels=3),
        sf.slopes.init_posterior(scale=0.1, num_labels=3),
    ):
        assert sf.slopes.divergence(other, prior) > 0


def test_no_samples_raise():
    with pytest.raises(ValueError, match="samples must be >= 1"):
        sf.slopes.monte_carlo(loss, sf.slopes.init_posterior(), jax.random.key(0), 0)
