"""Command line of the benchmarks: `python -m experiments.benchmarks`.

Example: python -m experiments.benchmarks losses metrics --quick
"""

import argparse
import os
import pathlib
import platform
import sys
from collections.abc import Callable, Iterator, Sequence

import jax
from rich.console import Console

from experiments import storage
from experiments.benchmarks import decisions, imports, label_blocks, losses, metrics, population
from experiments.benchmarks.ratios import plot, table
from experiments.benchmarks.timing import Row
from experiments.errors import UserError
from experiments.reports import figures
from experiments.terminal import say

BENCHMARKS: dict[str, Callable[..., Iterator[Row]]] = {
    "losses": losses.run,
    "metrics": metrics.run,
    "decisions": decisions.run,
    "population": population.run,
    "blocks": label_blocks.run,
    "import": imports.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line, runs benchmarks and prints their tables."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks",
        description="Times this library beside others, in turns in one process. Peers that are "
        "not installed are left out: the extra `bench` has them. Writes NAME.json, NAME.md and "
        "NAME.png as it goes.",
        epilog="example: python -m experiments.benchmarks losses metrics --quick",
    )
    parser.add_argument(
        "benchmarks",
        nargs="+",
        choices=[*BENCHMARKS, "all"],
        metavar="NAME",
        help=f"what to time: {', '.join(BENCHMARKS)}, all",
    )
    parser.add_argument("--quick", action="store_true", help="small shapes, few rounds")
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path("results/benchmarks"),
        help="folder that results go to (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    console = Console()
    names = BENCHMARKS if "all" in given.benchmarks else dict.fromkeys(given.benchmarks)
    try:
        folder = storage.prepare_folder(given.output)
        for name in names:
            _run(name, folder, console, quick=given.quick)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(name: str, folder: pathlib.Path, console: Console, *, quick: bool) -> None:
    title = f"{name} on {jax.default_backend()}, {os.cpu_count()} CPU cores"
    stem = folder / name
    record = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores, {jax.default_backend()}",
        "versions": storage.versions(),
        "quick": quick,
    }
    rows: list[Row] = []
    for row in BENCHMARKS[name](quick=quick):
        say(console, f"{row.subject} {row.setting} {row.contender}: {row.milliseconds:.3g} ms")
        if rows and row.setting != rows[-1].setting:
            _draw(stem, title, rows)
        rows.append(row)
        # After every row: large shapes take minutes, and a stopped run keeps what it has.
        storage.write_json(
            stem.with_suffix(".json"), {**record, "rows": [row._asdict() for row in rows]}
        )
        storage.write_text(stem.with_suffix(".md"), f"{title}\n\n{table(rows, title).markdown()}")
    _draw(stem, title, rows)
    console.print(table(rows, title).rich("boxed"))
    say(console, f"{stem}.json, .md and .png")


def _draw(stem: pathlib.Path, title: str, rows: Sequence[Row]) -> None:
    figure = plot(rows, title)
    if figure is not None:
        storage.write_bytes(stem.with_suffix(".png"), figures.png(figure))
