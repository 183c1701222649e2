"""A comparison run: systems trained or taken from the cache, judged, and written to a folder."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Mapping, Sequence

from rich.console import Console

from experiments import code, datasets, evaluation, storage, terminal
from experiments.comparison.cache import Entry, Parts
from experiments.comparison.settings import Settings
from experiments.datasets.dataset import fingerprint
from experiments.decision_rules import DEFAULT, GLOBAL, ORACLE, UNTUNED
from experiments.evaluation import RANKED_BY, Evaluation, Part
from experiments.problem import Problem, dense, make_problem
from experiments.reports import comparison_plots, comparison_tables, figures, metric_plots
from experiments.results import comparison as results
from experiments.results.comparison import Records, Results, SystemRecord
from experiments.summary import describe_split
from experiments.systems import SYSTEMS
from experiments.terminal import say
from experiments.tuning import (
    ALL_POSITIVE,
    REFERENCES,
    Progress,
    determines,
    reference,
    train_system,
)
from sigmoidf1_jax import decisions

# The decision rule with which validation chooses a network.
CHOOSING = GLOBAL
# What of the progress a reference is that is not fitted; a loss or a fitted one is 1.
INSTANT = 0.02


def run(settings: Settings, output: pathlib.Path, console: Console | None = None) -> pathlib.Path:
    """Runs the comparison and returns the folder with its results.

    Args:
      settings: what is compared.
      output: folder that the results' folder, and that of the trained systems, go to.
      console: where progress and the table are shown (default: the terminal).

    Raises:
      UserError: a mistake in the settings; another run in the folder.
      Stopped: the disk is full.
    """
    console = console or Console()
    started = time.monotonic()
    settings = settings.checked()
    dataset = dense(datasets.load(settings.dataset, settings.data))
    config = {**settings.config(), "fingerprint": fingerprint(dataset)}
    versions = {**storage.versions(), "code": code.digest("experiments.tuning")}
    name = storage.digest({**config, "versions": versions})
    folder = storage.prepare_folder(output / dataset.name / name)
    problem = make_problem(dataset, settings.seeds)
    about = describe_split(problem)
    systems = storage.prepare_folder(output / dataset.name / "systems")
    with storage.locked(systems):
        say(console, f"{dataset.name}: {dataset.source}")
        for line in about.warnings:
            say(console, line)
        entries = {
            system: Entry(
                systems,
                system,
                storage.digest(
                    {
                        "system": system,
                        "fingerprint": config["fingerprint"],
                        "seeds": settings.seeds,
                        "split": problem.how,
                        "versions": versions,
                        **determines(system, settings.plan()),
                    }
                ),
                lambda line: say(console, line),
            )
            for system in (*REFERENCES, *settings.losses)
        }
        records = _records(entries, problem, settings, console)
        found = Results(results.SCHEMA, about, config, versions, results.make_rows(records))
        _write(folder, found, records, _chosen(entries, records, problem))
    shown = comparison_tables.terminal_table(found, console.width)
    console.print(shown.rich(), markup=False, highlight=False)
    say(console, f"{folder}/report.html  ({time.monotonic() - started:.0f} s)")
    return folder


def _records(
    entries: dict[str, Entry], problem: Problem, settings: Settings, console: Console
) -> dict[str, SystemRecord]:
    """Every system's record with the decisions asked for, from the cache or computed."""
    shares = {
        name: INSTANT if name in REFERENCES and not determines(name, settings.plan()) else 1.0
        for name in entries
    }
    records: dict[str, SystemRecord] = {}
    width = max(map(len, entries))
    say(console, comparison_tables.live_header(width))
    with terminal.progress(console, counted=False) as progress:
        task = progress.add_task("", total=sum(shares.values()))
        before = 0.0
        for name, entry in entries.items():
            progress.update(task, description=name)

            def advance(share: float, before: float = before, name: str = name) -> None:
                progress.update(task, completed=before + share * shares[name])

            record, resumed = _record(entry, problem, settings, advance)
            before += shares[name]
            progress.update(task, completed=before)
            records[name] = record
            say(progress.console, comparison_tables.live_rows(name, record, resumed, width))
    return records


