"""Command line: `python -m experiments COMMAND ...`."""

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from experiments import interrupts
from experiments.commands import COMMANDS
from experiments.errors import Stopped, UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    1: stopped with what is done kept, or a file that cannot be used; 2: a user's mistake; 130 or
    143: stopped by Ctrl-C or SIGTERM.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m experiments COMMAND [--help] [options]\n\ncommands:")
        for name, command in COMMANDS.items():
            print(f"  {name:10} {command.purpose}")
        print("\nexample: python -m experiments compare --dataset yeast --quick")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"error: unknown command {name!r}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        # Imported here so that --help and mistakes answer at once.
        with interrupts.bounded():
            module = importlib.import_module(COMMANDS[name].module)
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
