"""Command line of the benchmarks: `python -m experiments.benchmarks`.

Example: python -m experiments.benchmarks metrics --quick --output metrics.json
"""

import argparse
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Console

from experiments import storage
from experiments.benchmarks import label_blocks, metrics
from experiments.errors import UserError
from experiments.reports.tables import Table


class Benchmark(NamedTuple):
    """A benchmark: what yields rows (named tuples), told whether to be quick, and their table."""

    run: Callable[..., Iterator[Any]]
    table: Callable[[Sequence[Any]], Table]


BENCHMARKS = {
    "metrics": Benchmark(metrics.run, metrics.table),
    "label_blocks": Benchmark(label_blocks.run, label_blocks.table),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line, runs one benchmark and prints its table."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks",
        description="Times this library against others, or against a plain form, in one run.",
        epilog="example: python -m experiments.benchmarks metrics --quick --output metrics.json",
    )
    parser.add_argument("benchmark", choices=list(BENCHMARKS), help="what to time")
    parser.add_argument("--quick", action="store_true", help="small shapes, few repeats")
    parser.add_argument("--output", type=pathlib.Path, help="also write the rows as JSON")
    given = parser.parse_args(arguments)
    if given.output is not None and not given.output.parent.is_dir():
        print(f"--output: no such folder: {given.output.parent}", file=sys.stderr)
        return 2
    benchmark = BENCHMARKS[given.benchmark]
    rows = []
    try:
        for row in benchmark.run(quick=given.quick):
            rows.append(row)
            print(*row, file=sys.stderr)
            # After every row: large shapes take minutes, and a stopped run keeps what it has.
            if given.output is not None:
                storage.write_json(given.output, [row._asdict() for row in rows])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    Console().print(benchmark.table(rows).rich("boxed"))
    return 0
