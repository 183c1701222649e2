"""Command line: `python -m experiments train`."""

import dataclasses
import functools
import logging
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import tyro

from experiments import interrupts
from experiments.errors import Stopped, UserError
from experiments.training import processes
from experiments.training.estimate import estimate
from experiments.training.run import run
from experiments.training.settings import Settings
from sigmoidf1_jax import training

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


@dataclasses.dataclass(frozen=True)
class Hosts:
    """How the processes of a run on many hosts find each other (docs/many_hosts.md)."""

    processes: int = 1
    """Processes to start on this machine, as a try-out of many hosts."""
    distributed: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Joins the processes of a TPU pod, a SLURM or Open MPI job or a Kubernetes job."""
    coordinator_address: str | None = None
    """host:port of process 0, where the processes are not found by themselves."""
    num_processes: int | None = None
    """How many processes there are."""
    process_id: int | None = None
    """The number of this one."""

    def join(self) -> None:
        """Joins the other processes, if there are any; before JAX is used.

        Raises:
          UserError: numbers that do not fit, or a coordinator that does not answer.
        """
        given = (self.coordinator_address, self.num_processes, self.process_id)
        if self.distributed or any(x is not None for x in given):
            try:
                training.initialize_distributed(*given)
            except (ValueError, TimeoutError) as error:
                raise UserError(str(error)) from error


@dataclasses.dataclass(frozen=True)
class Train(Settings):
    """Trains one network on all devices, with checkpoints.

    Example: python -m experiments train --dataset yeast --loss sigmoid_f1 --hyper slope=2

    Writes checkpoints (last/ and best/), metrics.jsonl, TensorBoard events, result.json,
    learning_curve.png and figures/ to OUTPUT. The same command goes on from the newest checkpoint,
    to the same parameters as a run without an interruption; with more --epochs it extends the run.
    Exit codes: 1 the loss is not finite or the disk is full (the last good checkpoint is kept), 2 a
    mistake in the options or a folder in use, 143 after SIGTERM and 130 after Ctrl-C (one process),
    both at the end of the step with a checkpoint, or after 10 seconds without one.
    """

    output: pathlib.Path | None = None
    """Folder of this run (default: results/train/DATASET/LOSS-DIGEST)."""
    resume: bool = True
    """Goes on from the newest checkpoint in the folder; --no-resume clears it and starts over."""
    hosts: tyro.conf.OmitArgPrefixes[Hosts] = dataclasses.field(default_factory=Hosts)
    """The processes of the run."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Prints what the training would take, and writes nothing."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """5 epochs: a try-out of under 30 seconds."""

    def resolved(self) -> "Train":
        """The same with --quick filled in."""
        quick = self.quick and self.epochs == Settings.epochs
        return dataclasses.replace(self, epochs=5) if quick else self


def main(arguments: Sequence[str]) -> None:
    """The command: `python -m experiments train`.

    Raises:
      UserError: a mistake in the options.
      Stopped: a process of `--processes` that failed, and as `run`.
    """
    with interrupts.bounded():
        options = tyro.cli(Train, args=arguments, prog="python -m experiments train")
    if options.hosts.processes != 1:
        code = processes.launch(["train", *_alone(arguments)], options.hosts.processes)
        if code:
            raise Stopped(f"a process ended with exit code {code}", code)
        return
    with interrupts.bounded():
        options.hosts.join()
        _quieten()
        settings = options.resolved()
        if options.dry_run:
            estimate(settings)
        else:
            run(settings, options.output, resume=options.resume, quick=options.quick)


def _quieten() -> None:
    """Keeps the threads of Orbax and TensorStore from reporting what `run` reports, in a line."""
    # Orbax also warns of the temporary files of a killed run, which are as they should be.
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.unraisablehook = functools.partial(_report, sys.unraisablehook)


def _report(hook: Callable[["UnraisableHookArgs"], object], said: "UnraisableHookArgs") -> None:
    # When one array cannot be written or read, TensorStore tells the event loop of the others, too,
    # which is closed by then.
    if str(said.exc_value) != "Event loop is closed":
        hook(said)


def _alone(arguments: Sequence[str]) -> list[str]:
    """The arguments without --processes."""
    kept = list(arguments)
    place = next(i for i, text in enumerate(kept) if text.split("=")[0] == "--processes")
    del kept[place : place + (1 if "=" in kept[place] else 2)]
    return kept
