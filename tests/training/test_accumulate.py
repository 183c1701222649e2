"""Accumulation in two passes is the gradient of the whole batch, in the memory of a part."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sigmoidf1_jax as sf
from sigmoidf1_jax import training
from tests.catalogue import CASES, batch, tree_allclose

pytestmark = pytest.mark.xdist_group("accumulate")
KEYS = (jax.random.key(0), jax.random.key(1))
# One of each kind of statistic; all the others are compared by multi_device/check_training.
KINDS = [
    c for c in CASES
    if str(c) in {
        "binary_cross_entropy()", "sigmoid_f1(slope=3.0,offset=0.5,average=macro)",
        "sigmoid_f1(slope=3.0,offset=0.5,average=samples)", "zlpr()", "two_way()",
        "positive_unlabeled(prior=0.4)",
    }
]  # fmt: skip


def linear(params, model_state, inputs, key):
    return inputs @ params["kernel"] + params["bias"], model_state


def problem(examples=10, labels=5):
    logits, y = batch(0, (examples, labels))
    rng = np.random.default_rng(0)
    params = {"kernel": rng.normal(size=(3, labels)), "bias": rng.normal(size=labels)}
    inputs = jnp.asarray(logits[:, :3], jnp.float32)
    where = jnp.asarray(rng.random(y.shape) < 0.9)
    weights = jnp.asarray(rng.random((examples, 1)), jnp.float32)
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
    return params, training.Batch(inputs, jnp.asarray(y), where, weights)


def whole(objective, params, part):
    def loss(params):
        logits, _ = linear(params, None, part.inputs, None)
        return objective(logits, part.labels, where=part.where, weights=part.weights)

    return jax.jit(jax.value_and_grad(loss))(params)


# Parts of which the last is padded; and of one example each.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "micro_batches"), [*((c, 3) for c in KINDS), *((c, 10) for c in KINDS[:2])], ids=str
)
def test_value_and_gradient_are_those_of_the_whole_batch(case, micro_batches):
    params, part = problem()
    parts = jax.jit(training.accumulate, static_argnums=(1,), static_argnames="micro_batches")(
        case.objective, linear, params, part, micro_batches=micro_batches, keys=KEYS
    )
    # float32 sums, taken in another order.
    tree_allclose((parts.value, parts.gradient), whole(case.objective, params, part), 2e-5, 1e-6)


@pytest.mark.slow
def test_a_mean_of_gradients_would_be_wrong():
    params, part = problem()
    objective = sf.objectives.soft_f1()
    _, expected = whole(objective, params, part)
    halves = [
        whole(objective, params, jax.tree.map(lambda x, rows=rows: x[rows], part))[1]
        for rows in (slice(5), slice(5, 10))
    ]
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *halves)
    assert float(jnp.max(jnp.abs(mean["kernel"] - expected["kernel"]))) > 0.01


class Dropped(nn.Module):
    """Dropout and batch normalisation: what differs between passes if keys or states do."""

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.5)(nn.Dense(6)(x))
        return nn.Dense(5)(nn.Dropout(0.5, deterministic=not train)(nn.relu(x)))


@pytest.mark.slow
def test_dropout_and_batch_normalisation_see_the_same_in_both_passes():
    _, part = problem()
    model, objective = Dropped(), sf.objectives.soft_f1()
    variables = dict(model.init(jax.random.key(0), part.inputs))
    params = variables.pop("params")
    forward = training.forward(model)
    got = training.accumulate(
        objective, forward, params, part, micro_batches=2, keys=KEYS, model_state=variables
    )
    keys = jax.random.split(KEYS[0], 2)

    def loss(params):
        """The same two parts side by side, in one autodiff pass."""
        state, logits = variables, []
        for i in range(2):
            out, state = forward(params, state, part.inputs[5 * i : 5 * i + 5], keys[i])
            logits.append(out)
        value = objective(
            jnp.concatenate(logits), part.labels, where=part.where, weights=part.weights
        )
        return value, state

    (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(params)
    tree_allclose((got.value, got.gradient), (value, gradient), 2e-5, 1e-6)
    tree_allclose(got.model_state, state)
    assert not np.allclose(
        jax.tree.leaves(state)[0], jax.tree.leaves(variables)[0]
    )  # running statistics moved


@pytest.mark.slow
def test_a_state_moves_once_per_batch():
    params, part = problem()
    objective = sf.objectives.cost_sensitive_f_beta()
    state = objective.init(5)
    logits, _ = linear(params, None, part.inputs, None)
    value, after = objective(logits, part.labels, state, where=part.where, weights=part.weights)
    got = training.accumulate(
        objective, linear, params, part, micro_batches=3, keys=KEYS, loss_state=state
    )
    tree_allclose((got.value, got.loss_state), (value, after))


def test_the_memory_is_that_of_one_part():
    part = training.Batch(jnp.zeros((256, 64)), jnp.zeros((256, 4096), bool))
    params = {"kernel": jnp.zeros((64, 4096)), "bias": jnp.zeros(4096)}
    objective = sf.objectives.sigmoid_f1()

    def temporary(micro_batches):
        def run(params, part):
            parts = training.accumulate(
                objective, linear, params, part, micro_batches=micro_batches, keys=KEYS
            )
            return parts.gradient

        compiled = jax.jit(run).lower(params, part).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # Sixteen parts; what stays is a gradient and the statistics, 1.1 MB of 13 MB.
    assert temporary(16) < 0.3 * temporary(1)


@pytest.mark.slow
def test_low_precision_parameters_are_summed_in_float32():
    params, part = problem()
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), params)
    got = training.accumulate(
        sf.objectives.soft_f1(), linear, half, part, micro_batches=10, keys=KEYS
    )
    assert {x.dtype for x in jax.tree.leaves(got.gradient)} == {jnp.dtype(jnp.bfloat16)}
    assert got.value.dtype == jnp.float32


@pytest.mark.parametrize("objective", [sf.objectives.average_precision()], ids=repr)
def test_what_is_no_sum_is_refused(objective):
    params, part = problem()
    with pytest.raises(TypeError, match="not a function of sums over examples"):
        training.accumulate(objective, linear, params, part, micro_batches=2, keys=KEYS)


def test_bad_numbers_are_refused():
    params, part = problem()
    with pytest.raises(ValueError, match="micro_batches must be >= 1, got 0"):
        training.accumulate(
            sf.objectives.soft_f1(), linear, params, part, micro_batches=0, keys=KEYS
        )
    with pytest.raises(ValueError, match=r"same first axis, got .*labels.*: 4"):
        training.accumulate(
            sf.objectives.soft_f1(), linear, params, part._replace(labels=part.labels[:4]),
            micro_batches=2, keys=KEYS,
        )  # fmt: skip


@pytest.mark.slow
def test_a_step_of_micro_batches_is_the_step_of_the_batch():
    _, part = problem()
    model, optimizer = sf.models.MLP(5, hidden=(4,)), optax.sgd(0.5)
    objective = sf.objectives.soft_f1()
    state = training.initial_state(model, objective, optimizer, jax.random.key(0), part.inputs, 5)
    one, _ = jax.jit(training.train_step(model, objective, optimizer))(state, part)
    parts = training.train_step(model, objective, optimizer, micro_batches=4)
    four, metrics = jax.jit(parts)(state, part)
    tree_allclose(one.params, four.params, 2e-5, 1e-6)
    assert int(four.step) == 1
    assert set(metrics) == {"loss", "gradient_norm"}
