"""Run by test_training.py in a process with 8 virtual devices: every mode trains like one device.

Prints the largest relative difference to one device over the losses of the catalogue, per mode
and dtype, and in float64 what check_networks.py finds; exits with 1 if one is above the tolerance.
"""

import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import sigmoidf1_jax as sf
from sigmoidf1_jax import training
from tests.catalogue import CASES, batch
from tests.losses.test_stateful import CASES as STATEFUL
from tests.multi_device import check_networks

DEVICES, LABELS, EXAMPLES, STEPS = 8, 6, 27, 2
# float64 (1e-12) shows that the mathematics agree; in float32 sums are taken in another order.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def objectives():
    """Every loss; those of kinks and of per-run arguments as the catalogue has them."""
    cases = [(str(c), c.objective) for c in CASES if c.hyper.get("average", "") is not None]
    cases += [(str(c), getattr(sf.objectives, c.name)(**c.hyper)) for c in STATEFUL]
    mixed = 0.3 * sf.objectives.binary_cross_entropy() + sf.objectives.soft_f1(average="samples")
    moving = training.moving(sf.objectives.soft_f1(), 0.8)
    return [*cases, ("weighted sum", mixed), ("moving(soft_f1)", moving)]


class Network(nn.Module):
    """Two layers and no dropout, whose draws would differ from device to device."""

    dtype: str

    @nn.compact
    def __call__(self, x):
        x = nn.tanh(nn.Dense(4, param_dtype=self.dtype)(x))
        return 4 * nn.Dense(LABELS, param_dtype=self.dtype)(x)


def data(dtype):
    """Batches that 8 devices do not divide; the last devices hold no positives."""
    rng = np.random.default_rng(0)
    batches = []
    for i in range(STEPS):
        logits, labels = batch(i, (EXAMPLES, LABELS))
        labels[-6:] = 0
        where = rng.random(labels.shape) < 0.9
        inputs = logits[:, :3].astype(dtype)
        weights = rng.random((EXAMPLES, 1)).astype(dtype) + dtype(0.5)
        batches.append(training.Batch(inputs, labels, where, weights))
    return batches


def train(step, state, batches):
    """Parameters, loss state, losses and gradient norms after the batches."""
    metrics = []
    for part in batches:
        state, more = step(state, part)
        metrics.append(more)
    return jax.device_get((state.params, state.loss_state, metrics))


def difference(got, expected):
    """The largest difference of a leaf, relative to the leaf's largest number (1 at least)."""
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    return max(np.max(np.abs(x - y)) / max(1, np.max(np.abs(y))) for x, y in pairs if y.size)


def runs(model, objective, dtype):
    """How the same training is run: name -> result."""
    batches = data(dtype)
    optimizer = optax.sgd(dtype(0.1))
    state = training.initial_state(
        model, objective, optimizer, jax.random.key(0), batches[0].inputs, LABELS
    )
    step = training.train_step(model, objective, optimizer)
    devices = jax.devices()
    mesh = training.make_mesh(label=2)
    kept = jax.device_get(state._replace(key=None))

    def fresh():
        # A step on many devices reuses the memory of the state that it is given.
        return jax.tree.map(jnp.asarray, kept)._replace(key=jax.random.key(1))

    ways = {how: (step, devices, how, None) for how in ("shard_map", "pmap", "jit")}
    ways["jit, batch x label"] = (
        step, mesh, "jit", training.label_sharding(state, LABELS, mesh)
    )  # fmt: skip
    accumulates = type(objective) is not type(sf.objectives.average_precision())
    if accumulates:
        parts = training.train_step(model, objective, optimizer, micro_batches=2)
        ways["2 micro-batches"] = (parts, devices[:1], "jit", None)
        for how in ("shard_map", "pmap"):
            ways[f"{how}, 2 micro-batches"] = (parts, devices, how, None)
    expected = train(jax.jit(step), fresh(), batches)
    for name, (function, where, how, layout) in ways.items():
        parallel = training.data_parallel(function, where, how, state_sharding=layout)
        yield name, difference(train(parallel, fresh(), batches), expected)


def main(arguments):
    dtype = np.float64 if "float64" in arguments else np.float32
    jax.config.update("jax_enable_x64", dtype is np.float64)
    assert jax.device_count() == DEVICES
    if dtype is np.float64:
        problems = check_networks.failures()
        print("\n".join(problems) or "networks agree")
        if problems:
            return True
    worst: dict[str, tuple[float, str]] = {}
    model = Network(dtype.__name__)
    chosen = [c for c in objectives() if not arguments[1:] or c[0].startswith(tuple(arguments[1:]))]
    for name, objective in chosen:
        for way, relative in runs(model, objective, dtype):
            worst[way] = max(worst.get(way, (0.0, "")), (float(relative), name))
            # As it goes: all losses take a while.
            print(f"{name}, {way}: {relative:.1e}", file=sys.stderr, flush=True)
        # Hundreds of programs would use up the memory maps of a process.
        jax.clear_caches()
    for way, (relative, name) in worst.items():
        print(f"{dtype.__name__} {way}: {relative:.1e} ({name}), {len(chosen)} losses")
    return any(not relative <= TOLERANCE[dtype.__name__] for relative, _ in worst.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
