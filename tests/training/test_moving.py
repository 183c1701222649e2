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


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_decay_0_is_the_objective_itself(objective):
    moved = training.moving(objective, 0.0)
    state = moved.init(4)
    plain, step = jax.jit(jax.value_and_grad(objective)), jax.jit(
        jax.value_and_grad(moved, has_aux=True)
    )  # fmt: skip
    for seed in range(3):
        (got, state), gradient = step(*data(seed), state)
        tree_allclose((got, gradient), plain(*data(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_the_value_is_that_of_the_corrected_average(objective):
    decay, steps = 0.8, 4
    moved = training.moving(objective, decay)
    state = moved.init(4)
    step = jax.jit(moved)
    for seed in range(steps):
        value, state = step(*data(seed), state)
    # By hand: weights d^(T - t), normalised.
    weights = decay ** np.arange(steps)[::-1]
    every = [objective.statistics(*data(seed)) for seed in range(steps)]
    mean = jax.tree.map(
        lambda *x: sum(w * v for w, v in zip(weights / weights.sum(), x, strict=True)), *every
    )
    np.testing.assert_allclose(value, objective.value(mean), rtol=1e-5)
    np.testing.assert_allclose(state.weight, 1 - decay**steps, rtol=1e-6)


@pytest.mark.slow
def test_a_constant_stream_has_the_plain_value_from_the_first_batch():
    objective = sf.objectives.sigmoid_f1()
    moved = training.moving(objective, 0.99)
    state = moved.init(4)
    for _ in range(3):
        value, state = moved(*data(0), state)
        np.testing.assert_allclose(value, objective(*data(0)), rtol=1e-5)


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_gradient_flows_through_the_state():
    objective = training.moving(sf.objectives.soft_f1())
    logits, labels = data(0)

    def after_two(z):
        _, state = objective(z, labels, objective.init(4))
        return objective(*data(1), state)[0]

    assert not jax.grad(after_two)(logits).any()


@pytest.mark.slow
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


@pytest.mark.slow
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


# Sums with other objectives

SUMS = {
    "moving + other": training.moving(sf.objectives.soft_f1(), 0.7)
    + 0.5 * sf.objectives.binary_cross_entropy(),
    "0.5 * moving": 0.5 * training.moving(sf.objectives.soft_f1(), 0.7),
    "other + tencent": sf.objectives.soft_f1() + sf.objectives.tencent(),
    "three": 2 * (sf.objectives.soft_f1() + sf.objectives.zlpr() + sf.objectives.f_bound())
    + training.moving(sf.objectives.mcc()),
    "average precision": sf.objectives.average_precision() + sf.objectives.soft_f1(),
}
KEY = jax.random.key(3)


def by_hand(objective, logits, labels, states, **options):
    value, after = 0.0, []
    for part, weight, state in zip(objective.parts, objective.weights, states, strict=True):
        if isinstance(part, sf.StatefulObjective):
            one, state = part(logits, labels, state, key=KEY, **options)
        else:
            one = part(logits, labels, **options)
        value, after = value + weight * one, [*after, state]
    return value, tuple(after)


@pytest.mark.slow
@pytest.mark.parametrize("objective", SUMS.values(), ids=SUMS)
def test_sums_of_objectives_with_and_without_state(objective):
    logits, labels = data(0)
    where, weights = jnp.arange(6)[:, None] > 1, jnp.arange(1.0, 7.0)[:, None]
    state = objective.init(4)
    assert len(state) == len(objective.parts)
    for seed in range(2):
        got = objective(*data(seed), state, where=where, weights=weights, key=KEY)
        tree_allclose(got, by_hand(objective, *data(seed), state, where=where, weights=weights))
        state = got[1]
    gradient = jax.grad(lambda z: objective(z, labels, state, key=KEY)[0])(logits)
    tree_allclose(gradient, jax.grad(lambda z: by_hand(objective, z, labels, state)[0])(logits))
    # Under a mapped axis, and with the objective as an argument of a compiled function.
    shards = jax.tree.map(lambda x: x.reshape(2, 3, 4), (logits, labels))
    over = jax.jit(jax.vmap(
        lambda o, z, y: o(z, y, state, key=KEY, axis_name="i"), (None, 0, 0), axis_name="i"
    ))(objective, *shards)  # fmt: skip
    tree_allclose(jax.tree.map(lambda x: x[1], over), objective(logits, labels, state, key=KEY))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SUMS if name != "average precision"])
def test_sums_with_state_accumulate(name):
    objective, (logits, labels) = SUMS[name], data(0)
    state = objective.init(4)
    got = training.accumulate(
        objective, lambda scale, state, z, key: (scale * z, state), 1.5,
        training.Batch(logits, labels), micro_batches=3, keys=(KEY, KEY), loss_state=state,
    )  # fmt: skip
    value, after = objective(1.5 * logits, labels, state, key=KEY)
    gradient = jax.grad(lambda s: objective(s * logits, labels, state, key=KEY)[0])(1.5)
    # float32 sums, taken in another order.
    tree_allclose((got.value, got.gradient, got.loss_state), (value, gradient, after), 1e-5, 1e-6)


def test_sums_are_written_as_sums():
    moved, plain = training.moving(sf.objectives.soft_f1()), sf.objectives.zlpr()
    assert sum([moved, plain]).parts == (moved, plain)
    assert (plain + moved).parts == (plain, moved)
    assert (0.5 * (moved + 2 * plain)).weights == (0.5, 1.0)
    assert (np.float32(0.5) * moved).weights == (0.5,)
    assert repr(2.0 * moved) == f"2.0 * {moved!r}"
    for product in (lambda: moved * plain, lambda: plain * moved, lambda: (plain + plain) * moved):
        with pytest.raises(TypeError, match="unsupported operand"):
            product()
    with pytest.raises(TypeError, match="unsupported operand"):
        moved + 1
    with pytest.raises(TypeError, match="not a function of sums over examples"):
        training.accumulate(
            SUMS["average precision"], lambda p, s, z, key: (z, s), (),
            training.Batch(*data(0)), micro_batches=2, keys=(KEY, KEY),
        )  # fmt: skip
    with pytest.raises(TypeError, match="state must be a tuple of 2 states"):
        (moved + plain)(*data(0), moved.init(4))
