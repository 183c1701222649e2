"""Figures of the comparison, each drawn from the systems' records."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.decision_rules import DEFAULT, GLOBAL, ORACLE, PER_LABEL, UNTUNED
from experiments.evaluation import CURVE_THRESHOLDS, SELECTION_AVERAGES
from experiments.reports.figures import png
from experiments.reports.metric_titles import MAIN_METRICS
from experiments.results.comparison import Records, decision_names
from experiments.significance import mean_and_deviation
from experiments.systems import SYSTEMS
from experiments.tuning import ALL_POSITIVE, LOGISTIC_REGRESSION

DECISION_MARKERS = {UNTUNED: "o", GLOBAL: "s", PER_LABEL: "^"}


def all_figures(records: Records) -> dict[str, bytes]:
    """Name -> PNG."""
    drawn = {
        "scores": summary(records),
        "threshold_curves": threshold_curves(records),
        "label_counts": label_counts(records),
        "sorted_scores": sorted_scores(records),
        "learning_curves": learning_curves(records),
    }
    if len(decision_names(records)) > len(DEFAULT):
        drawn["decisions"] = decision_heat_maps(records)
    return {name: png(figure) for name, figure in drawn.items()}


def _colours(records: Records) -> dict[str, tuple[float, float, float, float]]:
    palette = matplotlib.colormaps["tab20"]
    return {name: palette(i % palette.N) for i, name in enumerate(records)}


def _grid(
    number: int,
    columns: int,
    size: tuple[float, float],
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    rows = -(-number // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).ravel()
    for spare in axes[number:]:
        spare.set_visible(False)
    return figure, list(axes[:number])


def _legend(figure: Figure, axis: Axes) -> None:
    """One legend beside the panels, so that it covers no curve."""
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right center", fontsize=8)


def summary(records: Records) -> Figure:
    """Each metric's mean and standard deviation over seeds, by system and decision."""
    figure, axes = _grid(
        len(MAIN_METRICS), len(MAIN_METRICS), (2.7, 0.32 * len(records) + 1.2), sharey=True
    )
    names = list(records)
    for axis, (metric, title) in zip(axes, MAIN_METRICS.items(), strict=True):
        for offset, (decision, marker) in zip(
            (-0.2, 0, 0.2), DECISION_MARKERS.items(), strict=True
        ):
            shown = [
                (i, mean_and_deviation(records[n].values[decision].test[metric]))
                for i, n in enumerate(names)
                if decision in records[n].values
            ]
            axis.errorbar(
                [mean for _, (mean, _) in shown],
                [i + offset for i, _ in shown],
                xerr=[deviation for _, (_, deviation) in shown],
                fmt=marker,
                markersize=4,
                linewidth=1,
                label=decision,
            )
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    axes[0].legend(fontsize=7, title="decision", title_fontsize=7)
    figure.suptitle("Test scores: mean and standard deviation over seeds", fontsize=11)
    return figure


def threshold_curves(records: Records) -> Figure:
    """F1 against one threshold on the scores, on test."""
    figure, axes = _grid(len(SELECTION_AVERAGES), len(SELECTION_AVERAGES), (4.2, 3.6), sharey=True)
    colours = _colours(records)
    for i, (axis, average) in enumerate(zip(axes, SELECTION_AVERAGES, strict=True)):
        for name, record in records.items():
            dashed = "-" if name in SYSTEMS else "--"
            curve = record.curves.f1[:, i]
            axis.plot(
                CURVE_THRESHOLDS, curve, dashed, color=colours[name], label=name, linewidth=1.5
            )
        axis.axvline(0.5, color="grey", linewidth=0.7)
        axis.set(title=f"{average} F1", xlabel="threshold", xlim=(0, 1))
        axis.grid(alpha=0.3)
    _legend(figure, axes[0])
    figure.suptitle("F1 on test against one threshold for all labels: flat is robust", fontsize=11)
    return figure


