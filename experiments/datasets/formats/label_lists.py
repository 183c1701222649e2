"""Labels that the cells of a column list: delimited text, lists, numbers, multi-hot vectors."""

import ast
import decimal
import json
import math
import numbers
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import label_array
from experiments.datasets.formats.cells import EXACT, is_blank, number
from experiments.errors import UserError

Fail = Callable[[int, str], UserError]

# Words that programs write for "nothing", which as the whole of a cell would become a label.
_NOTHING = ("NA", "N/A", "na", "n/a", "nan", "NaN", "null", "NULL", "None", "<NA>")
_BRACKETS = ("[]", "()", "{}")
_OTHER_SEPARATORS = ("|", ";", "\t")


class LabelLists(NamedTuple):
    """Labels as `Dataset` has them, their names, and where they are known (None: everywhere)."""

    labels: npt.NDArray[Any]
    names: tuple[str, ...]
    where: npt.NDArray[np.bool_] | None


def label_lists(cells: Sequence[Any], separator: str | None, fail: Fail) -> LabelLists:
    """The labels of each example, listed in a cell: text with a separator, a list, or a number.

    Text that is a list as Python, JSON or NumPy writes it (`['drama', 'war']`, `["a"]`, `[0 1]`)
    is that list. Lists of 0 and 1 that are all of one length, above 1, are multi-hot vectors:
    their labels are called 0, 1, ... by place, and a blank cell among them is not known. A blank
    cell elsewhere is an example without labels.

    Args:
      cells: one per example.
      separator: what stands between labels in text; None is a comma, unless the cells show
        another separator and no comma.
      fail: makes the error from the number of a row and what is wrong with its cell.

    Raises:
      UserError: an empty label, null, a nested list or dict, a number that is negative or has a
        fraction, lists beside other cells, or cells that can be read in two ways.
    """
    listed = [_list(cell) for cell in cells]
    if any(items is not None for items in listed):
        for row, (cell, items) in enumerate(zip(cells, listed, strict=True)):
            if items is None and not is_blank(cell):
                raise fail(row, "no list, beside cells that are lists,")
        rows = listed
    else:
        rows = _split(cells, separator, fail)
    for row, items in enumerate(rows):
        for item in items or ():
            if (wrong := _wrong(item)) is not None:
                raise fail(row, wrong)
    vectors = _multi_hot(rows, fail)
    if vectors is not None:
        return vectors
    sets = _names(rows, fail)
    names = tuple(sorted({name for present in sets for name in present}, key=_order(sets)))
    if not names:
        raise fail(0, "no label, like everywhere")
    place = {name: i for i, name in enumerate(names)}
    pairs = [(i, place[name]) for i, present in enumerate(sets) for name in present]
    return LabelLists(label_array(pairs, len(sets), len(names)), names, None)


def _list(cell: Any) -> list[Any] | None:
    """The items of a cell that is a list, or text that spells one; None for other cells."""
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, list | tuple | set):
        return list(cell)
    text = cell.strip() if isinstance(cell, str) else ""
    if text[:1] + text[-1:] not in _BRACKETS:
        return None
    # NumPy's before Python's, which takes 'a' 'b' for 'ab'.
    for read in (json.loads, _numpy_list, ast.literal_eval):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python's parser, about text that is no list
                value = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, list | tuple | set):
            return list(value)
        if isinstance(value, dict):
            return [value]
    return None


def _numpy_list(text: str) -> list[Any]:
    """What NumPy prints: `['a' 'b']`, `[0 1 1]`, `[0. 1.]`."""
    item = r"""'[^']*'|"[^"]*"|[-+\d.eE]+|True|False"""
    if not re.fullmatch(rf"\[\s*(?:(?:{item})(?:\s+|(?=\])))+\]", text):
        raise ValueError(f"not a list: {text[:40]}")
    return [ast.literal_eval(found) for found in re.findall(item, text)]


