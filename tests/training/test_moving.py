"""Moving averages of statistics: bias-corrected, plain at decay 0, alive for absent labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from sigmoidf1_jax import training
from tests.catalogue import batch, tree_allclose

OBJECTIVES = [
    sf.objectives.sigmoid_f1(slope=2.0),
    sf.objectives.soft_f1(average="samples"),
    0.3 * sf.objectives.binary_cross_entropy() + sf.objectives.mcc(),
]


def data(seed):
    logits, labels = batch(seed, (6, 4))
    return jnp.asarray(logits, jnp.float32), jnp.asarray(labels)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_decay_0_is_the_objective_itself(objective):
    moved = training.moving(objective, 0.0)
    state = moved.init(4)
    for seed in range(3):
        logits, labels = data(seed)
        got, gradient = jax.value_and_grad(lambda z: moved(z, labels, state)[0])(logits)  # noqa: B023
        expected = jax.value_and_grad(lambda z: objective(z, labels))(logits)  # noqa: B023
        tree_allclose((got, gradient), expected)
        _, state = moved(logits, labels, state)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_the_value_is_that_of_the_corrected_average(objective):
    decay, steps = 0.8, 4
    moved = training.moving(objective, decay)
    state = moved.init(4)
    for seed in range(steps):
        value, state = moved(*data(seed), state)
    # By hand: weights d^(T - t), normalised.
    weights = decay ** np.arange(steps)[::-1]
    every = [objective.statistics(*data(seed)) for seed in range(steps)]
    mean = jax.tree.map(
        lambda *x: sum(w * v for w, v in zip(weights / weights.sum(), x, strict=True)), *every
    )
    np.testing.assert_allclose(value, objective.value(mean), rtol=1e-5)
    np.testing.assert_allclose(state.weight, 1 - decay**steps, rtol=1e-6)


def test_a_constant_stream_has_the_plain_value_from_the_first_batch():
    objective = sf.objectives.sigmoid_f1()
    moved = training.moving(objective, 0.99)
    state = moved.init(4)
    for _ in range(3):
        value, state = moved(*data(0), state)
        np.testing.assert_allclose(value, objective(*data(0)), rtol=1e-5)


def test_an_absent_label_has_a_gradient_only_with_the_average():
    logits, labels = data(0)
    absent = labels.at[:, 2].set(0)
    objective = sf.objectives.soft_f1()
    moved = training.moving(objective)
    _, state = moved(logits, labels, moved.init(4))
    plain = jax.grad(lambda z: objective(z, absent))(logits)
    kept = jax.grad(lambda z: moved(z, absent, state)[0])(logits)
    assert not plain[:, 2].any()
    # Predicting a label that is not there lowers its F1.
    assert (kept[:, 2] > 0).all()


def test_no_gradient_flows_through_the_state():
    objective = training.moving(sf.objectives.soft_f1())
    logits, labels = data(0)

    def after_two(z):
        _, state = objective(z, labels, objective.init(4))
        return objective(*data(1), state)[0]

    assert not jax.grad(after_two)(logits).any()


def test_the_state_is_the_same_under_jit_scan_and_shards():
    objective = training.moving(sf.objectives.soft_f1(), 0.7)
    batches = [data(seed) for seed in range(3)]
    state = objective.init(4)
    for logits, labels in batches:
        value, state = objective(logits, labels, state)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *batches)

    def step(state, part):
        value, state = objective(*part, state)
        return state, value

    scanned, values = jax.jit(lambda s: jax.lax.scan(step, s, stacked))(objective.init(4))
    tree_allclose(scanned, state)
    np.testing.assert_allclose(values[-1], value, rtol=1e-6)
    shards = jax.tree.map(lambda x: x.reshape(3, 2, 4), batches[0])
    over = jax.vmap(
        lambda z, y: objective(z, y, objective.init(4), axis_name="i"), axis_name="i"
    )(*shards)  # fmt: skip
    whole = objective(*batches[0], objective.init(4))
    tree_allclose(jax.tree.map(lambda x: x[1], over), whole)


def test_decays_are_mapped_over_in_one_program():
    decays = jnp.array([0.0, 0.9])
    objectives = jax.vmap(lambda d: training.moving(sf.objectives.soft_f1(), d))(decays)
    _, state = training.moving(sf.objectives.soft_f1())(
        *data(0), training.moving(sf.objectives.soft_f1()).init(4)
    )
    values = jax.vmap(lambda o: o(*data(1), state)[0])(objectives)
    one = training.moving(sf.objectives.soft_f1(), 0.9)(*data(1), state)[0]
    np.testing.assert_allclose(values[1], one, rtol=1e-6)
    np.testing.assert_allclose(values[0], sf.losses.soft_f1(*data(1)), rtol=1e-6)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"decay must be a finite number >= 0 and < 1, got 1.0"):
        training.moving(sf.objectives.soft_f1(), 1.0)
    with pytest.raises(TypeError, match="must be an Objective without state"):
        training.moving(sf.objectives.cost_sensitive_f_beta())
