"""The exceptions that a command turns into a single line and an exit code."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any


class UserError(Exception):
    """A mistake in what the user asked for; the message names it and what was expected.

    The exit code is 2.
    """


class Stopped(Exception):
    """A run that ended early, with what it did so far kept; the message says where it is."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a message: the first of them, long ones cut."""
    shown = [name if len(name) <= 40 else f"{name[:37]}..." for name in names[:most]]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shown) + more


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does: what is finished is kept.

    Raises:
      Stopped: SIGTERM came; exit code 143.
    """

    def stop(number: int, frame: Any) -> None:
        raise Stopped("stopped by SIGTERM; the same command goes on from what is done", 143)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may ask for signals
        return
    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
