"""Command line of the benchmarks.

Example: python -m experiments.benchmarks metrics --quick --output metrics.json
"""

import argparse
import pathlib
import sys

from experiments import storage
from experiments.benchmarks import metrics


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line, runs one benchmark and prints its table."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks",
        description="Times this library against others on the same inputs in one run.",
        epilog="example: python -m experiments.benchmarks metrics --quick --output metrics.json",
    )
    parser.add_argument("benchmark", choices=["metrics"], help="what to time")
    parser.add_argument("--quick", action="store_true", help="one small shape, few repeats")
    parser.add_argument("--output", type=pathlib.Path, help="also write the rows as JSON")
    given = parser.parse_args(arguments)
    if given.output is not None and not given.output.parent.is_dir():
        print(f"--output: no such folder: {given.output.parent}", file=sys.stderr)
        return 2
    rows = []
    for row in metrics.run(quick=given.quick):
        rows.append(row)
        print(f"{row.metric} {row.examples}x{row.labels}", file=sys.stderr)
        # After every row: the large shapes take minutes, and a stopped run keeps what it has.
        if given.output is not None:
            storage.write_json(given.output, [row._asdict() for row in rows])
    metrics.show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
