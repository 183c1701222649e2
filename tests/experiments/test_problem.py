"""Problems: features that are not known, filled from the training rows alone."""

import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the comparison needs the experiments extra")

from experiments import tuning
from experiments.datasets.dataset import Dataset, fingerprint
from experiments.problem import make_problem
from experiments.training.batches import InMemory

N = 40


def data(impute, hole, value=np.nan):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, 3)).astype(np.float32)
    labels = features @ rng.normal(size=(3, 2)) > 0.3
    features = np.where(hole, np.float32(value), features)
    return Dataset("small", features, labels, ("a", "b"), "here", impute=impute)


HOLE = np.random.default_rng(1).random((N, 3)) < 0.3


def test_medians_are_those_of_the_training_rows():
    hole = HOLE.copy()
    hole[:, 2] = True
    problem = make_problem(data("median", hole), 2)
    for seed in range(2):
        train = problem.splits.train[seed]
        x = problem.dataset.features[train]
        np.testing.assert_allclose(problem.fill[seed, :2], np.nanmedian(x[:, :2], axis=0))
        # Nothing is known of the third.
        assert problem.fill[seed, 2] == problem.scale[seed, 2] == 0
        filled = problem.filled(seed, train)
        np.testing.assert_array_equal(filled, np.where(np.isnan(x), problem.fill[seed], x))
        np.testing.assert_allclose(problem.shift[seed], filled.mean(0), rtol=1e-6)
    assert not np.array_equal(problem.fill[0], problem.fill[1])


def test_zeros_in_the_place_of_what_is_not_known_are_zeros():
    unknown, zero = make_problem(data("zero", HOLE), 2), make_problem(data(None, HOLE, 0), 2)
    np.testing.assert_array_equal(unknown.shift, zero.shift)
    np.testing.assert_array_equal(unknown.scale, zero.scale)
    plan = tuning.Plan(epochs=1, hidden=(4,), batch_size=16, budget=1)
    for found in zip(
        tuning.reference("logistic_regression", unknown, plan).test,
        tuning.reference("logistic_regression", zero, plan).test,
        strict=True,
    ):
        np.testing.assert_array_equal(*(part.scores for part in found))
    rows = np.array([0, 1, 2, -1], np.int32)
    sources = [
        InMemory(
            p.dataset.features,
            p.dataset.labels,
            p.where,
            p.shift[0],
            p.scale[0],
            None if p.fill is None else p.fill[0],
        )
        for p in (unknown, zero)
    ]
    np.testing.assert_array_equal(*(source.read(rows).inputs for source in sources))
    assert len({fingerprint(data(impute, HOLE)) for impute in ("zero", "median")}) == 2


@pytest.mark.slow
def test_networks_see_what_was_filled_in(monkeypatch):
    def criteria(scores, labels, where):
        """One threshold where the comparison has twenty: a fraction of the time to compile."""
        return jnp.tile(tuning.evaluation.mean_f1(scores >= 0.5, labels, where), 2)

    monkeypatch.setattr(tuning.evaluation, "selection_criteria", criteria)
    plan = tuning.Plan(epochs=2, hidden=(4,), batch_size=16, budget=1)
    system = tuning.SYSTEMS["binary_cross_entropy"]
    found = [
        tuning.train_system(system, make_problem(d, 2), plan)
        for d in (data("zero", HOLE), data(None, HOLE, 0))
    ]
    assert found[0].selected == found[1].selected
    assert found[0].learning == found[1].learning
    for one, other in zip(found[0].test, found[1].test, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
