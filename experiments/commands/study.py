"""Command line of the studies: `python -m experiments study NAME`."""

import importlib
from collections.abc import Sequence
from typing import NamedTuple

import tyro

from experiments import interrupts
from experiments.errors import UserError


class Study(NamedTuple):
    """A study: where it is, and what it asks.

    Attributes:
      module: has `run(options)`.
      options: name of the dataclass of its options there.
      question: for the list.
    """

    module: str
    options: str
    question: str


STUDIES = {
    "batch_size": Study(
        "experiments.studies.batch_size", "BatchSize", "which macro F1 loss survives small batches"
    ),
    "simulated": Study(
        "experiments.studies.simulated",
        "SimulatedStudy",
        "how far losses end from the best possible F1",
    ),
}


def main(arguments: Sequence[str]) -> None:
    """Runs one study.

    Raises:
      UserError: an unknown study.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m experiments study NAME [--help] [options]\n\nstudies:")
        for name, study in STUDIES.items():
            print(f"  {name:12} {study.question}")
        print("\nexample: python -m experiments study batch_size --quick")
        return
    name, *rest = arguments
    if name not in STUDIES:
        raise UserError(f"unknown study {name!r}; known: {', '.join(STUDIES)}")
    # Imported when it is asked for: the list answers at once.
    module = importlib.import_module(STUDIES[name].module)
    kind = getattr(module, STUDIES[name].options)
    options = tyro.cli(kind, args=rest, prog=f"python -m experiments study {name}")
    with interrupts.bounded(), interrupts.terminable():
        module.run(options)
