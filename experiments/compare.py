"""The comparison: every loss tuned with one budget, judged on test with honest statistics."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Sequence
from typing import Annotated, Any

import rich.progress
import tyro
from rich.console import Console

from experiments import (
    cache,
    code,
    datasets,
    evaluation,
    figures,
    interrupts,
    metric_plots,
    plots,
    report,
    significance,
    storage,
)
from experiments.cache import Entry, Record
from experiments.datasets import card
from experiments.datasets.dataset import fingerprint
from experiments.decision_rules import DEFAULT, ORACLE, RULES, UNTUNED
from experiments.errors import UserError
from experiments.evaluation import METRICS, Part
from experiments.problem import Problem, dense, describe, describe_split, make_problem
from experiments.report import RANKED_BY
from experiments.systems import BASELINE, MAIN_SYSTEMS, SYSTEMS
from experiments.terminal import say
from experiments.tuning import (
    REFERENCES,
    Plan,
    Progress,
    determines,
    reference,
    train_system,
)
from sigmoidf1_jax import decisions

SCHEMA = 1
# The decision rule with which validation chooses a network.
CHOOSING = "global"
QUICK_LOSSES = (BASELINE, "macro_soft_f1", "sigmoid_f1")
# What of the progress a reference is that is not fitted; a loss or a fitted one is 1.
INSTANT = 0.02


@dataclasses.dataclass(frozen=True)
class Compare:
    """Trains every loss with the same tuning budget and compares decisions on test.

    Example: python -m experiments compare --dataset yeast --seeds 10 --losses sigmoid_f1 focal

    Writes results.json, table.md, report.html and figures/ to OUTPUT/DATASET/DIGEST. Trained
    systems are kept in OUTPUT/DATASET/systems: the same command resumes an interrupted run, and
    a run with other losses or decisions trains only what is new, until code or data change. Exit
    codes: 1 the disk is full, 2 a mistake in the options, 130 after Ctrl-C, 143 after SIGTERM.
    """

    dataset: Annotated[str, tyro.conf.arg(help=datasets.HELP)] = "yeast"
    data: tyro.conf.OmitArgPrefixes[datasets.Options] = dataclasses.field(
        default_factory=datasets.Options
    )
    """Which columns are labels, and which labels and examples stay."""
    losses: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            help='Losses to compare, or "all" (default: the first eight). '
            f"{BASELINE} is always there. Known: {', '.join(SYSTEMS)}."
        ),
    ] = ()
    decisions: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            help='Decision rules to cross the losses with, or "all"; more than three draw a heat '
            f"map. Known: {', '.join(RULES)}."
        ),
    ] = DEFAULT
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

    def plan(self) -> Plan:
        """What every system is given besides the problem."""
        return Plan(self.epochs, self.hidden, self.batch_size, self.budget)

    def config(self) -> dict[str, Any]:
        """What determines the results."""
        config = dataclasses.asdict(self)
        # What the folder of prepared data holds counts, by its fingerprint, not where it is.
        del config["output"], config["quick"], config["data"]["data_dir"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}


def main(arguments: Sequence[str]) -> None:
    """The command: `python -m experiments compare`."""
    options = tyro.cli(Compare, args=arguments, prog="python -m experiments compare")
    with interrupts.bounded(), interrupts.terminable():
        run(options)


def run(options: Compare, console: Console | None = None) -> pathlib.Path:
    """Runs the comparison and returns the folder with its results.

    Raises:
      UserError: a mistake in the options; another run in the folder.
      Stopped: the disk is full.
    """
    console = console or Console()
    started = time.monotonic()
    options = options.resolved()
    dataset = dense(datasets.load(options.dataset, options.data))
    config = {**options.config(), "fingerprint": fingerprint(dataset)}
    versions = {**storage.versions(), "code": code.digest("experiments.tuning")}
    name = storage.digest({**config, "versions": versions})
    folder = storage.prepare_folder(options.output / dataset.name / name)
    problem = make_problem(dataset, options.seeds)
    about = {**describe(dataset), **describe_split(problem), "leak": card.leak(dataset)}
    about["warnings"] = _warnings(about)
    systems = storage.prepare_folder(options.output / dataset.name / "systems")
    with storage.locked(systems):
        say(console, f"{dataset.name}: {dataset.source}")
        for line in about["warnings"]:
            say(console, line)
        entries = {
            system: Entry(
                systems,
                system,
                storage.digest(
                    {
                        "system": system,
                        "fingerprint": config["fingerprint"],
                        "seeds": options.seeds,
                        "split": problem.how,
                        "versions": versions,
                        **determines(system, options.plan()),
                    }
                ),
                lambda line: say(console, line),
            )
            for system in (*REFERENCES, *options.losses)
        }
        records = _records(entries, problem, options, console)
        results = {
            "schema": SCHEMA,
            "dataset": about,
            "config": config,
            "versions": versions,
            "rows": make_rows(records),
        }
        _write(folder, results, records, _chosen(entries, records, problem))
    console.print(report.rich_table(results, console.width), markup=False, highlight=False)
    say(console, f"{folder}/report.html  ({time.monotonic() - started:.0f} s)")
    return folder


def _warnings(about: dict[str, Any]) -> list[str]:
    """What a reader of the results should know of the split, in lines."""
    leak = about["leak"]
    known = leak is not None and leak["features"] > 0
    return [
        *about["lacking"],
        *([f"test examples in train: {card.leak_in_words(leak)}"] if known else []),
    ]


def _records(
    entries: dict[str, Entry], problem: Problem, options: Compare, console: Console
) -> dict[str, Record]:
    """Every system's record with the decisions asked for, from the cache or computed."""
    columns = (
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    shares = {
        name: INSTANT if name in REFERENCES and not determines(name, options.plan()) else 1.0
        for name in entries
    }
    records: dict[str, Record] = {}
    width = max(map(len, entries))
    say(console, report.live_header(width))
    with rich.progress.Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=sum(shares.values()))
        before = 0.0
        for name, entry in entries.items():
            progress.update(task, description=name)

            def advance(share: float, before: float = before, name: str = name) -> None:
                progress.update(task, completed=before + share * shares[name])

            record, resumed = _record(entry, problem, options, advance)
            before += shares[name]
            progress.update(task, completed=before)
            records[name] = record
            say(progress.console, report.live_rows(name, record, resumed, width))
    return records


