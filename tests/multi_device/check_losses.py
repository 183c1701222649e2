"""Run by test_losses.py in a process with 8 virtual devices; prints the losses that fail.

Every loss runs on a mesh whose axes are in the arrays' types, which each of its operations has to
pass on. What joins the statistics of devices is shared: one loss of each kind runs in all modes.
"""

import sys

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from tests.catalogue import CASES, KINDS, batch
from tests.losses.test_stateful import CASES as STATEFUL
from tests.multi_device.modes import differences, in_every_mode

DEVICES, LABELS, LABEL_DEVICES = 8, 6, 2


def check(case):
    """Names of the ways of running whose value or gradient differ from one device's."""
    return compare(
        lambda z, y, **axis: (jnp.sum(case.objective(z, y, **axis)), ()), every_mode=case in KINDS
    )


def check_stateful(case):
    """The same of a loss with state, and of the state after the batch."""
    _, state = case(*data(), case.init(LABELS))
    return compare(lambda z, y, **axis: case(z, y, state, **axis))


def data():
    logits, labels = batch(0, (2 * DEVICES, LABELS))
    # The last device holds no positives at all: what a mean of losses gets most wrong.
    labels[-2:] = 0
    return jnp.asarray(logits, jnp.float32), jnp.asarray(labels)


def compare(loss, every_mode=True):
    """`loss(logits, labels, axis_name=...) -> (value, state)` on 8 devices and on one."""
    logits, labels = data()
    scale = jnp.float32(1.25)

    def local(scale, z, y):
        return loss(scale * z, y, axis_name="batch")

    whole = jax.jit(jax.value_and_grad(lambda s: loss(s * logits, labels), has_aux=True))(scale)
    step = jax.value_and_grad(local, has_aux=True)
    ways = in_every_mode(step, scale, logits, labels) if every_mode else {}
    # Arrays that say in their type how they are divided, examples and labels, with a mask that
    # is not divided at all.
    mesh = jax.make_mesh((DEVICES // LABEL_DEVICES, LABEL_DEVICES), ("batch", "label"))
    divided = jax.device_put((logits, labels), NamedSharding(mesh, PartitionSpec("batch", "label")))
    where = jnp.ones((len(logits), 1), bool)
    with jax.set_mesh(mesh):
        ways["explicit mesh"] = jax.jit(
            jax.value_and_grad(lambda s, z, y: loss(s * z, y, where=where), has_aux=True)
        )(scale, *divided)
    return differences(ways, whole, rtol=2e-4, atol=2e-6)


def main():
    assert jax.device_count() == DEVICES
    checks = [(check, c) for c in CASES] + [(check_stateful, c) for c in STATEFUL]
    failures = [f"{case}: {problem}" for run, case in checks for problem in run(case)]
    print("\n".join(failures) or f"{len(checks)} losses agree")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
