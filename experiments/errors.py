"""The one exception that a command turns into a single line and exit code 2."""


class UserError(Exception):
    """A mistake in what the user asked for; the message names it and what was expected."""