def _record(
    entry: Entry, problem: Problem, options: Compare, progress: Progress
) -> tuple[Record, bool]:
    """A system's record, and whether nothing had to be trained for it."""
    # The all-positive predictor has nothing to tune.
    rules = [UNTUNED] if entry.name == "all_positive" else list(options.decisions)
    if len(options.decisions) > len(DEFAULT):
        rules.append(ORACLE)
    record = entry.record()
    parts = None
    if record is not None and not all(rule in record["values"] for rule in rules):
        # Other decisions than before: the scores tell, unless they were too large to keep.
        parts = entry.parts(problem)
        record = None if parts is None else record
    resumed = record is not None
    if record is None:
        record, parts = compute(entry.name, problem, options, progress)
        # Scores first: a record without them would ask for a second training.
        entry.write_parts(*parts)
    if parts is not None:
        missing = [rule for rule in rules if rule not in record["values"]]
        record["values"].update(_values(missing, *parts))
        entry.write_record(record)
    return {**record, "values": {rule: record["values"][rule] for rule in rules}}, resumed


def compute(
    name: str, problem: Problem, options: Compare, progress: Progress
) -> tuple[Record, cache.Parts]:
    """One system trained: its record, as yet without values, and its scores."""
    started = time.monotonic()
    if name in SYSTEMS:
        validation, test, about = train_system(SYSTEMS[name], problem, options.plan(), progress)
    else:
        validation, test, about = reference(name, problem, options.plan(), progress)
    record = {
        "system": name,
        "values": {},
        "curves": cache.as_json(evaluation.curves(test[0])._asdict()),
        **about,
        "seconds": round(time.monotonic() - started, 1),
    }
    return record, (validation, test)


def _values(rules: Sequence[str], validation: Any, test: Any) -> dict[str, Any]:
    """Decision -> part -> metric -> value per seed, as JSON."""
    values = evaluation.evaluate([r for r in rules if r != ORACLE], validation, test)
    if ORACLE in rules:
        values[ORACLE] = {"test": evaluation.oracle(test[1])}
    found: dict[str, Any] = cache.as_json(values)
    return found


