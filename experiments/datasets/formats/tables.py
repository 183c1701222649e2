"""Tables with named columns: which are labels, features, text and split, and what they say."""

import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import PART_NAMES, Dataset, Rows, check_memory
from experiments.datasets.formats.cells import LARGEST, is_blank, is_word_of_truth, number, truth
from experiments.datasets.formats.label_lists import label_lists
from experiments.datasets.formats.table_files import Table, read_cells
from experiments.datasets.options import Options
from experiments.datasets.text import bag_of_words
from experiments.errors import UserError, listed

# What pandas calls index columns that it wrote without a name, or with reset_index.
_UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")
_COUNTERS = ("index", "level_0", "id")


def table(path: pathlib.Path, name: str, options: Options) -> Dataset:
    """The data set in a CSV, TSV, JSON lines or Parquet file.

    Raises:
      UserError: a file that cannot be read, columns that are not there, cells that are not what
        their column should hold; the message names file and line.
    """
    found = read_cells(path, options.delimiter)
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


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:57]}..."


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
