"""How far each loss ends from the best possible F1, on simulated data where that is known."""

import dataclasses
import functools
import pathlib
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import tyro
from rich.console import Console
from rich.progress import Progress

import sigmoidf1_jax as sf
from experiments import code, evaluation, storage, tuning
from experiments.bayes_optimum import bayes_decisions
from experiments.datasets.dataset import fingerprint
from experiments.datasets.sources.simulated import Simulation, load_simulated
from experiments.decision_rules import GLOBAL, GLOBAL_SAMPLES, PER_LABEL, UNTUNED
from experiments.errors import UserError, check_at_least
from experiments.evaluation import SELECTION_AVERAGES
from experiments.problem import Problem, make_problem
from experiments.reports.figures import png
from experiments.studies.simulated_report import (
    AT_HALF,
    BAYES,
    F1,
    FLOOR,
    OPTIMAL,
    TUNED,
    Results,
    Row,
    Scores,
    figure,
    markdown,
    table,
)
from experiments.summary import describe
from experiments.systems import BASELINE, MAIN_SYSTEMS, QUICK_SYSTEMS
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

# Threshold -> average -> rule that is meant for it; all are fitted on validation.
RULES: dict[str, dict[str, str]] = {
    AT_HALF: dict.fromkeys(map(str, SELECTION_AVERAGES), UNTUNED),
    TUNED: {"micro": GLOBAL, "macro": PER_LABEL, "samples": GLOBAL_SAMPLES},
}


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
                losses=QUICK_SYSTEMS,
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
        check_at_least(chosen, 1, "seeds", "epochs", "budget", "batch_size", "hidden")
        check_at_least(chosen, 50, "examples")
        return dataclasses.replace(
            chosen,
            simulations=tuple(n for n in SIMULATIONS if n in chosen.simulations),
            losses=tuple(n for n in MAIN_SYSTEMS if n in chosen.losses or n == BASELINE),
        )


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
    rows: list[Row] = []
    about = {}
    with storage.locked(cells), Progress(console=console, transient=True) as progress:
        tell = functools.partial(say, progress.console)
        task = progress.add_task("", total=len(data) * (2 + len(options.losses)))
        for name, (dataset, posteriors) in data.items():
            problem = make_problem(dataset, options.seeds)
            about[name] = describe(dataset)
            for system in (BAYES, FLOOR, *options.losses):
                progress.update(task, description=f"{system} on {name}")
                path = cells / f"{name}_{system}.json"
                values = storage.read_cell(Scores, path, tell)
                if values is None:
                    values = (
                        {OPTIMAL: optimum(problem, posteriors)}
                        if system == BAYES
                        else _scores(system, problem, options)
                    )
                    storage.write_json(path, values)
                rows += [Row(name, system, threshold, f1) for threshold, f1 in values.items()]
                progress.advance(task)
    results = Results(config, versions, about, tuple(rows))
    storage.write_json(folder / "results.json", results)
    storage.write_text(folder / "table.md", markdown(results))
    storage.write_bytes(folder / "distance.png", png(figure(rows)))
    title = "bayes: the best F1; others: how far below it they are"
    console.print(table(rows, spread=False, title=title).rich("boxed"))
    say(console, f"{folder}/table.md")
    return folder


def optimum(problem: Problem, posteriors: npt.NDArray[np.float32]) -> F1:
    """The F1 of the Bayes-optimal decisions on each seed's test labels."""
    decided = bayes_decisions(jnp.asarray(posteriors))
    tests = [problem.splits.of_seed(seed).test for seed in range(problem.seeds)]
    labels = problem.dataset.labels
    return {
        average: tuple(
            float(sf.metrics.f1(decided[average][rows], labels[rows], average=average))
            for rows in tests
        )
        for average in SELECTION_AVERAGES
    }


def _scores(name: str, problem: Problem, options: SimulatedStudy) -> Scores:
    """Test F1 of a loss or of the all-positive predictor."""
    plan = tuning.Plan(options.epochs, options.hidden, options.batch_size, options.budget)
    if name == FLOOR:
        trained = tuning.reference(name, problem, plan)
    else:
        trained = tuning.train_system(MAIN_SYSTEMS[name], problem, plan)
    # The all-positive predictor has nothing to tune.
    thresholds = {t: r for t, r in RULES.items() if name != FLOOR or t == AT_HALF}
    used = dict.fromkeys(rule for rules in thresholds.values() for rule in rules.values())
    values = evaluation.evaluate(list(used), trained.validation, trained.test)
    return {
        threshold: {average: values[rule].test[f"{average}_f1"] for average, rule in rules.items()}
        for threshold, rules in thresholds.items()
    }