def _record(
    entry: Entry, problem: Problem, settings: Settings, progress: Progress
) -> tuple[SystemRecord, bool]:
    """A system's record, and whether nothing had to be trained for it."""
    # The all-positive predictor has nothing to tune.
    rules = [UNTUNED] if entry.name == ALL_POSITIVE else list(settings.decisions)
    if len(settings.decisions) > len(DEFAULT):
        rules.append(ORACLE)
    record = entry.record()
    parts = None
    if record is not None and not all(rule in record.values for rule in rules):
        # Other decisions than before: the scores tell, unless they were too large to keep.
        parts = entry.parts(problem)
        record = None if parts is None else record
    resumed = record is not None
    if record is None:
        record, parts = compute(entry.name, problem, settings, progress)
        # Scores first: a record without them would ask for a second training.
        entry.write_parts(parts)
    if parts is not None:
        missing = [rule for rule in rules if rule not in record.values]
        values = {**record.values, **_values(missing, parts)}
        record = dataclasses.replace(record, values=values)
        entry.write_record(record)
    # What an earlier run asked for is not shown.
    asked = {rule: record.values[rule] for rule in rules}
    return dataclasses.replace(record, values=asked), resumed


def compute(
    name: str, problem: Problem, settings: Settings, progress: Progress
) -> tuple[SystemRecord, Parts]:
    """One system trained: its record, as yet without values, and its scores."""
    started = time.monotonic()
    if name in SYSTEMS:
        trained = train_system(SYSTEMS[name], problem, settings.plan(), progress)
    else:
        trained = reference(name, problem, settings.plan(), progress)
    record = SystemRecord(
        system=name,
        values={},
        curves=evaluation.curves(trained.test.fixed),
        selected=trained.selected,
        seconds=round(time.monotonic() - started, 1),
        learning=trained.learning,
    )
    return record, Parts(trained.validation, trained.test)


def _values(rules: Sequence[str], parts: Parts) -> dict[str, Evaluation]:
    """Decision -> its values."""
    values = evaluation.evaluate([r for r in rules if r != ORACLE], parts.validation, parts.test)
    if ORACLE in rules:
        values[ORACLE] = evaluation.oracle(parts.test.of(ORACLE))
    return values


def _chosen(entries: Mapping[str, Entry], records: Records, problem: Problem) -> dict[str, bytes]:
    """Figures of one network, as PNG: the one that validation chooses, on the first seed's test.

    There are none of a network whose scores are too large to be kept.
    """

    def on_validation(name: str) -> float:
        of = records[name].values[CHOOSING]
        means = [results.mean_on_validation(of, metric) for metric in RANKED_BY]
        return -math.inf if any(map(math.isnan, means)) else sum(means)

    name = max((name for name in records if name in SYSTEMS), key=on_validation)
    parts = entries[name].parts(problem)
    if parts is None:
        return {}
    # Of the runs that are selected for a tuned threshold.
    validation, test = (Part(*(x[0] for x in part.of(CHOOSING))) for part in parts)
    decision = decisions.global_threshold(
        validation.scores, validation.labels, where=validation.where
    )
    drawn = metric_plots.all_figures(*test, decision(test.scores))
    drawn.pop("threshold_curves")  # it is drawn of every system
    for figure in drawn.values():
        figure.suptitle(f"{name}, chosen on validation; one threshold, first seed", fontsize=9)
    return {f"chosen_{title}": figures.png(figure) for title, figure in drawn.items()}


def _write(
    folder: pathlib.Path, found: Results, records: Records, chosen: Mapping[str, bytes]
) -> None:
    """Everything that a run writes besides the systems."""
    storage.write_json(folder / "results.json", found)
    storage.write_text(folder / "table.md", comparison_tables.markdown(found))
    drawn = {**comparison_plots.all_figures(records), **chosen}
    pictures = storage.prepare_folder(folder / "figures")
    for name, png in drawn.items():
        storage.write_bytes(pictures / f"{name}.png", png)
    storage.write_text(folder / "report.html", comparison_tables.html(found, drawn))
