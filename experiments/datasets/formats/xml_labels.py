"""Mulan's XML lists of labels, which may be arranged in trees."""

import pathlib
from typing import Any, NamedTuple
from xml.parsers import expat

from experiments.datasets.formats.files import read_bytes
from experiments.errors import UserError


class LabelList(NamedTuple):
    """Names of labels, and (parent, child) numbers of those that stand in one another."""

    names: tuple[str, ...]
    hierarchy: tuple[tuple[int, int], ...] | None = None


def read_label_list(path: pathlib.Path) -> LabelList:
    """The labels that an XML file lists, plain or packed.

    A label's name is its attribute `name`, else its text: `<label name="Beach"/>` and
    `<label>Beach</label>`. Namespaces do not matter.

    Raises:
      UserError: not XML, no label, one without a name or listed twice, or a document type: its
        entities can stand for more text than fits into memory.
    """
    reader = _Reader(path)
    # With a separator, names of elements come as "namespace name".
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    reader.parser = parser
    try:
        parser.Parse(read_bytes(path), True)
    except (expat.ExpatError, LookupError) as error:  # the second for an unknown encoding
        raise UserError(f"{path} is not valid XML: {error}") from error
    if not reader.names:
        raise UserError(f"{path} lists no label; expected at least one label, each once")
    names = tuple(name for name, _ in reader.names)
    for name, number in reader.names:
        if not name:
            raise UserError(f"{path} line {number}: a label without a name")
        if names.count(name) > 1:
            raise UserError(f"{path} line {number}: label {name!r} is listed twice")
    return LabelList(names, tuple(reader.pairs) or None)


class _Reader:
    """What expat calls: it collects [name, line] of every label."""

    parser: Any

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.names: list[list[Any]] = []
        self.pairs: list[tuple[int, int]] = []
        self.open: list[int | None] = []  # numbers of the labels that are open, None for others
        self.unnamed: set[int] = set()

    def refuse(self, *_: object) -> None:
        raise UserError(
            f"{self.path} line {self.parser.CurrentLineNumber}: a document type (<!DOCTYPE>), "
            "which a list of labels does not need; take it out"
        )

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if element.rpartition(" ")[2].lower() != "label":
            self.open.append(None)
            return
        number = len(self.names)
        above = [label for label in self.open if label is not None]
        if above:
            self.pairs.append((above[-1], number))
        if "name" not in attributes:
            self.unnamed.add(number)
        self.names.append([attributes.get("name", "").strip(), self.parser.CurrentLineNumber])
        self.open.append(number)

    def text(self, text: str) -> None:
        label = self.open[-1]
        if label is not None and label in self.unnamed:
            self.names[label][0] = " ".join((self.names[label][0] + text).split())

    def end(self, _: str) -> None:
        self.open.pop()
