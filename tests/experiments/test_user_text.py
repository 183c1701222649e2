"""What users call things comes out as they wrote it: never markup, mathematics or hidden."""

import dataclasses
import io
import json
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("river", reason="the commands need the experiments extra")

from rich.console import Console

from experiments import __main__, datasets
from experiments.datasets import card_plots
from experiments.reports import figures
from experiments.reports.tables import Column, Table
from experiments.terminal import say

HEADER = "speed [m/s],rate [/h],drama [deprecated],comedy"
ROWS = ("1.5,2,1,0", "0.5,1,0,1", "1.1,3,1,1", "2.1,3,0,0")
LABELS = ("--labels", "drama [deprecated]", "comedy")


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A file with brackets wherever a user can put them."""
    monkeypatch.setenv("COLUMNS", "120")
    path = tmp_path / "films [bold].csv"
    path.write_text("\n".join([HEADER, *ROWS * 10]))
    return path


def test_describe_prints_names_unharmed(table, tmp_path, capsys):
    output = tmp_path / "cards [/h]"
    assert __main__.main(
        ["datasets", "describe", str(table), *LABELS, "--output", str(output)]
    ) == 0  # fmt: skip
    shown = capsys.readouterr().out
    assert "drama [deprecated] 20, comedy 20" in shown
    assert "films [bold].csv (features: speed [m/s], rate [/h])" in shown
    assert f"{output}/" in shown
    assert __main__.main(["datasets", "prepare", str(table), *LABELS]) == 0
    assert "is ready: 40 examples" in capsys.readouterr().out


@pytest.mark.slow
def test_train_prints_names_unharmed(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    made = dataclasses.replace(
        datasets.load(str(table), datasets.Options(labels=LABELS[1:])), name="films [m/s]"
    )
    with mock.patch.dict(datasets.LOADERS, films=lambda: made):
        command = ["train", "--dataset", "films", "--epochs", "1", "--output"]
        assert __main__.main([*command, str(tmp_path / "run, {red}")]) == 0
        shown = capsys.readouterr().out
        # Orbax cannot read what it writes there.
        assert __main__.main([*command, str(tmp_path / "run [red]")]) == 2
    assert "films [m/s], test" in shown
    assert f"{tmp_path}/run, {{red}}  (best step" in shown
    table_lines = [line for line in shown.splitlines() if line.startswith(tuple("┏┃┡│└"))]
    assert len(table_lines) == 8
    assert max(map(len, table_lines)) <= 80
    result = json.loads((tmp_path / "run, {red}" / "result.json").read_text())
    assert [x["label"] for x in result["labels"]] == ["drama [deprecated]", "comedy"]
    error = capsys.readouterr().err
    assert error == (
        "error: folder must be a path without [, which Orbax takes for a pattern, got "
        f"{tmp_path}/run [red]; give another --output\n"
    )


@pytest.mark.parametrize("name", ["speed [m/s]", "rate [/h]", "[bold]x[/bold]", ":+1:", "\\[x]"])
def test_no_name_is_markup(name):
    file = io.StringIO()
    console = Console(file=file, width=80)
    say(console, name)
    console.print(Table.of([Column("")], [[name]], title=name).rich("boxed"))
    assert file.getvalue().count(name) == 3


@pytest.mark.slow
def test_names_in_figures_are_drawn_as_they_are(monkeypatch):
    names = ("$100$", "_x", "a\nb", r"\$ %", "喜剧", "l" * 500, "$")
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 2)).astype(np.float32)
    labels = rng.random((60, len(names))) < 0.4
    labels[0] = True
    dataset = datasets.Dataset("$x_1$ [m/s]\n" * 20, features, labels, names, "made here")
    drawn = card_plots.draw_label_frequencies(dataset)
    shown = {x.get_text() for x in drawn.axes[0].get_yticklabels()}
    assert shown == {r"\$100\$", "_x", "a b", r"\\$ %", "喜剧", "l" * 31 + "…", r"\$"}
    # No mathematics, no missing glyph's warning, no figure that grows with its names.
    for content in card_plots.all_figures(dataset).values():
        assert content.startswith(b"\x89PNG")
    from matplotlib.figure import Figure

    title = Figure().suptitle(figures.text("$100$ or $200$"))
    # What matplotlib draws, and whether it takes it for mathematics.
    assert title._preprocess_math(title.get_text()) == ("$100$ or $200$", False)
