"""The rows of ARFF files, dense and sparse, as Weka, Mulan, MEKA and KEEL write them."""

import array
import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import check_memory
from experiments.datasets.formats.arff_columns import Column, Refused, feature_column, label_column
from experiments.datasets.formats.arff_grammar import (
    Attribute,
    Header,
    cells_of,
    entries_of,
    plain_lines,
    read_header,
    unweighted,
)
from experiments.errors import UserError, listed


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows of a file.

    Attributes:
      header: what stands before them.
      features: attributes that are not labels, in their order.
      values: float32 [rows, features]: numbers, or places from 0 in a list of `words`; NaN where
        a value is not known.
      labels: bool [rows, labels], False where not known.
      where: bool [rows, labels], False where not known.
      numbers: the line of each row.
      weighted: whether rows have weights, which are passed over.
    """

    header: Header
    features: tuple[Attribute, ...]
    values: npt.NDArray[np.float32]
    labels: npt.NDArray[np.bool_]
    where: npt.NDArray[np.bool_]
    numbers: npt.NDArray[np.intp]
    weighted: bool


def read_table(
    path: pathlib.Path,
    labels: Callable[[Header], Sequence[str]],
    negative: str | None = None,
) -> Table:
    """The rows of an ARFF file, plain or packed.

    What a sparse row leaves out is 0, and of a nominal attribute its first value.

    Args:
      path: the file.
      labels: gives the names of the labels, which are attributes, in the order that is wanted.
      negative: as `cells.truth`.

    Raises:
      UserError: what cannot be read, named with file and line; labels of other values than truth
        takes; or rows that are too many to be held.
    """
    stream = iter(plain_lines(path))
    header = read_header(path, stream)
    names = labels(header)
    position = {attribute.name: i for i, attribute in enumerate(header.attributes)}
    chosen = [position[name] for name in names]
    are_labels = set(names)
    columns = [
        label_column(path, attribute, negative)
        if attribute.name in are_labels
        else feature_column(attribute)
        for attribute in header.attributes
    ]
    rows = _Rows(path, columns)
    for line, text in stream:
        rows.add(line, text)
    if not rows.numbers:
        raise UserError(f"{path} has no examples after @data")
    values = rows.array()
    truths = values[:, chosen]
    known = ~np.isnan(truths)
    kept = np.setdiff1d(np.arange(len(columns)), chosen)
    return Table(
        header,
        tuple(header.attributes[i] for i in kept),
        values[:, kept],
        truths == 1,
        known,
        np.array(rows.numbers),
        rows.weighted,
    )


class _Rows:
    """Rows as they are read, sparse ones as they stand in the file."""

    def __init__(self, path: pathlib.Path, columns: Sequence[Column]) -> None:
        self.path = path
        self.columns = columns
        self.numbers: list[int] = []
        self.weighted = False
        self._rows: list[tuple[Any, Any]] = []  # (None or indices, values)
        self._dense = 0
        self._unclear = {i for i, column in enumerate(columns) if column.omitted is None}

    def add(self, line: int, text: str) -> None:
        place = f"{self.path} line {line}"
        sparse = text.startswith("{")
        if text.endswith("}"):
            row = unweighted(text, sparse, place)
            self.weighted |= row != text
            text = row
        if sparse:
            if not text.endswith("}"):
                raise UserError(f"{place}: a sparse row must end with }}")
            entries = entries_of(text[1:-1], len(self.columns), place)
            unclear = self._unclear - entries.keys()
            if unclear:
                column = self.columns[min(unclear)]
                raise UserError(
                    f"{place}: {column.what} is left out, which means 0; beside another word for "
                    "it (--negative) it must stand in the row"
                )
            indices = array.array("i", entries)
            cells: Sequence[str] = tuple(entries.values())
            columns: Sequence[Column] = [self.columns[i] for i in indices]
        else:
            indices, cells, columns = None, self._cells(text, place), self.columns
            self._dense += 1
            if self._dense % 1024 == 0:
                check_memory(f"{self.path}", self._dense, len(columns), itemsize=4)
        try:
            values = array.array(
                "f", [c.read(cell) for c, cell in zip(columns, cells, strict=True)]
            )
        except Refused:
            raise self._refusal(columns, cells, place) from None
        self.numbers.append(line)
        self._rows.append((indices, values))

    def _refusal(self, columns: Sequence[Column], cells: Sequence[str], place: str) -> UserError:
        """What is wrong with the first cell that its column does not take."""
        for column, cell in zip(columns, cells, strict=True):
            try:
                column.read(cell)
            except Refused as error:
                return UserError(f"{place}: {column.what} is {listed([cell])!r}; {error}")
        raise AssertionError("no cell is refused")

    def _cells(self, text: str, place: str) -> list[str]:
        cells = cells_of(text, place)
        if len(cells) == len(self.columns) + 1 and not cells[-1]:  # a comma at the end
            cells.pop()
        if len(cells) != len(self.columns):
            raise UserError(f"{place}: {len(cells)} values; expected {len(self.columns)}")
        return cells

    def array(self) -> npt.NDArray[np.float32]:
        """[rows, attributes], NaN where a value is not known."""
        shape = (len(self._rows), len(self.columns))
        check_memory(f"{self.path}", *shape, itemsize=4)
        values = np.empty(shape, np.float32)
        values[:] = [column.omitted or 0.0 for column in self.columns]
        for target, (indices, row) in zip(values, self._rows, strict=True):
            target[slice(None) if indices is None else indices] = row
        self._rows.clear()
        return values
