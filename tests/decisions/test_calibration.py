import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import data

d = sf.decisions
calibration = d.calibration
FITS = [calibration.platt, calibration.temperature, calibration.isotonic]


def logits_and_labels(seed, n=200, num_labels=3, slope=2.0, offset=-1.0):
    """Scores s with P(y = 1) = sigmoid(slope * s + offset)."""
    rng = np.random.default_rng(seed)
    s = rng.normal(0.3, 1.2, (n, num_labels))
    labels = rng.random(s.shape) < 1 / (1 + np.exp(-slope * s - offset))
    return s.astype(np.float32), labels.astype(int)


@pytest.mark.slow
def test_platt_maximises_the_likelihood_of_smoothed_targets():
    s, labels = logits_and_labels(0)
    fitted = calibration.platt(s, labels)
    with jax.enable_x64(True):
        for c in range(s.shape[1]):
            x, y = s[:, c].astype(float), labels[:, c]
            n_pos, n_neg = y.sum(), (1 - y).sum()
            target = np.where(y == 1, (n_pos + 1) / (n_pos + 2), 1 / (n_neg + 2))
            p = 1 / (1 + np.exp(-float(fitted.slope[c]) * x - float(fitted.offset[c])))
            # At the optimum the mean residual and its product with the scores vanish.
            np.testing.assert_allclose(np.mean(p - target), 0, atol=1e-5)
            np.testing.assert_allclose(np.mean((p - target) * x), 0, atol=1e-5)


@pytest.mark.slow
def test_platt_and_temperature_recover_the_truth():
    s, labels = logits_and_labels(1, n=20_000, num_labels=1)
    fitted = calibration.platt(s, labels)
    # Standard errors at n = 20,000 are about 0.03.
    np.testing.assert_allclose([fitted.slope[0], fitted.offset[0]], [2.0, -1.0], atol=0.12)
    s, labels = logits_and_labels(2, n=20_000, num_labels=1, slope=0.5, offset=0.0)
    np.testing.assert_allclose(calibration.temperature(s, labels).slope, 0.5, atol=0.06)


@pytest.mark.slow
def test_isotonic_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.isotonic")
    p, labels = data(3, n=60, levels=8)
    smooth, _ = data(4, n=60)
    p[:, :2] = smooth[:, :2]
    fitted = calibration.isotonic(p, labels)
    grid = np.linspace(-0.1, 1.1, 61, dtype=np.float32)
    out = fitted(jnp.asarray(np.repeat(grid[:, None], p.shape[1], 1)))
    for c in range(p.shape[1]):
        peer = sklearn.IsotonicRegression(out_of_bounds="clip").fit(p[:, c], labels[:, c])
        np.testing.assert_allclose(out[:, c], peer.predict(grid), atol=1e-5)