def decision_heat_maps(records: Records) -> Figure:
    """Mean test F1 of every system with every decision rule, one panel per average."""
    names, rules = list(records), decision_names(records)
    width = 0.62 * len(rules) + 2.4
    figure, axes = _grid(len(SELECTION_AVERAGES), 1, (width, 0.36 * len(names) + 1.6))
    for axis, average in zip(axes, SELECTION_AVERAGES, strict=True):
        values = np.full((len(names), len(rules)), np.nan)
        for i, name in enumerate(names):
            for j, rule in enumerate(rules):
                found = records[name].values.get(rule)
                if found is not None:
                    values[i, j], _ = mean_and_deviation(found.test.get(f"{average}_f1", ()))
        axis.imshow(values, cmap="viridis", aspect="auto")
        if np.isnan(values).all():
            axis.set_title(f"{average} F1 on test is undefined", fontsize=10)
            continue
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        best = np.nanmax(np.where([r != ORACLE for r in rules], values, np.nan))
        for i, j in np.argwhere(~np.isnan(values)):
            text = f"{values[i, j]:.3f}"[1:]
            axis.text(
                *(j, i, text),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if values[i, j] < middle else "black",
                fontweight="bold" if values[i, j] == best else "normal",
            )
        titles = ["oracle (saw test labels)" if r == ORACLE else r for r in rules]
        axis.set_xticks(range(len(rules)), titles, rotation=35, ha="right", fontsize=7)
        axis.set_yticks(range(len(names)), names, fontsize=7)
        axis.set_title(f"{average} F1 on test (bold: the best)", fontsize=10)
    return figure


def label_counts(records: Records) -> Figure:
    """Mean predicted number of labels for each true number, at 0.5."""
    figure, axes = _grid(1, 1, (6.5, 5))
    axis, colours = axes[0], _colours(records)
    seen = next(iter(records.values())).curves.examples > 0
    counts = np.flatnonzero(seen)
    axis.plot(counts, counts, color="black", linewidth=0.8, label="true number")
    for name, record in records.items():
        if name == ALL_POSITIVE:
            continue  # a horizontal line far above everything else
        predicted = record.curves.predicted_count[seen]
        axis.plot(counts, predicted, "o-", markersize=3, color=colours[name], label=name)
    axis.set(xlabel="true number of labels", ylabel="mean predicted number at 0.5")
    axis.set_title("Does the number of predicted labels follow the true number?", fontsize=11)
    axis.grid(alpha=0.3)
    _legend(figure, axis)
    return figure


def sorted_scores(records: Records) -> Figure:
    """Each example's scores in descending order: median, quartiles and knee over test examples."""
    shown = [name for name in records if name in SYSTEMS or name == LOGISTIC_REGRESSION]
    figure, axes = _grid(len(shown), 3, (3.6, 2.6), sharex=True)
    for axis, name in zip(axes, shown, strict=True):
        lower, median, upper = records[name].curves.sorted_scores
        ranks = np.arange(1, len(median) + 1)
        axis.fill_between(ranks, lower, upper, alpha=0.3, linewidth=0)
        axis.plot(ranks, median, linewidth=1.5)
        knee = int(records[name].curves.knee)
        axis.plot(ranks[knee], median[knee], "o", color="black", markersize=5)
        axis.axhline(0.5, color="grey", linewidth=0.7)
        axis.set_title(f"{name}: knee at rank {knee + 1}", fontsize=9)
        axis.set_ylim(np.nanmin([0, *lower]) - 0.03, np.nanmax([1, *upper]) + 0.03)
    figure.suptitle(
        "Scores of an example, sorted: median, quartiles, and the knee (dot)", fontsize=11
    )
    figure.supxlabel("rank of the label", fontsize=9)
    return figure


def learning_curves(records: Records) -> Figure:
    """Training loss and mean validation F1 by epoch, of the runs selected at 0.5."""
    figure, axes = _grid(2, 2, (5.5, 4))
    colours = _colours(records)
    for name, record in records.items():
        if record.learning is not None:
            loss = np.array(record.learning.loss)
            curves = (np.array(record.learning.mean_f1), loss / abs(loss[0]))
            for axis, curve in zip(axes, curves, strict=True):
                axis.plot(np.arange(1, len(curve) + 1), curve, color=colours[name], label=name)
    titles = (
        "mean of micro, macro, samples F1 on validation, at 0.5",
        "training loss, relative to the first epoch",
    )
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
    _legend(figure, axes[0])
    return figure
