"""Tables with named columns: CSV, TSV, JSON lines and Parquet."""

import collections
import csv
import dataclasses
import json
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import Dataset, Rows, check_memory, label_array
from experiments.datasets.files import lines
from experiments.datasets.options import Options
from experiments.datasets.text import bag_of_words
from experiments.errors import UserError

# What people call the parts of a split.
PART_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
_TRUTH = {"0": False, "1": True, "false": False, "true": True}


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells by column, and where each row stands in the file."""

    path: pathlib.Path
    columns: dict[str, list[Any]]
    numbers: Sequence[int]
    unit: str = "line"

    def place(self, row: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.path} {self.unit} {self.numbers[row]}"


def table(path: pathlib.Path, name: str, options: Options) -> Dataset:
    """The data set in a CSV, TSV, JSON lines or Parquet file.

    Raises:
      UserError: a file that cannot be read, columns that are not there, cells that are not what
        their column should hold; the message names file and line.
    """
    suffix = path.name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    read = {"csv": _csv, "tsv": _csv, "parquet": _parquet}.get(suffix, _json_lines)
    found = read(path)
    if not found.numbers:
        raise UserError(f"{path} has 0 examples")
    _check_roles(found, options)
    labels, names, where = _labels(found, options)
    if options.text:
        features, texts, used = *_texts(found, options), options.text
    else:
        features, used = _features(found, options)
        texts = None
    roles = (*options.labels, *used, options.split)
    unused = [column for column in found.columns if column not in roles]
    note = f"; not used: {_listed(unused)}" if unused else ""
    return Dataset(
        name,
        features,
        labels,
        names,
        source=f"{path.name} ({'text' if texts else 'features'}: {_listed(used)}{note})",
        where=where,
        parts=None if options.split is None else _parts(found, options.split),
        texts=texts,
    )


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _csv(path: pathlib.Path) -> Table:
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    reader = csv.reader((text for _, text in lines(path)), delimiter=delimiter, strict=True)
    rows = _csv_rows(path, reader)
    number, header = next(rows, (1, []))
    _check_header(f"{path} line {number}", header)
    numbers, cells = [], []
    for number, row in rows:
        if len(row) != len(header):
            raise UserError(
                f"{path} line {number}: {len(row)} cells; expected {len(header)}, as in the header"
            )
        numbers.append(number)
        cells.append(row)
    return Table(path, {c: [row[i] for row in cells] for i, c in enumerate(header)}, numbers)


def _csv_rows(path: pathlib.Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the number of the line that each begins on."""
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UserError(f"{path} line {number}: {error}") from error
        if row is None:
            return
        if row:
            yield number, row


def _check_header(place: str, header: Sequence[str]) -> None:
    for column, count in collections.Counter(header).items():
        if count > 1:
            raise UserError(f"{place}: column {column!r} is there {count} times; expected once")
        if not column.strip():
            raise UserError(f"{place}: a column has no name")
    if not header:
        raise UserError(f"{place}: expected a header with the names of columns")


def _json_lines(path: pathlib.Path) -> Table:
    numbers, rows = [], []
    for number, text in lines(path):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{path} line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UserError(
                f"{path} line {number}: {type(row).__name__}; expected an object with columns"
            )
        numbers.append(number)
        rows.append(row)
    columns = dict.fromkeys(key for row in rows for key in row)
    return Table(path, {c: [row.get(c) for row in rows] for c in columns}, numbers)


