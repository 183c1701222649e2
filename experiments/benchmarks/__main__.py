"""Command line of the benchmarks: `python -m experiments.benchmarks`."""

import sys

from experiments.commands.benchmarks import main

if __name__ == "__main__":
    sys.exit(main())
