"""Run by test_losses.py in a process with 8 virtual devices; prints the losses that fail."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from tests.catalogue import CASES, batch

DEVICES = 8


def check(case):
    """Names of the ways of running whose value or gradient differ from one device's."""
    logits, labels = batch(0, (2 * DEVICES, 5))
    # The last device holds no positives at all: what a mean of losses gets most wrong.
    labels[-2:] = 0
    logits, labels = jnp.asarray(logits, jnp.float32), jnp.asarray(labels)
    scale = jnp.float32(1.25)

    def local(scale, z, y):
        return jnp.sum(case.objective(scale * z, y, axis_name="batch"))

    whole = jax.jit(jax.value_and_grad(lambda s: jnp.sum(case.objective(s * logits, labels))))(
        scale
    )
    step = jax.value_and_grad(local)

    def averaged(*args):
        value, gradient = step(*args)
        return value, jax.lax.pmean(gradient, "batch")

    mesh = Mesh(np.array(jax.devices()), ("batch",))
    rows, same = PartitionSpec("batch"), PartitionSpec()
    specs = {"mesh": mesh, "in_specs": (same, rows, rows), "out_specs": (same, same)}
    shards = (x.reshape(DEVICES, 2, 5) for x in (logits, labels))
    ways = {
        "pmap": jax.tree.map(
            lambda x: x[0],
            jax.pmap(averaged, axis_name="batch", in_axes=(None, 0, 0))(scale, *shards),
        ),
        # The checked shard_map sums the gradient of a replicated parameter by itself.
        "shard_map": jax.jit(jax.shard_map(step, **specs))(scale, logits, labels),
        "shard_map unchecked": jax.jit(jax.shard_map(averaged, check_vma=False, **specs))(
            scale, logits, labels
        ),
    }
    jax.block_until_ready(ways)
    return [
        f"{how}: {got} instead of {whole}"
        for how, got in ways.items()
        if not np.allclose(got, whole, rtol=2e-4, atol=2e-6)
    ]


def main():
    assert jax.device_count() == DEVICES
    failures = [f"{case}: {problem}" for case in CASES for problem in check(case)]
    print("\n".join(failures) or f"{len(CASES)} losses agree")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
