"""User's text on the terminal: as it is, never markup, an emoji's code or a column's width."""

from rich.console import Console


def say(console: Console, text: str, *, highlight: bool | None = None) -> None:
    """Prints lines in which brackets and colons are what they are; long ones are not wrapped."""
    console.print(text, soft_wrap=True, markup=False, emoji=False, highlight=highlight)