def _chosen(
    entries: dict[str, Entry], records: dict[str, Record], problem: Problem
) -> dict[str, bytes]:
    """Figures of one network, as PNG: the one that validation chooses, on the first seed's test.

    There are none of a network whose scores are too large to be kept.
    """

    def on_validation(name: str) -> float:
        of = records[name]["values"][CHOOSING]["validation"]
        means = [significance.mean_and_deviation(storage.numbers(of[m]))[0] for m in RANKED_BY]
        return -math.inf if any(map(math.isnan, means)) else sum(means)

    name = max((name for name in records if name in SYSTEMS), key=on_validation)
    parts = entries[name].parts(problem)
    if parts is None:
        return {}
    # Of the runs that are selected for a tuned threshold.
    validation, test = (Part(*(x[0] for x in part[1])) for part in parts)
    decision = decisions.global_threshold(
        validation.scores, validation.labels, where=validation.where
    )
    drawn = metric_plots.all_figures(*test, decision(test.scores))
    drawn.pop("threshold_curves")  # it is drawn of every system
    for figure in drawn.values():
        figure.suptitle(f"{name}, chosen on validation; one threshold, first seed", fontsize=9)
    return {f"chosen_{title}": figures.png(figure) for title, figure in drawn.items()}


def _write(
    folder: pathlib.Path,
    results: dict[str, Any],
    records: dict[str, Record],
    chosen: dict[str, bytes],
) -> None:
    """Everything that a run writes besides the systems."""
    storage.write_json(folder / "results.json", results)
    storage.write_text(folder / "table.md", report.markdown(results))
    drawn = {**plots.all_figures(records), **chosen}
    pictures = storage.prepare_folder(folder / "figures")
    for name, png in drawn.items():
        storage.write_bytes(pictures / f"{name}.png", png)
    storage.write_text(folder / "report.html", report.html(results, drawn))


def _test(record: Record, decision: str) -> dict[str, list[float]]:
    """Metric -> values on test; empty where a system has no such decision."""
    values: dict[str, list[float]] = record["values"].get(decision, {"test": {}})["test"]
    return values


def make_rows(records: dict[str, Record]) -> list[dict[str, Any]]:
    """One row per system, decision and metric, with a paired test against the baseline.

    The baseline of a metric is cross-entropy with the tuned threshold (global or per label) that
    is better on validation; p-values are corrected (Holm) over the systems of one decision. Means,
    deviations and tests are over the seeds in which the metric is defined; where it is in none,
    they are None and the row says why under "undefined".
    """
    rows: list[dict[str, Any]] = []
    decisions = [d for d in (*RULES, ORACLE) if any(d in r["values"] for r in records.values())]
    for metric in METRICS:
        tuned = records[BASELINE]["values"]
        sign = -1 if metric.endswith("loss") else 1

        def on_validation(decision: str) -> float:
            mean, _ = significance.mean_and_deviation(
                storage.numbers(tuned[decision]["validation"][metric])  # noqa: B023
            )
            return -math.inf if math.isnan(mean) else sign * mean  # noqa: B023

        baseline = max(("global", "per_label"), key=on_validation)
        against = storage.numbers(tuned[baseline]["test"][metric])
        for decision in decisions:
            names = [n for n, r in records.items() if metric in _test(r, decision)]
            values = {n: storage.numbers(_test(records[n], decision)[metric]) for n in names}
            # The baseline is not tested against itself, nor is an oracle, which saw test labels,
            # nor what has no value.
            tested = [
                n
                for n in names
                if (n, decision) != (BASELINE, baseline)
                and decision != ORACLE
                and not math.isnan(significance.mean_and_deviation(values[n])[0])
            ]
            corrected = significance.holm(
                [significance.wilcoxon_p_value(values[n], against) for n in tested]
            )
            p_values = dict(zip(tested, corrected, strict=True))
            for name in names:
                mean, deviation = significance.mean_and_deviation(values[name])
                row = {
                    "system": name,
                    "decision": decision,
                    "metric": metric,
                    "mean": mean,
                    "std": deviation,
                    "values": values[name].tolist(),
                    "baseline": f"{BASELINE}/{baseline}",
                    "p_value": p_values.get(name),
                }
                if math.isnan(mean):
                    row |= {"mean": None, "std": None}
                    row["undefined"] = evaluation.why_undefined(metric)
                rows.append(row)
    order = {name: i for i, name in enumerate(records)}
    positions = {d: i for i, d in enumerate(decisions)}
    return sorted(rows, key=lambda r: (order[r["system"]], positions[r["decision"]]))
