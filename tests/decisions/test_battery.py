"""Facts that hold for every decision rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import RULES, data

rules = pytest.mark.parametrize("rule", RULES, ids=str)


@rules
def test_fit_and_decide_under_vmap_over_seeds_and_jit_equal_eager(rule):
    p, labels = (jnp.stack(x) for x in zip(*(data(seed) for seed in range(3)), strict=True))
    decisions = jax.jit(jax.vmap(rule.fit))(p, labels)
    decided = jax.jit(jax.vmap(lambda decision, p: decision(p)))(decisions, p)
    for i in range(3):
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
    p, labels = data(3)
    decision = rule.fit(p, labels)
    leaves, structure = jax.tree.flatten(decision)
    # Numbers survive a file as numpy arrays; the structure is that of any fit of the rule.
    loaded = jax.tree.unflatten(
        jax.tree.structure(rule.fit(*data(4))), [np.asarray(x) for x in leaves]
    )
    assert jax.tree.structure(decision) == structure
    np.testing.assert_array_equal(loaded(p), decision(p))


@rules
def test_nan_scores_are_refused_when_deciding(rule):
    p, labels = data(5)
    decision = rule.fit(p, labels)
    p[3, 1] = np.nan
    with pytest.raises(ValueError, match="must not be NaN"):
        decision(p)


@rules
def test_integer_scores_are_refused_when_deciding(rule):
    p, labels = data(5)
    with pytest.raises(TypeError, match="must be floating point, got int"):
        rule.fit(p, labels)((p > 0.5).astype(np.int32))


@pytest.mark.parametrize("rule", [r for r in RULES if r.takes_where], ids=str)
def test_masked_rows_do_not_count_in_the_fit(rule):
    p, labels = data(6, n=27)
    where = np.ones((27, 1), bool)
    where[24:] = False
    spoiled, wrong = p.copy(), labels.copy()
    spoiled[24:], wrong[24:] = np.nan, 7
    masked = rule.fit(spoiled, wrong, where=jnp.asarray(where))
    subset = rule.fit(p[:24], labels[:24])
    np.testing.assert_array_equal(masked(p), subset(p))


FITTED = [
    r for r in RULES if r.takes_where and r.name not in ("top_k/density", "lipton_threshold/alone")
]


@pytest.mark.parametrize("rule", FITTED, ids=str)
def test_a_fit_refuses_mismatched_shapes(rule):
    p, labels = data(7)
    with pytest.raises(ValueError, match=r"shape"):
        rule.fit(p, labels[:, :-1])


@pytest.mark.parametrize("rule", FITTED, ids=str)
def test_a_fit_refuses_nan_scores(rule):
    p, labels = data(7)
    p[2, 2] = np.nan
    with pytest.raises(ValueError, match="must not be NaN"):
        rule.fit(p, labels)


@pytest.mark.parametrize("rule", FITTED, ids=str)
def test_a_fit_refuses_soft_labels(rule):
    if rule.name == "knee_threshold":
        pytest.skip("labels serve the fall-back only, which reads them in the global threshold")
    p, labels = data(7)
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        rule.fit(p, labels * 0.5)


# A shape of its own means a compilation: variants of a rule share their handling of shapes.
@pytest.mark.parametrize("rule", [r for r in RULES if "/" not in r.name], ids=str)
def test_fewer_examples_than_labels_decide(rule):
    p, labels = data(8, n=4, num_labels=9)
    assert rule.fit(p, labels)(p).shape == p.shape


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


def test_every_public_rule_is_in_the_battery():
    covered = {r.name.split("/")[0] for r in RULES}
    helpers = {"count_matrix_of_labels", "count_matrix_of_marginals", "counts_from_logits"}
    helpers |= {"expected_macro_utility", "knee_curve", "calibration"}
    public = {name for name in sf.decisions.__all__ if name.islower()}
    assert public - helpers == covered
