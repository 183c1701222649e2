"""The study of batch sizes end to end on a tiny table, and its command line."""

import json

import numpy as np
import pytest

pytest.importorskip("river", reason="studies need the experiments extra")

from experiments.__main__ import main
from experiments.studies import batch_size


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["x,y,a,b"]
    for _ in range(60):
        x, y = rng.normal(size=2)
        rows.append(f"{x:.3f},{y:.3f},{int(x + y > 0.3)},{int(x - y > 0.8)}")
    path = tmp_path / "tiny.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.xdist_group("study")
def test_batch_sizes_are_compared_and_the_study_resumes(table, tmp_path, monkeypatch):
    # One variant with state and one without: the others differ in numbers.
    variants = {name: batch_size.VARIANTS[name] for name in ("smoothing", "moving")}
    monkeypatch.setattr(batch_size, "VARIANTS", variants)
    command = [
        *("study", "batch_size", "--dataset", str(table), "--labels", "a", "b", "--sizes", "4"),
        *("--seeds", "2", "--epochs", "2", "--budget", "1", "--hidden", "4"),
        *("--output", str(tmp_path / "out")),
    ]
    assert main(command) == 0
    (folder,) = (tmp_path / "out" / "tiny").iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert [row["variant"] for row in results["rows"]] == ["all_positive", *variants]
    assert all(
        len(values) == 2 and 0 <= min(values) <= max(values) <= 1
        for row in results["rows"]
        for rule in row["values"].values()
        for values in rule.values()
    )
    assert "| moving | 4 | fixed |" in (folder / "table.md").read_text()
    assert (folder / "batch_size.png").read_bytes().startswith(b"\x89PNG")
    # What is done is read again: a cell that was changed on disk shows in the new results.
    cell = folder / "cells" / "moving_4.json"
    values = json.loads(cell.read_text())
    values["fixed"]["macro_f1"] = [0.125, 0.125]
    cell.write_text(json.dumps(values))
    assert main(command) == 0
    assert "0.125 ± 0.000" in (folder / "table.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bach_size"], "unknown study 'bach_size'; known: batch_size"),
        (["batch_size", "--sizes", "0"], "--sizes must be batch sizes >= 1, got (0,)"),
        (["batch_size", "--seeds", "0"], "--seeds must be >= 1, got 0"),
    ],
)
def test_mistakes_are_named(arguments, message, capsys):
    assert main(["study", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_studies_are_listed(capsys):
    assert main(["study", "--help"]) == 0
    assert "batch_size" in capsys.readouterr().out
