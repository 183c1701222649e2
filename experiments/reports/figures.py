"""Matplotlib figures as files, and user's text in them."""

import io
import warnings

from matplotlib.figure import Figure


def png(figure: Figure) -> bytes:
    """The figure as the content of a PNG file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Scripts that matplotlib's font lacks are drawn as boxes: the files beside have the names.
        warnings.filterwarnings("ignore", "(?s)Glyph .* missing from")
        figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def text(name: str, most: int = 32) -> str:
    """A name as a figure shows it: one line, cut, its dollar signs no mathematics.

    In a legend a name needs something before it: matplotlib leaves out what begins with `_`.
    """
    name = " ".join(name.split())
    name = name if len(name) <= most else name[: most - 1] + "…"
    return name.replace("$", r"\$")
