"""What holds for every metric: NaN in NaN out, one meaning of "does not count", strict modes."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import sigmoidf1_jax as sf
from tests.metrics.cases import CASES, SETS

pytestmark = pytest.mark.xdist_group("metrics_battery")

# What the inner loop runs: counts, a sort of labels, a sort of examples, a sketch.
QUICK = ("f1/macro", "average_precision/macro", "ranking_loss", "sketched_roc_auc")
every_case = pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=str(c), marks=() if c.name in QUICK else pytest.mark.slow) for c in CASES],
)
# An entry whose label and example keep both classes without it.
ENTRY, LABEL = (1, 2), 2


def data(case, n=8):
    """Predictions, labels as floats, which may be NaN, and weights; all metrics are defined."""
    rng = np.random.default_rng(0)
    scores = rng.random((n, 4)).astype(np.float32)
    labels = np.resize([[1, 0, 0, 1], [0, 1, 1, 1], [1, 1, 0, 0]], (n, 4)).astype(np.float32)
    # Both bins of a reliability curve hold something at every label.
    scores[:4] = [[0.1, 0.9, 0.2, 0.8], [0.7, 0.3, 0.4, 0.6],
                  [0.2, 0.8, 0.9, 0.1], [0.9, 0.1, 0.7, 0.3]]  # fmt: skip
    weights = rng.random((n, 4)).astype(np.float32) + 0.5
    return scores > 0.5 if case.decided else scores, labels, weights


@functools.cache
def jitted(case):
    return jax.jit(lambda p, y, where, w: case.metric(p, y, where=where, weights=w))


def leaves(tree):
    return [np.asarray(x) for x in jax.tree.leaves(tree)]


def assert_same(got, expected):
    for x, y in zip(leaves(got), leaves(expected), strict=True):
        np.testing.assert_array_equal(x, y)


def spoiled(case, inputs, parts):
    """The inputs with NaN at ENTRY in some of "predictions", "labels" and "weights"."""
    inputs = [x.copy() for x in inputs]
    for i, part in enumerate(("predictions", "labels", "weights")):
        if part in parts and not (i == 0 and case.decided):
            inputs[i][ENTRY] = np.nan
    return inputs


def test_every_public_metric_has_a_case():
    functions = {n for n in sf.metrics.__all__ if inspect.isfunction(getattr(sf.metrics, n))}
    elsewhere = {"bin_thresholds", "inverse_propensity", "score_histogram"}
    assert functions - {case.function for case in CASES} == elsewhere


@every_case
def test_a_nan_that_counts_comes_out_and_no_other_does(case):
    p, y, w = inputs = data(case)
    run, every, but_one = jitted(case), np.ones(y.shape, bool), np.ones(y.shape, bool)
    but_one[ENTRY] = False
    assert all(np.isfinite(x).all() for x in leaves(run(p, y, every, w)))
    for part in ("labels", "weights") if case.decided else ("predictions", "labels", "weights"):
        p, y, w = spoiled(case, inputs, part)
        for leaf in leaves(run(p, y, every, w)):
            if case.per_label:
                assert np.isnan(leaf[LABEL]).all(), part
                assert np.isfinite(np.delete(leaf, LABEL, 0)).all(), part
            else:
                assert np.isnan(leaf).all(), part
    without = run(*inputs[:2], but_one, inputs[2])
    assert all(np.isfinite(x).all() for x in leaves(without))
    p, y, w = spoiled(case, inputs, ("predictions", "labels", "weights"))
    assert_same(run(p, y, but_one, w), without)
    # Weight 0 is the same as a mask.
    assert_same(run(p, y, every, np.where(but_one, w, 0)), without)
    # Eagerly the one raises and the other does not.
    given = {"weights": np.where(but_one, inputs[2], 0)}
    for x, expected in zip(leaves(case.metric(p, y, **given)), leaves(without), strict=True):
        np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="where they count"):
        case.metric(p, y)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float64])
def test_a_nan_of_every_dtype_comes_out(dtype):
    names = ("f1/macro", "roc_auc/macro", "ndcg_at_k", "brier_score/macro", "sketched_roc_auc")
    with jax.enable_x64(dtype == jnp.float64):
        for case in (c for c in CASES if str(c) in names):
            p, y, w = (jnp.asarray(x, None if x.dtype == bool else dtype) for x in data(case))
            for i in (1, 2) if case.decided else (0, 1, 2):
                inputs = [p, y, w]
                inputs[i] = inputs[i].at[ENTRY].set(jnp.nan)
                value = jitted(case)(*inputs[:2], np.ones(y.shape, bool), inputs[2])
                assert jnp.isnan(jnp.atleast_1d(value)[LABEL if case.per_label else 0])


@every_case
def test_strict_modes_pass_eagerly_and_jitted(case):
    p, y, w = data(case)
    where = np.arange(len(y))[:, None] < 7
    with (
        jax.debug_nans(True),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
    ):
        eager = case.metric(p, y.astype(bool))
        # Traced only: what is forbidden is so at trace time.
        jax.eval_shape(case.metric, p, y.astype(np.int32))
        jax.eval_shape(functools.partial(case.metric, where=where, weights=w[:, :1]), p, y)
    inside = jitted(case)(p, y, np.ones(y.shape, bool), np.ones_like(w))
    for x, z in zip(leaves(eager), leaves(inside), strict=True):
        np.testing.assert_allclose(x, z, rtol=1e-5, atol=1e-6)
    assert all(np.isfinite(x).all() for x in leaves(eager))


@every_case
def test_exports_with_a_symbolic_number_of_examples(case):
    p, y, w = data(case)
    (n,) = export.symbolic_shape("n")
    where = np.ones((len(y), 1), bool)
    shapes = [jax.ShapeDtypeStruct((n, x.shape[1]), x.dtype) for x in (p, y, where, w)]
    flat = jax.jit(lambda *arrays: jax.tree.leaves(jitted(case)(*arrays)))
    exported = export.deserialize(export.export(flat)(*shapes).serialize(vjp_order=0))
    # A subset is worth a mask, whose program there is already.
    got = leaves(exported.call(*(x[:5] for x in (p, y, where, w))))
    first = np.broadcast_to(np.arange(len(y))[:, None] < 5, y.shape)
    for x, expected in zip(got, leaves(jitted(case)(p, y, first, w)), strict=True):
        np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)


@every_case
def test_shapes_without_labels_or_examples_are_named(case):
    dtype = bool if case.decided else np.float32
    with pytest.raises(ValueError, match=r"at least one label|num_labels must be >= 1, got 0"):
        case.metric(np.zeros((3, 0), dtype), np.zeros((3, 0), bool))
    with pytest.raises(ValueError, match=r"at least one axis of examples.*x\[:, None\].*x\[None\]"):
        case.metric(np.zeros(4, dtype), np.zeros(4, bool))


@every_case
def test_where_nothing_counts_every_metric_is_nan_or_its_zero_division(case):
    p, y, w = data(case)
    expected = 0.0 if case.ratio or case.name == "threshold_counts" else np.nan
    for rows, where in ((0, np.ones((0, 4), bool)), (8, np.zeros((8, 4), bool))):
        values = jitted(case)(p[:rows], y[:rows], where, w[:rows])
        if case.name == "report/sets":
            values = {name: values[name] for name in SETS if not name.startswith("f1")}
        if case.name == "reliability":
            values = values.probability, values.frequency
        for x in leaves(values):
            np.testing.assert_array_equal(x, np.full_like(x, expected))


@pytest.mark.parametrize("case", [c for c in CASES if c.function in (
    "f1", "matthews", "average_precision", "roc_auc", "brier_score", "calibration_error"
)], ids=str)  # fmt: skip
def test_weights_of_labels_are_refused_where_they_cancel(case):
    p, y, _ = data(case)
    weights = np.array([1, 2, 3, 4], np.float32)
    average = case.name.rpartition("/")[2]
    if average in ("macro", "None", "skip", "matthews"):
        for given in (weights, weights[None]):
            with pytest.raises(ValueError, match="weigh labels, which cancels"):
                case.metric(p, y, weights=given)
    else:
        case.metric(p, y, weights=weights)
    # One example has no weights of examples: these are weights of entries, and a number is fine.
    case.metric(p, y, weights=2.0)
    jax.eval_shape(lambda *x: case.metric(*x, weights=weights), p[:1], y[:1])


def test_arrays_of_other_libraries_are_taken():
    pandas = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    for case in (c for c in CASES if str(c) in ("f1/macro", "roc_auc/macro", "Stream/f1")):
        p, y, w = data(case)
        y = y.astype(int)
        expected = case.metric(p, y, weights=w[:, :1])
        if case.function != "Stream":
            assert case.metric(p.tolist(), y.tolist(), weights=w[:, :1].tolist()) == expected
        assert case.metric(pandas.DataFrame(p), pandas.DataFrame(y), weights=w[:, :1]) == expected
        with pytest.raises(TypeError, match=r"labels must be a dense array.*toarray"):
            case.metric(p, sparse.csr_array(y))
