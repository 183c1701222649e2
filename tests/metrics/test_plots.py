"""The figures show what their titles say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("matplotlib")
from experiments import metric_plots


def test_every_figure_has_a_curve_per_label_and_the_averages():
    rng = np.random.default_rng(0)
    labels = jnp.asarray(rng.random((80, 3)) < 0.4)
    logits = jnp.asarray(rng.normal(size=(80, 3)), jnp.float32) + labels
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
