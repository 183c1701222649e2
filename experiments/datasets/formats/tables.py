"""Tables with named columns: CSV, TSV, JSON lines and Parquet."""

import collections
import csv
import dataclasses
import itertools
import json
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import PART_NAMES, Dataset, Rows, check_memory
from experiments.datasets.formats.cells import LARGEST, is_blank, is_word_of_truth, number, truth
from experiments.datasets.formats.files import lines, without_compression
from experiments.datasets.formats.label_lists import label_lists
from experiments.datasets.options import Options
from experiments.datasets.text import bag_of_words
from experiments.errors import UserError, listed

_DELIMITERS = (",", ";", "\t", "|")
# Lines in which the delimiter of a file is looked for.
_LOOK_AHEAD = 20
# What pandas calls index columns that it wrote without a name, or with reset_index.
_UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")
_COUNTERS = ("index", "level_0", "id")


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


def columns_of(suffix: str) -> tuple[str, ...]:
    """The options that a table of this kind takes."""
    columns = ("labels", "label_separator", "negative", "features", "impute", "text")
    delimiter = ("delimiter",) if suffix in (".csv", ".tsv") else ()
    return (*columns, "text_features", "split", *delimiter)


def table(path: pathlib.Path, name: str, options: Options) -> Dataset:
    """The data set in a CSV, TSV, JSON lines or Parquet file.

    Raises:
      UserError: a file that cannot be read, columns that are not there, cells that are not what
        their column should hold; the message names file and line.
    """
    suffix = without_compression(path.name).rsplit(".", 1)[-1].lower()
    if suffix in ("csv", "tsv"):
        found = _csv(path, options.delimiter or ("\t" if suffix == "tsv" else None))
    else:
        found = _parquet(path) if suffix == "parquet" else _json_lines(path)
    if not found.numbers:
        raise UserError(f"{path} has 0 examples")
    _check_roles(found, options)
    labels, names, where = _labels(found, options)
    left_out = _index_columns(found, options)
    if options.text:
        features, texts, used = *_texts(found, options), options.text
    else:
        features, used = _features(found, options, left_out)
        texts = None
    roles = (*options.labels, *used, options.split, *left_out)
    unused = [column for column in found.columns if column not in roles]
    notes = [f"{'text' if texts else 'features'}: {listed(used, 20)}"]
    notes += [f"left out as an index: {listed(left_out)}"] if left_out else []
    notes += [f"not used: {listed(unused, 20)}"] if unused else []
    return Dataset(
        name,
        features,
        labels,
        names,
        source=f"{path.name} ({'; '.join(notes)})",
        where=where,
        impute=None if texts else options.impute,
        parts=None if options.split is None else _parts(found, options.split),
        texts=texts,
        feature_names=None if texts else used,
    )


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:57]}..."


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


def _check_roles(found: Table, options: Options) -> None:
    available = listed(list(found.columns), 20)
    if not options.labels:
        raise UserError(
            f"{found.path}: which columns are labels? pass --labels with columns of 0 and 1, or "
            f"one column whose cells list labels; its columns: {available}"
        )
    if options.text and options.features:
        raise UserError("--text and --features exclude each other; pass one of them")
    if options.text and options.impute:
        raise UserError("--impute is for features; a blank text has no words (--text)")
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


def _index_columns(found: Table, options: Options) -> list[str]:
    """Columns that only number the rows, unless they are asked for."""
    asked = (*options.labels, *options.features, *options.text, options.split)
    columns = [c for c in found.columns if c not in asked and _is_index(found, c)]
    return [*(c for c in found.index if c not in found.columns), *columns]


def _is_index(found: Table, column: str) -> bool:
    if column in found.index or _UNNAMED.fullmatch(column):
        return True
    if column.strip().lower() not in _COUNTERS:
        return False
    values = [number(cell, found.comma) for cell in found.columns[column]]
    return values[0] in (0, 1) and all(x == values[0] + i for i, x in enumerate(values))


