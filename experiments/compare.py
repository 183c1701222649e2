"""The comparison: every loss tuned with one budget, judged on test with honest statistics."""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import rich.progress
import tyro
from rich.console import Console

from experiments import datasets, evaluation, plots, references, report, significance, storage
from experiments.datasets import Dataset
from experiments.datasets.dataset import MAX_DENSE_LABELS, check_memory, fingerprint
from experiments.decision_rules import DEFAULT, ORACLE, RULES, UNTUNED
from experiments.errors import UserError
from experiments.evaluation import METRICS, Part
from experiments.splits import Splits, of_dataset
from experiments.systems import (
    BASELINE,
    MAIN_SYSTEMS,
    SYSTEMS,
    System,
    settings,
    tuning_points,
)
from sigmoidf1_jax import models, training

SCHEMA = 1
QUICK_LOSSES = (BASELINE, "macro_soft_f1", "sigmoid_f1")
REFERENCES = ("all_positive", "label_frequency", "logistic_regression")


@dataclasses.dataclass(frozen=True)
class Compare:
    """Trains every loss with the same tuning budget and compares decisions on test.

    Example: python -m experiments compare --dataset yeast --seeds 10 --losses sigmoid_f1 focal

    Writes results.json, table.md, report.html and figures/ to OUTPUT/DATASET/DIGEST; the same
    command resumes an interrupted run.
    """

    dataset: str = "yeast"
    """Name of a data set, a file or folder, openml:NUMBER or tfds:NAME (see docs/data.md)."""
    data: tyro.conf.OmitArgPrefixes[datasets.Options] = dataclasses.field(
        default_factory=datasets.Options
    )
    """Which columns are labels, and which labels and examples stay."""
    losses: tuple[str, ...] = ()
    """Losses to compare, or "all" (default: eight). binary_cross_entropy is always there."""
    decisions: tuple[str, ...] = DEFAULT
    """Decision rules to cross the losses with, or "all"; more than three draw a heat map."""
    seeds: int = 10
    """Number of splits and initialisations, each with a seed of its own."""
    epochs: int = 60
    """Passes over the training rows; the best epoch on validation counts."""
    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    batch_size: int = 256
    """Rows in a training step."""
    budget: int = 8
    """Hyperparameter settings tried per loss, on validation."""
    output: pathlib.Path = pathlib.Path("results")
    """Folder that results go to."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Three losses, 3 seeds, 15 epochs, 3 settings: a try-out of under 30 seconds."""

    def resolved(self) -> "Compare":
        """The same with defaults filled in.

        Raises:
          UserError: unknown names, numbers out of range.
        """
        losses = self.losses or (QUICK_LOSSES if self.quick else tuple(MAIN_SYSTEMS))
        losses = tuple(SYSTEMS) if losses == ("all",) else losses
        unknown = [name for name in losses if name not in SYSTEMS]
        if unknown:
            raise UserError(
                f"unknown loss {', '.join(map(repr, unknown))}; known: {', '.join(SYSTEMS)}"
            )
        rules = tuple(RULES) if self.decisions == ("all",) else self.decisions
        unknown = [name for name in rules if name not in RULES]
        if unknown:
            raise UserError(
                f"unknown decision {', '.join(map(repr, unknown))}; known: all, {', '.join(RULES)}"
            )
        # The default rules are always there: the baseline is one of them.
        rules = tuple(name for name in RULES if name in {*rules, *DEFAULT})
        ordered = tuple(name for name in SYSTEMS if name in losses or name == BASELINE)
        resolved = dataclasses.replace(self, losses=ordered, decisions=rules)
        if self.quick:
            quick: dict[str, Any] = {"seeds": 3, "epochs": 15, "budget": 3}
            # Quick lowers the defaults; a number that the user gave stands.
            changes = {k: v for k, v in quick.items() if getattr(self, k) == getattr(Compare, k)}
            resolved = dataclasses.replace(resolved, **changes)
        for name in ("seeds", "epochs", "batch_size", "budget"):
            if getattr(resolved, name) < 1:
                raise UserError(
                    f"--{name.replace('_', '-')} must be >= 1, got {getattr(self, name)}"
                )
        if min(resolved.hidden, default=1) < 1:
            raise UserError(f"--hidden must be sizes >= 1, got {self.hidden}")
        return resolved

    def config(self) -> dict[str, Any]:
        """What determines the results."""
        config = dataclasses.asdict(self)
        # What the folder of prepared data holds counts, by its fingerprint, not where it is.
        del config["output"], config["quick"], config["data"]["data_dir"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}


Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A data set with its splits: what every system is given.

    `where` is True where a label is known, and `how` says where the splits come from.
    """

    dataset: Dataset
    where: npt.NDArray[np.bool_]
    splits: Splits
    how: str
    shift: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]

    def part(self, rows: npt.NDArray[np.int32], scores: Any) -> Part:
        """Scores [seeds, n, labels] with the labels and mask of `rows` [seeds, n]."""
        labels = self.dataset.labels[rows]
        where = self.where[rows] & (rows >= 0)[..., None]
        # A padded row may hold any number but NaN.
        return Part(jnp.nan_to_num(jnp.asarray(scores)), jnp.asarray(labels), jnp.asarray(where))


def main(arguments: Sequence[str]) -> None:
    """The command: `python -m experiments compare`."""
    run(tyro.cli(Compare, args=arguments, prog="python -m experiments compare"))


def run(options: Compare, console: Console | None = None) -> pathlib.Path:
    """Runs the comparison and returns the folder with its results."""
    console = console or Console()
    started = time.monotonic()
    options = options.resolved()
    dataset = dense(datasets.load(options.dataset, options.data))
    config = {**options.config(), "fingerprint": fingerprint(dataset)}
    versions = storage.versions()
    folder = options.output / dataset.name / storage.digest({**config, "versions": versions})
    done = storage.prepare_folder(folder / "systems")

    problem = make_problem(dataset, options.seeds)
    records: dict[str, Record] = {}
    jobs = [*REFERENCES, *options.losses]
    total = len(REFERENCES) + len(options.losses) * options.epochs
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    console.print(report.live_header(), soft_wrap=True)
    with rich.progress.Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        for name in jobs:
            progress.update(task, description=name)
            path = done / f"{name}.json"
            record = storage.read_json(path)
            resumed = record is not None
            if record is None:
                advance = _advance(progress, task)
                record = compute(name, problem, options, advance)
                storage.write_json(path, record)
            elif name in SYSTEMS:
                progress.advance(task, options.epochs)
            if name in REFERENCES:
                progress.advance(task)
            records[name] = record
            console.print(report.live_rows(name, record, resumed), soft_wrap=True)

    rows = make_rows(records)
    results = {
        "schema": SCHEMA,
        "dataset": {**describe(dataset), "split": problem.how},
        "config": config,
        "versions": versions,
        "rows": rows,
    }
    storage.write_json(folder / "results.json", results)
    table = report.markdown(results)
    storage.write_text(folder / "table.md", table)
    figures = plots.all_figures(records)
    pictures = storage.prepare_folder(folder / "figures")
    for name, png in figures.items():
        storage.write_bytes(pictures / f"{name}.png", png)
    storage.write_text(folder / "report.html", report.html(results, figures))
    console.print(report.rich_table(results, with_spread=console.width >= 96))
    console.print(f"{folder}/report.html  ({time.monotonic() - started:.0f} s)", soft_wrap=True)
    return folder


def _advance(progress: rich.progress.Progress, task: rich.progress.TaskID) -> Callable[[Any], None]:
    return lambda epoch: progress.advance(task)


def dense(dataset: Dataset) -> Dataset:
    """The data set as the comparison's small networks take it: images become rows of numbers.

    Raises:
      UserError: token ids, or labels that are not a matrix.
    """
    if dataset.labels.dtype != np.bool_:
        raise UserError(
            f"compare holds the scores of all labels, up to {MAX_DENSE_LABELS}; data set "
            f"{dataset.name} has {dataset.num_labels} (--min-label-count drops rare ones)"
        )
    if dataset.features.dtype == np.int32:
        raise UserError(f"compare takes numbers or images; data set {dataset.name} has token ids")
    if dataset.features.dtype == np.float32:
        return dataset
    flat = dataset.features.reshape(len(dataset.labels), -1)
    check_memory(f"data set {dataset.name}", *flat.shape, itemsize=4)
    return dataclasses.replace(dataset, features=flat.astype(np.float32) / 255)


def make_problem(dataset: Dataset, seeds: int, first: int = 0) -> Problem:
    """Splits by seed, from `first` on, and the standardisation of each seed's training rows."""
    splits, how = of_dataset(dataset, seeds, first)
    where = np.ones(dataset.labels.shape, bool) if dataset.where is None else dataset.where
    train = [dataset.features[rows[rows >= 0]] for rows in splits.train]
    shift = np.stack([x.mean(0) for x in train])
    deviation = np.stack([x.std(0) for x in train])
    # A feature that is constant in training carries nothing: it stays 0 there.
    scale = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)
    return Problem(dataset, where, splits, how, *(x.astype(np.float32) for x in (shift, scale)))


