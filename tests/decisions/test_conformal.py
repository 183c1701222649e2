import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf
from tests.decisions.cases import data, f_beta

d = sf.decisions
SPLITS = 1000
f1_or_empty = functools.partial(sf.scores.f1, zero_division=1.0)


def simulate(key, n, num_labels=6):
    """Scores and labels of n + 200 examples: calibrate on the first n, test on the rest."""
    k1, k2, k3 = jax.random.split(key, 3)
    logits = jax.random.normal(k1, (n + 200, num_labels)) * 1.5 - 0.5
    labels = jax.random.uniform(k2, logits.shape) < jax.nn.sigmoid(logits)
    return logits + 0.5 * jax.random.normal(k3, logits.shape), labels


def risk(score, decided, labels):
    return jnp.mean(1 - score(sf.confusion(decided, labels, axis=-1)))


def risks(fit, score, n):
    def one(key):
        scores, labels = simulate(key, n)
        return risk(score, fit(scores[:n], labels[:n])(scores[n:]), labels[n:])

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(n), SPLITS)))


recall_or_empty = functools.partial(sf.scores.recall, zero_division=1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "alpha"), [(9, 0.2), (50, 0.1)])
def test_mean_false_negative_rate_over_a_thousand_splits_is_at_most_alpha(n, alpha):
    values = risks(functools.partial(d.conformal_risk, alpha=alpha), recall_or_empty, n)
    error = values.std() / np.sqrt(SPLITS)
    assert values.mean() <= alpha + 3 * error
    # Not by predicting everything: the risk is within 2 / (n + 1) of alpha, as the theorem says.
    assert values.mean() >= alpha - 2 / (n + 1) - 3 * error


@pytest.mark.slow
def test_mean_f_risk_over_a_thousand_splits_is_at_most_alpha():
    fit = functools.partial(d.conformal_risk, alpha=0.55, score=f1_or_empty, lowest=-0.5)
    values = risks(fit, f1_or_empty, 60)
    assert values.mean() <= 0.55 + 3 * values.std() / np.sqrt(SPLITS)


@pytest.mark.slow
def test_miss_rate_of_each_label_over_a_thousand_splits_is_at_most_alpha():
    def one(key):
        scores, labels = simulate(key, 60)
        decided = d.conformal_risk(scores[:60], labels[:60], alpha=0.2, per_label=True)(scores[60:])
        return jnp.sum(labels[60:] & ~decided, 0) / jnp.maximum(jnp.sum(labels[60:], 0), 1)

    missed = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), SPLITS)))
    error = missed.std(0) / np.sqrt(SPLITS)
    assert (missed.mean(0) <= 0.2 + 3 * error).all()
    assert (missed.mean(0) >= 0.2 - 0.1).all()


def brute_force(p, labels, alpha, loss, lowest=-np.inf):
    """The largest threshold whose risk, made monotone per example, is controlled."""
    candidates = np.concatenate([[np.inf], np.unique(p)[::-1]])
    candidates = candidates[candidates >= lowest]
    losses = np.stack([loss(p >= t, labels) for t in candidates])
    envelope = np.maximum.accumulate(losses[::-1], 0)[::-1]
    ok = (envelope.sum(1) + 1) / (len(p) + 1) <= alpha + 1e-7
    return candidates[np.argmax(ok)] if ok.any() else lowest


@pytest.mark.slow
@pytest.mark.parametrize("levels", [None, 5])
@pytest.mark.parametrize("alpha", [0.15, 0.4])
def test_the_threshold_equals_brute_force(alpha, levels):
    p, labels = data(0, n=30, levels=levels)

    def fnr(h, y):
        return 1 - np.where(y.sum(-1) > 0, (h & (y == 1)).sum(-1) / np.maximum(y.sum(-1), 1), 1)

    threshold = float(d.conformal_risk(p, labels, alpha=alpha).threshold)
    assert threshold == np.float32(brute_force(p, labels, alpha, fnr))

    def f_risk(h, y):
        return 1 - f_beta(h, y, empty=1.0, axis=-1)

    level = alpha + 0.35
    fit = d.conformal_risk(p, labels, alpha=level, score=f1_or_empty, lowest=0.3)
    assert float(fit.threshold) == np.float32(brute_force(p, labels, level, f_risk, 0.3))


def test_too_few_examples_predict_everything_with_a_warning():
    p, labels = data(1, n=8)
    with pytest.warns(UserWarning, match="every label is predicted"):
        decision = d.conformal_risk(p, labels, alpha=0.1)
    assert bool(decision(p).all())


def test_an_f_risk_out_of_reach_takes_lowest_with_a_warning():
    p, labels = data(2)
    with pytest.warns(UserWarning, match="no guarantee holds"):
        decision = d.conformal_risk(p, labels, alpha=0.05, score=f1_or_empty, lowest=0.25)
    assert float(decision.threshold) == 0.25


@pytest.mark.slow
def test_labels_with_too_few_positives_are_predicted_always_with_one_warning():
    p, labels = data(3, n=40)
    labels[:, 1] = 0
    labels[:2, 1] = 1
    labels[:, 4] = 0
    with pytest.warns(UserWarning, match=r"labels \[1, 4\] have too few positives") as record:
        decision = d.conformal_risk(p, labels, alpha=0.2, per_label=True)
    assert len(record) == 1
    assert bool(decision(p)[:, [1, 4]].all())


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 1.5, np.nan])
def test_alpha_outside_zero_one_raises(alpha):
    with pytest.raises(ValueError, match=r"alpha must lie in \(0, 1\), got"):
        d.conformal_risk(*data(4), alpha=alpha)


def test_bad_arguments_raise():
    p, labels = data(5)
    with pytest.raises(ValueError, match="give neither score nor lowest"):
        d.conformal_risk(p, labels, per_label=True, lowest=0.5)
    with pytest.raises(ValueError, match="alpha must be a scalar"):
        d.conformal_risk(p, labels, alpha=jnp.full(5, 0.1))
    with pytest.raises(ValueError, match="lowest must be a number"):
        d.conformal_risk(p, labels, lowest=np.nan)
    with pytest.raises(ValueError, match="labels must have an entry that counts"):
        d.conformal_risk(p, labels, where=np.zeros(p.shape, bool))
