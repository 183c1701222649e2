"""Metrics of scores equal scikit-learn's, ties, empty rows and one-class labels included."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

import sigmoidf1_jax as sf
from sigmoidf1_jax import _keys
from tests.metrics.strategies import FAST, SHAPES, close, labelled, reference

pytestmark = pytest.mark.xdist_group("metrics_ranking")

AVERAGES = ["micro", "macro", "weighted", "samples", None]
AREAS = {"average_precision": sk.average_precision_score, "roc_auc": sk.roc_auc_score}
ROWS = {
    "label_ranking_average_precision": sk.label_ranking_average_precision_score,
    "coverage_error": sk.coverage_error,
    "ranking_loss": sk.label_ranking_loss,
}


@functools.cache
def jitted(name, **options):
    return jax.jit(functools.partial(getattr(sf.metrics, name), **options))


@functools.cache
def at_k(name):
    return jax.jit(getattr(sf.metrics, name), static_argnames="k")


@pytest.mark.slow
@pytest.mark.parametrize("name", AREAS)
@FAST
@given(data=labelled(), average=st.sampled_from(AVERAGES))
def test_areas_equal_scikit_learn(name, data, average):
    scores, labels, _ = data
    expected = reference(AREAS[name], labels, scores, average=average)
    close(jitted(name, average=average)(scores, labels), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", AREAS)
@FAST
@given(data=labelled(shapes=[(7, 5)]), average=st.sampled_from(AVERAGES))
def test_weighted_areas_equal_scikit_learn_with_sample_weight(name, data, average):
    scores, labels, weights = data
    keep = weights > 0
    # scikit-learn sees classes in examples of weight 0 and we do not: it gets the others only.
    expected = reference(
        AREAS[name], labels[keep], scores[keep], average=average, sample_weight=weights[keep]
    )
    close(jitted(name, average=average)(scores, labels, weights=weights[:, None]), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
@FAST
@given(data=labelled())
def test_row_metrics_equal_scikit_learn(name, data):
    scores, labels, weights = data
    close(jitted(name)(scores, labels), reference(ROWS[name], labels, scores))
    expected = reference(ROWS[name], labels, scores, sample_weight=weights)
    close(jitted(name)(scores, labels, weights=weights[:, None]), expected)


@pytest.mark.slow
@FAST
@given(data=labelled(), k=st.integers(1, 5))
def test_ndcg_equals_scikit_learn(data, k):
    scores, labels, weights = data
    k = min(k, labels.shape[1])
    expected = reference(sk.ndcg_score, labels, scores, k=k, sample_weight=weights)
    close(at_k("ndcg_at_k")(scores, labels, k=k, weights=weights[:, None]), expected)


@pytest.mark.slow
@FAST
@given(data=labelled(), k=st.integers(1, 5))
def test_top_k_metrics_equal_a_stable_numpy_sort(data, k):
    scores, labels, _ = data
    k = min(k, labels.shape[1])
    top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(labels, top, 1).sum(1)
    true = labels.sum(1)
    one = np.maximum(true, 1)
    close(at_k("precision_at_k")(scores, labels, k=k), np.mean(found / k))
    close(at_k("recall_at_k")(scores, labels, k=k), np.mean(found / one))
    close(at_k("r_precision_at_k")(scores, labels, k=k), np.mean(found / np.minimum(one, k)))
    first = np.take_along_axis(labels, top[:, :1], 1)
    close(jitted("one_error")(scores, labels), 1 - first.mean())
    worth = np.arange(1.0, labels.shape[1] + 1, dtype=np.float32)
    got = np.take_along_axis(labels * worth, top, 1).sum()
    best = -np.sort(-labels * worth, axis=1)[:, :k].sum()
    expected = got / best if best else 0.0
    actual = at_k("psp_at_k")(scores, labels, k=k, inverse_propensities=worth)
    close(actual, expected)


@pytest.mark.slow
@FAST
@given(data=labelled(shapes=[(7, 5)]), seed=st.integers(0, 3))
def test_masking_rows_and_columns_equals_taking_the_subset(data, seed):
    scores, labels, _ = data
    rng = np.random.default_rng(seed)
    rows, columns = rng.random(labels.shape[0]) < 0.6, rng.random(labels.shape[1]) < 0.6
    rows[0], columns[:2] = True, True
    mask = rows[:, None] & columns
    spoiled = np.where(mask, scores, np.nan)
    subset = scores[rows][:, columns], labels[rows][:, columns]
    for average in AVERAGES[:-1]:
        for name, function in AREAS.items():
            actual = jitted(name, average=average)(spoiled, labels, where=mask)
            close(actual, reference(function, subset[1], subset[0], average=average))
    for name, function in ROWS.items():
        actual = jitted(name)(spoiled, labels, where=mask)
        close(actual, reference(function, subset[1], subset[0]))
    expected = reference(sk.ndcg_score, subset[1], subset[0], k=2)
    close(at_k("ndcg_at_k")(spoiled, labels, k=2, where=mask), expected)
    top = np.argsort(-subset[0], axis=1, kind="stable")[:, :2]
    found = np.take_along_axis(subset[1], top, 1)
    close(at_k("precision_at_k")(spoiled, labels, k=2, where=mask), found.mean())
    close(jitted("one_error")(spoiled, labels, where=mask), 1 - found[:, 0].mean())


@pytest.mark.slow
def test_everything_masked_gives_the_documented_values():
    shape = SHAPES[0]
    scores, labels = np.full(shape, np.nan, np.float32), np.ones(shape, np.int32)
    where = np.zeros(shape, bool)
    for name in AREAS:
        for average in AVERAGES:
            value = getattr(sf.metrics, name)(scores, labels, where=where, average=average)
            assert jnp.isnan(value).all()
    for name in ROWS:
        assert jnp.isnan(getattr(sf.metrics, name)(scores, labels, where=where))


def test_a_label_without_positives_has_average_precision_0_and_auc_nan():
    scores, labels = np.eye(3, dtype=np.float32), np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1]])
    ap = sf.metrics.average_precision(scores, labels, average=None)
    auc = sf.metrics.roc_auc(scores, labels, average=None)
    np.testing.assert_array_equal(ap, [1, 0, 1])
    np.testing.assert_array_equal(auc, [1, np.nan, np.nan])
    assert np.isnan(sf.metrics.roc_auc(scores, labels))


@pytest.mark.slow
@pytest.mark.parametrize("name", AREAS)
def test_undefined_areas_can_be_left_out_of_every_average(name):
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(9, 5)).astype(np.float32), rng.integers(0, 2, (9, 5))
    # A label and an example of one class each; the others have both.
    labels[:, :2], labels[:2] = [1, 0], [[1], [0]]
    labels[2:, 4], labels[3], labels[4] = 0, [0, 0, 0, 0, 0], [1, 0, 1, 0, 0]
    labels[0, 4] = 0
    function, each = getattr(sf.metrics, name), AREAS[name]
    needed = [1] if name == "average_precision" else [0, 1]
    of_labels = [i for i, y in enumerate(labels.T) if set(needed) <= set(y)]
    of_examples = [i for i, y in enumerate(labels) if set(needed) <= set(y)]
    assert len(of_labels) < 5
    assert len(of_examples) < 9
    areas = [each(labels[:, c], scores[:, c]) for c in of_labels]
    close(function(scores, labels, undefined="skip"), np.mean(areas))
    weighted = np.average(areas, weights=labels.sum(0)[of_labels])
    close(function(scores, labels, undefined="skip", average="weighted"), weighted)
    areas = [each(labels[i], scores[i]) for i in of_examples]
    close(function(scores, labels, undefined="skip", average="samples"), np.mean(areas))
    for undefined, value in (("zero", 0.0), ("nan", np.nan), ("skip", np.nan)):
        each_label = np.asarray(function(scores, labels, undefined=undefined, average=None))
        out = np.delete(each_label, of_labels)
        np.testing.assert_array_equal(out, np.full(len(out), value))
    assert np.isnan(function(scores, labels, undefined="nan"))
    for average in ("macro", "micro", "weighted", "samples"):
        nothing = function(scores, np.zeros_like(labels), undefined="skip", average=average)
        assert np.isnan(nothing)
    with pytest.raises(ValueError, match="undefined must be"):
        function(scores, labels, undefined="drop")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["where", "weights"])
def test_a_score_of_minus_infinity_still_comes_before_what_does_not_count(kind):
    tiny = float(np.finfo(np.float32).smallest_subnormal)
    low = float(np.finfo(np.float32).min)
    rng = np.random.default_rng(0)
    pool = [-np.inf, low, -1.0, -2 * tiny, -tiny, 0.0, tiny, 2 * tiny, 1.0, np.inf]
    worth = np.arange(1.0, 8.0, dtype=np.float32)
    for k in (1, 4):
        for trial in range(10):
            # Half of the trials have so many that they are among the best k.
            few = pool[: 3 if trial % 2 else None]
            scores = rng.choice(few, (4, 7)).astype(np.float32)
            labels = rng.random((4, 7)) < 0.5
            labels[:, 0], kept = True, rng.permutation(7)[:4]
            kept = np.unique(np.r_[0, kept])
            counts = np.isin(np.arange(7), kept)[None]
            # What does not count would win.
            spoiled = np.where(counts, scores, np.inf)
            mask = {"where": counts} if kind == "where" else {
                "weights": np.repeat(counts, 4, 0).astype(np.float32)
            }  # fmt: skip
            subset = scores[:, kept], labels[:, kept]
            for name in ("precision_at_k", "recall_at_k", "r_precision_at_k", "ndcg_at_k"):
                value = at_k(name)(spoiled, labels | ~counts, k=k, **mask)
                close(value, getattr(sf.metrics, name)(*subset, k))
            value = at_k("psp_at_k")(
                spoiled, labels | ~counts, k=k, inverse_propensities=worth, **mask
            )
            close(value, sf.metrics.psp_at_k(*subset, k, worth[kept]))
            # All scores are distinct to the ranking, subnormal ones too.
            order = np.argsort(-subset[0].astype(np.float64), 1, kind="stable")[:, :k]
            found = np.take_along_axis(subset[1], order, 1)
            close(sf.metrics.precision_at_k(*subset, k), found.mean())


def test_minus_zero_ties_with_zero():
    scores = np.array([[-0.0], [0.0]], np.float32)
    assert sf.metrics.roc_auc(scores, np.array([[0], [1]])) == 0.5
    assert sf.metrics.roc_auc(scores, np.array([[1], [0]])) == 0.5


def test_infinite_scores_are_ranked():
    scores = np.array([[np.inf], [1e-45], [0.0], [-np.inf]], np.float32)
    assert sf.metrics.roc_auc(scores, np.array([[1], [1], [0], [0]])) == 1
    assert sf.metrics.coverage_error(scores.T, np.array([[1, 0, 0, 0]])) == 1


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_scores_are_ranked_as_they_are(dtype):
    rng = np.random.default_rng(0)
    scores = jnp.asarray(rng.normal(size=(50, 4)), dtype)
    labels = rng.integers(0, 2, (50, 4))
    exact = np.asarray(scores.astype(jnp.float32))
    for name, function in (AREAS | ROWS).items():
        value = getattr(sf.metrics, name)(scores, labels)
        assert value.dtype == jnp.float32
        close(value, function(labels, exact))


@pytest.mark.slow
def test_float64_scores_are_compared_in_float64():
    scores = np.array([[1.0], [1.0 + 1e-12]])
    with jax.enable_x64(True):
        value = sf.metrics.roc_auc(scores, np.array([[0], [1]]))
        assert value.dtype == jnp.float64
        assert value == 1
        far = np.array([[1e-300], [1e300], [0.0]])
        assert sf.metrics.roc_auc(far, np.array([[0], [1], [0]])) == 1


@pytest.mark.slow
def test_vmap_equals_a_loop():
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=(3, 9, 5)), 1).astype(np.float32)
    labels = rng.integers(0, 2, (3, 9, 5))
    for name in ("average_precision", "ranking_loss", "coverage_error"):
        function = getattr(sf.metrics, name)
        expected = [function(s, y) for s, y in zip(scores, labels, strict=True)]
        np.testing.assert_allclose(jax.vmap(function)(scores, labels), expected, rtol=1e-6)


@pytest.mark.slow
def test_leading_axes_all_hold_examples():
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(2, 6, 4)).astype(np.float32), rng.integers(0, 2, (2, 6, 4))
    flat = scores.reshape(12, 4), labels.reshape(12, 4)
    for name in (*AREAS, *ROWS, "one_error"):
        function = getattr(sf.metrics, name)
        assert function(scores, labels) == function(*flat)


def test_keys_order_floats_as_floats_do():
    tiny = float(np.finfo(np.float32).smallest_subnormal)
    values = np.array([-np.inf, -1e30, -1, -1e-38, -tiny, -0.0, tiny, 1e-38, 1, np.inf], np.float32)
    keys = np.asarray(_keys.integer_keys(jnp.asarray(values)))
    assert (np.diff(keys.astype(np.int64)) > 0).all()


@pytest.mark.slow
def test_long_columns_keep_six_digits():
    rng = np.random.default_rng(2)
    labels = (rng.random((50_000, 2)) < 0.3).astype(np.int32)
    scores = (rng.normal(size=labels.shape) + labels).astype(np.float32)
    for name, function in AREAS.items():
        close(getattr(sf.metrics, name)(scores, labels), function(labels, scores), rtol=1e-6)
        expected = function(labels, scores, average="micro")
        close(getattr(sf.metrics, name)(scores, labels, average="micro"), expected, rtol=1e-6)
