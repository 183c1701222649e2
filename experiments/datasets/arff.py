"""Multilabel ARFF files (dense or sparse, plain or gzipped) with their XML list of labels."""

import csv
import gzip
import pathlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from experiments.errors import UserError

_ATTRIBUTE = re.compile(
    r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.+)""", re.IGNORECASE
)
_NUMERIC = ("numeric", "real", "integer")


def arff_folder(
    folder: pathlib.Path,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], tuple[str, ...], str]:
    """All examples of the ARFF files in a folder (train and test together), labels from its XML.

    Returns:
      Features [examples, num_features], labels [examples, num_labels], label names, source.

    Raises:
      UserError: no ARFF file, not exactly one XML file, files that do not agree, or a line that
        cannot be read (named with its file and number).
    """
    files = sorted(p for p in folder.iterdir() if re.search(r"\.arff(\.gz)?$", p.name))
    lists = sorted(folder.glob("*.xml"))
    if not files or len(lists) != 1:
        raise UserError(
            f"{folder} holds {len(files)} .arff files and {len(lists)} .xml files; expected one or "
            "more .arff(.gz) files and one .xml file that lists the labels"
        )
    label_names = _label_names(lists[0])
    tables = [_read(path) for path in files]
    names = tables[0][0]
    for (other, _), path in zip(tables, files, strict=True):
        if other != names:
            raise UserError(f"{path} has other attributes than {files[0]}; expected the same")
    missing = [name for name in label_names if name not in names]
    if missing:
        raise UserError(f"{files[0]} lacks the label {missing[0]!r} that {lists[0]} lists")
    values = np.concatenate([table for _, table in tables])
    chosen = [names.index(name) for name in label_names]
    features = np.delete(values, chosen, axis=1)
    labels = values[:, chosen]
    if not np.isin(labels, (0, 1)).all():
        raise UserError(f"{folder}: labels must be 0 or 1")
    return features, labels == 1, label_names, f"{folder.name} (ARFF)"


def _label_names(path: pathlib.Path) -> tuple[str, ...]:
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not valid XML: {error}") from error
    names = tuple(e.attrib["name"] for e in root.iter() if e.tag.endswith("label"))
    if not names or len(set(names)) != len(names):
        raise UserError(f"{path} must list at least one label, each once; got {names}")
    return names


def _lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                text = line.strip()
                if text and not text.startswith("%"):
                    yield number, text
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _read(path: pathlib.Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    names: list[str] = []
    rows: list[npt.NDArray[np.float32]] = []
    in_data = False
    for number, text in _lines(path):
        where = f"{path} line {number}"
        if in_data:
            rows.append(_row(text, len(names), where))
        elif text.lower().startswith("@attribute"):
            names.append(_attribute(text, where))
        elif text.lower() == "@data":
            in_data = True
    if not rows:
        raise UserError(f"{path} has no examples after @data")
    return names, np.stack(rows)


def _attribute(text: str, where: str) -> str:
    match = _ATTRIBUTE.match(text)
    if match is None:
        raise UserError(f"{where}: not an attribute: {text[:60]!r}")
    name, kind = match.groups()
    binary = re.fullmatch(r"\{\s*'?0'?\s*,\s*'?1'?\s*\}", kind.strip())
    if not binary and kind.strip().split()[0].lower() not in _NUMERIC:
        raise UserError(f"{where}: attribute {name} is {kind!r}; expected numeric or {{0,1}}")
    if name[0] in "'\"":
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def _row(text: str, size: int, where: str) -> npt.NDArray[np.float32]:
    row = np.zeros(size, np.float32)
    try:
        if text.startswith("{"):
            if not text.endswith("}"):
                raise UserError(f"{where}: a sparse row must end with }}")
            for entry in filter(None, map(str.strip, text[1:-1].split(","))):
                index, value = entry.split()
                if not 0 <= int(index) < size:
                    raise UserError(f"{where}: index {index} of a row of {size} values")
                row[int(index)] = float(value.strip("'\""))
        else:
            values = next(csv.reader([text]))
            if len(values) != size:
                raise UserError(f"{where}: {len(values)} values; expected {size}")
            row[:] = [float(v.strip(" '\"")) for v in values]
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    return row
