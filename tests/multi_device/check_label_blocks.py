"""Run by test_label_blocks.py in a process with 8 virtual devices; prints the ways that fail."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import sigmoidf1_jax as sf
from sigmoidf1_jax.training import label_blocks
from tests.multi_device.modes import differences, in_every_mode

DEVICES, FEATURES, LABELS = 8, 3, 11
# Parts that join in every way, and a number that is differentiated by.
OBJECTIVE = (
    sf.objectives.sigmoid_f1(2.0) + sf.objectives.binary_cross_entropy() + sf.objectives.zlpr()
)


def main():
    assert jax.device_count() == DEVICES
    rng = np.random.default_rng(0)
    features = jnp.asarray(rng.normal(size=(2 * DEVICES, FEATURES)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(FEATURES, LABELS)), jnp.float32)
    # The last device holds no positives at all.
    indices = jnp.asarray(rng.integers(-1, LABELS, (2 * DEVICES, 3))).at[-2:].set(-1)
    objective = jax.tree.map(jnp.float32, OBJECTIVE)

    def local(trained, features, indices):
        objective, kernel = trained
        loss = label_blocks(objective, block_size=4)
        return loss(features, kernel, label_indices=indices, axis_name="batch")

    def direct(trained):
        objective, kernel = trained
        labels = jnp.any(indices[:, :, None] == jnp.arange(LABELS), 1)
        return objective(features @ kernel, labels)

    step = jax.value_and_grad(local)

    trained = objective, kernel
    whole = jax.jit(jax.value_and_grad(direct))(trained)
    ways = in_every_mode(step, trained, features, indices)
    failures = differences(ways, whole, rtol=2e-5, atol=2e-6)
    print("\n".join(failures) or "label blocks agree")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
