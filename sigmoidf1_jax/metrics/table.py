"""A report: a dict of metrics that prints as a table, and a pytree."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

_COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "average_precision": "avg precision",
    "roc_auc": "ROC AUC",
    "support": "support",
}
_LONGEST = 40
"""Cells that a name of the table takes at most."""


class Estimate(NamedTuple):
    """A metric with its bootstrap interval; arrays of labels with that of each."""

    value: Float[Array, "..."]
    low: Float[Array, "..."]
    high: Float[Array, "..."]


@jax.tree_util.register_pytree_with_keys_class
class Report(dict[str, Any]):
    """The values of a `report`: a dict that prints as a table, and a pytree.

    Args:
      values: name -> scalar, array of labels or `Estimate` of them.
      label_names: what the table calls the labels; None numbers them.
    """

    def __init__(self, values: Any = (), label_names: tuple[str, ...] | None = None) -> None:
        super().__init__(values)
        self.label_names = label_names

    def __str__(self) -> str:
        # A trace has no numbers to show.
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(self))
        return repr(self) if traced else self.table()

    def table(self, digits: int = 3) -> str:
        """The values as text: labels (with `per_label`), averages, and everything else in lines.

        What is NaN or not defined for an average is "-"; intervals stand in brackets. Names are
        printed as they are, in one line each, cut to 40 cells.

        Args:
          digits: after the point.
        """
        rows: list[tuple[str, list[str]]] = []
        columns = [c for c in _COLUMNS if any(name.startswith(f"{c}/") for name in self)]
        if any(name.endswith("/per_label") for name in self):
            arrays = [_flat(self[f"{c}/per_label"]) for c in columns]
            count = len(arrays[0])
            names = self.label_names or tuple(map(str, range(count)))
            for name, *cells in zip(names, *arrays, strict=True):
                shown = [_shown(x, digits) for x in cells[:-1]]
                # Of weights, or of resamples, it need not be a whole number.
                whole = all(x.is_integer() for x in cells[-1])
                rows.append((_name(name), [*shown, _shown(cells[-1], 0 if whole else digits)]))
            rows.append(("", [""] * len(columns)))
        for average in ("micro", "macro", "weighted", "samples"):
            values = [_flat(self.get(f"{c}/{average}")) for c in columns]
            rows.append((f"{average} avg", [_shown(x, digits) for (x,) in values]))
        text = _aligned([("", [_COLUMNS[c] for c in columns]), *rows])
        others = [
            (name, [_shown(_flat(value)[0], digits)])
            for name, value in self.items()
            if name.partition("/")[0] not in _COLUMNS
        ]
        return f"{text}\n\n{_aligned(others)}" if others else text

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """Its values by name; names and the labels' names are static."""
        names = tuple(self)
        children = [(jax.tree_util.DictKey(name), self[name]) for name in names]
        return children, (names, self.label_names)

    @classmethod
    def tree_unflatten(cls, static: Any, values: Iterable[Any]) -> "Report":
        """The inverse of `tree_flatten_with_keys`."""
        names, label_names = static
        return cls(zip(names, values, strict=True), label_names)


def _flat(value: Any) -> list[tuple[float, ...]]:
    """One (value,) or (value, low, high) per label."""
    if value is None:
        return [(float("nan"),)]
    parts = value if isinstance(value, Estimate) else (value,)
    return list(zip(*(np.ravel(x).tolist() for x in parts), strict=True))


def _shown(numbers: tuple[float, ...], digits: int) -> str:
    shown = ["-" if x != x else f"{x:.{digits}f}" for x in numbers]
    return shown[0] if len(shown) == 1 else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _name(name: str) -> str:
    """A name in one line of `_LONGEST` cells."""
    name = "".join(c if c.isprintable() else " " for c in name)
    if _width(name) <= _LONGEST:
        return name
    while _width(name) >= _LONGEST:
        name = name[:-1]
    return name + "…"


def _width(text: str) -> int:
    """The cells that a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _aligned(rows: Sequence[tuple[str, list[str]]]) -> str:
    """Names to the left, numbers to the right of their columns."""
    first = max(_width(name) for name, _ in rows)
    widths = [max(map(len, column)) for column in zip(*(x for _, x in rows), strict=True)]
    lines = (
        name
        + " " * (first - _width(name))
        + "".join(f"  {x:>{width}}" for x, width in zip(cells, widths, strict=True))
        for name, cells in rows
    )
    return "\n".join(line.rstrip() for line in lines)
