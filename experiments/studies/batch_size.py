"""Which form of macro soft-F1 survives small batches: plain, moving averages, pseudo-counts."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Annotated

import tyro
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

import sigmoidf1_jax as sf
from experiments import code, datasets, evaluation, storage, tuning
from experiments.datasets.dataset import fingerprint
from experiments.decision_rules import GLOBAL, UNTUNED
from experiments.errors import UserError, check_at_least
from experiments.evaluation import RANKED_BY
from experiments.problem import Problem, dense, make_problem
from experiments.reports.figures import png
from experiments.reports.tables import Table, mean_cell
from experiments.significance import mean_and_deviation
from experiments.summary import Summary, describe
from experiments.terminal import say
from experiments.tuning import ALL_POSITIVE, Trained
from experiments.tuning_space import System
from sigmoidf1_jax.training import moving

RULES = (UNTUNED, GLOBAL)
METRICS = RANKED_BY


def _moving(decay: float, smoothing: float = 0.0) -> sf.StatefulObjective:
    return moving(sf.objectives.soft_f1(smoothing=smoothing), decay)


# The variants differ in how they treat labels that a batch lacks; each is tuned over its own
# numbers and the optimizer's, with the same number of settings.
VARIANTS = {
    "binary_cross_entropy": System(sf.objectives.binary_cross_entropy),
    "macro_soft_f1": System(sf.objectives.soft_f1),
    "moving": System(_moving, {"decay": (0.9, 0.5, 0.98)}),
    "smoothing": System(sf.objectives.soft_f1, {"smoothing": (1.0, 0.1, 0.3)}),
    "moving_smoothing": System(_moving, {"decay": (0.9, 0.5, 0.98), "smoothing": (1.0, 0.1)}),
}


Values = dict[str, dict[str, tuple[float, ...]]]
"""Rule -> metric -> test value per seed."""


@dataclasses.dataclass(frozen=True)
class Row:
    """The scores of a variant at a batch size; the all-positive predictor has none."""

    variant: str
    size: int | None
    values: Values


@dataclasses.dataclass(frozen=True)
class Results:
    """What results.json holds."""

    dataset: Summary
    config: Mapping[str, object]
    versions: Mapping[str, str]
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class BatchSize:
    """Trains macro soft-F1 and its remedies at several batch sizes, beside cross-entropy.

    Example: python -m experiments study batch_size --dataset yeast --sizes 4 32 256

    Writes results.json, table.md and batch_size.png to OUTPUT/DATASET/DIGEST; the same command
    resumes an interrupted run.
    """

    dataset: Annotated[str, tyro.conf.arg(help=datasets.HELP)] = "yeast"
    data: tyro.conf.OmitArgPrefixes[datasets.Options] = dataclasses.field(
        default_factory=datasets.Options
    )
    """Which columns are labels, and which labels and examples stay."""
    sizes: tuple[int, ...] = (4, 16, 64, 256)
    """Batch sizes."""
    seeds: int = 5
    """Number of splits and initialisations."""
    epochs: int = 30
    """Passes over the training rows; the best epoch on validation counts."""
    budget: int = 6
    """Hyperparameter settings tried per variant and batch size, on validation."""
    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    output: pathlib.Path = pathlib.Path("results/batch_size")
    """Folder that results go to."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Two sizes, 2 seeds, 5 epochs, 2 settings."""

    def resolved(self) -> "BatchSize":
        """The same with --quick applied.

        Raises:
          UserError: numbers out of range.
        """
        check_at_least(self, 1, "seeds", "epochs", "budget", "hidden")
        if not self.sizes or min(self.sizes) < 1:
            raise UserError(f"--sizes must be batch sizes >= 1, got {self.sizes}")
        if not self.quick:
            return self
        return dataclasses.replace(self, sizes=(8, 64), seeds=2, epochs=5, budget=2)


