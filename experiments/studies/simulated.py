"""How far each loss ends from the best possible F1, on simulated data where that is known."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import rich.table
import tyro
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

import sigmoidf1_jax as sf
from experiments import code, evaluation, interrupts, storage, tuning
from experiments.bayes_optimum import bayes_decisions
from experiments.datasets.dataset import fingerprint
from experiments.datasets.simulated import Simulation, load_simulated
from experiments.errors import UserError
from experiments.evaluation import SELECTION_AVERAGES
from experiments.figures import png
from experiments.problem import Problem, describe, make_problem
from experiments.significance import mean_and_deviation
from experiments.systems import BASELINE, MAIN_SYSTEMS
from experiments.terminal import say

# One parameter at a time away from the first.
SIMULATIONS: dict[str, dict[str, Any]] = {
    "base": {},
    "even_counts": {"count_variation": 0.0},
    "uneven_counts": {"count_variation": 3.0},
    "imbalance": {"imbalance": 30.0},
    "correlation": {"correlation": 0.8},
    "noise": {"noise_positive": 0.2, "noise_negative": 0.02},
    "outliers": {"outliers": 0.1},
    "sub_entity": {"structure": "sub-entity"},
}
QUICK_SIMULATIONS = ("base", "imbalance", "sub_entity")
QUICK_LOSSES = (BASELINE, "macro_soft_f1", "sigmoid_f1")

# Threshold -> average -> rule that is meant for it; all are fitted on validation.
THRESHOLDS: dict[str, dict[str, str]] = {
    "0.5": dict.fromkeys(map(str, SELECTION_AVERAGES), "fixed"),
    "tuned": {"micro": "global", "macro": "per_label", "samples": "global_samples"},
}
FLOOR = "all_positive"


@dataclasses.dataclass(frozen=True)
class SimulatedStudy:
    """Trains losses on simulated data and reports how far below the Bayes optimum they end.

    Example: python -m experiments study simulated --simulations base noise --seeds 5

    Writes results.json, table.md and distance.png to OUTPUT/DIGEST; the same command resumes an
    interrupted run.
    """

    simulations: tuple[str, ...] = tuple(SIMULATIONS)
    """Which simulations: base, or what differs from it (see docs/simulated.md)."""
    losses: tuple[str, ...] = tuple(MAIN_SYSTEMS)
    """Losses to train; binary_cross_entropy is always there."""
    examples: int = Simulation.examples
    """Examples of a simulation: 60 % train, 20 % validation, 20 % test."""
    seeds: int = 5
    """Number of splits and initialisations."""
    epochs: int = 30
    """Passes over the training rows; the best epoch on validation counts."""
    budget: int = 6
    """Hyperparameter settings tried per loss and simulation, on validation."""
    batch_size: int = 64
    """Rows in a training step."""
    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    output: pathlib.Path = pathlib.Path("results/simulated")
    """Folder that results go to."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Three simulations of 2,000 examples, 3 losses, 2 seeds, 15 epochs, 2 settings."""

    def resolved(self) -> "SimulatedStudy":
        """The same with --quick applied and names in order.

        Raises:
          UserError: unknown names, numbers out of range.
        """
        chosen = self
        if self.quick:
            chosen = dataclasses.replace(
                self,
                simulations=QUICK_SIMULATIONS,
                losses=QUICK_LOSSES,
                examples=2000,
                seeds=2,
                epochs=15,
                budget=2,
            )
        for what, names, known in (
            ("simulation", chosen.simulations, SIMULATIONS),
            ("loss", chosen.losses, MAIN_SYSTEMS),
        ):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise UserError(f"unknown {what} {unknown[0]!r}; known: {', '.join(known)}")
        if not chosen.simulations:
            raise UserError(f"--simulations must name at least one of {', '.join(SIMULATIONS)}")
        for name in ("seeds", "epochs", "budget", "batch_size"):
            if getattr(chosen, name) < 1:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} must be >= 1, got {getattr(chosen, name)}")
        if chosen.examples < 50:
            raise UserError(f"--examples must be >= 50, got {chosen.examples}")
        if min(chosen.hidden, default=1) < 1:
            raise UserError(f"--hidden must be sizes >= 1, got {chosen.hidden}")
        return dataclasses.replace(
            chosen,
            simulations=tuple(n for n in SIMULATIONS if n in chosen.simulations),
            losses=tuple(n for n in MAIN_SYSTEMS if n in chosen.losses or n == BASELINE),
        )


