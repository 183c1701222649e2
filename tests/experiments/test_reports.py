"""One table on the terminal, in Markdown and in HTML."""

import io

import pytest

pytest.importorskip("rich", reason="the commands need the experiments extra")

from rich.console import Console

from experiments.reports.tables import Column, Table, mean_cell

TABLE = Table.of(
    ["name", Column("F1", right=True)],
    [("a|b\nc", "0.500"), ("<b>", "0.25"), ("[red]x", "–")],
    title="speed [m/s]",
    caption="[h]",
    best=[(0, 1)],
)


def printed(table, *style, width=60):
    file = io.StringIO()
    Console(file=file, width=width).print(table.rich(*style), markup=False, highlight=False)
    return file.getvalue()


def test_names_are_data_in_every_form():
    shown = printed(TABLE)
    for text in ("speed [m/s]", "[h]", "a|b", "<b>", "[red]x"):
        assert text in shown
    lines = TABLE.markdown().splitlines()
    assert lines == [
        "| name | F1 |",
        "| --- | --- |",
        r"| a\|b c | 0.500 |",
        "| <b> | 0.25 |",
        "| [red]x | – |",
    ]
    html = TABLE.html()
    assert "<td>&lt;b&gt;</td>" in html
    assert html.count("<td class=best>") == 1
    assert "<td class=best>0.500</td>" in html


def test_a_box_and_the_side_of_numbers():
    boxed = printed(TABLE, "boxed").splitlines()
    assert any(line.startswith("┏") for line in boxed)
    assert "│ <b>    │  0.25 │" in boxed
    assert not any(line.startswith("┏") for line in printed(TABLE).splitlines())
    untitled = Table.of(["", ""], [("a", "b")])
    assert printed(untitled).split() == ["a", "b"]
    assert untitled.markdown().splitlines()[0] == "|  |  |"


def test_rows_have_a_cell_per_column():
    with pytest.raises(ValueError, match=r"a row has 1 cells, \('a',\); expected 2"):
        Table.of(["x", "y"], [("a",)])


def test_means_as_text():
    assert mean_cell(0.41249, 0.0031) == "0.412 ± 0.003"
    assert mean_cell(0.41249, mark="-") == "0.412 -"
    assert mean_cell(float("nan"), float("nan")) == "–"
