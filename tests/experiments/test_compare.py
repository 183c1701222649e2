"""The comparison end to end on small data: results, honesty, resuming, mistakes."""

import dataclasses
import errno
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("river", reason="the comparison needs the experiments extra")

from rich.console import Console

from experiments import (
    __main__,
    datasets,
    evaluation,
    records,
    splits,
    storage,
    systems,
    tuning,
    tuning_space,
)
from experiments.commands.compare import Compare
from experiments.comparison import cache, run
from experiments.decision_rules import DEFAULT
from experiments.errors import UserError
from experiments.evaluation import ByCriterion, Evaluation
from experiments.problem import make_problem
from experiments.reports import comparison_plots, comparison_tables
from experiments.reports.metric_titles import MAIN_METRICS
from experiments.results.comparison import Results, SystemRecord, make_rows

# One worker for all, so that the comparison runs once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("compare")]

ROOT = pathlib.Path(__file__).parents[2]


def small(seed=0, examples=150):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(examples, 6)).astype(np.float32)
    labels = features @ rng.normal(size=(6, 4)) + rng.normal(size=(examples, 4)) > 0.5
    return datasets.Dataset("small", features, labels, tuple("abcd"), "made here")


def compared(options):
    return run.run(options, options.output)


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    datasets.LOADERS["small"] = small
    yield Compare(
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
    return compared(options)


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
    assert "code" in results["versions"]
    assert results["dataset"]["part_sizes"] == {"train": 90, "validation": 30, "test": 30}
    assert results["dataset"]["lacking"] == []
    assert folder.parent.name == "small"
    assert folder.name == storage.digest({**results["config"], "versions": results["versions"]})


def test_records_come_back_from_their_files_as_they_were(options, folder):
    for kind, path in (
        (Results, folder / "results.json"),
        (SystemRecord, system_file(options, "logistic_regression")),
        (SystemRecord, system_file(options, "macro_soft_f1")),
    ):
        record = storage.read_record(kind, path)
        assert records.to_json(record) == json.loads(path.read_text())


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
        "chosen_f1_by_frequency",
        "chosen_precision_recall",
        "chosen_reliability",
        "chosen_roc",
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
    monkeypatch.setattr(run, "compute", lambda *_: pytest.fail("computed again"))
    assert compared(options) == folder
    assert json.loads((folder / "results.json").read_text()) == before


def test_a_run_is_reproducible(options, folder, tmp_path):
    other = compared(dataclasses.replace(options, output=tmp_path / "again"))
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
    assert plain.selected == other.selected
    assert plain.learning == other.learning
    for a, b in zip(plain.test, other.test, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)


def test_every_loss_gets_the_same_number_of_distinct_settings():
    for system in systems.SYSTEMS.values():
        points = tuning_space.tuning_points(system, 8)
        assert len(points) == len({tuple(p.items()) for p in points}) == 8
        defaults = {**tuning_space.OPTIMIZER_SPACE, **system.space}
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
        (["--dataset", "data/nothing"], "there is no file or folder data/nothing"),
        (["--dataset", "nothing.csv"], "there is no file or folder nothing.csv"),
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
    text = " ".join(capsys.readouterr().out.replace("│", "").split())
    assert "Example: python -m experiments compare" in text
    assert ", ".join(systems.SYSTEMS) in text
    assert ", ".join(name for name in datasets.names() if name != "small") in text
    assert "per_label_cv, lipton, knee" in text


def test_features_that_are_not_finite_are_refused():
    data = small()
    features = data.features.copy()
    features[3, 1] = np.nan
    with pytest.raises(UserError, match="feature 1 of example 3 is nan; expected finite"):
        dataclasses.replace(data, features=features)


def test_an_empty_split_is_refused():
    with pytest.raises(UserError, match="split of 2 examples is empty"):
        splits.stratified(np.ones((2, 3), bool), 1)


def trained(monkeypatch):
    """The systems that are trained from here on."""
    names = []
    plain = run.compute

    def counted(name, *rest):
        names.append(name)
        return plain(name, *rest)

    monkeypatch.setattr(run, "compute", counted)
    return names


def copied(options, tmp_path):
    """The same options, with what is done so far copied to a folder of their own."""
    output = tmp_path / "copy"
    shutil.copytree(options.output, output)
    return dataclasses.replace(options, output=output)


def system_file(options, name, suffix="json"):
    (path,) = (options.output / "small" / "systems").glob(f"{name}-*.{suffix}")
    return path


def test_other_losses_decisions_and_spellings_train_nothing_again(
    options, folder, tmp_path, monkeypatch
):
    names = trained(monkeypatch)
    options = copied(options, tmp_path)
    before = json.loads((folder / "results.json").read_text())["rows"]
    # Fewer losses, a decision more, another name of the same data.
    monkeypatch.setitem(datasets.LOADERS, "same", small)
    changes = {"losses": ("macro_soft_f1",), "decisions": (*DEFAULT, "top_k"), "dataset": "same"}
    other = compared(dataclasses.replace(options, **changes))
    assert other.parent.name == "small"
    assert other.name != folder.name
    rows = json.loads((other / "results.json").read_text())["rows"]
    assert {r["decision"] for r in rows} == {*DEFAULT, "top_k", "oracle"}
    assert "unbounded_f1" not in {r["system"] for r in rows}
    key = ("system", "decision", "metric")
    values = {tuple(r[k] for k in key): r["values"] for r in before}
    for row in rows:
        if row["decision"] in DEFAULT:
            assert row["values"] == values[tuple(row[k] for k in key)]
    # What was asked for then is not shown when it is not asked for.
    assert compared(options).name == folder.name
    again = json.loads((options.output / "small" / folder.name / "results.json").read_text())
    assert again["rows"] == before
    assert names == []


@pytest.mark.parametrize("what", ["code", "data", "epochs"])
def test_what_results_depend_on_is_trained_again(options, folder, tmp_path, monkeypatch, what):
    class Far(Exception):
        pass

    def stop(name, *rest):
        names.append(name)
        if name in systems.SYSTEMS:
            raise Far
        return plain(name, *rest)

    plain, names = run.compute, []
    options = copied(options, tmp_path)
    monkeypatch.setattr(run, "compute", stop)
    if what == "code":
        monkeypatch.setattr(run.code, "digest", lambda *_: "edited")
    if what == "data":
        monkeypatch.setitem(datasets.LOADERS, "small", lambda: small(seed=1))
    if what == "epochs":
        options = dataclasses.replace(options, epochs=4)
    with pytest.raises(Far):
        compared(options)
    references = [] if what == "epochs" else list(tuning.REFERENCES)
    assert names == [*references, "binary_cross_entropy"]


def test_damaged_files_are_computed_again_and_said_so(
    options, folder, tmp_path, monkeypatch, capsys
):
    names = trained(monkeypatch)
    options = copied(options, tmp_path)
    path = system_file(options, "label_frequency")
    path.write_bytes(path.read_bytes()[:-100])
    system_file(options, "all_positive").write_text("[]")
    again = compared(options)
    assert names == ["all_positive", "label_frequency"]
    shown = capsys.readouterr().out
    assert f"label_frequency is computed again: {path} is damaged" in shown
    assert "all_positive is computed again: " in shown
    assert (again / "results.json").read_text() == (folder / "results.json").read_text()


def test_scores_that_are_damaged_or_too_large_are_not_used(tmp_path, monkeypatch):
    problem = make_problem(small(), 2)
    rows = problem.splits
    said = []
    parts = cache.Parts(
        *(
            ByCriterion(*[problem.part(x, np.random.default_rng(0).random((*x.shape, 4)))] * 2)
            for x in (rows.validation, rows.test)
        )
    )
    entry = cache.Entry(tmp_path, "focal", "0123", said.append)
    entry.write_parts(parts)
    for one, other in zip(entry.parts(problem), parts, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a.scores, b.scores)
    path = tmp_path / "focal-0123.npz"
    path.write_bytes(path.read_bytes()[:-50])
    assert entry.parts(problem) is None
    # As scores of other splits are.
    entry.write_parts(parts)
    assert entry.parts(make_problem(small(), 3)) is None
    assert [line.startswith("the scores of focal cannot be used: ") for line in said] == [True] * 2
    monkeypatch.setattr(cache, "MAX_SCORES", 100)
    other = cache.Entry(tmp_path, "focal", "4567", said.append)
    other.write_parts(parts)
    assert other.parts(problem) is None


COMMAND = ["compare", "--dataset", "small", "--losses", "macro_soft_f1", "unbounded_f1"]
COMMAND += ["--seeds", "3", "--epochs", "3", "--budget", "2", "--hidden", "8"]


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    options, folder, tmp_path, monkeypatch, capsys
):
    options = copied(options, tmp_path)
    for suffix in ("json", "npz"):
        system_file(options, "label_frequency", suffix).unlink()
    command = [*COMMAND, "--output", str(options.output)]

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", full)
        assert __main__.main(command) == 1
    error = capsys.readouterr().err
    assert error.startswith("cannot write ")
    assert error.endswith(
        "No space left on device; what is done is kept, the same command goes on\n"
    )
    assert error.count("\n") == 1
    names = trained(monkeypatch)
    assert __main__.main(command) == 0
    assert names == ["label_frequency"]
    left = [p.name for p in (options.output / "small" / "systems").iterdir()]
    assert {name.rpartition(".")[2] for name in left} == {"json", "npz", "lock"}


