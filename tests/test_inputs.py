"""Argument checks: what is concrete is checked, whatever else is traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf

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
