"""Which form of macro soft-F1 survives small batches: plain, moving averages, pseudo-counts."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

import jax
import numpy as np
import rich.table
import tyro
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

import sigmoidf1_jax as sf
from experiments import code, datasets, evaluation, interrupts, storage, tuning
from experiments.datasets.dataset import fingerprint
from experiments.errors import UserError
from experiments.figures import png
from experiments.problem import Problem, dense, describe, make_problem
from experiments.significance import mean_and_deviation
from experiments.systems import System
from experiments.terminal import say
from sigmoidf1_jax.training import moving

RULES = ("fixed", "global")
METRICS = ("micro_f1", "macro_f1", "samples_f1")


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
        for name in ("seeds", "epochs", "budget"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} must be >= 1, got {getattr(self, name)}")
        if not self.sizes or min(self.sizes) < 1:
            raise UserError(f"--sizes must be batch sizes >= 1, got {self.sizes}")
        if not self.quick:
            return self
        return dataclasses.replace(self, sizes=(8, 64), seeds=2, epochs=5, budget=2)


def main(arguments: Sequence[str]) -> None:
    """The command: `python -m experiments study batch_size`."""
    options = tyro.cli(BatchSize, args=arguments, prog="python -m experiments study batch_size")
    with interrupts.bounded(), interrupts.terminable():
        run(options)


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
    rows = [{"variant": "all_positive", "size": None, "values": _all_positive(problem, options)}]
    with storage.locked(cells), Progress(console=console, transient=True) as progress:
        tell = functools.partial(say, progress.console)
        total = len(VARIANTS) * len(options.sizes)
        task = progress.add_task("", total=total)
        for size in options.sizes:
            for name, variant in VARIANTS.items():
                progress.update(task, description=f"{name}, batches of {size}")
                path = cells / f"{name}_{size}.json"
                values = storage.read_cell(path, tell)
                if values is None:
                    values = _train(variant, problem, options, size)
                    storage.write_json(path, values)
                rows.append({"variant": name, "size": size, "values": values})
                progress.advance(task)
    results = {
        "dataset": describe(dataset),
        "config": config,
        "versions": versions,
        "rows": rows,
    }
    storage.write_json(folder / "results.json", results)
    storage.write_text(folder / "table.md", markdown(results))
    storage.write_bytes(folder / "batch_size.png", png(figure(rows)))
    console.print(_table(rows))
    say(console, f"{folder}/table.md")
    return folder


def _plan(options: BatchSize, size: int) -> tuning.Plan:
    return tuning.Plan(options.epochs, options.hidden, size, options.budget)


def _train(variant: System, problem: Problem, options: BatchSize, size: int) -> Any:
    validation, test, _ = tuning.train_system(variant, problem, _plan(options, size))
    return _values(RULES, validation, test)


def _all_positive(problem: Problem, options: BatchSize) -> Any:
    validation, test, _ = tuning.reference("all_positive", problem, _plan(options, 1))
    return _values(RULES[:1], validation, test)


def _values(rules: Sequence[str], validation: Any, test: Any) -> Any:
    """Rule -> metric -> test value per seed."""
    values = evaluation.evaluate(rules, validation, test)
    kept = {r: {m: values[r]["test"][m] for m in METRICS} for r in rules}
    return jax.tree.map(lambda x: np.asarray(x, np.float64).tolist(), kept)


def _shown(rows: Sequence[Any], spread: bool) -> list[list[str]]:
    """Rows of the table: variant, batch size, rule, mean (and deviation) of every metric."""

    def cell(values: list[float]) -> str:
        mean, deviation = mean_and_deviation(storage.numbers(values))
        return f"{mean:.3f}" + (f" ± {deviation:.3f}" if spread else "")

    return [
        [
            row["variant"],
            "" if row["size"] is None else str(row["size"]),
            rule,
            *(cell(v[m]) for m in METRICS),
        ]
        for row in rows
        for rule, v in row["values"].items()
    ]


COLUMNS = ("variant", "batch size", "threshold", "micro F1", "macro F1", "samples F1")


def markdown(results: Any) -> str:
    """The table as Markdown, with a line on the data and the numbers behind it."""
    about, config = results["dataset"], results["config"]
    lines = [
        f"{about['name']}: {config['seeds']} seeds, {config['budget']} settings per variant and "
        f"batch size, {config['epochs']} epochs; test, mean ± standard deviation",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "| " + " | ".join("---" for _ in COLUMNS) + " |",
        *("| " + " | ".join(cells) + " |" for cells in _shown(results["rows"], spread=True)),
    ]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Any]) -> rich.table.Table:
    table = rich.table.Table()
    for column in COLUMNS:
        table.add_column(column)
    for cells in _shown(rows, spread=False):
        table.add_row(*cells)
    return table


def figure(rows: Sequence[Any]) -> Figure:
    """F1 at 0.5 against the batch size, a panel per average, a curve per variant."""
    drawn = Figure(figsize=(11, 3.6), layout="constrained")
    axes = drawn.subplots(1, len(METRICS))
    for axis, metric in zip(axes, METRICS, strict=True):
        for name in VARIANTS:
            mine = [r for r in rows if r["variant"] == name]
            values = [storage.numbers(r["values"]["fixed"][metric]) for r in mine]
            means, deviations = zip(*map(mean_and_deviation, values), strict=True)
            axis.errorbar(
                [r["size"] for r in mine], means, deviations, marker="o", capsize=2, label=name
            )
        (floor,) = (r for r in rows if r["variant"] == "all_positive")
        level, _ = mean_and_deviation(storage.numbers(floor["values"]["fixed"][metric]))
        axis.axhline(level, color="grey", linestyle=":", label="all_positive")
        axis.set(xscale="log", xlabel="batch size", title=f"{metric.replace('_f1', '')} F1 at 0.5")
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return drawn
