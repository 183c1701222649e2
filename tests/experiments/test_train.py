"""The train command end to end on small data: resumption, guards, mistakes."""

import contextlib
import json
import os
import resource
import shutil
import signal

import jax
import numpy as np
import pytest

pytest.importorskip("river", reason="training needs the experiments extra")

import tyro

from experiments import __main__, records, storage
from experiments.commands.train import Train
from experiments.evaluation import Part
from experiments.reports import training_tables
from experiments.results.training import RunResult
from experiments.training import batches, judge, log, loop
from experiments.training.run import folder_of
from experiments.training.setup import prepare
from sigmoidf1_jax import training
from tests.experiments import check_kill
from tests.experiments.small_train import OPTIONS, main, registered, small
from tests.multi_device.devices import environment

# One worker for all, so that one shape compiles once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("train")]

EPOCHS = ("--epochs", "4", "--checkpoint-every", "2")


@pytest.fixture(autouse=True, scope="module")
def _small_data():
    with registered():
        yield


def options(*arguments):
    return tyro.cli(Train, args=[*OPTIONS, *EPOCHS, *arguments])


def run(folder, *arguments):
    return main(["--output", str(folder), *EPOCHS, *arguments])


def contents(folder, *arguments):
    return check_kill.contents(folder, options(*arguments))


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run in one piece."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder) == 0
    return folder


@pytest.fixture(scope="module")
def expected(whole):
    return contents(whole)


def test_a_run_leaves_what_it_promises(whole):
    result = json.loads((whole / "result.json").read_text())
    assert set(result["test"]) == {"all_positive", "fixed", "global", "per_label"}
    assert result["config"]["hyper"] == {"smoothing": 0.0}
    assert result["parameters"] == 6 * 8 + 8 + 8 * 4 + 4
    lines = lines_of(whole / "metrics.jsonl")
    assert [r["step"] for r in lines] == list(range(1, 13))
    assert [r["step"] for r in lines if "validation" in r] == [3, 6, 9, 12]
    # The best is the one that the metrics on validation say, the first of equals.
    values = {r["step"]: r["validation"]["micro_f1"] for r in lines if "validation" in r}
    assert result["best_step"] == max(values, key=values.get)
    assert result["validation"]["micro_f1"] == max(values.values())
    names = ("precision_recall", "roc", "threshold_curves", "f1_by_frequency", "reliability")
    for name in ("learning_curve", *(f"figures/{name}" for name in names)):
        assert (whole / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert [x["label"] for x in result["labels"]] == list("abcd")
    mean = np.mean([x["f1"] for x in result["labels"]])
    np.testing.assert_allclose(mean, result["test"]["global"]["macro_f1"], rtol=1e-6)
    pytest.importorskip("tensorboardX")
    assert list((whole / "tensorboard").glob("events*"))


def test_streamed_metrics_and_test_metrics_are_those_of_the_best_parameters(whole):
    setup = prepare(options())
    like = jax.jit(setup.initial_state, out_shardings=setup.layout())()
    checkpoints = training.Checkpointer(whole, setup.config())
    state, validation = checkpoints.restore_best(like)
    checkpoints.close()
    from sklearn.metrics import f1_score

    def scores(rows):
        inputs = (setup.data.features[rows] - setup.data.shift) * setup.data.scale
        return np.asarray(setup.model.apply({"params": state.params}, inputs))

    result = json.loads((whole / "result.json").read_text())
    for rows, values in (
        (setup.validation, validation),
        (setup.test, result["test"]["fixed"]),
    ):
        for average in ("micro", "macro", "samples"):
            value = f1_score(
                setup.data.labels[rows], scores(rows) >= 0, average=average, zero_division=0
            )
            # Sums of float32 against float64.
            np.testing.assert_allclose(values[f"{average}_f1"], value, rtol=1e-6)


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, expected):
    # One true SIGKILL; `python -m tests.experiments.check_kill` does it at a dozen moments.
    check_kill.kill_and_resume(tmp_path, [7], EPOCHS)
    check_kill.assert_same(contents(tmp_path), expected)


def interrupt(monkeypatch, step, how):
    """Calls `how` after a step, before its checkpoint."""
    add = log.Log.add

    def interrupted(self, number, *arguments):
        add(self, number, *arguments)
        if number == step:
            how()

    monkeypatch.setattr(log.Log, "add", interrupted)


