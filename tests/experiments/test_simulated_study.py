"""The study on simulated data: files, distances, resuming, mistakes."""

import json

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the studies need the experiments extra")

from rich.console import Console

from experiments import storage
from experiments.errors import UserError
from experiments.evaluation import ByCriterion
from experiments.studies import simulated
from experiments.studies.simulated import SimulatedStudy
from experiments.studies.simulated_report import Results, distances
from experiments.tuning import Trained

LEAST = {
    "simulations": ("base",),
    "losses": ("binary_cross_entropy",),
    "examples": 300,
    "seeds": 2,
}


def noise_instead_of_training(system, problem, plan):
    """Scores that say nothing, in the form of `tuning.train_system`."""

    def part(rows):
        shape = (*rows.shape, problem.dataset.num_labels)
        return problem.part(rows, np.random.default_rng(0).uniform(size=shape).astype(np.float32))

    validation, test = part(problem.splits.validation), part(problem.splits.test)
    return Trained(ByCriterion(validation, validation), ByCriterion(test, test))


@pytest.mark.slow
def test_files_are_written_and_a_second_run_trains_nothing(tmp_path, monkeypatch):
    # Training is tested where it is written.
    monkeypatch.setattr(simulated.tuning, "train_system", noise_instead_of_training)
    options = SimulatedStudy(**LEAST, output=tmp_path)
    folder = simulated.run(options, Console(quiet=True))
    results = json.loads((folder / "results.json").read_text())
    assert (folder / "distance.png").read_bytes().startswith(b"\x89PNG")
    table = (folder / "table.md").read_text()
    for name in ("bayes", "all_positive", "binary_cross_entropy"):
        assert f"| base | {name} |" in table

    below = distances(storage.read_record(Results, folder / "results.json").rows)
    # On 60 test rows chance cannot lift noise, or predicting everything, to the optimum.
    assert all((values > 0).all() for f1 in below.values() for values in f1.values())
    assert ("base", "all_positive", "tuned") not in below
    best, loss = (
        next(r["f1"]["macro"] for r in results["rows"] if (r["system"], r["threshold"]) == key)
        for key in (("bayes", "optimal"), ("binary_cross_entropy", "tuned"))
    )
    found = below["base", "binary_cross_entropy", "tuned"]["macro"]
    np.testing.assert_allclose(found, np.subtract(best, loss))

    monkeypatch.setattr(simulated.tuning, "train_system", lambda *_: pytest.fail("trained"))
    assert simulated.run(options, Console(quiet=True)) == folder
    assert json.loads((folder / "results.json").read_text()) == results


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulations": ("nois",)}, "unknown simulation 'nois'; known: base,"),
        ({"simulations": ()}, "--simulations must name at least one"),
        ({"losses": ("bce",)}, "unknown loss 'bce'; known: binary_cross_entropy,"),
        ({"batch_size": 0}, "--batch-size must be >= 1, got 0"),
        ({"examples": 10}, "--examples must be >= 50, got 10"),
        ({"hidden": (0,)}, "--hidden must be sizes >= 1"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        SimulatedStudy(**changes).resolved()
