"""User's text on the terminal: as it is, never markup, an emoji's code or a column's width."""

from typing import Any

from rich.console import Console
from rich.text import Text


def say(console: Console, text: Any, **options: Any) -> None:
    """Prints lines in which brackets and colons are what they are; long ones are not wrapped."""
    options = {"soft_wrap": True, "markup": False, "emoji": False, **options}
    console.print(text, **options)


def cell(text: str) -> Text:
    """Text for a table's cell or title."""
    return Text(text)
