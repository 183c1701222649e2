"""Command line: `python -m experiments COMMAND ...`."""

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

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
    """Runs one command and returns its exit code.

    1: stopped with what is done kept, or a file that cannot be used; 2: a user's mistake; 130 or
    143: stopped by Ctrl-C or SIGTERM.
    """
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
    except OSError as error:
        where = "" if error.filename is None else f" ({error.filename})"
        print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        return 1
    return 0


def leave(code: int) -> NoReturn:
    """Ends the process: after an interruption at once, in the middle of what was computed.

    Threads of XLA may still be at work then, and an interpreter that takes itself apart under
    them ends in a segmentation fault now and then. Files are whole at any time. Processes of one
    run leave each other in order.
    """
    jax = sys.modules.get("jax")
    if code in (130, 143) and not (jax is not None and jax.distributed.is_initialized()):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    leave(main())
