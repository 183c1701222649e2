"""The records of the study on simulated data, and its table and figure."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from experiments.evaluation import SELECTION_AVERAGES
from experiments.reports.tables import Table, mean_cell
from experiments.significance import mean_and_deviation
from experiments.summary import Summary
from experiments.tuning import ALL_POSITIVE

BAYES = "bayes"
FLOOR = ALL_POSITIVE
AT_HALF, TUNED, OPTIMAL = "0.5", "tuned", "optimal"
THRESHOLDS = (AT_HALF, TUNED)

F1 = dict[str, tuple[float, ...]]
"""Average -> test F1 per seed."""
Scores = dict[str, F1]
"""Threshold -> its F1."""


class Case(NamedTuple):
    """A system on a simulation at a threshold."""

    simulation: str
    system: str
    threshold: str


@dataclasses.dataclass(frozen=True)
class Row:
    """The F1 of a case."""

    simulation: str
    system: str
    threshold: str
    f1: F1

    @property
    def case(self) -> Case:
        """Whose the F1 is."""
        return Case(self.simulation, self.system, self.threshold)


@dataclasses.dataclass(frozen=True)
class Results:
    """What results.json holds; `simulations` is name -> data set."""

    config: Mapping[str, object]
    versions: Mapping[str, str]
    simulations: Mapping[str, Summary]
    rows: tuple[Row, ...]


def distances(rows: Sequence[Row]) -> dict[Case, dict[str, npt.NDArray[np.float64]]]:
    """Case -> average -> optimum minus F1, per seed.

    Both are on the same test labels, so most of what chance did to the labels cancels; what is
    left of it can make a distance negative.
    """
    best = {row.simulation: row.f1 for row in rows if row.system == BAYES}
    return {
        row.case: {
            average: np.subtract(best[row.simulation][average], row.f1[average])
            for average in SELECTION_AVERAGES
        }
        for row in rows
        if row.system != BAYES
    }


COLUMNS = ("simulation", "system", "threshold", *(f"{a} F1" for a in SELECTION_AVERAGES))


def table(rows: Sequence[Row], spread: bool, title: str | None = None) -> Table:
    """Optimum, then distances; mean (and deviation) over seeds."""

    def cell(values: npt.ArrayLike) -> str:
        mean, deviation = mean_and_deviation(values)
        return mean_cell(mean, deviation if spread else None)

    below = distances(rows)
    lines = []
    for row in rows:
        of: Mapping[str, npt.ArrayLike] = below.get(row.case, row.f1)
        lines.append([*row.case, *(cell(of[average]) for average in SELECTION_AVERAGES)])
    return Table.of(COLUMNS, lines, title=title)


def markdown(results: Results) -> str:
    """Optimum and distances as Markdown."""
    config = results.config
    return (
        f"{config['examples']} examples, {config['seeds']} seeds, {config['budget']} settings per "
        f"loss, {config['epochs']} epochs; test, mean ± standard deviation over seeds. Rows "
        "`bayes`: F1 of the optimal decisions; all others: optimum minus F1. Tuned: one threshold "
        "for micro, one for samples, one per label for macro, on validation.\n\n"
        f"{table(results.rows, spread=True).markdown()}\n"
    )


def figure(rows: Sequence[Row]) -> Figure:
    """Mean distance to the optimum, systems by simulations: a map per threshold and average."""
    below = distances(rows)
    simulations = list(dict.fromkeys(case.simulation for case in below))
    systems = list(dict.fromkeys(case.system for case in below))
    size = (3.0 + 2.2 + 0.55 * 3 * len(simulations), 1.6 + 2 * 0.36 * len(systems) + 1.4)
    drawn = Figure(figsize=size, layout="constrained")
    panels = drawn.subplots(len(THRESHOLDS), len(SELECTION_AVERAGES), squeeze=False, sharey=True)
    for line, threshold in zip(panels, THRESHOLDS, strict=True):
        for axis, average in zip(line, SELECTION_AVERAGES, strict=True):
            values = np.full((len(systems), len(simulations)), np.nan)
            for case, distance in below.items():
                # The all-positive predictor is the same at every threshold.
                if case.threshold == threshold or case.system == FLOOR:
                    place = systems.index(case.system), simulations.index(case.simulation)
                    values[place], _ = mean_and_deviation(distance[average])
            axis.imshow(values, cmap="viridis_r", aspect="auto", vmin=0, vmax=0.15)
            for i, j in np.argwhere(~np.isnan(values)):
                axis.text(
                    *(j, i, f"{values[i, j]:.3f}"),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if values[i, j] > 0.08 else "black",
                )
            axis.set_xticks(range(len(simulations)), simulations, rotation=35, ha="right")
            axis.set_yticks(range(len(systems)), systems)
            axis.tick_params(labelsize=7)
            axis.set_title(f"{average} F1, threshold {threshold}", fontsize=9)
    drawn.suptitle("Below the Bayes optimum on test (mean over seeds)", fontsize=10)
    return drawn
