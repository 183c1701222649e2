"""Run by test_losses.py in a process with 8 virtual devices; prints the losses that fail."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from tests.catalogue import CASES, batch
from tests.losses.test_stateful import CASES as STATEFUL

DEVICES, LABELS = 8, 5


def check(case):
    """Names of the ways of running whose value or gradient differ from one device's."""
    return compare(lambda z, y, **axis: (jnp.sum(case.objective(z, y, **axis)), ()))


def check_stateful(case):
    """The same of a loss with state, and of the state after the batch."""
    _, state = case(*data(), case.init(LABELS))
    return compare(lambda z, y, **axis: case(z, y, state, **axis))


def data():
    logits, labels = batch(0, (2 * DEVICES, LABELS))
    # The last device holds no positives at all: what a mean of losses gets most wrong.
    labels[-2:] = 0
    return jnp.asarray(logits, jnp.float32), jnp.asarray(labels)


def compare(loss):
    """`loss(logits, labels, axis_name=...) -> (value, state)` on 8 devices and on one."""
    logits, labels = data()
    scale = jnp.float32(1.25)

    def local(scale, z, y):
        return loss(scale * z, y, axis_name="batch")

    whole = jax.jit(jax.value_and_grad(lambda s: loss(s * logits, labels), has_aux=True))(scale)
    step = jax.value_and_grad(local, has_aux=True)

    def averaged(*args):
        value, gradient = step(*args)
        return value, jax.lax.pmean(gradient, "batch")

    mesh = Mesh(np.array(jax.devices()), ("batch",))
    rows, same = PartitionSpec("batch"), PartitionSpec()
    specs = {"mesh": mesh, "in_specs": (same, rows, rows), "out_specs": (same, same)}
    shards = (x.reshape(DEVICES, 2, LABELS) for x in (logits, labels))
    ways = {
        "pmap": jax.pmap(averaged, axis_name="batch", in_axes=(None, 0, 0))(scale, *shards),
        # The checked shard_map sums the gradient of a replicated parameter by itself.
        "shard_map": jax.jit(jax.shard_map(step, **specs))(scale, logits, labels),
        "shard_map unchecked": jax.jit(jax.shard_map(averaged, check_vma=False, **specs))(
            scale, logits, labels
        ),
    }
    jax.block_until_ready(ways)
    # Of pmap every device's copy, since a state that drifts apart is as wrong as a value.
    expected = dict.fromkeys(ways, whole)
    expected["pmap"] = jax.tree.map(lambda x: jnp.broadcast_to(x, (DEVICES, *x.shape)), whole)
    return [
        f"{how}: {got} instead of {whole}"
        for how, got in ways.items()
        if not all(
            np.allclose(x, y, rtol=2e-4, atol=2e-6)
            for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(expected[how]), strict=True)
        )
    ]


def main():
    assert jax.device_count() == DEVICES
    checks = [(check, c) for c in CASES] + [(check_stateful, c) for c in STATEFUL]
    failures = [f"{case}: {problem}" for run, case in checks for problem in run(case)]
    print("\n".join(failures) or f"{len(checks)} losses agree")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
