"""Command line: `python -m experiments datasets {list,describe,prepare}`."""

import pathlib
from collections.abc import Sequence
from typing import Annotated

import tyro
from rich.console import Console

from experiments import datasets, storage
from experiments.datasets import card
from experiments.datasets.options import Options
from experiments.reports.tables import Table
from experiments.terminal import say

DEFAULTS = Options()
_SHOWN_LABELS = 12


def main(arguments: Sequence[str]) -> None:
    """Lists, describes and prepares data sets."""
    tyro.extras.subcommand_cli_from_dict(
        {"list": list_names, "describe": describe, "prepare": prepare},
        args=arguments,
        prog="python -m experiments datasets",
        description="Data sets: which there are, what is in them, and how to get them.",
    )


def list_names() -> None:
    """Lists the data sets that have a name, and what else can be given as one.

    Example: python -m experiments datasets list
    """
    rows = [(name, "", "") for name in datasets.LOADERS]
    for name, builder in sorted(datasets.builder_classes().items()):
        configurations = [c.name for c in getattr(builder, "BUILDER_CONFIGS", ())]
        rows.append((name, ", ".join(configurations), getattr(builder, "SCOPE", "unknown")))
    console = Console()
    console.print(Table.of(("name", "configurations", "labels describe"), rows).rich(gap=2))
    say(
        console,
        f"\nNAME/CONFIGURATION chooses a configuration. As good as a name: {datasets.KINDS}.",
    )


Name = Annotated[str, tyro.conf.Positional]


def describe(
    name: Name,
    data: tyro.conf.OmitArgPrefixes[Options] = DEFAULTS,
    output: pathlib.Path = pathlib.Path("results/datasets"),
) -> None:
    """Reads a data set and writes its card: figures, label counts, and plots.

    Example: python -m experiments datasets describe films.csv --labels genres --text plot

    Args:
      name: Name of a data set, a file or folder, openml:NUMBER or tfds:NAME.
      data: Which columns are labels, and which labels and examples stay.
      output: Folder that the card's folder goes to.
    """
    # Plots need matplotlib, which the other commands do not wait for.
    from experiments.datasets import card_plots

    dataset = datasets.load(name, data)
    folder = storage.prepare_folder(output / dataset.name)
    figures = card_plots.all_figures(dataset)
    values = card.card(dataset)
    for figure, content in figures.items():
        storage.write_bytes(folder / f"{figure}.png", content)
    storage.write_json(folder / "card.json", values)
    titles = {figure.replace("_", " "): f"{figure}.png" for figure in figures}
    storage.write_text(folder / "card.md", card.markdown(values, titles))
    console = Console()
    counts = list(values["commonest_labels"].items())[:_SHOWN_LABELS]
    shown = ", ".join(f"{label} {n:,}" for label, n in counts)
    rows = [*card.rows(values), ("commonest labels", shown)]
    console.print(Table.of(("", ""), rows, title=dataset.name).rich(gap=2))
    say(console, f"{folder}/card.md, card.json, {', '.join(titles.values())}")


def prepare(name: Name, data: tyro.conf.OmitArgPrefixes[Options] = DEFAULTS) -> None:
    """Downloads and prepares what a data set needs, and checks that it can be read.

    Example: python -m experiments datasets prepare openml:40597

    Args:
      name: Name of a data set, a file or folder, openml:NUMBER or tfds:NAME.
      data: Which columns are labels, and which labels and examples stay.
    """
    dataset = datasets.load(name, data)
    say(
        Console(),
        f"{dataset.name} is ready: {len(dataset.labels):,} examples, {dataset.num_labels:,} labels",
    )
