"""Temporary memory of the compiled functions, in arrays of the logits' or scores' size."""

import functools

import jax
import jax.numpy as jnp
import pytest

import sigmoidf1_jax as sf
from tests import catalogue

SHAPE = (256, 20000)
# And a little for sums by example and by label.
MOST = 6.1
# With their defaults.
MOST_OF_LEAN = 3.1
LEAN = {"asymmetric", "binary_cross_entropy", "focal", "sigmoid_f1", "soft_f1"}

d, m = sf.decisions, sf.metrics


def report(scores, labels):
    return dict(m.report(scores, labels, labels))


CASES = {
    "f_maximizer": lambda p, _: d.f_maximizer()(p),
    "per_label_threshold": d.per_label_threshold,
    "per_label_threshold/folds": functools.partial(d.per_label_threshold, folds=10),
    "global_threshold/folds": functools.partial(d.global_threshold, folds=10),
    "platt": d.calibration.platt,
    "temperature": d.calibration.temperature,
    "isotonic": d.calibration.isotonic,
    "report": report,
}


def arrays_of_the_size(function, *dtypes):
    given = [jax.ShapeDtypeStruct(SHAPE, dtype) for dtype in dtypes]
    # The tests' own flags leave out the optimizations that save memory.
    options = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
    memory = jax.jit(function).lower(*given).compile(options).memory_analysis()
    return memory.temp_size_in_bytes / (given[0].size * 4)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends plan otherwise"),
]


@pytest.mark.parametrize("name", CASES)
def test_decisions_and_report(name):
    assert arrays_of_the_size(CASES[name], jnp.float32, jnp.int32) <= MOST


@pytest.mark.parametrize(
    "case", [c for c in catalogue.CASES if c.hyper.get("average", "") is not None], ids=str
)
def test_losses_with_their_gradients(case):
    used = arrays_of_the_size(
        jax.value_and_grad(lambda z, y: case.objective(z, y)), jnp.float32, jnp.float32
    )
    lean = case.name in LEAN and set(case.hyper) <= {"average", "slope", "offset"}
    assert used <= (MOST_OF_LEAN if lean else MOST)