def _labels(
    found: Table, options: Options
) -> tuple[npt.NDArray[Any], tuple[str, ...], npt.NDArray[np.bool_] | None]:
    """Labels, their names, and `where`."""
    columns = [found.columns[name] for name in options.labels]
    (first, *more), negative = columns, options.negative
    lists = any(truth(c, negative) is None for c in first if not is_blank(c))
    # With --negative the column can only be one of truth.
    if lists and not more and negative is None:
        name = options.labels[0]
        return label_lists(
            first,
            options.label_separator,
            lambda row, what: found.fail(row, f"{what} in {name!r}: {_shown(first[row])}"),
        )
    shape = (len(found.numbers), len(columns))
    check_memory("labels", *shape, itemsize=1)
    labels, where = np.zeros(shape, bool), np.ones(shape, bool)
    for j, (name, cells) in enumerate(zip(options.labels, columns, strict=True)):
        for i, cell in enumerate(cells):
            value = truth(cell, negative)
            if value is None and not is_blank(cell):
                expected = "0, 1, true, false, yes, no" if negative is None else f"1 or {negative}"
                hint = " (--negative -1 takes -1 for 0)" if number(cell) == -1 else ""
                raise found.fail(
                    i,
                    f"label {name!r} is {cell!r}; expected {expected}, or nothing (not known)"
                    + hint * (negative is None),
                )
            where[i, j] = value is not None
            labels[i, j] = value is True
    return labels, options.labels, None if where.all() else where


def _texts(found: Table, options: Options) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    columns = [found.columns[name] for name in options.text]
    for name, cells in zip(options.text, columns, strict=True):
        for i, cell in enumerate(cells):
            if not (isinstance(cell, str) or is_blank(cell)):
                raise found.fail(i, f"text {name!r} is {cell!r}; expected a string")
    texts = tuple(
        "\n".join(cell if isinstance(cell, str) else "" for cell in row)
        for row in zip(*columns, strict=True)
    )
    return bag_of_words(texts, options.text_features), texts


def _features(
    found: Table, options: Options, left_out: Sequence[str]
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """The numeric columns: features, and their names."""
    others = (*options.labels, options.split, *left_out)
    used: dict[str, list[float | None]] = {}
    for name in options.features or [c for c in found.columns if c not in others]:
        cells = found.columns[name]
        numbers = _numbers(found, cells)
        # A column of words with a number here and there is not numeric; one of numbers with a
        # word in it is, and the word a mistake.
        known = sum(value is not None for value in numbers)
        if name in options.features or 2 * known > sum(not is_blank(cell) for cell in cells):
            used[name] = numbers
    if not used:
        raise UserError(
            f"{found.path} has no numeric column besides the labels; pass --text for a column "
            f"of text; its columns: {listed(list(found.columns), 20)}"
        )
    check_memory("features", len(found.numbers), len(used), itemsize=4)
    for name, values in used.items():
        for i, value in enumerate(values):
            cell = found.columns[name][i]
            if value is None and is_blank(cell) and options.impute:
                values[i] = float("nan")
            elif value is None or abs(value) > LARGEST:
                fill = ", --impute fills blank ones" if is_blank(cell) else ""
                raise found.fail(
                    i,
                    f"feature {name!r} is {cell!r}; expected a finite number (--features chooses "
                    f"other columns{fill})",
                )
    return np.array(list(used.values()), np.float32).T.copy(), tuple(used)


def _numbers(found: Table, cells: Sequence[Any]) -> list[float | None]:
    """The numbers in a column; a column of true / false or yes / no is one of 1 and 0."""
    numbers = [number(cell, found.comma) for cell in cells]
    words = [is_word_of_truth(cell) for cell in cells]
    if any(words) and all(
        word or value in (0, 1) or is_blank(cell)
        for word, value, cell in zip(words, numbers, cells, strict=True)
    ):
        return [None if (holds := truth(cell)) is None else float(holds) for cell in cells]
    return numbers


def _parts(found: Table, column: str) -> dict[str, Rows]:
    rows: dict[str, list[int]] = {}
    for i, cell in enumerate(found.columns[column]):
        part = PART_NAMES.get(str(cell).strip().lower())
        if part is None:
            raise found.fail(i, f"{column!r} is {cell!r}; expected train, validation or test")
        rows.setdefault(part, []).append(i)
    return {name: np.array(part, np.int32) for name, part in rows.items()}
