"""The grammar of ARFF files, dense and sparse, as Weka, Mulan, MEKA and KEEL write them."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Iterator

from experiments.datasets.formats.cells import number
from experiments.datasets.formats.files import lines
from experiments.errors import UserError

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


def plain_lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Lines without comments that are not empty."""
    for line, text in lines(path):
        if "%" in text:
            text = _COMMENTED.match(text)[0]  # type: ignore[index]  # it matches nothing, too
        text = text.strip()
        if text:
            yield line, text


def read_header(path: pathlib.Path, stream: Iterator[tuple[int, str]]) -> Header:
    """What stands before the data in these lines, which are taken up to @data."""
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
            outputs, outputs_line = tuple(cells_of(rest, place)), line
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
        values = [value for value in cells_of(kind[1:-1], place) if value != "?"]
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


def cells_of(text: str, place: str) -> list[str]:
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


def entries_of(text: str, width: int, place: str) -> dict[int, str]:
    """Values of a sparse row, what stands in its braces, by their index below `width`."""
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
        if index >= width:
            raise UserError(f"{place}: index {index} of a row of {width} values")
        if index in entries:
            raise UserError(f"{place}: index {index} is there twice")
        entries[index] = _unquoted(match[2].rstrip())
    return entries


def unweighted(text: str, sparse: bool, place: str) -> str:
    """The row without Weka's weight, `{2.5}` at its end."""
    match = (_SPARSE_WEIGHT if sparse else _DENSE_WEIGHT).fullmatch(text)
    if match is None:
        return text
    if number(match[2]) is None:
        raise UserError(f"{place}: the row's weight is {match[2]!r}; expected a number")
    return match[1]