def main(arguments: Sequence[str]) -> None:
    """The command: `python -m experiments study simulated`."""
    options = tyro.cli(SimulatedStudy, args=arguments, prog="python -m experiments study simulated")
    with interrupts.bounded(), interrupts.terminable():
        run(options)


def run(options: SimulatedStudy, console: Console | None = None) -> pathlib.Path:
    """Runs the study and returns the folder with its results."""
    console = console or Console()
    options = options.resolved()
    data = {
        name: load_simulated(
            Simulation(examples=options.examples, **SIMULATIONS[name]), name=f"simulated_{name}"
        )
        for name in options.simulations
    }
    config = dataclasses.asdict(options)
    del config["output"], config["quick"]
    config["fingerprints"] = {name: fingerprint(dataset) for name, (dataset, _) in data.items()}
    versions = {**storage.versions(), "code": code.digest("experiments.studies.simulated")}
    folder = options.output / storage.digest({**config, "versions": versions})
    cells = storage.prepare_folder(folder / "cells")
    rows: list[dict[str, Any]] = []
    about = {}
    with storage.locked(cells), Progress(console=console, transient=True) as progress:
        tell = functools.partial(say, progress.console)
        task = progress.add_task("", total=len(data) * (2 + len(options.losses)))
        for name, (dataset, posteriors) in data.items():
            problem = make_problem(dataset, options.seeds)
            about[name] = describe(dataset)
            for system in ("bayes", FLOOR, *options.losses):
                progress.update(task, description=f"{system} on {name}")
                path = cells / f"{name}_{system}.json"
                values = storage.read_cell(path, tell)
                if values is None:
                    values = (
                        {"optimal": optimum(problem, posteriors)}
                        if system == "bayes"
                        else _scores(system, problem, options)
                    )
                    storage.write_json(path, values)
                rows += [
                    {"simulation": name, "system": system, "threshold": threshold, "f1": f1}
                    for threshold, f1 in values.items()
                ]
                progress.advance(task)
    results = {"config": config, "versions": versions, "simulations": about, "rows": rows}
    storage.write_json(folder / "results.json", results)
    storage.write_text(folder / "table.md", markdown(results))
    storage.write_bytes(folder / "distance.png", png(figure(rows)))
    console.print(_table(rows))
    say(console, f"{folder}/table.md")
    return folder


F1 = dict[str, list[float]]


def optimum(problem: Problem, posteriors: npt.NDArray[np.float32]) -> F1:
    """Average -> F1 per seed of the Bayes-optimal decisions on that seed's test labels."""
    decided = bayes_decisions(jnp.asarray(posteriors))
    tests = [rows[rows >= 0] for rows in problem.splits.test]
    labels = problem.dataset.labels
    return {
        average: [
            float(sf.metrics.f1(decided[average][rows], labels[rows], average=average))
            for rows in tests
        ]
        for average in SELECTION_AVERAGES
    }


def _scores(name: str, problem: Problem, options: SimulatedStudy) -> dict[str, F1]:
    """Threshold -> average -> test F1 per seed of a loss or of the all-positive predictor."""
    plan = tuning.Plan(options.epochs, options.hidden, options.batch_size, options.budget)
    if name == FLOOR:
        validation, test, _ = tuning.reference(name, problem, plan)
    else:
        validation, test, _ = tuning.train_system(MAIN_SYSTEMS[name], problem, plan)
    # The all-positive predictor has nothing to tune.
    thresholds = {t: r for t, r in THRESHOLDS.items() if name != FLOOR or t == "0.5"}
    used = dict.fromkeys(rule for rules in thresholds.values() for rule in rules.values())
    values = evaluation.evaluate(list(used), validation, test)
    return {
        threshold: {
            average: np.asarray(values[rule]["test"][f"{average}_f1"], np.float64).tolist()
            for average, rule in rules.items()
        }
        for threshold, rules in thresholds.items()
    }


