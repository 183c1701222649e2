import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import data

d = sf.decisions


def test_the_curve_holds_medians_and_quartiles_of_sorted_scores():
    p, _ = data(0, n=31, num_labels=7)
    curve = d.knee_curve(p)
    ordered = np.sort(p, -1)[:, ::-1]
    np.testing.assert_allclose(curve.median, np.median(ordered, 0), rtol=1e-6)
    np.testing.assert_allclose(curve.lower, np.quantile(ordered, 0.25, 0), rtol=1e-5)
    np.testing.assert_allclose(curve.upper, np.quantile(ordered, 0.75, 0), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 1e-3, 50.0, 1e-30, 1e30])
def test_the_knee_is_the_point_farthest_from_the_chord_in_any_scale(scale):
    curve = np.array([1.0, 0.9, 0.35, 0.2, 0.1, 0.05, 0.0], np.float32)
    x = np.linspace(0, 1, 7)
    # Perpendicular distance to the chord from (0, 1) to (1, 0).
    expected = np.argmax(np.abs(x + curve - 1) / np.sqrt(2))
    shuffled = np.random.default_rng(0).permuted(np.tile(curve, (9, 1)), axis=1)
    found = d.knee_curve(shuffled * scale)
    assert int(found.knee) == expected
    threshold = d.knee_threshold(shuffled * scale).threshold
    np.testing.assert_allclose(threshold, curve[expected] * scale, rtol=1e-6)


def test_the_label_at_the_knee_is_predicted():
    scores = np.array([[0.875, 0.75, 0.125, 0.0625, 0.0]], np.float32)
    assert int(d.knee_threshold(scores)(scores).sum()) == int(d.knee_curve(scores).knee) + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "scores",
    [
        np.full((4, 3), 0.5),
        np.tile([0.75, 0.5, 0.25], (4, 1)),
        np.tile([0.7, 0.1], (4, 1)),
        np.tile(1000 + np.arange(13) / 70, (4, 1)),
    ],
    ids=["constant", "straight", "two labels", "straight far from zero"],
)
def test_without_a_knee_the_global_threshold_is_taken_with_a_warning(scores):
    scores = scores.astype(np.float32)
    labels = np.zeros(scores.shape, int)
    labels[:, 0] = 1
    with pytest.raises(ValueError, match="no knee"):
        d.knee_threshold(scores)
    with pytest.warns(UserWarning, match="no knee"):
        decision = d.knee_threshold(scores, labels)
    assert float(decision.threshold) == float(d.global_threshold(scores, labels).threshold)


def test_examples_with_missing_labels_enter_the_ranks_they_have():
    p, _ = data(1, n=9, num_labels=6)
    where = np.ones(p.shape, bool)
    where[:, 4:] = False
    spoiled = np.where(where, p, np.nan)
    masked, subset = d.knee_curve(spoiled, where=where), d.knee_curve(p[:, :4])
    np.testing.assert_allclose(masked.median[:4], subset.median)
    assert np.isnan(masked.median[4:]).all()
    assert int(masked.knee) == int(subset.knee)


def test_infinite_scores_raise():
    p, _ = data(2)
    p[0, 0] = np.inf
    with pytest.raises(ValueError, match="scores must be finite"):
        d.knee_curve(p)
