"""Nominal attributes of ARFF files as numbers: each value is its place in the attribute's list."""

import csv
import pathlib
import re
from collections.abc import Iterator

from experiments.datasets import files
from experiments.errors import UserError

_NOMINAL = re.compile(
    r"""(@attribute\s+(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+)\{(.*)\}\s*$""", re.IGNORECASE
)
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?")


def numeric_lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of the file's lines, with places from 0 for nominal values.

    That is how Weka holds them, and what a value that a sparse row leaves out means. Lists of
    numbers, as {0,1}, stay numbers.

    Raises:
      UserError: a value that is not in its attribute's list, named with file and line.
    """
    places: list[dict[str, str] | None] = []
    in_data = False
    for number, line in files.lines(path):
        text = line.strip()
        lowered = text.lower()
        if in_data and text and not text.startswith("%"):
            try:
                text = _row(text, places)
            except KeyError as error:
                raise UserError(f"{path} line {number}: {error} is in no list of values") from error
        elif lowered.startswith("@attribute"):
            match = _NOMINAL.match(text)
            values = [v.strip(" '\"") for v in match[2].split(",")] if match else []
            numbers = all(map(_NUMBER.fullmatch, values))
            places.append(None if numbers else {value: str(i) for i, value in enumerate(values)})
            if match:
                text = f"{match[1]}numeric"
        elif lowered == "@data":
            in_data = True
        yield number, text


def _row(text: str, places: list[dict[str, str] | None]) -> str:
    """A dense or sparse row with places; rows of another size are left to the ARFF reader."""
    if not any(places):
        return text
    if text.startswith("{"):
        entries = [entry.split(None, 1) for entry in text.strip("{}").split(",") if entry.strip()]
        if not all(len(e) == 2 and e[0].isdigit() and int(e[0]) < len(places) for e in entries):
            return text
        return "{" + ", ".join(f"{i} {_place(v, places[int(i)])}" for i, v in entries) + "}"
    values = next(csv.reader([text], quotechar="'"))
    if len(values) != len(places):
        return text
    return ",".join(map(_place, values, places))


def _place(value: str, places: dict[str, str] | None) -> str:
    value = value.strip(" '\"")
    return value if places is None else places[value]
