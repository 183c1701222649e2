"""The suite of benchmarks: what it measures, and that every benchmark runs."""

import json
import time

import numpy as np
import pytest

from experiments.benchmarks import label_blocks, losses, metrics, timing
from experiments.benchmarks.ratios import plot, table
from experiments.benchmarks.timing import OURS, Contender, Row
from experiments.commands.benchmarks import BENCHMARKS, main


def test_ratios_are_of_what_ran_in_turns():
    order = []

    def contender(name, megabytes=None):
        return Contender(lambda: order.append(name) or time.sleep(0.004), megabytes)

    contenders = {OURS: contender(OURS, 2.0), "peer": contender("peer")}
    rows = list(timing.in_turns("sleep", "here", contenders, 3))
    # Forth and back.
    assert order[-6:] == ["peer", OURS, OURS, "peer", "peer", OURS]
    assert [(row.contender, row.megabytes) for row in rows] == [(OURS, 2.0), ("peer", None)]
    assert rows[0].ratio == rows[0].low == rows[0].high == 1
    assert rows[1].low <= rows[1].ratio <= rows[1].high
    assert 4 < rows[1].milliseconds < 400


def test_a_short_run_is_repeated_within_a_measurement():
    calls = []
    contenders = {
        OURS: Contender(lambda: calls.append(1)),
        "long": Contender(lambda: time.sleep(0.003)),
    }
    list(timing.in_turns("x", "here", contenders, 2))
    assert len(calls) > 1000


def test_a_table_and_a_plot_of_ratios():
    rows = [
        Row("lrap", "[10, 5]", OURS, 1.0, 1.0, 1.0, 1.0, 0.5),
        Row("lrap", "[10, 5]", "scikit-learn", 4.0, 0.25, 0.2, 0.31),
    ]
    assert table(rows, "metrics").rows == (
        ("lrap", "[10, 5]", OURS, "1", "", "", "0.5"),
        ("lrap", "[10, 5]", "scikit-learn", "4", "0.25", "0.2 to 0.31", ""),
    )
    assert plot(rows[:1], "metrics") is None
    assert [axis.get_title() for axis in plot(rows, "metrics").axes] == ["[10, 5]"]


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(losses, "installed", lambda package: False)
    assert losses._torch(losses.COMPARED[0], *losses._data((4, 3))) == {}
    monkeypatch.setattr(metrics, "installed", lambda package: False)
    given = [np.asarray(x) > 0 for x in losses._data((4, 3))]
    assert list(metrics._peers(metrics.SUBJECTS[0], *given)) == ["scikit-learn"]


def test_what_is_compared_is_the_same_loss():
    z, y = losses._data((32, 5))
    for average in losses.AVERAGES:
        ours = losses._sigmoid_f1(average).ours(z, y)
        assert losses.plain_sigmoid_f1(average, z, y) == pytest.approx(float(ours), rel=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own import
def test_what_torch_computes_is_the_same_loss():
    pytest.importorskip("torch", reason="the bench extra is not installed")
    from experiments.benchmarks import torch_losses

    z, y = losses._data((32, 5))
    for subject in losses.COMPARED:
        value, _ = torch_losses.contenders(subject.torch, z, y)["torch eager"].run()
        assert float(value) == pytest.approx(float(subject.ours(z, y).mean()), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["decisions", "metrics"])
def test_a_quick_run_writes_what_it_measured(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(metrics, "SUBJECTS", metrics.SUBJECTS[:2])
    assert main([name, "--quick", "--output", str(tmp_path)]) == 0
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["quick"]
    assert all(row["milliseconds"] > 0 for row in record["rows"])
    assert {row["contender"] for row in record["rows"]} >= {OURS, "scikit-learn"}
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / f"{name}.md").read_text().count("\n") >= len(record["rows"])
    assert f"{name}.json, .md and .png" in capsys.readouterr().out


def test_mistakes_cost_a_line(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["metrics", "--output", str(tmp_path / "file")]) == 2
    assert "cannot write to the output folder" in capsys.readouterr().err


def test_every_benchmark_has_a_name():
    assert BENCHMARKS["blocks"] is label_blocks.run
    assert set(BENCHMARKS) == {"losses", "metrics", "decisions", "population", "blocks", "import"}
