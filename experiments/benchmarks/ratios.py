"""A table and a plot of what was timed: ours over each contender."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.benchmarks.timing import OURS, Row
from experiments.reports import figures
from experiments.reports.tables import Column, Table


def table(rows: Sequence[Row], title: str) -> Table:
    """Times, ratios and memory."""
    numbers = ("ms", "ours / this", "quartiles", "temporary MB")
    columns = [
        *(Column(title, whole=True) for title in ("what", "on", "who")),
        *(Column(title, right=True, whole=True) for title in numbers),
    ]
    return Table.of(columns, map(_cells, rows), title=title)


def _cells(row: Row) -> list[str]:
    ours = row.contender == OURS
    return [
        *(row.subject, row.setting, row.contender, f"{row.milliseconds:.3g}"),
        "" if ours else f"{row.ratio:.2g}",
        "" if ours else f"{row.low:.2g} to {row.high:.2g}",
        "" if row.megabytes is None else f"{row.megabytes:.3g}",
    ]


def plot(rows: Sequence[Row], title: str) -> Figure | None:
    """A panel per setting: ratios by subject, with their quartiles; None without contenders."""
    compared = [row for row in rows if row.contender != OURS]
    if not compared:
        return None
    settings = list(dict.fromkeys(row.setting for row in compared))
    contenders = list(dict.fromkeys(row.contender for row in compared))
    panels = [list(dict.fromkeys(r.subject for r in compared if r.setting == s)) for s in settings]
    figure = Figure(
        figsize=(3 + 3 * len(settings), 1.5 + 0.3 * max(map(len, panels))), layout="constrained"
    )
    axes = figure.subplots(1, len(settings), squeeze=False)[0]
    for axis, setting, subjects in zip(axes, settings, panels, strict=True):
        for number, contender in enumerate(contenders):
            mine = [r for r in compared if (r.setting, r.contender) == (setting, contender)]
            if not mine:
                continue
            low, high = ([abs(getattr(r, q) - r.ratio) for r in mine] for q in ("low", "high"))
            axis.errorbar(
                [r.ratio for r in mine],
                [subjects.index(r.subject) for r in mine],
                xerr=(low, high),
                fmt="o",
                color=f"C{number}",
                label=figures.text(contender),
            )
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axis.set_yticks(range(len(subjects)), [figures.text(s, 48) for s in subjects], fontsize=7)
        axis.invert_yaxis()
        axis.set_title(figures.text(setting, 48), fontsize=9)
        axis.set_xlabel("ours / contender: left of 1 ours is faster", fontsize=7)
    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper right", fontsize=8)
    figure.suptitle(figures.text(title, 80), x=0.01, ha="left")
    return figure
