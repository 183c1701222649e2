"""The exceptions that a command turns into a single line and an exit code."""

from collections.abc import Sequence


class UserError(Exception):
    """A mistake in what the user asked for; the message names it and what was expected.

    The exit code is 2.
    """


class Stopped(Exception):
    """A run that ended early, with what it did so far kept; the message says where it is."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class DiskFull(Stopped):
    """A file that could not be written for want of room; raised from the system's error."""


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a message: the first of them, long ones cut."""
    shown = [name if len(name) <= 40 else f"{name[:37]}..." for name in names[:most]]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shown) + more
