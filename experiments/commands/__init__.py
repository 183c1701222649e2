"""The commands: options and main of each, and nothing else."""

from typing import NamedTuple


class Command(NamedTuple):
    """A command: the module with its `main(arguments)`, and what it is for."""

    module: str
    purpose: str


COMMANDS = {
    "compare": Command(
        "experiments.commands.compare",
        "train every loss with one tuning budget and compare them on test",
    ),
    "train": Command(
        "experiments.commands.train", "train one network on many devices, with checkpoints"
    ),
    "study": Command("experiments.commands.study", "questions that one comparison does not answer"),
    "datasets": Command("experiments.commands.datasets", "list, describe and prepare data sets"),
}
"""By name. The benchmarks have a program of their own, `python -m experiments.benchmarks`."""