def _parquet(path: pathlib.Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        content = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a Parquet file, or is truncated: {reason}") from error
    _check_header(str(path), content.column_names)
    columns = {c: content.column(c).to_pylist() for c in content.column_names}
    return Table(path, columns, range(1, content.num_rows + 1), "row")


def _check_roles(found: Table, options: Options) -> None:
    available = _listed(list(found.columns))
    if not options.labels:
        raise UserError(
            f"{found.path}: which columns are labels? pass --labels with columns of 0 and 1, or "
            f"one column whose cells list labels; its columns: {available}"
        )
    if options.text and options.features:
        raise UserError("--text and --features exclude each other; pass one of them")
    roles: dict[str, str] = {}
    split = () if options.split is None else (options.split,)
    for flag in ("labels", "features", "text", "split"):
        for column in split if flag == "split" else getattr(options, flag):
            if column not in found.columns:
                raise UserError(
                    f"{found.path} has no column {column!r} (--{flag}); its columns: {available}"
                )
            if column in roles:
                raise UserError(f"column {column!r} is given twice (--{roles[column]}, --{flag})")
            roles[column] = flag


def _blank(cell: Any) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def truth(cell: Any) -> bool | None:
    """Whether a cell says that a label holds; None if it is neither 0, 1, true nor false."""
    if isinstance(cell, str):
        text = cell.strip().lower()
        return _TRUTH.get(text.removesuffix(".0"))
    return bool(cell) if isinstance(cell, int | float) and cell in (0, 1) else None


def _labels(
    found: Table, options: Options
) -> tuple[npt.NDArray[Any], tuple[str, ...], npt.NDArray[np.bool_] | None]:
    """Labels, their names, and `where`."""
    columns = [found.columns[name] for name in options.labels]
    if len(columns) == 1 and any(truth(c) is None for c in columns[0] if not _blank(c)):
        return *_label_lists(found, options), None
    shape = (len(found.numbers), len(columns))
    check_memory("labels", *shape, itemsize=1)
    labels, where = np.zeros(shape, bool), np.ones(shape, bool)
    for j, (name, cells) in enumerate(zip(options.labels, columns, strict=True)):
        for i, cell in enumerate(cells):
            value = truth(cell)
            if value is None and not _blank(cell):
                raise UserError(
                    f"{found.place(i)}: label {name!r} is {cell!r}; expected 0, 1, true, false, "
                    "or nothing (not known)"
                )
            where[i, j] = value is not None
            labels[i, j] = value is True
    return labels, options.labels, None if where.all() else where


def _label_lists(found: Table, options: Options) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Labels that are listed in the cells of one column."""
    (column,) = options.labels
    if not options.label_separator:
        raise UserError("--label-separator must not be empty")
    sets: list[set[str]] = []
    for i, cell in enumerate(found.columns[column]):
        if isinstance(cell, list):
            listed = [str(item).strip() for item in cell]
        elif _blank(cell):
            listed = []
        else:
            listed = [item.strip() for item in str(cell).split(options.label_separator)]
        if "" in listed:
            raise UserError(f"{found.place(i)}: an empty label in {column!r}: {cell!r}")
        sets.append(set(listed))
    names = tuple(sorted(set().union(*sets)))
    number = {name: i for i, name in enumerate(names)}
    pairs = [(i, number[name]) for i, present in enumerate(sets) for name in present]
    return label_array(pairs, len(sets), len(names)), names


def _texts(found: Table, options: Options) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    columns = [found.columns[name] for name in options.text]
    for name, cells in zip(options.text, columns, strict=True):
        for i, cell in enumerate(cells):
            if not (isinstance(cell, str) or cell is None):
                raise UserError(f"{found.place(i)}: text {name!r} is {cell!r}; expected a string")
    texts = tuple("\n".join(cell or "" for cell in row) for row in zip(*columns, strict=True))
    return bag_of_words(texts, options.text_features), texts


def _features(found: Table, options: Options) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """The numeric columns: features, and their names."""
    others = (*options.labels, options.split)
    used: dict[str, list[float | None]] = {}
    for name in options.features or [c for c in found.columns if c not in others]:
        cells = found.columns[name]
        numbers = [_number(cell) for cell in cells]
        # A column of words with a number here and there is not numeric; one of numbers with a
        # word in it is, and the word a mistake.
        known = sum(number is not None for number in numbers)
        if name in options.features or 2 * known > sum(not _blank(cell) for cell in cells):
            used[name] = numbers
    if not used:
        raise UserError(
            f"{found.path} has no numeric column besides the labels; pass --text for a column "
            f"of text; its columns: {_listed(list(found.columns))}"
        )
    check_memory("features", len(found.numbers), len(used), itemsize=4)
    for name, values in used.items():
        for i, value in enumerate(values):
            if value is None or not math.isfinite(value):
                raise UserError(
                    f"{found.place(i)}: feature {name!r} is {found.columns[name][i]!r}; expected "
                    "a finite number (--features chooses other columns)"
                )
    return np.array(list(used.values()), np.float32).T.copy(), tuple(used)


def _number(cell: Any) -> float | None:
    if isinstance(cell, str | int | float):
        try:
            return float(cell)
        except (ValueError, OverflowError):  # the second for whole numbers above 1e308
            return None
    return None


def _parts(found: Table, column: str) -> dict[str, Rows]:
    rows: dict[str, list[int]] = {}
    for i, cell in enumerate(found.columns[column]):
        part = PART_NAMES.get(str(cell).strip().lower())
        if part is None:
            raise UserError(
                f"{found.place(i)}: {column!r} is {cell!r}; expected train, validation or test"
            )
        rows.setdefault(part, []).append(i)
    return {name: np.array(part, np.int32) for name, part in rows.items()}
