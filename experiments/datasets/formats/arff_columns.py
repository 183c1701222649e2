"""What the cells of an ARFF attribute say, as numbers."""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable

import numpy as np

from experiments.datasets.formats.arff_grammar import Attribute
from experiments.datasets.formats.cells import LARGEST, is_blank, number, truth
from experiments.errors import UserError, listed


class Refused(Exception):
    """A cell that its column does not take; the message says what it takes."""


@dataclasses.dataclass(frozen=True)
class Column:
    """How the cells of an attribute are read, and what a sparse row that omits it means."""

    what: str
    read: Callable[[str], float]
    omitted: float | None


def feature_column(attribute: Attribute) -> Column:
    """How a feature is read: a number, or the place of a word in its list."""
    what = f"attribute {attribute.name!r}"
    if attribute.values is None:
        return Column(what, _number, 0.0)
    if attribute.words:
        codes = {value: float(i) for i, value in enumerate(attribute.words)}
    else:
        codes = {value: _number(value) for value in attribute.values}
    return Column(what, functools.partial(_listed_value, codes), codes[attribute.values[0]])


def label_column(path: pathlib.Path, attribute: Attribute, negative: str | None) -> Column:
    """How a label is read: 1 or 0, as `cells.truth` says.

    Raises:
      UserError: a nominal attribute with other values.
    """
    what = f"label {attribute.name!r}"
    expected = (
        f"1 and {negative} (--negative)" if negative else "0 and 1, false and true, no and yes"
    )
    hint = "" if negative else ", or --negative for another word for 0"
    if attribute.values is None:

        def read(cell: str) -> float:
            value = truth(cell, negative)
            if value is None:
                if is_blank(cell):
                    return np.nan
                raise Refused(f"expected {expected}{hint}")
            return float(value)

        return Column(what, read, 0.0 if truth("0", negative) is False else None)
    codes = {}
    for value in attribute.values:
        code = truth(value, negative)
        if code is None:
            raise UserError(
                f"{path} line {attribute.line}: label {attribute.name!r} has the value {value!r} "
                f"({listed(attribute.values)}); expected {expected}{hint}"
            )
        codes[value] = float(code)
    return Column(what, functools.partial(_listed_value, codes), codes[attribute.values[0]])


def _number(cell: str) -> float:
    # A short cut for what `number` takes: it is most of the time of reading.
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if -LARGEST <= value <= LARGEST and "_" not in cell and cell.isascii():
        return value
    return _other_number(cell)


def _other_number(cell: str) -> float:
    value = number(cell)
    if value is None:
        if is_blank(cell) or cell == "<null>":
            return np.nan
        raise Refused("expected a number")
    if abs(value) > LARGEST:
        raise Refused(f"expected a number up to {LARGEST:.3g}")
    return value


def _listed_value(codes: dict[str, float], cell: str) -> float:
    code = codes.get(cell)
    if code is not None:
        return code
    if is_blank(cell) or cell == "<null>":
        return np.nan
    # 1.0 is the 1 of a list.
    value = number(cell)
    same = [code for listed, code in codes.items() if value is not None and number(listed) == value]
    if not same:
        raise Refused(f"expected one of its values {listed(tuple(codes))}")
    return same[0]