@pytest.mark.slow
def test_perfectly_separated_and_constant_scores_stay_finite():
    s = np.array([[-3.0, 0.5], [-2.0, 0.5], [2.0, 0.5], [1e4, 0.5]], np.float32)
    labels = np.array([[0, 0], [0, 0], [1, 0], [1, 1]])
    for fit in FITS:
        p = np.asarray(fit(s, labels)(s))
        assert np.isfinite(p).all()
        assert ((p >= 0) & (p <= 1)).all()
    # Constant scores get the mean target: 2/3 for the positive, 1/5 for three negatives.
    constant = calibration.platt(s, labels)(s)[:, 1]
    np.testing.assert_allclose(constant, (2 / 3 + 3 / 5) / 4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("fit", FITS, ids=lambda f: f.__name__)
def test_a_label_of_one_class_takes_the_pooled_calibration_with_one_warning(fit):
    s, labels = logits_and_labels(5, n=40)
    labels[:, 1] = 0
    with pytest.warns(UserWarning, match=r"labels \[1\] lack positives or negatives") as record:
        own = fit(s, labels, per_label=True)
    assert len(record) == 1
    pooled = fit(s, labels, per_label=False)
    # The pooled step function is sampled at as many knots as a label has examples.
    atol = 0.2 if fit is calibration.isotonic else 1e-6
    np.testing.assert_allclose(own(s)[:, 1], pooled(s)[:, 1], atol=atol)
    assert float(own(s)[:, 1].max()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("fit", FITS, ids=lambda f: f.__name__)
def test_masked_entries_do_not_count(fit):
    s, labels = logits_and_labels(6, n=60)
    where = np.ones(s.shape, bool)
    where[40:, 1] = False
    spoiled = np.where(where, s, np.nan)
    masked = fit(spoiled, labels, per_label=True, where=where)
    subset = fit(s[:40], labels[:40], per_label=True)
    np.testing.assert_allclose(masked(s)[:, 1], subset(s)[:, 1], atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1e19, 1e30])
@pytest.mark.parametrize("fit", FITS, ids=lambda f: f.__name__)
def test_a_calibration_is_the_same_in_any_unit(fit, scale):
    s, labels = logits_and_labels(9, n=60)
    scaled = s * np.float32(scale)
    new = np.linspace(-3, 3, 12, dtype=np.float32).reshape(4, 3)
    # Rounding of the scaled scores moves the flat minimum, as in jitted and eager fits.
    np.testing.assert_allclose(
        fit(scaled, labels)(new * np.float32(scale)), fit(s, labels)(new), atol=1e-3
    )
    assert float(np.ptp(fit(s, labels)(new))) > 0.3


@pytest.mark.slow
def test_platt_of_scores_far_from_zero_is_that_of_their_differences():
    s, labels = logits_and_labels(10, n=60)
    far = np.round(s * 16) / 16 + 4096
    # Differences are exact; the offset is of the order of 4096 slopes.
    np.testing.assert_allclose(
        calibration.platt(far, labels)(far),
        calibration.platt(far - 4096, labels)(far - 4096),
        atol=2e-3,
    )


@pytest.mark.slow
def test_one_score_that_differs_is_not_a_constant():
    s = np.zeros((50, 1), np.float32)
    s[0], labels = 1e-30, np.zeros((50, 1), int)
    labels[0] = 1
    p = np.asarray(calibration.platt(s, labels)(s))
    assert p[0, 0] > 0.5 > p[1, 0]


@pytest.mark.slow
def test_calibrated_gives_masks_and_weights_to_the_calibrator_and_the_rule():
    s, labels = logits_and_labels(11, n=60)
    where = np.ones(s.shape, bool)
    where[40:] = False
    spoiled, wrong = np.where(where, s, np.nan), np.where(where, labels, 7)
    subset = d.calibrated(s[:40], labels[:40], d.per_label_threshold)
    masked = d.calibrated(spoiled, wrong, d.per_label_threshold, where=where)
    np.testing.assert_allclose(masked.decision.threshold, subset.decision.threshold, atol=1e-4)
    weighted = d.calibrated(spoiled, wrong, d.per_label_threshold, weights=where.astype(np.float32))
    np.testing.assert_allclose(weighted.decision.threshold, subset.decision.threshold, atol=1e-4)
    with pytest.raises(TypeError, match="weights"):
        d.calibrated(s, labels, d.conformal_risk, weights=np.ones(s.shape))


@pytest.mark.slow
def test_infinite_scores_and_no_entries_raise():
    s, labels = logits_and_labels(7, n=10)
    with pytest.raises(ValueError, match="labels must have an entry that counts"):
        calibration.platt(s, labels, where=np.zeros(s.shape, bool))
    s[0, 0] = np.inf
    with pytest.raises(ValueError, match="scores must be finite"):
        calibration.platt(s, labels)
    s[0, 0] = 0
    with pytest.raises(ValueError, match="scores must have 3 labels as in the fit"):
        calibration.isotonic(s, labels)(s[:, :2])


@pytest.mark.slow
def test_calibrated_lets_logits_reach_rules_of_probabilities():
    s, labels = logits_and_labels(8, n=400)
    direct = d.lipton_threshold(jax.nn.sigmoid(2 * s - 1), labels)(jax.nn.sigmoid(2 * s - 1))
    composed = d.calibrated(s, labels, d.lipton_threshold)(s)
    # The fitted sigmoid is not the true one: few entries near the threshold differ.
    assert float(jnp.mean(direct != composed)) < 0.05