def test_a_second_run_on_the_same_data_says_so(options, folder, capsys):
    with storage.locked(options.output / "small" / "systems"):
        assert __main__.main([*COMMAND, "--output", str(options.output)]) == 2
    assert "small/systems is in use by another run (process" in capsys.readouterr().err


def records_of(options):
    return {
        name: storage.read_record(SystemRecord, system_file(options, name))
        for name in (*tuning.REFERENCES, "binary_cross_entropy", "macro_soft_f1", "unbounded_f1")
    }


def read(folder):
    return storage.read_record(Results, folder / "results.json")


def test_what_is_undefined_is_null_and_says_why(options, folder, tmp_path):
    nan = float("nan")

    def without(values):
        if values is None or "subset_accuracy" not in values:
            return values
        first, _, last = values["macro_f1"]
        nothing = dict.fromkeys(("subset_accuracy", "micro_f1"), (nan,) * 3)
        return {**values, **nothing, "macro_f1": (first, nan, last)}

    systems_records = {
        name: dataclasses.replace(
            record,
            values={
                decision: Evaluation(without(of.test), without(of.validation))
                for decision, of in record.values.items()
            },
        )
        for name, record in records_of(options).items()
    }
    rows = make_rows(systems_records)
    results = dataclasses.replace(read(folder), rows=rows)
    storage.write_json(tmp_path / "results.json", results)
    for row in storage.read_json(tmp_path / "results.json")["rows"]:
        if row["metric"] in ("subset_accuracy", "micro_f1"):
            assert row["mean"] is row["std"] is row["p_value"] is None
            assert row["undefined"]
        elif row["metric"] == "macro_f1":
            assert row["values"][1] is None
            np.testing.assert_allclose(row["mean"], (row["values"][0] + row["values"][2]) / 2)
    text = comparison_tables.markdown(results)
    assert "– subset accuracy is undefined: it needs an example whose labels are all known" in text
    assert "nan" not in text
    figures = comparison_plots.all_figures(systems_records)
    assert "nan" not in comparison_tables.html(results, {}).replace("nan_", "")
    assert all(figures.values())


