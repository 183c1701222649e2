"""Command line: `python -m experiments COMMAND ...`."""

import importlib
import os
import sys
from collections.abc import Sequence

from experiments import interrupts
from experiments.errors import Stopped, UserError

# Name -> module with `main(arguments)`, and what it does.
COMMANDS = {
    "compare": (
        "experiments.compare",
        "train every loss with one tuning budget and compare them on test",
    ),
    "train": ("experiments.train", "train one network on many devices, with checkpoints"),
    "study": ("experiments.studies.commands", "questions that one comparison does not answer"),
    "datasets": ("experiments.datasets.commands", "list, describe and prepare data sets"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 2 for a user's mistake, 130 if interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m experiments COMMAND [--help] [options]\n\ncommands:")
        for name, (_, help_text) in COMMANDS.items():
            print(f"  {name:10} {help_text}")
        print("\nexample: python -m experiments compare --dataset yeast --quick")
        return 0
    command, *rest = arguments
    if command not in COMMANDS:
        print(f"error: unknown command {command!r}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        # Imported here so that --help and mistakes answer at once.
        with interrupts.bounded():
            module = importlib.import_module(COMMANDS[command][0])
        module.main(rest)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:
        print(interrupts.INTERRUPTED, file=sys.stderr)
        return 130
    return 0


def leave(code: int) -> None:
    """Ends the process; after a signal at once, without taking the interpreter down.

    What was interrupted may still be computing in threads of XLA, and ends in a segmentation fault
    when Python's objects are gone.
    """
    if code < 128:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
