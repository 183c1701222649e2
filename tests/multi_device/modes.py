"""One gradient step in every mode of mapping over the devices of this process."""

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec


def in_every_mode(step, trained, *examples):
    """Mode -> result of `step(trained, *examples) -> (value, gradient)`, a loss of "batch".

    Examples are divided over the devices; `trained` is on all of them. Of pmap the result has
    every device's copy, on a first axis.
    """

    def averaged(*args):
        value, gradient = step(*args)
        return value, jax.lax.pmean(gradient, "batch")

    mesh = Mesh(np.array(jax.devices()), ("batch",))
    rows, same = PartitionSpec("batch"), PartitionSpec()
    over = [rows] * len(examples)
    specs = {"mesh": mesh, "in_specs": (same, *over), "out_specs": (same, same)}
    shards = [x.reshape(jax.device_count(), -1, *x.shape[1:]) for x in examples]
    axes = (None, *(0 for _ in examples))
    ways = {
        "pmap": jax.pmap(averaged, axis_name="batch", in_axes=axes)(trained, *shards),
        # The checked shard_map sums the gradient of replicated parameters by itself.
        "shard_map": jax.jit(jax.shard_map(step, **specs))(trained, *examples),
        "shard_map unchecked": jax.jit(jax.shard_map(averaged, check_vma=False, **specs))(
            trained, *examples
        ),
    }
    return jax.block_until_ready(ways)


def differences(ways, whole, **tolerance):
    """A line for each mode whose result is not that of one device, on any device."""
    # Of pmap every device's copy, since a state that drifts apart is as wrong as a value.
    expected = dict.fromkeys(ways, whole)
    if "pmap" in ways:
        expected["pmap"] = jax.tree.map(
            lambda x: np.broadcast_to(x, (jax.device_count(), *x.shape)), whole
        )
    return [
        f"{how}: {got} instead of {whole}"
        for how, got in ways.items()
        if not all(
            np.allclose(x, y, **tolerance)
            for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(expected[how]), strict=True)
        )
    ]
