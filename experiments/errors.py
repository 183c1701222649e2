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


def flag(name: str) -> str:
    """The flag of a field of options.

    Example:
      >>> flag("batch_size")
      '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def check_at_least(options: object, least: int, *names: str) -> None:
    """Refuses fields of options that hold too small a number, or one in a tuple of numbers.

    Raises:
      UserError: names the flag, what came and what was expected.
    """
    for name in names:
        given = getattr(options, name)
        if isinstance(given, tuple):
            if min(given, default=least) < least:
                raise UserError(f"{flag(name)} must be sizes >= {least}, got {given}")
        elif given < least:
            raise UserError(f"{flag(name)} must be >= {least}, got {given}")
