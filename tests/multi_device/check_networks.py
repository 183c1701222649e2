"""Run by check_training.py: what networks keep, and any mapping and mesh, equal one device."""

import contextlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, PartitionSpec

import sigmoidf1_jax as sf
from sigmoidf1_jax import training

LABELS, EXAMPLES = 4, 16
OBJECTIVE = sf.objectives.soft_f1()
OPTIMIZER = optax.sgd(0.1, momentum=0.9)


class Normalised(nn.Module):
    """Batch normalisation, and state that no mean can be taken of."""

    axis_name: str | None = None
    passed_on: bool = True

    @nn.compact
    def __call__(self, x, train=False):
        axis = self.axis_name if self.passed_on else None
        x = nn.BatchNorm(use_running_average=not train, axis_name=axis, param_dtype=x.dtype)(x)
        steps = self.variable("counters", "steps", jnp.zeros, (), jnp.int32)
        seen = self.variable("counters", "seen", lambda: jnp.zeros((), bool))
        if train and not self.is_initializing():
            steps.value, seen.value = steps.value + 1, ~seen.value
        return nn.Dense(LABELS, param_dtype=x.dtype)(x)


def data():
    rng = np.random.default_rng(0)
    # Sorted, so that the devices' own statistics are far from those of the batch.
    inputs = np.sort(rng.normal(size=(EXAMPLES, 3)), 0)
    return training.Batch(inputs, rng.random((EXAMPLES, LABELS)) < 0.4)


def fresh(model):
    return training.initial_state(
        model, OBJECTIVE, OPTIMIZER, jax.random.key(0), data().inputs, LABELS
    )


def unchecked(step):
    rows, same = PartitionSpec("batch"), PartitionSpec()
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    specs = {"in_specs": (same, rows), "out_specs": (same, same), "check_vma": False}
    return jax.jit(jax.shard_map(lambda s, b: step(s, b, axis_name="batch"), mesh=mesh, **specs))


def ways(step):
    yield "unchecked shard_map", unchecked(step)
    for how in ("shard_map", "pmap"):
        yield how, training.data_parallel(step, jax.devices(), how)


def train(step, state, steps=2):
    for _ in range(steps):
        state, metrics = step(state, data())
    return jax.device_get((state._replace(key=None), metrics))


def unlike(got, expected):
    """Where two results differ, in a type too."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(expected), strict=True)
    return [
        f"{jax.tree_util.keystr(path)}: {x} instead of {y}"
        for (path, x), y in pairs
        if x.dtype != y.dtype or not np.allclose(x, y, rtol=1e-10, atol=1e-10)
    ]


def batch_statistics():
    """With the axis's name the statistics are those of the batch; without it that is an error."""
    expected = train(
        jax.jit(training.train_step(Normalised(), OBJECTIVE, OPTIMIZER)), fresh(Normalised())
    )
    assert expected[0].model_state["counters"] == {"steps": 2, "seen": False}
    given = training.train_step(Normalised("batch"), OBJECTIVE, OPTIMIZER)
    taken = training.train_step(Normalised(), OBJECTIVE, OPTIMIZER)
    for name, step in [*ways(given), *list(ways(taken))[:1]]:
        yield from (f"{name}, {x}" for x in unlike(train(step, fresh(Normalised())), expected))
    local = Normalised(passed_on=False)
    for micro_batches in (1, 2):
        step = training.train_step(local, OBJECTIVE, OPTIMIZER, micro_batches=micro_batches)
        for name, parallel in ways(step):
            try:
                parallel(fresh(local), data())
                yield f"{name}: local statistics are not refused"
            except ValueError as error:
                if "BatchNorm(axis_name='batch')" not in str(error):
                    yield f"{name}: {error}"


def counters():
    """The types of a network's state stay, over micro-batches too."""
    step = training.train_step(Normalised(), OBJECTIVE, OPTIMIZER, micro_batches=2)
    for name, parallel in ways(step):
        state, _ = train(parallel, fresh(Normalised()))
        found = state.model_state["counters"]
        if (found["steps"].dtype, int(found["steps"])) != (np.int32, 4) or found["seen"]:
            yield f"{name}: {found}"


