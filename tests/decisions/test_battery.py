"""Facts that hold for every decision rule."""

import contextlib
import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import KINDS, QUICK, RULES, data


def over(rules):
    return pytest.mark.parametrize(
        "rule",
        [pytest.param(r, id=str(r), marks=() if r in QUICK else pytest.mark.slow) for r in rules],
    )


rules = over(RULES)
one_of_each_kind = over(KINDS)


@functools.cache
def fitted(rule):
    """The decision that most tests look at, fitted once: of `data(3)`."""
    return rule.fit(*data(3))


@jax.jit
def decide(decision, scores):
    return decision(scores)


@functools.cache
def fitted_with(rule):
    """A jitted `fit(p, labels, where, weights)` that gives the rule what it takes."""

    def fit(p, labels, where, weights):
        given = {"where": where, "weights": weights}
        return rule.fit(p, labels, **{name: given[name] for name in rule.takes})

    return jax.jit(fit)


@rules
def test_fit_and_decide_under_vmap_over_seeds_and_jit_equal_eager(rule):
    p, labels = (jnp.stack(x) for x in zip(*(data(seed) for seed in range(3, 5)), strict=True))
    decisions = jax.jit(jax.vmap(rule.fit))(p, labels)
    decided = jax.jit(jax.vmap(lambda decision, p: decision(p)))(decisions, p)
    for i in range(2):
        eager = rule.fit(p[i], labels[i])
        out = eager(p[i])
        assert out.dtype == bool
        assert out.shape == p[i].shape
        np.testing.assert_array_equal(decided[i], out)
        fields = zip(jax.tree.leaves(decisions), jax.tree.leaves(eager), strict=True)
        for a, b in fields:
            # Fused and separate float32 operations round differently, and the minimum of a
            # logistic loss is flat: rounding of 1e-7 moves its place by the root of that and more.
            np.testing.assert_allclose(a[i] if jnp.ndim(a) else a, b, rtol=2e-3, atol=2e-3)


@rules
def test_leaves_save_and_load(rule):
    p, _ = data(3)
    decision = fitted(rule)
    leaves, structure = jax.tree.flatten(decision)
    # Numbers survive a file as numpy arrays; the structure is that of any fit of the rule.
    loaded = jax.tree.unflatten(
        jax.tree.structure(rule.fit(*data(4))), [np.asarray(x) for x in leaves]
    )
    assert jax.tree.structure(decision) == structure
    np.testing.assert_array_equal(loaded(p), decision(p))


@rules
def test_nan_and_integer_scores_are_refused_when_deciding(rule):
    p, _ = data(3)
    with pytest.raises(TypeError, match="must be floating point, got int"):
        fitted(rule)((p > 0.5).astype(np.int32))
    p[3, 1] = np.nan
    with pytest.raises(ValueError, match="must not be NaN"):
        fitted(rule)(p)


@over([r for r in RULES if "where" in r.takes])
def test_masked_rows_do_not_count_in_the_fit(rule):
    p, labels = data(6, n=27)
    where = np.ones((27, 1), bool)
    where[24:] = False
    spoiled, wrong = p.copy(), labels.copy()
    spoiled[24:], wrong[24:] = np.nan, 7
    # Programs that other tests compile too.
    where, weights = np.broadcast_to(where, p.shape), np.ones(p.shape, np.float32)
    masked = fitted_with(rule)(spoiled, np.float32(wrong), where, weights)
    subset = rule.fit(p[:24], labels[:24])
    np.testing.assert_array_equal(decide(masked, p[:24]), decide(subset, p[:24]))


FITS = [r for r in RULES if r.fits]
FITTED = [r for r in FITS if r.name not in ("top_k/density", "lipton_threshold/alone")]


@over(FITTED)
def test_a_fit_refuses_mismatched_shapes(rule):
    p, labels = data(7)
    with pytest.raises(ValueError, match=r"shape"):
        rule.fit(p, labels[:, :-1])


@over(FITTED)
def test_a_fit_refuses_nan_scores(rule):
    p, labels = data(7)
    p[2, 2] = np.nan
    with pytest.raises(ValueError, match="must not be NaN"):
        rule.fit(p, labels)


@over(FITTED)
def test_a_fit_refuses_soft_labels(rule):
    if rule.name == "knee_threshold":
        pytest.skip("labels serve the fall-back only, which reads them in the global threshold")
    p, labels = data(7)
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        rule.fit(p, labels * 0.5)


@one_of_each_kind
def test_fewer_examples_than_labels_decide(rule):
    p, labels = data(8, n=4, num_labels=9)
    assert jax.eval_shape(lambda p, y: rule.fit(p, y)(p), p, labels).shape == p.shape


@rules
def test_constant_scores_decide_or_warn(rule):
    p, labels = data(9)
    p[:] = 0.25
    if rule.name == "knee_threshold":
        with pytest.warns(UserWarning, match="no knee"):
            decided = rule.fit(p, labels)(p)
    else:
        decided = rule.fit(p, labels)(p)
    assert np.isin(np.asarray(decided), (False, True)).all()
    if rule.name.startswith(("global_threshold/m", "per_label", "knee")):
        # Uninformative scores: the F-optimal decision predicts everything.
        assert rule.name.endswith("mcc") or bool(decided.all())