def _split(cells: Sequence[Any], separator: str | None, fail: Fail) -> list[list[Any] | None]:
    """The items of cells of text and numbers."""
    texts = {row: cell.strip() for row, cell in enumerate(cells) if isinstance(cell, str)}
    inside = [row for row, text in texts.items() if text[:1] + text[-1:] in _BRACKETS]
    listlike = len(inside) == sum(map(bool, texts.values()))
    for row, text in texts.items():
        if re.match(r"""[\[({]['"]""", text) or (
            row in inside and (listlike or (separator or ",") in text)
        ):
            raise fail(
                row,
                "a list that cannot be read (expected ['a', 'b'], or text without brackets)",
            )
    if separator is None:
        separator = ","
        for other in _OTHER_SEPARATORS:
            found = next((row for row, text in texts.items() if other in text), None)
            if found is not None and not any("," in text for text in texts.values()):
                raise fail(
                    found,
                    f"{other!r} that may divide labels (pass --label-separator {other!r}, or ',' "
                    "if it is part of a name)",
                )
    rows: list[list[Any] | None] = []
    for row, cell in enumerate(cells):
        if row in texts:
            if texts[row] in _NOTHING:
                raise fail(
                    row,
                    "a word for nothing (leave the cell empty if the example has no label; a label "
                    f'of that name is written as a list, ["{texts[row]}"])',
                )
            # Blanks that divide labels may stand in any number.
            parts = texts[row].split(separator if separator.strip() else None)
            rows.append([part.strip() for part in parts] if texts[row] else None)
        else:
            rows.append(None if is_blank(cell) else [cell])
    return rows


def _wrong(item: Any) -> str | None:
    """What is wrong with an item as the name of a label, or None."""
    if isinstance(item, str):
        return None if item.strip() else "an empty label"
    if item is None or (isinstance(item, float) and math.isnan(item)):
        return f"{item} as a label"
    if isinstance(item, numbers.Real | decimal.Decimal):
        return None
    return f"a {type(item).__name__} as a label (expected text or whole numbers)"


def _multi_hot(rows: Sequence[list[Any] | None], fail: Fail) -> LabelLists | None:
    """The labels of vectors of 0 and 1, or None for lists of names."""
    flags = [None if items is None else [number(x) for x in items] for items in rows]
    found = [row for row, vector in enumerate(flags) if vector is not None]
    if not all(x in (0, 1) for row in found for x in flags[row] or ()):
        return None
    sizes = {len(flags[row] or ()) for row in found}
    if len(sizes) > 1 or sizes <= {0, 1}:
        for row in found:
            vector = flags[row] or []
            if len(set(vector)) < len(vector) or sizes == {1}:
                raise fail(
                    row,
                    "a vector of 0 and 1, or a list of labels called 0 and 1 (vectors must have "
                    f"one length, above 1, got {sorted(sizes)})",
                )
        return None
    (size,) = sizes
    truth = np.zeros((len(rows), size), bool)
    known = np.zeros((len(rows), size), bool)
    for row in found:
        truth[row], known[row] = np.array(flags[row]) == 1, True
    return LabelLists(truth, tuple(map(str, range(size))), None if known.all() else known)


def _names(rows: Sequence[list[Any] | None], fail: Fail) -> list[set[str]]:
    """The names of each row's labels: numbers that are whole as whole numbers."""
    items = [(row, item) for row, present in enumerate(rows) for item in present or ()]
    values = [number(item) for _, item in items]
    numeric = all(value is not None for value in values)
    fractions = [value is not None and not value.is_integer() for value in values]
    # Codes such as 250.01 look like fractions; scores and targets are fractions.
    single = all(len(present or ()) <= 1 for present in rows)
    shares = all(value is not None and 0 <= value <= 1 for value in values)
    codes = numeric and any(fractions) and not single and not shares
    sets: list[set[str]] = [set() for _ in rows]
    for (row, item), value, fraction in zip(items, values, fractions, strict=True):
        text = isinstance(item, str)
        if fraction and (not text or (numeric and not codes)):
            raise fail(row, f"a number with a fraction, {item},")
        if numeric and value is not None and value < 0:
            raise fail(
                row,
                f"a negative number (--negative {item} if it says that the label does not hold)",
            )
        rounded = isinstance(item, float) or (text and re.search("[.e]", item, re.IGNORECASE))
        if value is not None and rounded and abs(value) > EXACT and (numeric or not text):
            raise fail(row, f"a float above 2^53, {item}, which has lost digits,")
        if isinstance(item, bool) or (value is None and not text):
            raise fail(row, f"{item}, unless all lists are 0 and 1 of one length,")
        if text and (codes or not numeric or not rounded):
            sets[row].add(item.strip())
        else:
            sets[row].add(str(int(value if rounded and value is not None else item)))
    return sets


def _order(sets: Sequence[set[str]]) -> Callable[[str], Any]:
    """Numbers in their own order, names in that of the alphabet."""
    if all(name.isascii() and name.isdecimal() for present in sets for name in present):
        return lambda name: (int(name), name)
    return lambda name: name