def compute(
    name: str, problem: Problem, options: Compare, progress: Callable[[Any], None]
) -> Record:
    """Everything about one system, as JSON: metrics, curves, what was selected."""
    started = time.monotonic()
    if name in SYSTEMS:
        validation, test, extra = train_system(SYSTEMS[name], problem, options, progress)
    else:
        validation, test, extra = reference(name, problem, options)
    # The all-positive predictor has nothing to tune.
    rules = [UNTUNED] if name == "all_positive" else options.decisions
    values = evaluation.evaluate(rules, validation, test)
    if len(options.decisions) > len(DEFAULT):
        values[ORACLE] = {"test": evaluation.oracle(test[1])}
    return {
        "system": name,
        "values": jax.tree.map(lambda x: np.asarray(x, np.float64).tolist(), values),
        "curves": jax.tree.map(
            lambda x: np.asarray(x, np.float64).tolist(), evaluation.curves(test[0])._asdict()
        ),
        **extra,
        "seconds": round(time.monotonic() - started, 1),
    }


def train_system(
    system: System, problem: Problem, options: Compare, progress: Callable[[Any], None]
) -> tuple[list[Part], list[Part], Record]:
    """Validation and test scores of the selected runs, one part per selection criterion."""
    data, splits = problem.dataset, problem.splits
    points = tuning_points(system, options.budget)
    train_rows = [rows[rows >= 0] for rows in splits.train]
    train_labels = [(data.labels[rows], problem.where[rows]) for rows in train_rows]
    num_labels = data.labels.shape[1]
    count_outputs = num_labels + 1 if system.count_head else 0
    model = models.MLP(num_labels, options.hidden, count_outputs)
    trained = training.population(
        model,
        settings(system, points, train_labels),
        jnp.asarray(data.features),
        jnp.asarray(data.labels),
        training.Split(
            *map(jnp.asarray, (splits.train, splits.validation, problem.shift, problem.scale))
        ),
        jax.random.split(jax.random.key(0), options.seeds),
        epochs=options.epochs,
        batch_size=options.batch_size,
        criteria=lambda z, y, w: evaluation.selection_criteria(system.scores(z), y, w),
        where=jnp.asarray(problem.where),
        progress=progress,
    )
    setting = np.asarray(trained.best.argmax(1))  # [seeds, criteria]
    seeds = np.arange(options.seeds)

    def scores(rows: npt.NDArray[np.int32], criterion: int) -> jax.Array:
        chosen = jax.tree.map(lambda x: x[seeds, setting[:, criterion], criterion], trained.params)

        def one_seed(params: Any, rows: Any, shift: Any, scale: Any) -> jax.Array:
            x = (jnp.asarray(data.features)[rows] - shift) * scale
            options = training.mode_arguments(model, training=False)
            return system.scores(jnp.asarray(model.apply(params, x, **options)))

        return jax.jit(jax.vmap(one_seed))(chosen, rows, problem.shift, problem.scale)

    criteria = range(setting.shape[1])
    validation = [problem.part(splits.validation, scores(splits.validation, c)) for c in criteria]
    test = [problem.part(splits.test, scores(splits.test, c)) for c in criteria]
    at_half = setting[:, 0]
    extra = {
        "selected": [
            [{**points[k], "epoch": int(trained.best_epoch[s, k, c])} for c, k in enumerate(row)]
            for s, row in enumerate(setting)
        ],
        "learning": {
            "loss": np.asarray(trained.loss)[seeds, at_half].mean(0).tolist(),
            "mean_f1": np.asarray(trained.criteria)[seeds, at_half, :, 0].mean(0).tolist(),
        },
    }
    return validation, test, _finite(extra)


