"""The grammar of ARFF files, dense and sparse, as Weka, Mulan, MEKA and KEEL write them."""

import array
import dataclasses
import functools
import math
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import check_memory
from experiments.datasets.formats.cells import LARGEST, is_blank, number, truth
from experiments.datasets.formats.files import lines
from experiments.errors import UserError, listed

_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
# A quote opens where a value begins, and is an ordinary character elsewhere.
_COMMENTED = re.compile(rf"(?:(?<![^\s,{{])(?:{_QUOTED})|[^%])*+")
_KEYWORD = re.compile(r"@([a-z]+)\s*(.*)", re.IGNORECASE | re.DOTALL)
_ATTRIBUTE = re.compile(rf"({_QUOTED}|(?!['\"])[^\s{{]+)\s*(.*)", re.DOTALL)
_TYPE = re.compile(r"([a-z]+)\s*(\[.*\])?", re.IGNORECASE)
_CELL = re.compile(rf"\s*({_QUOTED}|(?![\s'\"])[^,]*)\s*(?:,|$)")
_WORD = re.compile(rf"\s*({_QUOTED}|(?!['\"])\S+)(?:\s+|$)")
_ENTRY = re.compile(rf"\s*(\d+)\s+({_QUOTED}|(?![\s'\"])[^,]+)\s*(?:,|$)", re.ASCII)
_DENSE_WEIGHT = re.compile(r"(.*?)\s*,\s*\{([^{}]*)\}", re.DOTALL)
_SPARSE_WEIGHT = re.compile(r"(\{.*\})\s*,?\s*\{([^{}]*)\}", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
# MEKA keeps its options in the relation's name, after a colon.
_MEKA = re.compile(r"(?:^|\s)-C\s+(-?\d+)", re.ASCII)
_NUMERIC = ("numeric", "real", "integer")


@dataclasses.dataclass(frozen=True)
class Attribute:
    """A declared attribute: its name, the line, and the values of a nominal one in their order."""

    name: str
    line: int
    values: tuple[str, ...] | None

    @functools.cached_property
    def words(self) -> tuple[str, ...] | None:
        """The values of a nominal attribute, None if all of them are numbers."""
        if self.values is None or all(number(value) is not None for value in self.values):
            return None
        return self.values


@dataclasses.dataclass(frozen=True)
class Header:
    """What stands before the data: the relation's name, the attributes, and KEEL's outputs."""

    path: pathlib.Path
    relation: str
    attributes: tuple[Attribute, ...]
    outputs: tuple[str, ...]

    def own_labels(self) -> tuple[str, ...]:
        """The labels that the file itself tells: those of @outputs, or of MEKA's -C; or none.

        Raises:
          UserError: -C of no attribute, or of all.
        """
        names = tuple(attribute.name for attribute in self.attributes)
        found = _MEKA.search(self.relation.partition(":")[2])
        if self.outputs or found is None:
            return self.outputs
        count = int(found[1])
        if not 0 < abs(count) < len(names):
            raise UserError(
                f"{self.path}: -C {count} in the relation's name, for {len(names)} attributes; "
                "expected the number of labels, negative where they are the last attributes"
            )
        return names[:count] if count > 0 else names[count:]


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
    stream = iter(_plain(path))
    header = _header(path, stream)
    names = labels(header)
    position = {attribute.name: i for i, attribute in enumerate(header.attributes)}
    chosen = [position[name] for name in names]
    are_labels = set(names)
    columns = [
        _label(path, attribute, negative) if attribute.name in are_labels else _feature(attribute)
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


def _plain(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Lines without comments that are not empty."""
    for line, text in lines(path):
        if "%" in text:
            text = _COMMENTED.match(text)[0]  # type: ignore[index]  # it matches nothing, too
        text = text.strip()
        if text:
            yield line, text


def _header(path: pathlib.Path, stream: Iterator[tuple[int, str]]) -> Header:
    relation = ""
    attributes: dict[str, Attribute] = {}
    outputs: tuple[str, ...] = ()
    outputs_line = 0
    for line, text in stream:
        place = f"{path} line {line}"
        keyword = _KEYWORD.fullmatch(text)
        word, rest = (keyword[1].lower(), keyword[2]) if keyword else ("", "")
        if word == "data":
            if rest:
                raise UserError(f"{place}: {rest[:40]!r} after @data; expected nothing")
            break
        if word == "relation":
            relation = _unquoted(rest)
        elif word == "attribute":
            attribute = _attribute(rest, line, place)
            before = attributes.setdefault(attribute.name, attribute)
            if before is not attribute:
                raise UserError(
                    f"{place}: attribute {attribute.name!r} is there twice, first on line "
                    f"{before.line}"
                )
        elif word in ("output", "outputs"):
            outputs, outputs_line = tuple(_cells(rest, place)), line
        elif word not in ("input", "inputs"):
            raise UserError(
                f"{place}: {text[:40]!r}; expected @relation, @attribute or @data before the rows"
            )
    else:
        raise UserError(f"{path} has no line @data; expected it before the rows")
    if not attributes:
        raise UserError(f"{path} has no @attribute before @data")
    unknown = [name for name in outputs if name not in attributes]
    if unknown:
        raise UserError(f"{path} line {outputs_line}: @outputs has no attribute {unknown[0]!r}")
    return Header(path, relation, tuple(attributes.values()), outputs)


def _attribute(text: str, line: int, place: str) -> Attribute:
    match = _ATTRIBUTE.fullmatch(text)
    if match is None or not match[2]:
        raise UserError(f"{place}: not an attribute's name and type: {text[:60]!r}")
    name, kind = _unquoted(match[1]), match[2]
    if kind.startswith("{"):
        if not kind.endswith("}"):
            raise UserError(f"{place}: the values of attribute {name!r} must end with }}")
        # "?" is how a value that is not known is written, even where it is listed.
        values = [value for value in _cells(kind[1:-1], place) if value != "?"]
        if not values:
            raise UserError(f"{place}: attribute {name!r} has no values")
        return Attribute(name, line, tuple(dict.fromkeys(values)))
    known = _TYPE.fullmatch(kind)
    if known is None or known[1].lower() not in _NUMERIC:
        raise UserError(
            f"{place}: attribute {name!r} is {kind[:40]!r}; expected numeric, real, integer or a "
            "list of values in braces; nothing is learnt from others: take it out of the file"
        )
    return Attribute(name, line, None)


def _unquoted(text: str) -> str:
    if text[:1] not in ("'", '"') or len(text) < 2 or text[-1] != text[0]:
        return text
    return _ESCAPE.sub(_escaped, text[1:-1]) if "\\" in text else text[1:-1]


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)


def _cells(text: str, place: str) -> list[str]:
    """Values with commas between them; or without one, as Weka takes them too, with spaces."""
    if "'" not in text and '"' not in text:
        return [cell.strip() for cell in text.split(",")] if "," in text else text.split()
    pattern = _CELL if "," in text else _WORD
    cells = []
    end = 0
    while True:
        match = pattern.match(text, end)
        if match is None:
            raise UserError(
                f"{place}: {text[end : end + 40].strip()!r}: a quote is not closed, or stands in "
                "a value without \\ before it"
            )
        cells.append(_unquoted(match[1].rstrip()))
        end = match.end()
        if end == len(text):
            return [*cells, ""] if match[0].endswith(",") else cells


class _Refused(Exception):
    """A cell that its column does not take; the message says what it takes."""


@dataclasses.dataclass(frozen=True)
class _Column:
    """How the cells of an attribute are read, and what a sparse row that omits it means."""

    what: str
    read: Callable[[str], float]
    omitted: float | None


def _feature(attribute: Attribute) -> _Column:
    what = f"attribute {attribute.name!r}"
    if attribute.values is None:
        return _Column(what, _number, 0.0)
    if attribute.words:
        codes = {value: float(i) for i, value in enumerate(attribute.words)}
    else:
        codes = {value: _number(value) for value in attribute.values}
    return _Column(what, functools.partial(_listed_value, codes), codes[attribute.values[0]])


def _label(path: pathlib.Path, attribute: Attribute, negative: str | None) -> _Column:
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
                raise _Refused(f"expected {expected}{hint}")
            return float(value)

        return _Column(what, read, 0.0 if truth("0", negative) is False else None)
    codes = {}
    for value in attribute.values:
        code = truth(value, negative)
        if code is None:
            raise UserError(
                f"{path} line {attribute.line}: label {attribute.name!r} has the value {value!r} "
                f"({listed(attribute.values)}); expected {expected}{hint}"
            )
        codes[value] = float(code)
    return _Column(what, functools.partial(_listed_value, codes), codes[attribute.values[0]])


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
        raise _Refused("expected a number")
    if abs(value) > LARGEST:
        raise _Refused(f"expected a number up to {LARGEST:.3g}")
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
        raise _Refused(f"expected one of its values {listed(tuple(codes))}")
    return same[0]


class _Rows:
    """Rows as they are read, sparse ones as they stand in the file."""

    def __init__(self, path: pathlib.Path, columns: Sequence[_Column]) -> None:
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
            text = self._unweighted(text, sparse, place)
        if sparse:
            if not text.endswith("}"):
                raise UserError(f"{place}: a sparse row must end with }}")
            entries = self._entries(text[1:-1], place)
            unclear = self._unclear - entries.keys()
            if unclear:
                column = self.columns[min(unclear)]
                raise UserError(
                    f"{place}: {column.what} is left out, which means 0; beside another word for "
                    "it (--negative) it must stand in the row"
                )
            indices = array.array("i", entries)
            cells: Sequence[str] = tuple(entries.values())
            columns: Sequence[_Column] = [self.columns[i] for i in indices]
        else:
            indices, cells, columns = None, self._cells(text, place), self.columns
            self._dense += 1
            if self._dense % 1024 == 0:
                check_memory(f"{self.path}", self._dense, len(columns), itemsize=4)
        try:
            values = array.array(
                "f", [c.read(cell) for c, cell in zip(columns, cells, strict=True)]
            )
        except _Refused:
            raise self._refusal(columns, cells, place) from None
        self.numbers.append(line)
        self._rows.append((indices, values))

    def _refusal(self, columns: Sequence[_Column], cells: Sequence[str], place: str) -> UserError:
        """What is wrong with the first cell that its column does not take."""
        for column, cell in zip(columns, cells, strict=True):
            try:
                column.read(cell)
            except _Refused as error:
                return UserError(f"{place}: {column.what} is {listed([cell])!r}; {error}")
        raise AssertionError("no cell is refused")

    def _unweighted(self, text: str, sparse: bool, place: str) -> str:
        """The row without Weka's weight, `{2.5}` at its end."""
        match = (_SPARSE_WEIGHT if sparse else _DENSE_WEIGHT).fullmatch(text)
        if match is None:
            return text
        if number(match[2]) is None:
            raise UserError(f"{place}: the row's weight is {match[2]!r}; expected a number")
        self.weighted = True
        return match[1]

    def _cells(self, text: str, place: str) -> list[str]:
        cells = _cells(text, place)
        if len(cells) == len(self.columns) + 1 and not cells[-1]:  # a comma at the end
            cells.pop()
        if len(cells) != len(self.columns):
            raise UserError(f"{place}: {len(cells)} values; expected {len(self.columns)}")
        return cells

    def _entries(self, text: str, place: str) -> dict[int, str]:
        entries: dict[int, str] = {}
        text = text.strip().removesuffix(",")
        end = 0
        while end < len(text):
            match = _ENTRY.match(text, end)
            if match is None:
                shown = text[end : end + 40].strip()
                raise UserError(f"{place}: {shown!r}; expected an index from 0, and a value")
            end = match.end()
            index = int(match[1])
            if index >= len(self.columns):
                raise UserError(f"{place}: index {index} of a row of {len(self.columns)} values")
            if index in entries:
                raise UserError(f"{place}: index {index} is there twice")
            entries[index] = _unquoted(match[2].rstrip())
        return entries

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
