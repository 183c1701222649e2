"""The figures show what their titles say."""

import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("matplotlib")
import sigmoidf1_jax as sf
from experiments.reports import figures, metric_plots


def data(examples=80, num_labels=3):
    rng = np.random.default_rng(0)
    labels = rng.random((examples, num_labels)) < 0.4
    logits = np.round(rng.normal(size=labels.shape) + labels, 1).astype(np.float32)
    return logits, labels, rng.random(labels.shape) < 0.8


def test_every_figure_has_a_curve_per_label_and_the_averages():
    logits, labels, _ = map(jnp.asarray, data())
    probabilities = jax.nn.sigmoid(logits)
    for figure, lines in (
        (metric_plots.precision_recall(logits, labels), 4),
        (metric_plots.roc(logits, labels), 5),
        (metric_plots.reliability(probabilities, labels), 5),
        (metric_plots.threshold_curves(logits, labels), 5),
        (metric_plots.f1_by_frequency(logits > 0, labels), 0),
    ):
        assert len(figure.axes[0].lines) == lines
        figure.canvas.draw()


@pytest.mark.slow
def test_titles_and_points_are_the_metrics_of_what_counts():
    logits, labels, where = data()
    probabilities = np.asarray(jax.nn.sigmoid(logits))
    drawn = metric_plots.all_figures(probabilities, labels, where, logits > 0)
    titles = {name: figure.axes[0].get_title() for name, figure in drawn.items()}
    m, given = sf.metrics, {"where": where}
    area = m.average_precision(logits, labels, **given)
    assert titles["precision_recall"] == f"macro average precision {area:.3f}"
    area = m.roc_auc(logits, labels, average="micro", **given)
    assert titles["roc"] == f"micro ROC AUC {area:.3f}"
    error = m.calibration_error(probabilities, labels, num_bins=10, **given)
    assert titles["reliability"] == f"macro calibration error {error:.3f}"
    points = np.asarray(drawn["f1_by_frequency"].axes[0].collections[0].get_offsets())
    expected = m.f1(logits > 0, labels, average=None, **given)
    # Float32 against float64.
    np.testing.assert_allclose(points[:, 1], expected, rtol=1e-6)
    np.testing.assert_allclose(points[:, 0], (labels & where).sum(0) / where.sum(0), rtol=1e-6)
    macro, micro = drawn["threshold_curves"].axes[0].lines[-2:]
    for line, average in ((macro, "macro"), (micro, "micro")):
        for at in (20, 100):
            decided = probabilities >= line.get_xdata()[at]
            value = m.f1(decided, labels, average=average, **given)
            np.testing.assert_allclose(line.get_ydata()[at], value, rtol=1e-6)


def test_scores_that_are_no_probabilities_have_no_reliability():
    logits, labels, _ = data()
    assert "reliability" not in metric_plots.all_figures(logits, labels, None, logits > 0)
    # Behind a mask there may be anything.
    scores = np.where(np.arange(80)[:, None] < 40, np.nan, np.full((80, 3), 0.5))
    drawn = metric_plots.all_figures(scores, labels, ~np.isnan(scores), labels)
    assert "reliability" in drawn


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["no positive", "all positive", "nothing counts", "one score"])
def test_labels_of_one_class_are_drawn_without_a_warning(kind):
    logits, labels, where = data()
    labels[:, 0] = kind != "no positive"
    if kind == "nothing counts":
        where = np.zeros_like(where)
    if kind == "one score":
        logits[:] = 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = metric_plots.all_figures(logits, labels, where, logits > 0)
        for figure in drawn.values():
            assert figures.png(figure).startswith(b"\x89PNG")
    if kind == "no positive":
        assert "without 1 labels" in drawn["f1_by_frequency"].axes[0].get_title()
    if kind == "nothing counts":
        assert drawn["roc"].axes[0].get_title() == "micro ROC AUC undefined"


@pytest.mark.slow
def test_many_labels_are_a_band_within_seconds():
    logits, labels, where = data(3_000, 300)
    labels[:, 0], where[:, 1] = False, False
    started = time.monotonic()
    drawn = metric_plots.all_figures(logits, labels, where, logits > 0)
    for figure in drawn.values():
        figures.png(figure)
    # Far below a second per figure; 900,000 entries, ten times as many take about 5 s.
    assert time.monotonic() - started < 20
    assert len(drawn["roc"].axes[0].lines) == 3
    assert len(drawn["roc"].axes[0].collections) == 1
