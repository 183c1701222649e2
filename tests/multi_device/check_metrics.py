"""Run by test_metrics.py in a process with 8 virtual devices; prints the metrics that fail."""

import sys

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from tests.metrics.cases import CASES
from tests.metrics.test_battery import data, jitted, leaves

DEVICES = 8


def main():
    assert jax.device_count() == DEVICES
    # Explicit axes, JAX's default.
    mesh = jax.make_mesh((4, 2), ("batch", "label"))
    sharding = NamedSharding(mesh, PartitionSpec("batch", "label"))
    failures = []
    for case in CASES:
        p, y, w = data(case)
        inputs = p, y, np.ones((len(y), 4), bool), w
        expected = leaves(jitted(case)(*inputs))
        sharded = [jax.device_put(x, sharding) for x in inputs]

        def eager(p, y, where, w, case=case):
            return case.metric(p, y, where=where, weights=w)

        def inside(*inputs, case=case):
            with jax.set_mesh(mesh):
                return jitted(case)(*inputs)

        ways = {"jit in set_mesh": inside}
        # Outside a mesh only the arrays say how they are sharded; one of each family suffices.
        if case.name in ("f1/macro", "average_precision/macro", "ndcg_at_k", "Stream/roc_auc"):
            ways["jit"] = jitted(case)
        # Eagerly each operation is a program of its own, which takes long.
        if case.name in ("f1/macro", "average_precision/macro"):
            ways["eager"] = eager
        if case.function == "report":
            ways["jit"] = jitted(case)
        for name, way in ways.items():
            try:
                got = leaves(way(*sharded))
            except Exception as error:
                failures.append(f"{case}, {name}: {type(error).__name__}: {str(error)[:300]}")
                continue
            if not all(
                np.allclose(*x, rtol=1e-5, atol=1e-6) for x in zip(got, expected, strict=True)
            ):
                failures.append(f"{case}, {name}: {got} is not {expected}")
    print("\n".join(failures) or f"{len(CASES)} metrics agree")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
