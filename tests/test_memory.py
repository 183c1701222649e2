"""Temporary memory of the compiled functions, in arrays of the scores' size."""

import functools

import jax
import jax.numpy as jnp
import pytest

import sigmoidf1_jax as sf

SHAPE = (256, 20000)
MOST = 6

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


@pytest.mark.slow
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends plan otherwise")
@pytest.mark.parametrize("name", CASES)
def test_few_arrays_of_the_scores_size(name):
    scores = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    labels = jax.ShapeDtypeStruct(SHAPE, jnp.int32)
    # The tests' own flags leave out the optimizations that save memory.
    options = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
    lowered = jax.jit(CASES[name]).lower(scores, labels)
    memory = lowered.compile(options).memory_analysis()
    assert memory.temp_size_in_bytes <= MOST * scores.size * 4