def assert_equal_leaves(a, b, **tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, **tolerance)


def holds_nan(decision, c):
    """All floating numbers of label c, and those of all labels together, are NaN."""
    leaves = [np.asarray(x) for x in jax.tree.leaves(decision)]
    leaves = [x[..., c] if x.shape[-1:] == (5,) else x for x in leaves]
    floats = [x for x in leaves if np.issubdtype(x.dtype, np.floating)]
    # A number of labels cannot be NaN; 0 predicts nothing.
    return all(np.isnan(x).all() for x in floats) if floats else all(x == 0 for x in leaves)


@over(FITS)
def test_a_nan_that_counts_spoils_a_jitted_fit_and_one_that_does_not_changes_nothing(rule):
    p, labels = data(6, n=27)
    labels = labels.astype(np.float32)
    where, weights = np.ones(p.shape, bool), np.ones(p.shape, np.float32)
    where[25, 1] = weights[26, 1] = False
    fit = fitted_with(rule)
    clean = fit(p, labels, where, weights)
    inputs = [p, labels, weights] if "weights" in rule.takes else [p, labels]
    if rule.name == "top_k/density":
        inputs = inputs[1:]
    elif rule.name in ("lipton_threshold/alone", "knee_threshold"):
        inputs = [x for x in inputs if x is not labels]
    for x in inputs:
        x[25, 1] = np.nan
        if "weights" in rule.takes and x is not weights:
            x[26, 1] = np.nan
    assert_equal_leaves(fit(p, labels, where, weights), clean)
    if rule in KINDS:  # where a NaN that counts raises
        eager = rule.fit(
            p,
            labels,
            **{k: v for k, v in (("where", where), ("weights", weights)) if k in rule.takes},
        )
        np.testing.assert_array_equal(eager(np.nan_to_num(p)), decide(clean, np.nan_to_num(p)))
    for x in inputs:
        before, x[4, 1] = x[4, 1], np.nan
        spoiled = fit(p, labels, where, weights)
        # The calibrator of a label is its own, and FMaximizer has nothing fitted.
        part = spoiled.calibrator if rule.name.startswith("calibrated") else spoiled
        assert holds_nan(part, 1)
        assert not decide(spoiled, np.nan_to_num(p))[:, 1].any()
        x[4, 1] = before


def test_a_nan_of_one_label_spoils_its_own_threshold_only():
    p, labels = data(6)
    p[4, 1] = np.nan
    for fit in (sf.decisions.per_label_threshold, sf.decisions.lipton_threshold):
        np.testing.assert_array_equal(
            np.isnan(jax.jit(fit)(p, labels).threshold), [False, True, False, False, False]
        )


# Every dtype with every family of rules: a compilation each.
@over([r for r in FITS if "/" not in r.name])
def test_a_nan_spoils_a_fit_in_every_dtype(rule):
    for dtype in (jnp.float16, jnp.bfloat16, jnp.float64):
        with jax.enable_x64(True) if dtype == jnp.float64 else contextlib.nullcontext():
            p, labels = data(6)
            p = np.where(np.arange(5) == 1, np.nan, p)
            spoiled = jax.jit(rule.fit)(jnp.asarray(p, dtype), labels)
            assert holds_nan(spoiled, 1)


@rules
def test_a_nan_score_is_not_predicted_under_jit(rule):
    p, _ = data(3)
    decision = fitted(rule)
    clean = np.asarray(decide(decision, p))
    p[3, 1] = np.nan
    decided = np.asarray(decide(decision, p))
    assert not decided[3, 1]
    if not rule.name.startswith("block_coordinate"):  # decides all rows together
        np.testing.assert_array_equal(np.delete(decided, 3, 0), np.delete(clean, 3, 0))


@rules
def test_no_promotion_of_dtypes_or_ranks_and_no_nan_on_the_way(rule):
    p, labels = (jnp.asarray(x) for x in data(3))
    where, weights = jnp.ones((24, 1), bool), jnp.ones((24, 5), jnp.int32)
    given = {k: v for k, v in (("where", where), ("weights", weights)) if k in rule.takes}
    expected = decide(fitted(rule), p)
    with (
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        jax.debug_nans(True),
    ):
        decision = rule.fit(p, labels, **given)
        eager = decision(p, where=where)
        # Traced only: what is forbidden is so at trace time.
        jax.eval_shape(lambda p, y: rule.fit(p, y)(p), p, labels)
        single = jax.eval_shape(decision, p[0])
    np.testing.assert_array_equal(eager, expected)
    assert single.shape == (5,)


