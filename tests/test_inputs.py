"""Argument checks: what is concrete is checked, whatever else is traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.catalogue import CASES, batch
from tests.losses.test_stateful import CASES as STATEFUL

LOGITS = np.array([[1.5, -0.5], [-1.0, 0.25], [0.5, 2.0]], np.float32)
LABELS = np.array([[1, 0], [0, 1], [1, 1]])
WHERE = np.array([[True, True], [False, True], [True, True]])

FUNCTIONS = {
    "confusion": lambda z, y, w: sf.confusion(z, y, where=w),
    "hard confusion": lambda z, y, w: sf.confusion(z > 0, y, where=w),
    "soft_f1": lambda z, y, w: sf.losses.soft_f1(z, y, where=w),
    "tencent": lambda z, y, w: sf.losses.tencent(
        z, y, sf.losses.tencent.init(2), where=w, key=jax.random.key(0)
    ),
    "label_count": lambda z, y, w: sf.losses.label_count(z, y, where=w),
    "f1": lambda z, y, w: sf.metrics.f1(z > 0, y, where=w),
    "subset_accuracy": lambda z, y, w: sf.metrics.subset_accuracy(z > 0, y, where=w),
    "roc_auc": lambda z, y, w: sf.metrics.roc_auc(z, y, where=w),
    "global_threshold": lambda z, y, w: sf.decisions.global_threshold(z, y, where=w),
    "per_label_threshold": lambda z, y, w: sf.decisions.per_label_threshold(z, y, where=w),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("transform", [jax.jit, jax.vmap])
@pytest.mark.parametrize("traced", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)], ids=str)
def test_any_argument_may_be_traced_beside_concrete_ones(name, transform, traced):
    given = [LOGITS, LABELS, WHERE]

    def function(*some):
        arrays = list(given)
        for i, x in zip(traced, some, strict=True):
            arrays[i] = x
        return FUNCTIONS[name](*arrays)

    arrays = [jnp.asarray(given[i]) for i in traced]
    if transform is jax.vmap:
        arrays = [x[None] for x in arrays]
    result, expected = transform(function)(*arrays), FUNCTIONS[name](*given)
    for got, wanted in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.ravel(got), np.ravel(wanted), rtol=1e-6)


def test_concrete_arguments_are_checked_inside_jit_too():
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 1\]"):
        jax.jit(lambda z: sf.losses.soft_f1(z, LABELS * 2))(LOGITS)
    with pytest.raises(ValueError, match="weights must be >= 0"):
        jax.jit(lambda z: sf.losses.soft_f1(z, LABELS, weights=-np.ones(2)))(LOGITS)


def test_integer_decisions_behind_the_mask_are_not_looked_at():
    decisions = np.where(WHERE, LABELS, 7)
    assert sf.confusion(decisions, LABELS, where=WHERE).tp.tolist() == [2, 2]
    with pytest.raises(ValueError, match="integer decisions must be 0 or 1 where they count"):
        sf.confusion(decisions, LABELS)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
# A ratio of logits has no bound on its gradient: unbounded_f1 is out.
@pytest.mark.parametrize("case", [c for c in CASES if c.name != "unbounded_f1"], ids=str)
def test_infinite_logits_are_large_logits(case, dtype):
    logits, labels = batch(0, (6, 4))
    logits[1], logits[2, 1], logits[3, 2] = np.inf, -np.inf, np.inf
    labels[:, 3] = logits[:, 3] > 0
    function = jax.jit(jax.value_and_grad(lambda z: jnp.sum(case.objective(z, labels))))
    value, gradient = function(jnp.asarray(logits, dtype))
    assert np.isfinite(value)
    assert np.isfinite(np.asarray(gradient, np.float32)).all()
    assert not np.asarray(gradient, np.float32)[~np.isfinite(logits)].any()


def test_right_infinite_logits_cost_nothing():
    logits = jnp.where(LABELS == 1, jnp.inf, -jnp.inf)
    for name in ("binary_cross_entropy", "focal", "asymmetric", "hinge", "squared_hinge"):
        assert not np.any(getattr(sf.losses, name)(logits, LABELS)), name
    assert sf.losses.soft_f1(logits, LABELS) == 0


def test_tencent_refuses_labels_that_are_neither_unknown_nor_in_range():
    loss, state = sf.losses.tencent, sf.losses.tencent.init(2)
    for wrong in (-0.5, np.nan, -2.0):
        with pytest.raises(ValueError, match=r"labels must lie in \[0, 1\]"):
            loss(LOGITS, np.where(WHERE, LABELS, wrong), state, key=jax.random.key(0))


def test_sparse_indices_of_small_integers_and_of_no_positives():
    logits = np.linspace(-1, 1, 600, dtype=np.float32).reshape(2, 300)
    indices = np.array([[3, -1], [100, 7]])
    expected = sf.losses.zlpr_sparse(logits, indices)
    assert sf.losses.zlpr_sparse(logits, indices.astype(np.int8)) == expected
    none = sf.losses.zlpr_sparse(logits, np.zeros((2, 0), np.int32))
    np.testing.assert_allclose(none, sf.losses.zlpr(logits, np.zeros((2, 300))), rtol=1e-6)


def test_a_number_for_zero_division_does_not_widen_the_result():
    with jax.enable_x64(True):
        for name in ("g_mean", "informedness", "mcc", "balanced_accuracy", "f1"):
            score = getattr(sf.scores, name)
            counts = sf.confusion(jnp.asarray(LOGITS), LABELS)
            assert score(counts, zero_division=np.float64(0.0)).dtype == jnp.float32, name


def test_gradients_by_the_map_of_distribution_balanced_are_finite_without_positives():
    objective = sf.objectives.distribution_balanced(class_frequency=2.0, num_examples=9.0)
    gradient = jax.grad(lambda o: o(LOGITS, np.zeros_like(LABELS)))(objective)
    assert all(np.isfinite(x) for x in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    "setting", [("jax_numpy_dtype_promotion", "strict"), ("jax_numpy_rank_promotion", "raise")]
)
def test_users_may_forbid_implicit_promotion(setting):
    name, value = setting
    logits, labels = batch(0, (4, 3))
    logits, labels = jnp.asarray(logits, jnp.float32), jnp.asarray(labels)
    options = {"where": np.ones((4, 1), bool), "weights": np.ones(3, np.float32)}
    each = np.ones(3, np.float32)
    functions = [
        *(lambda z, c=c: jnp.sum(c.objective(z, labels, **options)) for c in CASES),
        *(lambda z, c=c: c(z, labels, c.init(3), **options)[0] for c in STATEFUL),
        lambda z: sf.losses.sigmoid_f1(z, labels, slope=each, offset=each),
        lambda z: jnp.sum(sf.losses.binary_cross_entropy(z, labels, pos_weight=each)),
        *(lambda z, a=a: sf.metrics.f1(z > 0, labels, average=a) for a in ("micro", "samples")),
        lambda z: sf.metrics.subset_accuracy(z > 0, labels),
        lambda z: sf.decisions.global_threshold(z, labels).threshold,
    ]
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        for function in functions:
            jax.eval_shape(jax.grad(function), logits)
    finally:
        jax.config.update(name, before)
