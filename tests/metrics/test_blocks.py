"""Large arrays are computed in blocks and short tie groups by looking back: same values."""

import functools

import jax
import numpy as np
import pytest
import sklearn.metrics as sk

import sigmoidf1_jax as sf
from sigmoidf1_jax import _tiles

pytestmark = pytest.mark.xdist_group("metrics_blocks")

m = sf.metrics
SCORED = [
    (m.average_precision, sk.average_precision_score),
    (m.roc_auc, sk.roc_auc_score),
    (functools.partial(m.average_precision, average="samples"),
     functools.partial(sk.average_precision_score, average="samples")),
    (m.label_ranking_average_precision, sk.label_ranking_average_precision_score),
    (m.coverage_error, sk.coverage_error),
    (m.ranking_loss, sk.label_ranking_loss),
]  # fmt: skip


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_tiles, "ENTRIES", 64)
    jax.clear_caches()
    yield
    jax.clear_caches()


def data():
    rng = np.random.default_rng(0)
    # 53 x 7 is no multiple of a block in either axis.
    scores, labels = rng.integers(0, 30, (53, 7)) / np.float32(30), rng.random((53, 7)) < 0.4
    # Both classes in every row and column, so that no reference warns.
    labels[:, 0] = np.arange(53) % 2 == 0
    labels[:, 1] = ~labels[:, 0]
    return scores, labels


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "reference"), SCORED)
def test_blocks_of_scores(ours, reference, small_blocks):
    scores, labels = data()
    np.testing.assert_allclose(ours(scores, labels), reference(labels, scores), rtol=1e-5)
    where = np.ones((53, 1), bool)
    where[::3] = False
    kept = where[:, 0]
    expected = reference(labels[kept], scores[kept])
    np.testing.assert_allclose(ours(scores, labels, where=where), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "samples", None])
def test_blocks_of_decisions(average, small_blocks):
    scores, labels = data()
    decisions = scores > 0.5
    expected = sk.f1_score(labels, decisions, average=average, zero_division=0)
    np.testing.assert_allclose(m.f1(decisions, labels, average=average), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("group", [1, 2, 7, 8, 9, 10, 40])
def test_tie_groups_around_the_length_of_the_look_back(group):
    rng = np.random.default_rng(group)
    scores = np.repeat(rng.permutation(80), group)[:80].astype(np.float32)[:, None]
    labels = rng.random((80, 1)) < 0.4
    for ours, reference in SCORED[:2]:
        np.testing.assert_allclose(ours(scores, labels), reference(labels, scores), rtol=1e-5)