def _finite(value: Any) -> Any:
    """JSON has no NaN: a loss that was not finite becomes null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def reference(
    name: str, problem: Problem, options: Compare
) -> tuple[list[Part], list[Part], Record]:
    """Validation and test scores of a reference predictor, one part per selection criterion."""
    data, splits = problem.dataset, problem.splits
    shape = (2, options.seeds, -1, data.labels.shape[1])
    selected: list[Any] = []
    validation = np.zeros((2, *splits.validation.shape, data.labels.shape[1]), np.float32)
    test = np.zeros((2, *splits.test.shape, shape[-1]), np.float32)
    for seed in range(options.seeds):
        train, held_out, unseen = (rows[seed][rows[seed] >= 0] for rows in splits)
        if name == "logistic_regression":
            features = [
                references.for_linear(data.features[r], problem.shift[seed], problem.scale[seed])
                for r in (train, held_out, unseen)
            ]
            parts = [
                (x, data.labels[r], problem.where[r])
                for x, r in zip(features, (train, held_out, unseen), strict=True)
            ]
            on_validation, on_test, chosen = references.logistic_regression(
                parts[0], parts[1], parts[2][0], options.budget
            )
            selected.append([{"C": c} for c in chosen])
        else:
            predict = {
                "all_positive": references.all_positive,
                "label_frequency": references.label_frequency,
            }[name]
            known = data.labels[train], problem.where[train]
            on_validation = [predict(*known, len(held_out))] * 2
            on_test = [predict(*known, len(unseen))] * 2
        for criterion in range(2):
            validation[criterion, seed, : len(held_out)] = on_validation[criterion]
            test[criterion, seed, : len(unseen)] = on_test[criterion]
    return (
        [problem.part(splits.validation, v) for v in validation],
        [problem.part(splits.test, t) for t in test],
        {"selected": selected},
    )


def _test(record: Record, decision: str) -> dict[str, list[float]]:
    """Metric -> values on test; empty where a system has no such decision."""
    values: dict[str, list[float]] = record["values"].get(decision, {"test": {}})["test"]
    return values


def make_rows(records: dict[str, Record]) -> list[dict[str, Any]]:
    """One row per system, decision and metric, with a paired test against the baseline.

    The baseline of a metric is cross-entropy with the tuned threshold (global or per label) that
    is better on validation; p-values are corrected (Holm) over the systems of one decision.
    """
    rows: list[dict[str, Any]] = []
    decisions = [d for d in (*RULES, ORACLE) if any(d in r["values"] for r in records.values())]
    for metric in METRICS:
        tuned = records[BASELINE]["values"]
        sign = -1 if metric.endswith("loss") else 1
        baseline = max(
            ("global", "per_label"),
            key=lambda d: sign * float(np.mean(tuned[d]["validation"][metric])),
        )
        against = tuned[baseline]["test"][metric]
        for decision in decisions:
            names = [n for n, r in records.items() if metric in _test(r, decision)]
            values = [records[n]["values"][decision]["test"][metric] for n in names]
            # The baseline is not tested against itself, nor is an oracle, which saw test labels.
            tested = [(n, decision) != (BASELINE, baseline) and decision != ORACLE for n in names]
            p_values = iter(
                significance.holm(
                    [
                        significance.wilcoxon_p_value(v, against)
                        for v, t in zip(values, tested, strict=True)
                        if t
                    ]
                )
            )
            rows += [
                {
                    "system": name,
                    "decision": decision,
                    "metric": metric,
                    "mean": float(np.mean(value)),
                    "std": float(np.std(value, ddof=1)) if len(value) > 1 else 0.0,
                    "values": value,
                    "baseline": f"{BASELINE}/{baseline}",
                    "p_value": next(p_values) if test else None,
                }
                for name, value, test in zip(names, values, tested, strict=True)
            ]
    order = {name: i for i, name in enumerate(records)}
    positions = {d: i for i, d in enumerate(decisions)}
    return sorted(rows, key=lambda r: (order[r["system"]], positions[r["decision"]]))


def describe(dataset: Dataset) -> dict[str, Any]:
    """The data set's name, size and label statistics."""
    counts = dataset.labels.sum(1)
    return {
        "name": dataset.name,
        "source": dataset.source,
        "examples": len(dataset.labels),
        "features": dataset.features.shape[1],
        "labels": dataset.labels.shape[1],
        "cardinality": float(counts.mean()),
        "labels_per_example": [int(counts.min()), int(counts.max())],
    }
