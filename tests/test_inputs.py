"""Argument checks: what is concrete is checked, whatever else is traced."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import sigmoidf1_jax as sf
from tests.catalogue import KINDS, batch
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


@functools.cache
def of_concrete(name):
    return FUNCTIONS[name](LOGITS, LABELS, WHERE)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("traced", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)], ids=str)
def test_any_argument_may_be_traced_beside_concrete_ones(name, traced):
    given = [LOGITS, LABELS, WHERE]

    def function(*some):
        arrays = list(given)
        for i, x in zip(traced, some, strict=True):
            arrays[i] = x
        return FUNCTIONS[name](*arrays)

    arrays = [jnp.asarray(given[i]) for i in traced]
    expected = of_concrete(name)
    # What is refused is so at trace time: jit need not compile.
    shapes = jax.eval_shape(function, *arrays)
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, expected)
    result = jax.vmap(function)(*(x[None] for x in arrays))
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_gradients_by_the_map_of_distribution_balanced_are_finite_without_positives():
    objective = sf.objectives.distribution_balanced(class_frequency=2.0, num_examples=9.0)
    gradient = jax.grad(lambda o: o(LOGITS, np.zeros_like(LABELS)))(objective)
    assert all(np.isfinite(x) for x in jax.tree.leaves(gradient))


@pytest.mark.slow
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
        *(lambda z, c=c: jnp.sum(c.objective(z, labels, **options)) for c in KINDS),
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


OUT_OF_RANGE = [
    ("focal", {"alpha": 3.0}, "alpha"),
    ("focal", {"gamma": -1.0}, "gamma"),
    ("asymmetric", {"shift": 1.5}, "shift"),
    ("asymmetric", {"shift": -0.1}, "shift"),
    ("binary_cross_entropy", {"label_smoothing": 3.0}, "label_smoothing"),
    ("binary_cross_entropy", {"pos_weight": np.array([1.0, -1.0])}, "pos_weight"),
    ("hill", {"height": np.inf}, "height"),
    ("propensity_weighted", {"propensity": 2.0}, "propensity"),
    ("class_balanced", {"class_frequency": np.array([0.2, 0.4])}, "class_frequency"),
    ("class_balanced", {"class_frequency": np.array([-2.0, 4.0])}, "class_frequency"),
    ("distribution_balanced", {"class_frequency": 0.3, "num_examples": 9.0}, "class_frequency"),
    ("negative_tolerant", {"class_frequency": 3.0, "num_examples": 0.5}, "num_examples"),
    ("positive_unlabeled", {"prior": 1.5}, "prior"),
    ("cross_entropy_with_count", {"count_weight": -1.0}, "count_weight"),
    ("rank_hinge", {"margin": -1.0}, "margin"),
    ("bp_mll", {"limit": np.nan}, "limit"),
    ("auc_margin", {"margin": np.nan}, "margin"),
    ("soft_f1", {"zero_division": 5.0}, "zero_division"),
    ("mcc", {"zero_division": -2.0}, "zero_division"),
    ("g_mean", {"zero_division": -0.5}, "zero_division"),
    ("score_oriented", {"mu": 3.0}, "mu"),
    ("sigmoid_f1", {"slope": 0.0}, "slope"),
    ("sigmoid_f1", {"offset": np.inf}, "offset"),
]
STATEFUL_OUT_OF_RANGE = [
    ("tencent", {"pos_weight": -5.0}, "pos_weight"),
    ("tencent", {"threshold": 2.0}, "threshold"),
    ("tencent", {"negative_rate": 1.5}, "negative_rate"),
    ("average_precision", {"gamma": 7.0}, "gamma"),
    ("average_precision", {"margin": 0.0}, "margin"),
    ("cost_sensitive_f_beta", {"level": 2.0}, "level"),
    ("recall_at_precision", {"precision": 1.0}, "precision"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "hyper", "argument"), OUT_OF_RANGE, ids=str)
def test_a_hyperparameter_out_of_range_is_named(name, hyper, argument):
    with pytest.raises(ValueError, match=f"{argument} must be"):
        getattr(sf.losses, name)(LOGITS, LABELS, **hyper)


@pytest.mark.parametrize(("name", "hyper", "argument"), STATEFUL_OUT_OF_RANGE, ids=str)
def test_a_hyperparameter_of_a_loss_with_state_out_of_range_is_named(name, hyper, argument):
    with pytest.raises(ValueError, match=f"{argument} must be"):
        getattr(sf.objectives, name)(**hyper)


def test_surrogates_slopes_and_scores_name_what_is_out_of_range():
    counts = sf.Confusion(1.0, 1.0, 1.0, 1.0)
    for call, argument in (
        (lambda: sf.surrogates.sigmoid(-1.0), "slope"),
        (lambda: sf.surrogates.linear(0.5, 0.0), "delta"),
        (lambda: sf.surrogates.hard(np.nan), "threshold"),
        (lambda: sf.slopes.init_learned(0.0), "slope"),
        (lambda: sf.slopes.init_posterior(1.0, scale=-1.0), "scale"),
        (lambda: sf.scores.f1(counts, zero_division=5), "zero_division"),
        (lambda: sf.scores.f_beta(counts, -1.0), "beta"),
        (lambda: sf.scores.jaccard(counts, smoothing=-1.0), "smoothing"),
        (lambda: sf.metrics.f1(LABELS, LABELS, zero_division=5), "zero_division"),
    ):
        with pytest.raises(ValueError, match=f"{argument} must be"):
            call()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["soft_f1", "auc_margin", "positive_unlabeled"])
def test_weights_of_labels_are_refused_where_they_would_cancel(name):
    hyper = {"prior": 0.1} if name == "positive_unlabeled" else {}
    loss = getattr(sf.losses, name)
    with pytest.raises(ValueError, match="weigh labels, which cancels"):
        loss(LOGITS, LABELS, weights=np.array([1.0, 2.0]), **hyper)
    # Equal weights are meant to change nothing, and weights of entries do not cancel.
    plain = loss(LOGITS, LABELS, **hyper)
    np.testing.assert_allclose(loss(LOGITS, LABELS, weights=np.ones(2), **hyper), plain, rtol=1e-6)
    entries = np.array([[3.0, 2.0], [2.0, 1.0], [1.0, 1.0]])
    assert loss(LOGITS, LABELS, weights=entries, **hyper) != plain


@pytest.mark.slow
def test_labels_without_positives_can_leave_the_macro_loss():
    logits = np.array([[2.0, -1.0, 0.3], [-3.0, 1.0, 0.1]], np.float32)
    labels = np.array([[1, 0, 0], [0, 1, 0]])
    for average in ("macro", "weighted"):

        def loss(z, y, average=average):
            return sf.losses.soft_f1(z, y, zero_division=np.nan, average=average)

        value, gradient = jax.value_and_grad(loss)(logits, labels)
        np.testing.assert_allclose(
            value, sf.losses.soft_f1(logits[:, :2], labels[:, :2], average=average), rtol=1e-6
        )
        assert not gradient[:, 2].any()
        assert gradient[:, :2].all()
        assert jax.value_and_grad(loss)(logits, 0 * labels)[0] == 0
    each = sf.losses.soft_f1(logits, labels, zero_division=np.nan, average=None)
    assert np.isnan(each).tolist() == [False, False, True]
    # The metric means another thing: scikit-learn leaves out 0/0 only.
    predicted = sf.metrics.f1(np.ones((2, 3), bool), labels, zero_division=np.nan)
    np.testing.assert_allclose(predicted, 4 / 9, rtol=1e-6)


class Tensor:
    """What other libraries' arrays offer: NumPy's conversion."""

    def __init__(self, values, fails=False):
        self.values, self.fails = values, fails

    def __array__(self, dtype=None, copy=None):
        if self.fails:
            raise RuntimeError("it requires grad: detach it first")
        return np.asarray(self.values, dtype)


@pytest.mark.slow
def test_arrays_of_other_libraries_are_read_or_refused_in_one_line():
    expected = sf.losses.soft_f1(LOGITS, LABELS)
    for logits, labels in (
        (LOGITS.tolist(), LABELS.tolist()),
        (Tensor(LOGITS), Tensor(LABELS.astype(bool))),
    ):
        assert sf.losses.soft_f1(logits, labels) == expected
    for wrong, message in (
        (
            scipy.sparse.csr_matrix(LABELS),
            r"dense array, got a csr_matrix: pass labels.toarray\(\)",
        ),
        (np.array([["a", "b"]] * 3), "got ndarray whose values are <U1"),
        ([[1, 0], [1]], "labels must be an array of numbers, got list"),
        (None, "labels must be an array of numbers, got NoneType"),
        (Tensor(LABELS, fails=True), "got Tensor: it requires grad"),
    ):
        with pytest.raises(TypeError, match=message):
            sf.losses.soft_f1(LOGITS, wrong)
    with pytest.raises(ValueError, match=r"at least one label, got shape \(3, 0\)"):
        sf.losses.soft_f1(LOGITS[:, :0], LABELS[:, :0])


@pytest.mark.slow
def test_infinite_logits_of_counts_are_finite():
    value = sf.losses.label_count(np.array([[np.inf, 0.0], [-np.inf, 1.0]], np.float32), LABELS[:2])
    assert np.isfinite(value)