class Dropped(nnx.Module):
    def __init__(self, rngs):
        self.linear = nnx.Linear(3, LABELS, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.linear(self.dropout(x))


def nnx_dropout():
    """Streams of random numbers hold typed keys and counters, which every device keeps."""
    static, params, rest = nnx.split(Dropped(nnx.Rngs(0)), nnx.Param, ...)

    def forward(params, rest, inputs, key):
        model = nnx.merge(static, params, rest, copy=True)
        logits = model(inputs.astype(np.float32))
        return logits, nnx.split(model, nnx.Param, ...)[2]

    for micro_batches in (1, 2):
        step = training.train_step(forward, OBJECTIVE, OPTIMIZER, micro_batches=micro_batches)
        state = training.TrainState(
            jnp.int32(0), params, rest, OPTIMIZER.init(params), None, jax.random.key(0)
        )
        kept = jax.tree.map(lambda x: x, state)
        for name, parallel in ways(step):
            state = jax.tree.map(jnp.copy, kept)
            for _ in range(2):
                state, _metrics = parallel(state, data())
            counts = [x for x in jax.tree.leaves(state.model_state) if x.dtype == jnp.uint32]
            if not counts or any(int(x) != 2 * micro_batches for x in counts):
                yield f"{name}: counters are {counts}"
            before, after = (
                [jax.random.key_data(x) for x in jax.tree.leaves(s.model_state)
                 if jnp.issubdtype(x.dtype, jax.dtypes.prng_key)] for s in (kept, state)
            )  # fmt: skip
            if not before or not np.array_equal(before, after):
                yield f"{name}: keys are {after} instead of {before}"


def any_mapping():
    """value_and_global_gradient is that of the batch, on every device and under any mapping."""
    batch, scale = data(), jnp.arange(1.0, LABELS + 1)

    def loss(scale, z, y, *, axis_name=None):
        return OBJECTIVE(scale * jnp.tile(z[:, :1], LABELS), y, axis_name=axis_name)

    def with_aux(*args, axis_name):
        value = loss(*args, axis_name=axis_name)
        return value, 2 * value

    def step(scale, z, y):
        (value, twice), gradient = training.value_and_global_gradient(
            with_aux, scale, z, y, axis_name="batch", has_aux=True
        )
        return value, twice / 2, gradient

    value, gradient = jax.value_and_grad(loss)(scale, *batch[:2])
    one = training.value_and_global_gradient(loss, scale, *batch[:2])
    yield from unlike(one, (value, gradient))
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    rows, same = PartitionSpec("batch"), PartitionSpec()
    shards = [x.reshape(len(jax.devices()), -1, x.shape[-1]) for x in batch[:2]]
    axes = (None, 0, 0)
    specs = {"mesh": mesh, "in_specs": (same, rows, rows), "out_specs": same}
    results = {
        "shard_map": jax.jit(jax.shard_map(step, **specs))(scale, *batch[:2]),
        "unchecked": jax.jit(jax.shard_map(step, **specs, check_vma=False))(scale, *batch[:2]),
        "pmap": jax.pmap(step, "batch", in_axes=axes)(scale, *shards),
        "vmap": jax.jit(jax.vmap(step, axes, axis_name="batch"))(scale, *shards),
    }
    for name, got in results.items():
        expected = value, value, gradient
        if name in ("pmap", "vmap"):
            expected = jax.tree.map(
                lambda x: jnp.broadcast_to(x, (len(jax.devices()), *x.shape)), expected
            )
        yield from (f"{name}, {x}" for x in unlike(got, expected))

    def forgotten(scale, z, y):
        return training.value_and_global_gradient(
            lambda *a, axis_name: loss(*a), scale, z, y, axis_name="batch"
        )[1]

    try:
        jax.shard_map(forgotten, **specs)(scale, *batch[:2])
        yield "a loss without axis_name is not refused"
    except ValueError as error:
        if "give axis_name to the objective" not in str(error):
            yield str(error)


def explicit_meshes():
    """Meshes as jax.make_mesh makes them, and set for everything."""
    model = Normalised()
    step = training.train_step(model, OBJECTIVE, OPTIMIZER)
    expected = train(jax.jit(step), fresh(model))
    mesh = jax.make_mesh((8,), ("batch",))
    labels = jax.make_mesh((4, 2), ("batch", "label"))
    modes = ((mesh, "shard_map"), (mesh, "pmap"), (mesh, "jit"), (labels, "jit"))
    for where in ("", "set"):
        for over, how in modes if where else modes[2:3]:
            name = f"{how} over {dict(over.shape)} {where}"
            with jax.set_mesh(over) if where else contextlib.nullcontext():
                state = fresh(model)
                layout = None
                if over is labels:
                    layout = training.label_sharding(state, LABELS, labels)
                parallel = training.data_parallel(step, over, how, state_sharding=layout)
                state, _ = parallel(state, data())
                state, metrics = parallel(state, data())
                # Goes on in the user's own code.
                norm = optax.tree.norm(state.params)
            if not np.isfinite(norm):
                yield f"{name}: {norm}"
            got = jax.device_get((state._replace(key=None), metrics))
            yield from (f"{name}, {x}" for x in unlike(got, expected))


CHECKS = (batch_statistics, counters, nnx_dropout, any_mapping, explicit_meshes)


def failures():
    """A line for each way that fails."""
    return [f"{check.__name__}, {line}" for check in CHECKS for line in check()]
