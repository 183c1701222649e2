"""data_parallel on one device: padding, layouts and the mistakes it names."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sigmoidf1_jax as sf
from sigmoidf1_jax import training

MODEL, OBJECTIVE, OPTIMIZER = sf.models.MLP(3, hidden=()), sf.objectives.soft_f1(), optax.sgd(0.1)
STEP = training.train_step(MODEL, OBJECTIVE, OPTIMIZER)


@pytest.mark.slow
def test_padding_adds_rows_that_do_not_count():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 3)).astype(np.float32), rng.random((5, 3)) < 0.5
    weights = rng.random((5, 1)).astype(np.float32)
    part = training.Batch(logits, labels, None, weights)
    padded = training.pad(part, 4)
    assert {x.shape[0] for x in jax.tree.leaves(padded)} == {8}
    got = OBJECTIVE(padded.inputs, padded.labels, where=padded.where, weights=padded.weights)
    np.testing.assert_allclose(got, OBJECTIVE(logits, labels, weights=weights), rtol=1e-6)
    assert training.pad(part, 5) is part


@pytest.mark.slow
@pytest.mark.parametrize("how", ["shard_map", "pmap", "jit"])
def test_every_mode_runs_on_one_device(how):
    part = training.Batch(jnp.ones((4, 2)), jnp.ones((4, 3), bool))

    def fresh():
        return training.initial_state(
            MODEL, OBJECTIVE, OPTIMIZER, jax.random.key(0), part.inputs, 3
        )

    expected, metrics = jax.jit(STEP)(fresh(), part)
    got, more = training.data_parallel(STEP, jax.devices()[:1], how)(fresh(), part)
    for x, y in zip(jax.tree.leaves(got.params), jax.tree.leaves(expected.params), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)
    np.testing.assert_allclose(more["loss"], metrics["loss"], rtol=1e-6)


def test_label_sharding_divides_what_ends_in_labels():
    mesh = training.make_mesh()
    state = {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3), "count": jnp.ones(()), "other": jnp.ones((3, 2))}  # noqa: E501  # fmt: skip
    layout = jax.tree.map(lambda s: s.spec, training.label_sharding(state, 3, mesh))
    spec = jax.sharding.PartitionSpec
    assert layout == {
        "kernel": spec(None, "label"), "bias": spec("label"), "count": spec(), "other": spec()
    }  # fmt: skip


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="how must be 'shard_map', 'pmap' or 'jit', got 'gpu'"):
        training.data_parallel(STEP, jax.devices(), "gpu")
    with pytest.raises(ValueError, match="label must be >= 1 and divide the number of devices, 1"):
        training.make_mesh(label=2, devices=jax.devices()[:1])
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",))
    with pytest.raises(ValueError, match=r"needs an axis named 'batch', got \('data',\)"):
        training.data_parallel(STEP, mesh)
    with pytest.raises(ValueError, match="state_sharding needs how='jit', got 'pmap'"):
        training.data_parallel(STEP, jax.devices(), "pmap", state_sharding=())
    with pytest.raises(ValueError, match="same first axis"):
        training.data_parallel(STEP, jax.devices())(
            None, training.Batch(jnp.ones((4, 2)), jnp.ones((3, 3)))
        )
