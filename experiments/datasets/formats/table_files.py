"""The cells of CSV, TSV, JSON lines and Parquet files, by column."""

import collections
import csv
import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from experiments.datasets.formats.files import lines, without_compression
from experiments.errors import UserError

_DELIMITERS = (",", ";", "\t", "|")
# Lines in which the delimiter of a file is looked for.
_LOOK_AHEAD = 20


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells by column, and where each row stands in the file.

    Attributes:
      path: the file.
      columns: cells by the name of their column.
      numbers: the number of each row in the file.
      unit: what is numbered, "line" or "row".
      comma: whether a comma stands before the decimals of numbers.
      index: columns that the file says are an index, some of them without a name (and then not in
        `columns`).
    """

    path: pathlib.Path
    columns: dict[str, list[Any]]
    numbers: Sequence[int]
    unit: str = "line"
    comma: bool = False
    index: tuple[str, ...] = ()

    def fail(self, row: int, message: str) -> UserError:
        """The error that names file and line of a row."""
        return UserError(f"{self.path} {self.unit} {self.numbers[row]}: {message}")


def read_cells(path: pathlib.Path, delimiter: str | None = None) -> Table:
    """The cells of a file, of the kind that its suffix says.

    Args:
      path: the file, plain or packed.
      delimiter: what stands between the cells of a .csv or .tsv file; None: a tab in .tsv, what
        the file shows in .csv.

    Raises:
      UserError: a file that cannot be read, or without rows; the message names file and line.
    """
    suffix = without_compression(path.name).rsplit(".", 1)[-1].lower()
    if suffix in ("csv", "tsv"):
        found = _csv(path, delimiter or ("\t" if suffix == "tsv" else None))
    else:
        found = _parquet(path) if suffix == "parquet" else _json_lines(path)
    if not found.numbers:
        raise UserError(f"{path} has 0 examples")
    return found


def _csv(path: pathlib.Path, delimiter: str | None) -> Table:
    text = (line for _, line in lines(path))
    first = list(itertools.islice(text, _LOOK_AHEAD))
    if delimiter is None:
        delimiter = _delimiter(path, first)
    elif delimiter.lower() in ("tab", "\\t"):
        delimiter = "\t"
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UserError(f"--delimiter must be one character, or tab; got {delimiter!r}")
    reader = csv.reader(itertools.chain(first, text), delimiter=delimiter, strict=True)
    rows = _csv_rows(path, reader)
    line, header = next(rows, (1, []))
    header = [column.strip() for column in header]
    place = f"{path} line {line}"
    numbers, content = [], []
    for line, row in rows:
        numbers.append(line)
        content.append(row)
    if header and content and all(len(row) == len(header) + 1 for row in content):
        # Row names as R writes them, without a name of their own; or lines end in a delimiter.
        blank = not any(row[-1].strip() for row in content)
        header = [*header, ""] if blank else ["", *header]
    for line, row in zip(numbers, content, strict=True):
        if len(row) != len(header):
            raise UserError(
                f"{path} line {line}: {len(row)} cells; expected {len(header)}, as in the header"
            )
    named = dict(enumerate(header))
    index = []
    for i, column in enumerate(header):
        if column.strip():
            continue
        # Lines that end in a delimiter; and the row names of pandas and R.
        if not any(row[i].strip() for row in content) and len(header) > 1:
            del named[i]
        elif i == 0 and len(header) > 1:
            del named[i]
            index.append("the first column, which has no name")
    _check_header(place, list(named.values()))
    columns = {column: [row[i] for row in content] for i, column in named.items()}
    return Table(path, columns, numbers, comma=delimiter == ";", index=tuple(index))


def _delimiter(path: pathlib.Path, first: Sequence[str]) -> str:
    """What divides the cells of these first lines; a comma where nothing does."""
    even, several = [], []
    for candidate in _DELIMITERS:
        rows = []
        try:
            for row in csv.reader(first, delimiter=candidate, strict=True):
                rows.append(len(row))
        except csv.Error:
            pass  # a cell that goes on after these lines, or a mistake that is named later
        sizes = {size for size in rows if size}
        if sizes and rows[0] > 1:
            several.append(candidate)
            even += [candidate] if len(sizes) == 1 else []
    found = even or several or [","]
    if len(found) > 1:
        raise UserError(
            f"{path} line 1: what divides the cells, {' or '.join(map(repr, found))}? pass "
            "--delimiter"
        )
    return found[0]


def _csv_rows(path: pathlib.Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the number of the line that each begins on."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UserError(f"{path} line {line}: {error}") from error
        if row is None:
            return
        if row:
            yield line, row


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
    for line, text in lines(path):
        if not text.strip():
            continue
        place = f"{path} line {line}"
        try:
            row = json.loads(text, object_pairs_hook=_object)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UserError(f"{place}: not JSON: {error}") from error
        except ValueError as error:
            raise UserError(f"{place}: {error}") from error
        if not isinstance(row, dict):
            raise UserError(f"{place}: {type(row).__name__}; expected an object with columns")
        numbers.append(line)
        rows.append(row)
    columns = dict.fromkeys(key for row in rows for key in row)
    return Table(path, {c: [row.get(c) for row in rows] for c in columns}, numbers)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} is there twice in one object")
        found[key] = value
    return found


def _parquet(path: pathlib.Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        content = pyarrow.parquet.read_table(path)
        columns = {c: content.column(c).to_pylist() for c in content.column_names}
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a Parquet file, or is truncated: {reason}") from error
    _check_header(str(path), content.column_names)
    written: Mapping[str, Any] = content.schema.pandas_metadata or {}
    index = tuple(c for c in written.get("index_columns", ()) if isinstance(c, str))
    return Table(path, columns, range(1, content.num_rows + 1), "row", index=index)