@rules
def test_a_decision_is_exported_with_a_symbolic_batch_alone_and_behind_a_model(rule):
    p, _ = data(3)
    decision = fitted(rule)
    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, 5), jnp.float32)
    kernel = jnp.eye(5)

    def model(x):
        return decision(jax.nn.sigmoid(x @ kernel))

    probabilities = jax.nn.sigmoid(p)
    functions = [(decision.__call__, probabilities), (model, p)]
    for function, given in functions if rule in KINDS else functions[:1]:
        exported = jax.export.export(jax.jit(function))(spec)
        call = jax.export.deserialize(exported.serialize()).call
        expected = decide(decision, probabilities)
        if function == model:
            np.testing.assert_array_equal(call(given), expected)
            continue
        few = call(given[:3])
        assert few.shape == (3, 5)
        if not rule.name.startswith("block_coordinate"):  # decides all rows together
            np.testing.assert_array_equal(few, expected[:3])


@rules
def test_a_decision_pickles_compares_and_hashes(rule):
    p, _ = data(3)
    decision = fitted(rule)
    loaded = pickle.loads(pickle.dumps(decision))
    assert loaded == decision
    assert hash(loaded) == hash(decision)
    assert jax.tree.leaves(decision) == [] or jax.tree.map(lambda x: x + 1, decision) != decision
    assert jax.tree.structure(loaded) == jax.tree.structure(decision)
    np.testing.assert_array_equal(loaded(p), decision(p))


@one_of_each_kind
def test_lists_are_taken_and_arrays_without_labels_and_fits_on_one_axis_are_refused(rule):
    p, labels = data(3)
    decision = rule.fit(p.tolist(), labels.tolist())
    np.testing.assert_array_equal(decision(p.tolist()), decide(fitted(rule), p))
    with pytest.raises(ValueError, match=r"must have shape \[..., num_labels\]"):
        decision(p[:, :0])
    if rule.fits:
        with pytest.raises(ValueError, match=r"at least one label|num_labels >= 1"):
            rule.fit(p[:, :0], labels[:, :0])
        with pytest.raises(ValueError, match=r"must have shape \[examples, num_labels\] in a fit"):
            rule.fit(p[0], labels[0])
        with pytest.raises(ValueError, match="at least one entry"):
            rule.fit(p[:0], labels[:0])


@over([r for r in FITS if "weights" in r.takes])
def test_integer_weights_are_repetitions(rule):
    if rule.name.endswith("folds"):
        pytest.skip("repetitions of an example fall into different folds")
    p, labels = data(10)
    times = np.random.default_rng(0).permutation(np.arange(24) % 3)
    weighted = rule.fit(p, labels, weights=times[:, None])
    repeated = rule.fit(np.repeat(p, times, 0), np.repeat(labels, times, 0))
    np.testing.assert_array_equal(weighted(p), repeated(p))
    if not rule.name.endswith("isotonic"):  # whose knots are as many as the examples
        # As for jitted and eager fits.
        assert_equal_leaves(weighted, repeated, rtol=2e-3, atol=2e-3)


@rules
def test_a_masked_label_is_never_predicted(rule):
    p, _ = data(3)
    decision = fitted(rule)
    where = np.random.default_rng(0).random(p.shape) < 0.5
    masked = decision(np.where(where, p, np.nan), where=where)
    assert not masked[~where].any()
    whole = np.asarray(decision(p))
    if rule.name in ("top_k", "top_k/density", "block_coordinate_ascent/k", "frank_wolfe/k"):
        # The ranks pass over masked labels.
        size = whole[0].sum()
        np.testing.assert_array_equal(masked.sum(-1), np.minimum(where.sum(-1), size))
    elif not rule.name.startswith(("block", "label_count", "f_max", "calibrated")):
        np.testing.assert_array_equal(masked, whole & where)


# From -inf to +inf over subnormal numbers, which XLA's CPU code takes for 0.
EXTREME = np.asarray([-np.inf, -3e38, -1e-40, 0.0, 1e-45, 1e-40, 3e38, np.inf], np.float32)
BY_ORDER = (
    "global_threshold/micro",
    "global_threshold/macro",
    "global_threshold/samples",
    "per_label_threshold",
    "top_k",
    "conformal_risk",
    "conformal_risk/per_label",
)


@over([r for r in RULES if r.name in BY_ORDER])
def test_a_rule_of_the_order_of_scores_decides_alike_whatever_the_scores(rule):
    p, labels = data(12, n=60, levels=8)
    extreme = EXTREME[np.round(p * 8 - 0.5).astype(int)]
    plain = rule.fit(p, labels)(p)
    np.testing.assert_array_equal(rule.fit(extreme, labels)(extreme), plain)
    assert 0 < plain.sum() < plain.size


def test_every_public_rule_is_in_the_battery():
    covered = {r.name.split("/")[0] for r in RULES}
    helpers = {"count_matrix_of_labels", "count_matrix_of_marginals", "counts_from_logits"}
    helpers |= {"expected_macro_utility", "knee_curve", "calibration"}
    public = {name for name in sf.decisions.__all__ if name.islower()}
    assert public - helpers == covered
