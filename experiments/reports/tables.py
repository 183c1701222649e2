"""One table for the terminal, for Markdown and for HTML."""

import dataclasses
import html as html_escape
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import rich.box
import rich.table
from rich.text import Text

UNDEFINED = "–"


class Column(NamedTuple):
    """A column of a table.

    Attributes:
      title: above it; "" is none.
      right: aligned to the right on the terminal.
      whole: never broken over lines on the terminal.
    """

    title: str
    right: bool = False
    whole: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    r"""Rows of text under titles. What is in them is data: no markup in any form.

    Attributes:
      columns: one per cell of a row.
      rows: cells.
      title: above the table on the terminal.
      caption: under it on the terminal.
      best: (row, column) of cells that are bold in HTML.

    Example:
      >>> table = Table.of(("loss", "F1"), [("focal", "0.61"), ("a|b", "0.60")])
      >>> print(table.markdown())
      | loss | F1 |
      | --- | --- |
      | focal | 0.61 |
      | a\|b | 0.60 |
      >>> table.html()[:43]
      '<table><tr><th>loss</th><th>F1</th></tr><tr'
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str | None = None
    caption: str | None = None
    best: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def of(
        cls,
        columns: Iterable[str | Column],
        rows: Iterable[Sequence[str]],
        title: str | None = None,
        caption: str | None = None,
        best: Iterable[tuple[int, int]] = (),
    ) -> "Table":
        """A table of plain titles, or of columns.

        Raises:
          ValueError: a row with more or fewer cells than there are columns.
        """
        named = tuple(Column(c) if isinstance(c, str) else c for c in columns)
        cells = tuple(tuple(row) for row in rows)
        for row in cells:
            if len(row) != len(named):
                raise ValueError(f"a row has {len(row)} cells, {row}; expected {len(named)}")
        return cls(named, cells, title, caption, frozenset(best))

    def rich(self, style: Literal["boxed", "plain"] = "plain", gap: int = 1) -> rich.table.Table:
        """The table for the terminal: with a box, or plain with a gap between columns."""
        boxed = style == "boxed"
        table = rich.table.Table(
            title=None if self.title is None else Text(self.title),
            caption=None if self.caption is None else Text(self.caption),
            show_header=any(column.title for column in self.columns),
            box=rich.box.HEAVY_HEAD if boxed else None,
            padding=(0, 1) if boxed else (0, gap, 0, 0),
        )
        for column in self.columns:
            table.add_column(
                Text(column.title),
                justify="right" if column.right else "left",
                no_wrap=column.whole,
                overflow="ellipsis" if boxed or column.whole else "fold",
            )
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def markdown(self) -> str:
        """The table as Markdown, without its title and caption."""
        titles = [column.title for column in self.columns]
        lines = [titles, ["---"] * len(titles), *self.rows]
        return "\n".join(f"| {' | '.join(map(_markdown, line))} |" for line in lines)

    def html(self) -> str:
        """The table as HTML, without its title and caption."""
        escape = html_escape.escape
        head = "".join(f"<th>{escape(column.title)}</th>" for column in self.columns)
        rows = []
        for i, row in enumerate(self.rows):
            cells = "".join(
                f"<td{' class=best' if (i, j) in self.best else ''}>{escape(cell)}</td>"
                for j, cell in enumerate(row)
            )
            rows.append(f"<tr>{cells}</tr>")
        return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def mean_cell(mean: float, deviation: float | None = None, mark: str = "") -> str:
    """A mean, its deviation where there is one, and a mark; as text.

    Example:
      >>> mean_cell(0.4119, 0.0031, "+"), mean_cell(0.4119), mean_cell(float("nan"))
      ('0.412 ± 0.003 +', '0.412', '–')
    """
    if mean != mean:
        return UNDEFINED
    spread = "" if deviation is None else f" ± {deviation:.3f}"
    return f"{mean:.3f}{spread}{f' {mark}' if mark else ''}"


def _markdown(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
