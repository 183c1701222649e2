"""Command line: `python -m experiments compare`."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

import tyro

from experiments import interrupts
from experiments.comparison.run import run
from experiments.comparison.settings import Settings
from experiments.systems import QUICK_SYSTEMS


@dataclasses.dataclass(frozen=True)
class Compare(Settings):
    """Trains every loss with the same tuning budget and compares decisions on test.

    Example: python -m experiments compare --dataset yeast --seeds 10 --losses sigmoid_f1 focal

    Writes results.json, table.md, report.html and figures/ to OUTPUT/DATASET/DIGEST. Trained
    systems are kept in OUTPUT/DATASET/systems: the same command resumes an interrupted run, and
    a run with other losses or decisions trains only what is new, until code or data change. Exit
    codes: 1 the disk is full, 2 a mistake in the options, 130 after Ctrl-C, 143 after SIGTERM.
    """

    output: pathlib.Path = pathlib.Path("results")
    """Folder that results go to."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Three losses, 3 seeds, 15 epochs, 3 settings: a try-out of under a minute."""

    def resolved(self) -> "Compare":
        """The same with --quick filled in."""
        if not self.quick:
            return self
        # Quick lowers the defaults; a number that the user gave stands.
        quick: dict[str, Any] = {"losses": QUICK_SYSTEMS, "seeds": 3, "epochs": 15, "budget": 3}
        given = {k for k in quick if getattr(self, k) != getattr(Settings, k)}
        return dataclasses.replace(self, **{k: v for k, v in quick.items() if k not in given})


def main(arguments: Sequence[str]) -> None:
    """The command: `python -m experiments compare`."""
    options = tyro.cli(Compare, args=arguments, prog="python -m experiments compare")
    with interrupts.bounded(), interrupts.terminable():
        run(options.resolved(), options.output)