def test_runs_are_selected_by_what_is_defined():
    # No example has a label that is known: its F1 is not, the others are.
    scores, labels = jnp.ones((3, 2)), jnp.array([[1, 0], [1, 1], [0, 1]], bool)
    one_known = evaluation.mean_f1(scores >= 0.5, labels, jnp.eye(3, 2, dtype=bool))
    assert 0 < one_known <= 1


def shown(results, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(comparison_tables.terminal_table(results, width).rich(), markup=False)
    return console.export_text()


def test_the_table_is_whole_at_80_columns_and_best_first(folder):
    results = read(folder)
    long = {
        "macro_soft_f1": "micro_cost_sensitive_f_beta",
        "per_label": "block_coordinate_ascent",
    }
    results = dataclasses.replace(
        results,
        rows=tuple(
            dataclasses.replace(
                row,
                system=long.get(row.system, row.system),
                decision=long.get(row.decision, row.decision),
            )
            for row in results.rows
        ),
        dataset=dataclasses.replace(results.dataset, name="speed [m/s] [/h]"),
    )
    narrow, wide = shown(results, 80), shown(results, 140)
    for text in (narrow, wide):
        assert "speed [m/s] [/h]" in " ".join(text.split())
        assert "…" not in text
    means = [
        np.mean([row.mean for row in results.rows if row.pair == pair
                 and row.metric in evaluation.RANKED_BY])
        for pair in comparison_tables.best_first(results)
    ]  # fmt: skip
    assert means == sorted(means, reverse=True)
    # Deviations and what explains them come and go together.
    assert ("±" in narrow, "deviation" in narrow) == (False, False)
    assert ("±" in wide, "deviation" in wide) == (True, True)


def test_many_rows_are_in_the_file(folder):
    results = read(folder)
    rows = [row for row in results.rows if row.system == "macro_soft_f1"]
    more = [dataclasses.replace(row, system=f"more_{i}") for row in rows for i in range(20)]
    results = dataclasses.replace(results, rows=(*results.rows, *more))
    total = len({row.pair for row in results.rows})
    text = shown(results, 140)
    lines = [line for line in text.splitlines() if "±" in line and "deviation" not in line]
    assert comparison_tables.SHOWN <= len(lines) <= comparison_tables.SHOWN + 4
    assert f"{total - len(lines)} more rows are in table.md" in " ".join(text.split())
    for name in (*tuning.REFERENCES, systems.BASELINE):
        assert name in text
    assert len(comparison_tables.markdown(results).split("|\n")) > 2 * total


def test_lines_of_finished_systems_are_whole():
    long = max(systems.SYSTEMS, key=len)
    evaluated = Evaluation(dict.fromkeys(MAIN_METRICS, (0.5,)))
    record = SystemRecord(long, dict.fromkeys(DEFAULT, evaluated), None, (), 0.0)
    header = comparison_tables.live_header(len(long))
    lines = comparison_tables.live_rows(long, record, False, len(long)).splitlines()
    assert {len(line) for line in (header, *lines)} == {len(header)}
    assert len(header) <= 80
    assert lines[0].split() == [long, "fixed", *["0.500"] * 5]


def test_progress_moves_within_references():
    seen = []
    plan = tuning.Plan(epochs=1, hidden=(4,), batch_size=16, budget=2)
    tuning.reference("logistic_regression", make_problem(small(), 2), plan, seen.append)
    assert seen == sorted(seen)
    assert len(seen) == 2 * 2 * 4
    assert seen[-1] == 1


def test_an_interrupted_run_ends_at_once_and_keeps_what_is_done(tmp_path, start):
    command = [sys.executable, "-m", "experiments", "compare", "--output", str(tmp_path)]
    command += ["--losses", "binary_cross_entropy", "--seeds", "1", "--budget", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = start(
        [*command, "--epochs", "1000000"],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (done := list(tmp_path.rglob("logistic_regression-*.json"))):
        assert time.monotonic() < deadline, "the run did not start"
        assert process.poll() is None, "the run stopped by itself"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    # The rest would take days; compiling may have to end first.
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "interrupted; the same command goes on from what is done\n"
    assert not list(tmp_path.rglob("results.json"))
    written = done[0].stat().st_mtime_ns
    # Epochs are nothing to the references: they are not trained again.
    again = subprocess.run(
        [*command, "--epochs", "1"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = again.stdout.splitlines()
    assert any(line.startswith("logistic_regression") and "resumed" in line for line in lines)
    assert done[0].stat().st_mtime_ns == written
    assert len(list(tmp_path.rglob("results.json"))) == 1