def test_a_run_interrupted_in_every_way_goes_on_to_the_same_bits(
    tmp_path, monkeypatch, expected, capsys
):
    def crash():
        raise MemoryError

    with monkeypatch.context() as patch:
        interrupt(patch, 1, crash)
        with pytest.raises(MemoryError):
            run(tmp_path)
    for step, number, code in ((5, signal.SIGTERM, 143), (7, signal.SIGINT, 130)):
        with monkeypatch.context() as patch:
            interrupt(patch, step, lambda number=number: os.kill(os.getpid(), number))
            capsys.readouterr()
            assert run(tmp_path) == code
        error = capsys.readouterr().err
        assert error.startswith(f"{number.name} after step {step}: saved in {tmp_path}")
        assert error.count("\n") == 1
    with monkeypatch.context() as patch:
        interrupt(patch, 11, crash)
        with pytest.raises(MemoryError):
            run(tmp_path)
        assert "going on after step 7" in capsys.readouterr().out
    assert run(tmp_path) == 0
    assert "going on after step 10" in capsys.readouterr().out
    check_kill.assert_same(contents(tmp_path), expected)


def test_a_run_goes_on_with_other_devices(tmp_path, monkeypatch, expected):
    with monkeypatch.context() as patch:
        interrupt(patch, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert run(tmp_path) == 143
    # Labels in two, and the ragged batches over two: both padded and divided.
    arguments = [*EPOCHS, "--how", "jit", "--label-devices", "2"]
    assert check_kill.start(tmp_path, arguments, **environment(4)).wait() == 0
    got = contents(tmp_path)
    assert got[1] == expected[1]
    for one, other in zip(got[0], expected[0], strict=True):
        # Seven steps of Adam on sums that are taken in another order.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@contextlib.contextmanager
def no_file_longer_than(size):
    """Writing fails beyond this size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_one_line_and_the_last_checkpoint_is_kept(
    tmp_path, monkeypatch, expected, capfd
):
    with monkeypatch.context() as patch:
        interrupt(patch, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert run(tmp_path) == 143
    # Reached by the lines of the metrics, by a checkpoint, and by the learning curve at the end.
    for size, step in ((300, 5), (1_000, 5), (20_000, 12)):
        capfd.readouterr()
        with no_file_longer_than(size):
            assert run(tmp_path) == 1
        assert capfd.readouterr().err == (
            f"stopped: cannot write to {tmp_path}: File too large; step {step} is kept in "
            f"{tmp_path}, and the same command goes on from there\n"
        )
    assert run(tmp_path) == 0
    check_kill.assert_same(contents(tmp_path), expected)


def test_two_runs_do_not_share_a_folder(tmp_path, capsys):
    with storage.locked(tmp_path):
        assert run(tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path} is in use by another run")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_an_extended_run_is_the_longer_run_bit_by_bit_if_its_rate_is_constant(tmp_path, capsys):
    constant = ("--schedule", "constant")
    assert run(tmp_path / "whole", *constant) == 0
    assert run(tmp_path / "longer", *constant, "--epochs", "2") == 0
    capsys.readouterr()
    assert run(tmp_path / "longer", *constant) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["extended from 2 to 4 epochs", "going on after step 6"]
    got, expected = (contents(tmp_path / name, *constant) for name in ("longer", "whole"))
    check_kill.assert_same(got, expected)
    results = [
        json.loads((tmp_path / name / "result.json").read_text()) for name in ("longer", "whole")
    ]
    assert results[0] == results[1]
    assert results[0]["config"]["epochs"] == 4


def test_an_extended_run_says_what_its_schedule_is_and_a_shorter_one_what_is_done(
    whole, tmp_path, capsys
):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    assert run(tmp_path, "--epochs", "3") == 2
    assert capsys.readouterr().err == (
        f"error: 4 epochs of 4 are done in {tmp_path}, and --epochs is 3; give more to go on, "
        "another --output, or --no-resume\n"
    )
    assert run(tmp_path, "--epochs", "5") == 0
    line = "extended from 4 to 5 epochs; the cosine schedule is that of 5 epochs from here"
    assert capsys.readouterr().out.splitlines()[0] == line
    assert len(lines_of(tmp_path / "metrics.jsonl")) == 15
    # What else determines the result may not change, as before.
    assert run(tmp_path, "--epochs", "6", "--schedule", "constant") == 2
    error = capsys.readouterr().err
    assert "schedule is 'cosine' there and 'constant' here" in error
    assert "epochs" not in error


def test_the_default_folder_is_named_after_all_but_the_length():
    def folder(*arguments):
        chosen = options(*arguments)
        return folder_of(prepare(chosen), chosen.quick)

    assert folder() == folder("--epochs", "9")
    assert folder() != folder("--seed", "1")
    assert folder() != folder("--quick")


def test_a_record_has_null_where_a_metric_is_undefined(tmp_path, whole):
    written = log.Log(tmp_path, 0)
    written.add(1, 1, dict.fromkeys(("gradient_norm", "loss"), jax.numpy.float32(0.5)))
    written.drain({"micro_f1": 0.5, "hamming_loss": float("nan")})
    written.close()
    (record,) = lines_of(tmp_path / "metrics.jsonl")
    assert record["validation"] == {"micro_f1": 0.5, "hamming_loss": None}
    training_tables.learning_curve(log.read(tmp_path / "metrics.jsonl"), "micro_f1")
    result = json.loads((whole / "result.json").read_text())
    result["test"]["fixed"]["hamming_loss"] = None
    shown = training_tables.test_table(records.from_json(RunResult, result))
    assert shown.rows[1][-1] == "-"
    # No positive, nothing predicted, nothing known.
    labels = np.array([[0, 1, 0], [0, 1, 0]], bool)
    where, decided = np.array([[1, 1, 0]] * 2, bool), np.array([[1, 0, 0]] * 2, bool)
    part = Part(labels.astype(np.float32), labels, where)
    nothing = dict.fromkeys(("f1", "precision", "recall"))
    assert records.to_json(judge.of_labels("abc", part, decided)) == [
        {"label": "a", "frequency": 0.0, "f1": 0.0, "precision": 0.0, "recall": None},
        {"label": "b", "frequency": 1.0, "f1": 0.0, "precision": None, "recall": 0.0},
        {"label": "c", "frequency": None, **nothing},
    ]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    tmp_path, monkeypatch, capsys
):
    add = log.Log.add

    def poisoned(self, step, epoch, metrics):
        if step == 8:
            metrics = {**metrics, "loss": jax.numpy.float32(np.nan)}
        add(self, step, epoch, metrics)

    monkeypatch.setattr(log.Log, "add", poisoned)
    assert run(tmp_path) == 1
    error = capsys.readouterr().err
    assert error == f"stopped at step 8: loss is nan; step 6 is kept in {tmp_path}\n"
    assert [r["step"] for r in lines_of(tmp_path / "metrics.jsonl")] == list(range(1, 8))


def test_a_learning_rate_that_explodes_stops_before_any_bad_checkpoint(tmp_path, capsys):
    assert run(tmp_path, "--learning-rate", "1e38", "--checkpoint-every", "1") == 1
    assert "stopped at step" in capsys.readouterr().err
    for path in (tmp_path / "last").glob("*"):
        setup = prepare(options("--learning-rate", "1e38"))
        like = jax.jit(setup.initial_state, out_shardings=setup.layout())()
        checkpoints = training.Checkpointer(tmp_path, setup.config())
        state, _ = checkpoints.restore(like)
        checkpoints.close()
        assert loop.finite(state.params), path


def test_a_folder_of_another_run_is_refused_by_its_fields(whole, capsys):
    assert run(whole, "--learning-rate", "0.5", "--seed", "3") == 2
    error = capsys.readouterr().err
    assert "learning_rate is 0.003 there and 0.5 here" in error
    assert "seed is 0 there and 3 here" in error
    assert "--no-resume" in error
    assert error.count("\n") == 1


def test_no_resume_starts_over(whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    assert run(tmp_path, "--no-resume", "--epochs", "1") == 0
    assert "going on" not in capsys.readouterr().out
    assert [r["step"] for r in lines_of(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    assert {p.name for p in (tmp_path / "last").iterdir()} == {"2", "3"}


# When one array cannot be read, Orbax's other readers report to an event loop that is gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_corrupt_last_checkpoint_falls_back_with_a_warning(whole, tmp_path, expected, capsys):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "last" / "12" / "state").rglob("d/*"):
        path.write_bytes(path.read_bytes()[:40])
    assert run(tmp_path) == 0
    out = capsys.readouterr().out
    assert "warning: checkpoint" in out
    assert "last/12 cannot be used" in out
    assert "going on after step 10" in out
    check_kill.assert_same(contents(tmp_path), expected)


def test_the_state_of_a_loss_is_resumed_too(tmp_path):
    setup = prepare(options("--epochs", "2", "--loss", "average_precision"))
    state = jax.jit(setup.initial_state, out_shardings=setup.layout())()
    step = training.data_parallel(setup.step(1), setup.mesh)
    stream = batches.shuffled(
        setup.data, setup.train, seed=0, epochs=2, batch_size=32, padding=True
    )
    for number, batch in enumerate(stream, 1):
        state, _ = step(state, batch)
        if number == 4:
            checkpoints = training.Checkpointer(tmp_path, setup.config())
            checkpoints.save(state, stream.get_state())
            checkpoints.close()
    like = jax.jit(setup.initial_state, out_shardings=setup.layout())()
    again, data_state = training.Checkpointer(tmp_path, setup.config()).restore(like)
    stream = batches.shuffled(
        setup.data, setup.train, seed=0, epochs=2, batch_size=32, padding=True
    )
    stream.set_state(data_state)
    for batch in stream:
        again, _ = step(again, batch)
    for one, other in zip(
        jax.tree.leaves((state.params, state.loss_state)),
        jax.tree.leaves((again.params, again.loss_state)),
        strict=True,
    ):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_every_row_is_used_once_in_an_epoch_and_the_order_changes():
    setup = prepare(options())
    rows = setup.train
    features = np.arange(len(small().features), dtype=np.float32)[:, None]
    source = setup.data._replace(
        features=features, shift=np.zeros(1, np.float32), scale=np.ones(1, np.float32)
    )

    def epochs(seed, padding=True):
        stream = batches.shuffled(source, rows, seed=seed, epochs=2, batch_size=32, padding=padding)
        parts = [(b.inputs[:, 0], b.where.all(1)) for b in stream]
        assert {len(x) for x, _ in parts} == ({32} if padding else {32, len(rows) % 32})
        return [np.concatenate([x[w] for x, w in parts[i : i + 3]]) for i in (0, 3)]

    first, second = epochs(0)
    np.testing.assert_array_equal(np.sort(first), rows)
    np.testing.assert_array_equal(np.sort(second), rows)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, epochs(1)[0])
    np.testing.assert_array_equal(first, epochs(0, padding=False)[0])


def test_global_batches_do_not_depend_on_the_number_of_processes(monkeypatch):
    setup = prepare(options())

    def inputs(processes, index):
        monkeypatch.setattr(jax, "process_count", lambda: processes)
        monkeypatch.setattr(jax, "process_index", lambda: index)
        stream = batches.shuffled(
            setup.data, setup.train, seed=0, epochs=1, batch_size=32, padding=True
        )
        return [(b.inputs, b.where) for b in stream]

    for one, *parts in zip(inputs(1, 0), *(inputs(4, i) for i in range(4)), strict=True):
        for i in range(2):
            np.testing.assert_array_equal(one[i], np.concatenate([p[i] for p in parts]))


def test_micro_batches_change_nothing_but_rounding(tmp_path, whole, expected):
    assert run(tmp_path, "--micro-batches", "3") == 0
    got = contents(tmp_path, "--micro-batches", "3")
    for one, other in zip(got[0], expected[0], strict=True):
        # Twelve steps of Adam on sums that are taken in another order.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_dry_run_estimates_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["--dry-run"]) == 0
    lines = capsys.readouterr().out
    assert "parameters                  92\n" in lines
    assert "3 of 32 examples, 180 in all" in lines
    flops = float(lines.split("FLOPs of a step")[1].split()[0])
    # Two products forward and three backward (none for the inputs), 2 FLOPs per entry; the rest
    # is elementwise, on few entries.
    products = 2 * 32 * (2 * 6 * 8 + 3 * 8 * 4)
    assert products < flops < 3 * products
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "nothing"], "unknown data set 'nothing'"),
        (["--loss", "sigmoid"], "unknown loss 'sigmoid'; known: binary_cross_entropy, "),
        (["--hyper", "slope=2"], "--hyper slope=2: macro_soft_f1 has no hyperparameter 'slope'"),
        (["--hyper", "smoothing=x"], "--hyper smoothing=x: expected KEY=NUMBER"),
        (["--hyper", "smoothing=-1"], "cannot train macro_soft_f1 so: smoothing must be"),
        (["--epochs", "0"], "--epochs must be >= 1, got 0"),
        (["--learning-rate", "-1"], "--learning-rate must be >= 0 and finite, got -1.0"),
        (["--moving-decay", "1"], "cannot train macro_soft_f1 so: decay must be"),
        (["--loss", "tencent", "--moving-decay", "0.9"], "cannot train tencent so: objective"),
        (["--loss", "average_precision", "--micro-batches", "2"], "cannot train average_precision"),
        (["--label-devices", "2"], "--label-devices > 1 needs --how jit"),
        (["--label-devices", "3", "--how", "jit"], "cannot train macro_soft_f1 so: label must be"),
        (["--no-padding", "--micro-batches", "5"], "a batch has 32 examples, which 5 devices"),
        (["--no-padding", "--micro-batches", "4"], "the last batch of an epoch has 26 examples"),
        (["--output", "/dev/null/x"], "cannot write to the output folder /dev/null/x"),
    ],
)
def test_mistakes_cost_one_line_and_exit_code_2(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


def test_help_gives_an_example_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as helped:
        __main__.main(["train", "--help"])
    assert helped.value.code == 0
    text = capsys.readouterr().out
    assert "Example: python -m experiments train" in text
    assert "143 after SIGTERM" in text
