"""The step refuses or mends what would train a network or a loss wrongly without a word."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sigmoidf1_jax as sf
from sigmoidf1_jax import slopes, training
from tests.losses.test_stateful import CASES as STATEFUL

KEY = jax.random.key(0)
BATCH = training.Batch(
    np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32),
    np.random.default_rng(1).random((6, 4)) < 0.5,
)


class Named(nn.Module):
    """Dropout and batch normalisation whose mode has the name of `named`'s subclass."""

    def run(self, x, training):
        x = nn.BatchNorm(use_running_average=not training, momentum=0.5)(nn.Dense(5)(x))
        return nn.Dense(4)(nn.Dropout(0.5, deterministic=not training)(x))


def required(name):
    """A module whose required mode argument has this name."""
    source = f"def __call__(self, x, *, {name}): return self.run(x, MODE)"
    negated = name in ("deterministic", "use_running_average")
    space: dict = {}
    exec(source.replace("MODE", f"not {name}" if negated else name), space)
    return type(Named)("Required", (Named,), {"__call__": nn.compact(space["__call__"])})


class Other(Named):
    """Its mode has a name of its own."""

    @nn.compact
    def __call__(self, x, phase="evaluate"):
        return self.run(x, phase == "train")


class Half(nn.Module):
    """One mode of a known name, and another that would be left off."""

    @nn.compact
    def __call__(self, x, train=False, move=False):
        x = nn.BatchNorm(use_running_average=not move)(nn.Dense(4)(x))
        return nn.Dropout(0.5, deterministic=not train)(x)


class Fixed(nn.Module):
    """Sets its mode when it is made."""

    training: bool

    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=not self.training)(nn.Dense(4)(x))
        return nn.Dropout(0.5, deterministic=not self.training)(x)


