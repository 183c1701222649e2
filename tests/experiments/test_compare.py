"""The comparison end to end on small data: results, honesty, resuming, mistakes."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("river", reason="the comparison needs the experiments extra")

from experiments import __main__, compare, datasets, evaluation, splits, storage, systems, tuning
from experiments.errors import UserError
from experiments.problem import make_problem

# One worker for all, so that the comparison runs once.
pytestmark = pytest.mark.xdist_group("compare")

ROOT = pathlib.Path(__file__).parents[2]


def small(seed=0, examples=150):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(examples, 6)).astype(np.float32)
    labels = features @ rng.normal(size=(6, 4)) + rng.normal(size=(examples, 4)) > 0.5
    return datasets.Dataset("small", features, labels, tuple("abcd"), "made here")


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    datasets.LOADERS["small"] = small
    yield compare.Compare(
        dataset="small",
        losses=("macro_soft_f1", "unbounded_f1"),
        seeds=3,
        epochs=3,
        budget=2,
        hidden=(8,),
        output=tmp_path_factory.mktemp("results"),
    )
    del datasets.LOADERS["small"]


@pytest.fixture(scope="module")
def folder(options):
    return compare.run(options)


def test_results_have_the_promised_shape(folder):
    results = json.loads((folder / "results.json").read_text())
    assert set(results) == {"schema", "dataset", "config", "versions", "rows"}
    names = {r["system"] for r in results["rows"]}
    assert names == {
        "all_positive",
        "label_frequency",
        "logistic_regression",
        "binary_cross_entropy",
        "macro_soft_f1",
        "unbounded_f1",
    }
    keys = {"system", "decision", "metric", "mean", "std", "values"}
    for row in results["rows"]:
        assert keys <= set(row)
        assert len(row["values"]) == 3
        np.testing.assert_allclose(row["mean"], np.mean(row["values"]))
        np.testing.assert_allclose(row["std"], np.std(row["values"], ddof=1))
    pairs = {(r["system"], r["decision"]) for r in results["rows"]}
    assert len(results["rows"]) == len(pairs) * len(evaluation.METRICS)
    assert folder.parent.name == "small"
    assert folder.name == storage.digest({**results["config"], "versions": results["versions"]})


def test_reference_rows_are_what_they_say(folder):
    data = small()
    parts = splits.stratified(data.labels, 3)
    rows = {
        (r["system"], r["decision"], r["metric"]): r["values"]
        for r in json.loads((folder / "results.json").read_text())["rows"]
    }
    for seed in range(3):
        test = data.labels[parts.test[seed][parts.test[seed] >= 0]]
        base = test.mean(0)
        got = rows["all_positive", "fixed", "macro_f1"][seed]
        np.testing.assert_allclose(got, np.mean(2 * base / (1 + base)), rtol=1e-5)
        got = rows["all_positive", "fixed", "hamming_loss"][seed]
        np.testing.assert_allclose(got, 1 - test.mean(), rtol=1e-5)


def test_the_baseline_is_not_tested_against_itself(folder):
    rows = json.loads((folder / "results.json").read_text())["rows"]
    for row in rows:
        itself = row["baseline"] == f"{row['system']}/{row['decision']}"
        assert (row["p_value"] is None) == itself
        assert row["baseline"].startswith("binary_cross_entropy/")


def test_report_is_one_self_contained_file_with_every_figure(folder):
    text = (folder / "report.html").read_text()
    figures = sorted(p.stem for p in (folder / "figures").glob("*.png"))
    assert figures == [
        "label_counts",
        "learning_curves",
        "scores",
        "sorted_scores",
        "threshold_curves",
    ]
    assert text.count("data:image/png;base64,") == len(figures)
    assert "http" not in text
    assert "macro_soft_f1" in (folder / "table.md").read_text()


def test_a_second_run_recomputes_nothing(options, folder, monkeypatch):
    before = json.loads((folder / "results.json").read_text())
    monkeypatch.setattr(compare, "compute", lambda *_: pytest.fail("computed again"))
    assert compare.run(options) == folder
    assert json.loads((folder / "results.json").read_text()) == before


def test_a_run_is_reproducible(options, folder, tmp_path):
    other = compare.run(dataclasses.replace(options, output=tmp_path / "again"))
    assert (other / "results.json").read_text() == (folder / "results.json").read_text()


def test_labels_of_test_rows_decide_nothing(options):
    """With the test labels inverted, scores, thresholds and selected runs stay the same."""
    data = small()
    parts = splits.stratified(data.labels, options.seeds)
    problem = make_problem(data, options.seeds)
    flipped = data.labels.copy()
    # Seed 0 only: rows that are test rows there are training rows elsewhere.
    test_rows = parts.test[0][parts.test[0] >= 0]
    flipped[test_rows] = ~flipped[test_rows]
    changed = dataclasses.replace(problem, dataset=dataclasses.replace(data, labels=flipped))
    def first(p):
        return dataclasses.replace(
            p,
            splits=splits.Splits(*(rows[:1] for rows in p.splits)),
            shift=p.shift[:1],
            scale=p.scale[:1],
        )

    system = systems.SYSTEMS["macro_soft_f1"]
    plain = tuning.train_system(system, first(problem), options.plan())
    other = tuning.train_system(system, first(changed), options.plan())
    assert plain[2] == other[2]
    for a, b in zip(plain[1], other[1], strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)


def test_every_loss_gets_the_same_number_of_distinct_settings():
    for system in systems.SYSTEMS.values():
        points = systems.tuning_points(system, 8)
        assert len(points) == len({tuple(p.items()) for p in points}) == 8
        defaults = {**systems.OPTIMIZER_SPACE, **system.space}
        assert points[0] == {k: v[0] for k, v in defaults.items()}


def test_seeds_split_differently_and_parts_do_not_overlap():
    labels = small().labels
    parts = splits.stratified(labels, 3)
    for rows in zip(*parts, strict=True):
        used = np.concatenate(rows)
        used = used[used >= 0]
        assert sorted(used) == list(range(len(labels)))
    assert not np.array_equal(parts.test[0], parts.test[1])
    sizes = [(rows >= 0).sum(1) for rows in parts]
    np.testing.assert_allclose(np.mean(sizes, 1) / len(labels), [0.6, 0.2, 0.2], atol=0.05)


def test_yeast_has_its_published_size():
    data = datasets.load("yeast")
    assert data.features.shape == (2417, 103)
    assert data.labels.shape == (2417, 14)
    counts = data.labels.sum(1)
    np.testing.assert_allclose(counts.mean(), 4.237, atol=1e-3)
    assert (counts.min(), counts.max()) == (1, 11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "nothing"], "unknown data set 'nothing'; known: "),
        (["--losses", "sigmoid"], "unknown loss 'sigmoid'; known: binary_cross_entropy, "),
        (["--seeds", "0"], "--seeds must be >= 1, got 0"),
        (["--hidden", "0"], "--hidden must be sizes >= 1"),
        (["--output", "/dev/null/x"], "cannot write to the output folder /dev/null/x"),
    ],
)
def test_mistakes_cost_one_line_and_exit_code_2(arguments, message, capsys):
    assert __main__.main(["compare", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


def test_unknown_commands_and_options(capsys):
    assert __main__.main(["comparison"]) == 2
    assert "unknown command 'comparison'; known: compare" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["compare", "--seed", "3"])
    assert stopped.value.code == 2
    with pytest.raises(SystemExit) as helped:
        __main__.main(["compare", "--help"])
    assert helped.value.code == 0
    assert "Example: python -m experiments compare" in capsys.readouterr().out


def test_features_that_are_not_finite_are_refused():
    data = small()
    features = data.features.copy()
    features[3, 1] = np.nan
    with pytest.raises(UserError, match="feature 1 of example 3 is nan; expected finite"):
        dataclasses.replace(data, features=features)


def test_an_empty_split_is_refused():
    with pytest.raises(UserError, match="split of 2 examples is empty"):
        splits.stratified(np.ones((2, 3), bool), 1)


def test_a_killed_run_resumes_with_what_is_done(tmp_path):
    command = [sys.executable, "-m", "experiments", "compare", "--output", str(tmp_path)]
    command += ["--losses", "binary_cross_entropy", "--seeds", "1", "--epochs", "1"]
    command += ["--budget", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (done := list(tmp_path.rglob("logistic_regression-*.json"))):
        assert time.monotonic() < deadline, "the run did not start"
        assert process.poll() is None, "the run stopped by itself"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.rglob("results.json"))
    written = done[0].stat().st_mtime_ns
    again = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    lines = again.stdout.splitlines()
    assert any(line.startswith("logistic_regression") and "resumed" in line for line in lines)
    assert done[0].stat().st_mtime_ns == written
    assert len(list(tmp_path.rglob("results.json"))) == 1
