"""The terminal: user's text as it is, never markup or an emoji's code; and bars of progress."""

import rich.progress
from rich.console import Console


def say(console: Console, text: str, *, highlight: bool | None = None) -> None:
    """Prints lines in which brackets and colons are what they are; long ones are not wrapped."""
    console.print(text, soft_wrap=True, markup=False, emoji=False, highlight=highlight)


def progress(console: Console, *, counted: bool) -> rich.progress.Progress:
    """A bar with what is done, as M/N or in percent, and the time; it goes when it is done."""
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn() if counted else rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