def distances(rows: Sequence[Any]) -> dict[tuple[str, str, str], dict[str, npt.NDArray[Any]]]:
    """(simulation, system, threshold) -> average -> optimum minus F1, per seed.

    Both are on the same test labels, so most of what chance did to the labels cancels; what is
    left of it can make a distance negative.
    """
    best: dict[str, Any] = {r["simulation"]: r["f1"] for r in rows if r["system"] == "bayes"}
    return {
        (row["simulation"], row["system"], row["threshold"]): {
            average: storage.numbers(best[row["simulation"]][average])
            - storage.numbers(row["f1"][average])
            for average in SELECTION_AVERAGES
        }
        for row in rows
        if row["system"] != "bayes"
    }


COLUMNS = ("simulation", "system", "threshold", *(f"{a} F1" for a in SELECTION_AVERAGES))


def _shown(rows: Sequence[Any], spread: bool) -> list[list[str]]:
    """Rows of the table: optimum, then distances; mean (and deviation) over seeds."""

    def cell(values: npt.ArrayLike) -> str:
        mean, deviation = mean_and_deviation(values)
        return f"{mean:.3f}" + (f" ± {deviation:.3f}" if spread else "")

    below = distances(rows)
    lines = []
    for row in rows:
        key = row["simulation"], row["system"], row["threshold"]
        values = below.get(key, row["f1"])
        lines.append(
            [*key, *(cell(storage.numbers(values[average])) for average in SELECTION_AVERAGES)]
        )
    return lines


def markdown(results: Any) -> str:
    """Optimum and distances as Markdown."""
    config = results["config"]
    lines = [
        f"{config['examples']} examples, {config['seeds']} seeds, {config['budget']} settings per "
        f"loss, {config['epochs']} epochs; test, mean ± standard deviation over seeds. Rows "
        "`bayes`: F1 of the optimal decisions; all others: optimum minus F1. Tuned: one threshold "
        "for micro, one for samples, one per label for macro, on validation.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "| " + " | ".join("---" for _ in COLUMNS) + " |",
        *("| " + " | ".join(cells) + " |" for cells in _shown(results["rows"], spread=True)),
    ]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Any]) -> rich.table.Table:
    table = rich.table.Table(title="bayes: the best F1; others: how far below it they are")
    for column in COLUMNS:
        table.add_column(column)
    for cells in _shown(rows, spread=False):
        table.add_row(*cells)
    return table


def figure(rows: Sequence[Any]) -> Figure:
    """Mean distance to the optimum, systems by simulations: a map per threshold and average."""
    below = distances(rows)
    simulations = list(dict.fromkeys(key[0] for key in below))
    systems = list(dict.fromkeys(key[1] for key in below))
    size = (3.0 + 2.2 + 0.55 * 3 * len(simulations), 1.6 + 2 * 0.36 * len(systems) + 1.4)
    drawn = Figure(figsize=size, layout="constrained")
    panels = drawn.subplots(len(THRESHOLDS), len(SELECTION_AVERAGES), squeeze=False, sharey=True)
    for line, threshold in zip(panels, THRESHOLDS, strict=True):
        for axis, average in zip(line, SELECTION_AVERAGES, strict=True):
            values = np.full((len(systems), len(simulations)), np.nan)
            for (simulation, system, at), distance in below.items():
                # The all-positive predictor is the same at every threshold.
                if at == threshold or system == FLOOR:
                    place = systems.index(system), simulations.index(simulation)
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
