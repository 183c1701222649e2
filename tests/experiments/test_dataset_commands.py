"""`datasets` and `compare` on a user's file, end to end."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("river", reason="the comparison needs the experiments extra")

from experiments import __main__, evaluation, systems, tuning
from experiments.comparison import run
from experiments.comparison.settings import Settings
from experiments.datasets import Dataset, Options
from experiments.errors import UserError
from experiments.problem import dense, make_problem

N = 90


def made(where=False):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, 4)).astype(np.float32)
    labels = features @ rng.normal(size=(4, 3)) + 0.3 * rng.normal(size=(N, 3)) > 0
    known = rng.random((N, 3)) < 0.8 if where else np.ones((N, 3), bool)
    return features, labels, known


@pytest.fixture
def table(tmp_path):
    """A CSV file with four features, three labels (some missing) and a split."""
    rows = ["w,x,y,z,a,b,c,part"]
    for i, (x, y, known) in enumerate(zip(*made(where=True), strict=True)):
        cells = [str(int(v)) if k else "" for v, k in zip(y, known, strict=True)]
        rows.append(",".join([*map(str, x), *cells, "test" if i % 5 == 0 else "train"]))
    path = tmp_path / "weather.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.mark.slow
def test_describe_writes_a_card(table, tmp_path, capsys):
    command = ["datasets", "describe", str(table), "--labels", "a", "b", "c", "--split", "part"]
    assert __main__.main([*command, "--output", str(tmp_path / "cards")]) == 0
    folder = tmp_path / "cards" / "weather"
    assert sorted(p.name for p in folder.iterdir()) == [
        "card.json",
        "card.md",
        "co_occurrence.png",
        "label_frequencies.png",
        "labels_per_example.png",
    ]
    values = json.loads((folder / "card.json").read_text())
    assert (values["examples"], values["labels"]) == (N, 3)
    assert values["parts"] == {"train": 72, "test": 18}
    shown = capsys.readouterr().out
    assert "weather" in shown
    assert "train 72, test 18" in shown
    assert "card.md" in shown.splitlines()[-1]


def test_prepare_and_list(table, capsys):
    assert __main__.main(["datasets", "prepare", str(table), "--labels", "a", "b", "c"]) == 0
    assert capsys.readouterr().out == "weather is ready: 90 examples, 3 labels\n"
    assert __main__.main(["datasets", "list"]) == 0
    shown = capsys.readouterr().out
    assert "yeast" in shown
    assert "openml:NUMBER" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "nothing.csv"], "there is no file or folder nothing.csv"),
        (["describe", "{table}"], "{table}: which columns are labels? pass --labels"),
        (["prepare", "{table}", "--labels", "q"], "{table} has no column 'q' (--labels)"),
        (["prepare", "yeast", "--text", "t"], "--text means nothing for the data set yeast"),
        (["prepare", "{table}", "--min-label-count", "-1"], "--min-label-count must be >= 0"),
        (
            ["describe", "{table}", "--labels", *"abc", "--output", "/dev/null/x"],
            "cannot write to the output folder",
        ),
    ],
)
def test_mistakes_cost_one_line_and_exit_code_2(table, tmp_path, arguments, message, capsys):
    arguments = [a.format(table=table) for a in arguments]
    assert __main__.main(["datasets", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message.format(table=table)}")
    assert error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["weather.csv"]


@pytest.mark.slow
def test_compare_on_a_table(table, tmp_path):
    command = ["compare", "--dataset", str(table), "--labels", "a", "b", "c", "--split", "part"]
    small = ["--quick", "--losses", "binary_cross_entropy", "--seeds", "2", "--epochs", "2"]
    small += ["--budget", "1", "--hidden", "4", "--output", str(tmp_path)]
    assert __main__.main([*command, *small]) == 0
    (path,) = tmp_path.rglob("results.json")
    results = json.loads(path.read_text())
    assert results["dataset"]["name"] == "weather"
    assert results["dataset"]["split"].startswith("the source's train and test; validation")
    assert results["config"]["data"]["labels"] == ["a", "b", "c"]
    assert path.parent.parent.name == "weather"
    found = {
        r["system"]: r["values"]
        for r in results["rows"]
        if (r["decision"], r["metric"]) == ("fixed", "hamming_loss")
    }
    # Predicting all positive errs on the known negatives of the test rows, and only on those.
    _, labels, known = made(where=True)
    test = np.arange(N) % 5 == 0
    expected = 1 - labels[test][known[test]].mean()
    np.testing.assert_allclose(found["all_positive"], [expected] * 2, rtol=1e-6)


@pytest.mark.slow
def test_missing_labels_decide_nothing(monkeypatch):
    """Whatever stands where a label is missing, scores and selected runs are the same."""

    def criteria(scores, labels, where):
        """One threshold where the comparison has twenty: a fraction of the time to compile."""
        return jnp.tile(evaluation.mean_f1(scores >= 0.5, labels, where), 2)

    monkeypatch.setattr(evaluation, "selection_criteria", criteria)
    features, labels, known = made(where=True)
    plan = tuning.Plan(epochs=2, hidden=(4,), batch_size=256, budget=2)
    found = []
    for hidden in (False, True):
        data = Dataset("small", features, labels & known, tuple("abc"), "here", where=known)
        problem = make_problem(data, 2)
        # Splits and standardisation as before; only the values under the mask differ.
        object.__setattr__(data, "labels", np.where(known, labels, hidden))
        system = systems.SYSTEMS["positive_unlabeled"]
        found.append(
            [
                tuning.reference("label_frequency", problem, plan),
                tuning.reference("logistic_regression", problem, plan),
                tuning.train_system(system, problem, plan),
            ]
        )
    for one, other in zip(*found, strict=True):
        assert one.selected == other.selected
        assert one.learning == other.learning
        for a, b in zip(
            (*one.validation, *one.test), (*other.validation, *other.test), strict=True
        ):
            np.testing.assert_array_equal(a.scores, b.scores)
            np.testing.assert_array_equal(a.where, b.where)
            np.testing.assert_array_equal(a.labels & a.where, b.labels & b.where)
            assert not np.all(a.where)


def test_compare_refuses_what_it_cannot_hold():
    features, labels, _ = made()
    numbers = Dataset(
        "many", features, np.zeros((N, 2), np.int32), tuple(map(str, range(10_001))), "here"
    )
    with pytest.raises(UserError, match="up to 10000; data set many has 10001"):
        dense(numbers)
    tokens = Dataset("words", np.ones((N, 5), np.int32), labels, tuple("abc"), "here")
    with pytest.raises(UserError, match="data set words has token ids"):
        dense(tokens)
    images = Dataset("icons", np.full((N, 2, 2, 1), 255, np.uint8), labels, tuple("abc"), "here")
    np.testing.assert_array_equal(dense(images).features, np.ones((N, 4), np.float32))


@pytest.mark.slow
def test_other_data_under_the_same_name_is_not_resumed(table, tmp_path, monkeypatch):
    options = Settings(dataset=str(table), data=Options(labels=("a", "b", "c")))
    seen = []

    def stop(*_):
        raise UserError("far enough")

    monkeypatch.setattr(run, "make_problem", stop)
    for text in (table.read_text(), table.read_text().replace("train", "test")):
        table.write_text(text)
        with pytest.raises(UserError, match="far enough"):
            run.run(options, tmp_path / "results")
        seen.append(len(list((tmp_path / "results" / "weather").iterdir())))
    # The column that changed is not read: the results are of the same data.
    assert seen == [1, 1]
    table.write_text(table.read_text().replace("0.", "1."))
    with pytest.raises(UserError, match="far enough"):
        run.run(options, tmp_path / "results")
    assert len(list((tmp_path / "results" / "weather").iterdir())) == 2
