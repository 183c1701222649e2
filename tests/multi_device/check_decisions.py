"""Run by test_decisions.py in a process with 8 virtual devices; prints what fails.

Decisions of arrays that say in their type how they are divided: examples over
devices, and examples and labels. They equal those of one device.
"""

import contextlib
import sys

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from tests.decisions.cases import KINDS, RULES
from tests.decisions.cases import data as scores_and_labels

# Every rule on the first; the first of each name on the second too.
MESHES = [((4, 2), ("batch", "label"), "inside"), ((8,), ("batch",), "outside")]


def of_rule(rule):
    def function(p, y, where):
        return rule.fit(p, y, **({"where": where} if "where" in rule.takes else {}))(p)

    return function


def problems(function, arrays, expected, shape, names, way):
    """What goes wrong on one mesh, inside `jax.set_mesh` or outside."""
    mesh = jax.make_mesh(shape, names)
    divided = jax.device_put(arrays, NamedSharding(mesh, PartitionSpec(*names)))
    try:
        with jax.set_mesh(mesh) if way == "inside" else contextlib.nullcontext():
            got = jax.jit(function)(*divided)
    except Exception as error:
        return [f"{way} {shape}: {type(error).__name__}: {str(error)[:200]}"]
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    return [
        f"{way} {shape}: {x} instead of {y}"
        for x, y in pairs
        if not np.allclose(x, y, rtol=1e-5, atol=1e-6, equal_nan=True)
    ]


def main():
    p, labels = scores_and_labels(0, num_labels=4)
    arrays = p, labels, np.ones(p.shape, bool)
    failures = []
    for rule in RULES:
        function = of_rule(rule)
        expected = jax.jit(function)(*arrays)
        for mesh in MESHES if rule in KINDS else MESHES[:1]:
            failures += [f"{rule} {x}" for x in problems(function, arrays, expected, *mesh)]
    print("\n".join(failures) or f"{len(RULES)} decision rules agree")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
