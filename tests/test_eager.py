"""Eager calls: one compiled program, and all that a plain call does besides."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify

import sigmoidf1_jax as sf
from sigmoidf1_jax import _eager

LOGITS = jnp.asarray([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
LABELS = jnp.asarray([[1, 0, 1], [0, 1, 0]])


@pytest.fixture
def traces(monkeypatch):
    """How often a program was traced, since the test began."""
    count = []

    def run(*arguments):
        count.append(1)
        return _eager._run(*arguments)

    monkeypatch.setattr(_eager, "_program", jax.jit(run, static_argnums=0))
    return count


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss", [sf.losses.sigmoid_f1, sf.losses.focal, sf.losses.zlpr], ids=lambda f: f.__name__
)
def test_the_value_is_that_of_the_plain_call_and_is_traced_once(loss, traces):
    values = [loss(LOGITS, LABELS) for _ in range(3)]
    # NumPy's arrays, and other values, take the same program.
    values.append(loss(np.asarray(LOGITS), np.asarray(LABELS)))
    loss(LOGITS + 1, LABELS)
    assert len(traces) == 1
    with jax.disable_jit():
        plain = loss(LOGITS, LABELS)
    for value in values:
        # The compiler fuses: rounding only.
        np.testing.assert_allclose(value, plain, rtol=1e-6)


def test_a_loss_with_state_is_one_program_too(traces):
    state = sf.losses.average_precision.init(3, 4)
    for rows in ([0, 1], [2, 3], [1, 0]):
        _, state = sf.losses.average_precision(LOGITS, LABELS, state, index=np.asarray(rows))
    assert len(traces) == 1


def test_a_call_passes_few_frames():
    # A third of 136, of which an eager call consisted when losses were decorated.
    frames = []

    def entered(frame, event, _):
        if event == "call" and "sigmoidf1_jax" in frame.f_globals.get("__name__", ""):
            frames.append(frame.f_code.co_name)

    sf.losses.sigmoid_f1(LOGITS, LABELS)
    before = sys.getprofile()
    sys.setprofile(entered)
    try:
        sf.losses.sigmoid_f1(LOGITS, LABELS)
    finally:
        sys.setprofile(before)
    assert 0 < len(frames) <= 45, frames


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": LOGITS.at[0, 0].set(jnp.nan)}, "logits must not be NaN"),
        ({"labels": LABELS.at[0, 0].set(2)}, r"labels must lie in \[0, 1\]"),
        ({"weights": -jnp.ones((2, 1))}, "weights must be >= 0"),
        ({"weights": jnp.asarray([1.0, 2.0, 3.0])}, "weigh labels, which cancels"),
    ],
)
def test_values_are_checked_eagerly_and_under_checkify(change, message):
    given = {"logits": LOGITS, "labels": LABELS, **change}
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            sf.losses.soft_f1(**given)
    error, _ = checkify.checkify(jax.jit(sf.losses.soft_f1))(**given)
    with pytest.raises(Exception, match=message):
        error.throw()


@pytest.mark.slow
def test_shares_in_the_place_of_frequencies_are_refused_by_both():
    frequency = jnp.asarray([0.2, 0.3, 1.0])
    with pytest.raises(ValueError, match="not shares"):
        sf.losses.negative_tolerant(LOGITS, LABELS, frequency, 10)
    error, _ = checkify.checkify(jax.jit(sf.losses.negative_tolerant))(
        LOGITS, LABELS, frequency, 10
    )
    with pytest.raises(Exception, match="not shares"):
        error.throw()


def test_functions_made_for_one_call_are_not_compiled(traces):
    for _ in range(3):
        sf.losses.from_score(LOGITS, LABELS, lambda c: c.tp / (c.tp + c.fp + c.fn))
    assert not traces


def _looks_at_values(counts):
    assert np.all(np.asarray(counts.tp) >= 0)
    return counts.tp / (counts.tp + counts.fp + counts.fn)


@pytest.mark.slow
def test_a_score_that_looks_at_values_still_works():
    value = sf.losses.from_score(LOGITS, LABELS, _looks_at_values)
    expected = sf.losses.jaccard(LOGITS, LABELS)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.slow
def test_lists_are_read_as_arrays():
    value = sf.losses.soft_f1(LOGITS.tolist(), LABELS.tolist())
    np.testing.assert_allclose(value, sf.losses.soft_f1(LOGITS, LABELS), rtol=1e-6)


@pytest.mark.slow
def test_inside_jit_and_grad_a_call_is_part_of_what_is_traced(traces):
    def of_constants(x):
        return x + sf.losses.soft_f1(LOGITS, LABELS)

    expected = sf.losses.soft_f1(LOGITS, LABELS)
    np.testing.assert_allclose(jax.jit(of_constants)(0.0), expected, rtol=1e-6)
    gradient = jax.grad(sf.losses.soft_f1)(LOGITS, LABELS)
    np.testing.assert_allclose(
        gradient, jax.jit(jax.grad(sf.losses.soft_f1))(LOGITS, LABELS), rtol=1e-5, atol=1e-8
    )