class Frozen(nn.Module):
    """Dropout by its mode, statistics frozen on purpose."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=True)(nn.Dense(4)(x))
        return nn.Dropout(0.5, deterministic=not train)(x)


class OwnStatistics(nn.Module):
    """Batch statistics of no module that is known."""

    @nn.compact
    def __call__(self, x, moving=False):
        mean = self.variable("batch_stats", "mean", jnp.zeros, (3,))
        if moving:
            mean.value = mean.value + jnp.mean(x, 0)
        return nn.Dense(4)(x - mean.value)


class Attention(nn.Module):
    @nn.compact
    def __call__(self, x, off=True):
        x = nn.MultiHeadDotProductAttention(1, dropout_rate=0.5, deterministic=off)(x[:, None])
        return nn.Dense(4)(x[:, 0])


def one_step(model, objective=None, optimizer=None, **options):
    objective, optimizer = objective or sf.objectives.soft_f1(), optimizer or optax.sgd(0.1)
    state = training.initial_state(model, objective, optimizer, KEY, BATCH.inputs, 4, **options)
    step = training.train_step(model, objective, optimizer, **options)
    return state, jax.jit(step)(state, BATCH)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["train", "training", "is_training", "deterministic", "use_running_average"]
)
def test_every_usual_name_of_the_mode_trains_in_training(name):
    model = required(name)()
    before, (after, _) = one_step(model)
    mean = jax.tree.leaves(after.model_state["batch_stats"])[0]
    assert np.abs(mean - jax.tree.leaves(before.model_state["batch_stats"])[0]).min() > 0
    variables = {"params": after.params, **after.model_state}
    off = training.mode_arguments(model, training=False)
    assert list(off) == [name]
    # In evaluation nothing is drawn; in training two keys give two results.
    model.apply(variables, BATCH.inputs, **off)
    network = training.forward(model)
    one, two = (network(after.params, after.model_state, BATCH.inputs, k)[0]
                for k in jax.random.split(KEY))  # fmt: skip
    assert not np.array_equal(one, two)


@pytest.mark.slow
def test_a_mode_of_another_name_is_given_as_model_args():
    with pytest.raises(ValueError, match=r"Dropout_0, BatchNorm_0 in evaluation .*model_args="):
        one_step(Other())
    before, (after, _) = one_step(Other(), model_args={"phase": "train"})
    assert jax.tree.leaves(after.model_state)[0].any()
    assert not jax.tree.leaves(before.model_state)[0].any()
    with pytest.raises(TypeError, match="model_args are for Flax modules"):
        training.forward(lambda *_: None, model_args={})


@pytest.mark.slow
@pytest.mark.parametrize("model", [Half(), Fixed(False), OwnStatistics(), Attention()], ids=repr)
def test_what_stays_in_evaluation_is_refused_unless_it_is_meant_so(model):
    with pytest.raises(ValueError, match="in evaluation mode"):
        one_step(model)
    one_step(model, model_args={})


@pytest.mark.slow
@pytest.mark.parametrize("model", [Fixed(True), Frozen(), nn.Dense(4)], ids=repr)
def test_what_is_in_training_or_frozen_on_purpose_is_not_refused(model):
    before, (after, _) = one_step(model)
    moved = [not np.array_equal(x, y) for x, y in zip(
        jax.tree.leaves(before.model_state), jax.tree.leaves(after.model_state), strict=True
    )]  # fmt: skip
    assert all(moved) if isinstance(model, Fixed) else not any(moved)


def test_micro_batches_train_in_training_too():
    variables = dict(Fixed(False).init(KEY, BATCH.inputs))
    with pytest.raises(ValueError, match="in evaluation mode"):
        training.accumulate(
            sf.objectives.soft_f1(), training.forward(Fixed(False)), variables.pop("params"),
            BATCH, micro_batches=2, keys=(KEY, KEY), model_state=variables,
        )  # fmt: skip


@pytest.mark.slow
def test_accumulation_needs_no_state_of_the_network():
    model, objective = sf.models.MLP(4, hidden=(3,)), sf.objectives.soft_f1()
    params = model.init(KEY, BATCH.inputs)["params"]
    got = training.accumulate(
        objective, training.forward(model), params, BATCH, micro_batches=2, keys=(KEY, KEY)
    )
    value = objective(model.apply({"params": params}, BATCH.inputs), BATCH.labels)
    np.testing.assert_allclose(got.value, value, rtol=1e-6)
    assert got.model_state is None


# optax.MultiSteps

MEANS = [
    sf.objectives.binary_cross_entropy(),
    sf.objectives.rank_hinge(),
    sf.objectives.zlpr(),
    sf.objectives.label_count(),
    0.5 * sf.objectives.binary_cross_entropy() + sf.objectives.rank_hinge(),
]
NO_MEANS = [
    sf.objectives.soft_f1(),
    sf.objectives.binary_cross_entropy() + sf.objectives.soft_f1(average="samples"),
    training.moving(sf.objectives.binary_cross_entropy()),
    sf.objectives.cost_sensitive_f_beta(),
]


def every_second(inside):
    multi = optax.MultiSteps(optax.sgd(0.1), 2)
    if not inside:
        return multi
    wrapped = optax.chain(optax.clip(1.0), multi.gradient_transformation())
    return optax.masked(wrapped, lambda p: jax.tree.map(lambda _: True, p))


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("objective", NO_MEANS, ids=repr)
def test_multi_steps_of_what_is_no_mean_is_refused(objective, inside):
    model, optimizer = nn.Dense(4), every_second(inside)
    with pytest.raises(ValueError, match=r"MultiSteps.* micro_batches="):
        training.initial_state(model, objective, optimizer, KEY, BATCH.inputs, 4)
    plain = training.initial_state(model, objective, optax.sgd(0.1), KEY, BATCH.inputs, 4)
    state = plain._replace(optimizer_state=optimizer.init(plain.params))
    with pytest.raises(ValueError, match=r"MultiSteps.* micro_batches="):
        training.train_step(model, objective, optimizer)(state, BATCH)


@pytest.mark.slow
@pytest.mark.parametrize("objective", MEANS, ids=repr)
def test_multi_steps_of_a_mean_over_equal_batches_is_the_step_of_both(objective):
    model = nn.Dense(4)
    multi, plain = every_second(True), optax.chain(optax.clip(1.0), optax.sgd(0.1))
    state = training.initial_state(model, objective, multi, KEY, BATCH.inputs, 4)
    step = jax.jit(training.train_step(model, objective, multi))
    for rows in (slice(3), slice(3, 6)):
        state, _ = step(state, jax.tree.map(lambda x, rows=rows: x[rows], BATCH))
    _, (whole, _) = one_step(model, objective, plain)
    for x, y in zip(jax.tree.leaves(state.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


# Memory that is reused


def states():
    yield from ((str(case), lambda case=case: case.init(5)) for case in STATEFUL)
    yield "average_precision that remembers", lambda: sf.losses.average_precision.init(5, 7)
    yield "moving", lambda: training.moving(sf.objectives.auc_margin()).init(5)
    shared = jnp.ones(5)
    for num_labels in (None, 5):
        yield f"posterior, {num_labels}", lambda n=num_labels: slopes.init_posterior(num_labels=n)
        yield f"learned, {num_labels}", lambda n=num_labels: slopes.init_learned(num_labels=n)
    yield "posterior of arrays", lambda: (
        shared,
        slopes.init_posterior(shared, shared, scale=shared),
        slopes.init_learned(shared, shared),
    )  # fmt: skip
    keeps = optax.GradientTransformation(
        lambda params: {"start": params, "last": params}, lambda g, s, p=None: (g, s)
    )
    yield (
        "state of a step",
        lambda: training.initial_state(
            nn.Dense(5), sf.objectives.cost_sensitive_f_beta(), keeps, KEY, BATCH.inputs, 5
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in states()])
def test_no_state_holds_a_buffer_twice(make):
    """Donation of a buffer that comes twice is an error, or a crash of many devices."""
    expected = jax.tree.map(np.asarray, _data(make()))
    same = jax.jit(lambda x: jax.tree.map(lambda leaf: leaf + jnp.zeros_like(leaf), x),
                   donate_argnums=0)(_data(make()))  # fmt: skip
    jax.tree.map(np.testing.assert_array_equal, same, expected)


def _data(state):
    return jax.tree.map(
        lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x,
        state,
    )


def test_what_is_no_objective_is_refused():
    for loss in (sf.losses.soft_f1, "soft_f1"):
        with pytest.raises(TypeError, match=r"objective must be an Objective.*, got .*soft_f1"):
            training.train_step(nn.Dense(4), loss, optax.sgd(0.1))
        with pytest.raises(TypeError, match=r"objective must be an Objective.*, got .*soft_f1"):
            training.initial_state(nn.Dense(4), loss, optax.sgd(0.1), KEY, BATCH.inputs, 4)


# Strict types


@pytest.mark.slow
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_steps_pass_under_strict_promotion(micro_batches):
    objectives = [
        sf.objectives.soft_f1(),
        training.moving(sf.objectives.soft_f1()),
        sf.objectives.soft_f1() + sf.objectives.tencent(),
    ]
    part = BATCH._replace(where=np.ones((6, 1), bool), weights=np.ones((6, 1), np.float32))
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for objective in objectives:
            model, optimizer = Frozen(), optax.sgd(0.1)
            state = training.initial_state(model, objective, optimizer, KEY, part.inputs, 4)
            step = training.train_step(model, objective, optimizer, micro_batches=micro_batches)
            state, metrics = jax.jit(step)(state, part)
            assert np.isfinite(metrics["loss"])