def run(options: BatchSize, console: Console | None = None) -> pathlib.Path:
    """Runs the study and returns the folder with its results."""
    console = console or Console()
    options = options.resolved()
    dataset = dense(datasets.load(options.dataset, options.data))
    config = dataclasses.asdict(options)
    del config["output"], config["quick"], config["data"]["data_dir"]
    config["fingerprint"] = fingerprint(dataset)
    versions = {**storage.versions(), "code": code.digest("experiments.studies.batch_size")}
    folder = options.output / dataset.name / storage.digest({**config, "versions": versions})
    cells = storage.prepare_folder(folder / "cells")
    problem = make_problem(dataset, options.seeds)
    rows = [Row(ALL_POSITIVE, None, _all_positive(problem, options))]
    with storage.locked(cells), Progress(console=console, transient=True) as progress:
        tell = functools.partial(say, progress.console)
        total = len(VARIANTS) * len(options.sizes)
        task = progress.add_task("", total=total)
        for size in options.sizes:
            for name, variant in VARIANTS.items():
                progress.update(task, description=f"{name}, batches of {size}")
                path = cells / f"{name}_{size}.json"
                values = storage.read_cell(Values, path, tell)
                if values is None:
                    values = _train(variant, problem, options, size)
                    storage.write_json(path, values)
                rows.append(Row(name, size, values))
                progress.advance(task)
    results = Results(describe(dataset), config, versions, tuple(rows))
    storage.write_json(folder / "results.json", results)
    storage.write_text(folder / "table.md", markdown(results))
    storage.write_bytes(folder / "batch_size.png", png(figure(rows)))
    console.print(table(rows, spread=False).rich("boxed"))
    say(console, f"{folder}/table.md")
    return folder


def _plan(options: BatchSize, size: int) -> tuning.Plan:
    return tuning.Plan(options.epochs, options.hidden, size, options.budget)


def _train(variant: System, problem: Problem, options: BatchSize, size: int) -> Values:
    return _values(RULES, tuning.train_system(variant, problem, _plan(options, size)))


def _all_positive(problem: Problem, options: BatchSize) -> Values:
    return _values((UNTUNED,), tuning.reference(ALL_POSITIVE, problem, _plan(options, 1)))


def _values(rules: Sequence[str], trained: Trained) -> Values:
    values = evaluation.evaluate(rules, trained.validation, trained.test)
    return {rule: {metric: values[rule].test[metric] for metric in METRICS} for rule in rules}


COLUMNS = ("variant", "batch size", "threshold", "micro F1", "macro F1", "samples F1")


def table(rows: Sequence[Row], spread: bool) -> Table:
    """Mean (and deviation) of every metric, a row per variant, batch size and rule."""

    def cell(values: Sequence[float]) -> str:
        mean, deviation = mean_and_deviation(values)
        return mean_cell(mean, deviation if spread else None)

    return Table.of(
        COLUMNS,
        [
            [
                row.variant,
                "" if row.size is None else str(row.size),
                rule,
                *(cell(values[metric]) for metric in METRICS),
            ]
            for row in rows
            for rule, values in row.values.items()
        ],
    )


def markdown(results: Results) -> str:
    """The table as Markdown, with a line on the data and the numbers behind it."""
    config = results.config
    return (
        f"{results.dataset.name}: {config['seeds']} seeds, {config['budget']} settings per variant "
        f"and batch size, {config['epochs']} epochs; test, mean ± standard deviation\n\n"
        f"{table(results.rows, spread=True).markdown()}\n"
    )


def figure(rows: Sequence[Row]) -> Figure:
    """F1 at 0.5 against the batch size, a panel per average, a curve per variant."""
    drawn = Figure(figsize=(11, 3.6), layout="constrained")
    axes = drawn.subplots(1, len(METRICS))
    for axis, metric in zip(axes, METRICS, strict=True):
        for name in VARIANTS:
            mine = [r for r in rows if r.variant == name]
            values = [r.values[UNTUNED][metric] for r in mine]
            means, deviations = zip(*map(mean_and_deviation, values), strict=True)
            axis.errorbar(
                [r.size for r in mine], means, deviations, marker="o", capsize=2, label=name
            )
        (floor,) = (r for r in rows if r.variant == ALL_POSITIVE)
        level, _ = mean_and_deviation(floor.values[UNTUNED][metric])
        axis.axhline(level, color="grey", linestyle=":", label=ALL_POSITIVE)
        axis.set(xscale="log", xlabel="batch size", title=f"{metric.replace('_f1', '')} F1 at 0.5")
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return drawn
