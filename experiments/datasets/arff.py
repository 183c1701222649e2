"""Multilabel ARFF files (dense or sparse, plain or gzipped) with their XML list of labels."""

import csv
import pathlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import Dataset, Rows
from experiments.datasets.files import lines
from experiments.datasets.raw import read_bytes
from experiments.datasets.tables import PART_NAMES
from experiments.errors import UserError

_ATTRIBUTE = re.compile(
    r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.+)""", re.IGNORECASE
)
_ARFF = re.compile(r"\.arff(\.gz)?$", re.IGNORECASE)
Lines = Callable[[pathlib.Path], Iterable[tuple[int, str]]]
_NUMERIC = ("numeric", "real", "integer")


def arff(path: pathlib.Path, name: str, labels: Sequence[str] = ()) -> Dataset:
    """The data set in an ARFF file, or in all those of a folder.

    Its labels are those that the XML file beside it lists, unless `labels` names them. Files of a
    folder whose names end in -train and -test are the parts of the source's own split.

    Raises:
      UserError: no ARFF file, not exactly one XML file, files that do not agree, or a line that
        cannot be read (named with its file and number).
    """
    folder = path if path.is_dir() else path.parent
    files = sorted(p for p in folder.iterdir() if _ARFF.search(p.name)) if path.is_dir() else [path]
    lists = sorted(folder.glob("*.xml"))
    # Of several lists, a file's own is the one of its name.
    own = [p for p in lists if p.stem == _ARFF.sub("", path.name)]
    lists = own if len(lists) > 1 and own else lists
    if not files or (len(lists) != 1 and not labels):
        raise UserError(
            f"{folder} holds {len(files)} .arff files and {len(lists)} .xml files; expected one or "
            "more .arff(.gz) files and one .xml file that lists the labels (or --labels)"
        )
    names_of_labels = tuple(labels) or label_names(lists[0])
    tables = [read_rows(file) for file in files]
    names = tables[0][0]
    for (other, _), file in zip(tables, files, strict=True):
        if other != names:
            raise UserError(f"{file} has other attributes than {files[0]}; expected the same")
    lister = "--labels" if labels else lists[0]
    split = [
        split_labels(names, rows, names_of_labels, file, lister)
        for (_, rows), file in zip(tables, files, strict=True)
    ]
    return Dataset(
        name,
        np.concatenate([features for features, _ in split]),
        np.concatenate([truth for _, truth in split]),
        names_of_labels,
        f"{path.resolve().name} (ARFF)",
        parts=_parts(files, [len(rows) for _, rows in tables]),
    )


def split_labels(
    names: Sequence[str],
    values: npt.NDArray[np.float32],
    labels: Sequence[str],
    path: pathlib.Path,
    lister: object,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Features and labels of rows: the columns that are not among `labels`, and those that are.

    Args:
      names: names of the columns.
      values: [examples, columns].
      labels: names of the labels, in the order that is wanted.
      path: what the rows were read from, for messages.
      lister: what lists the labels, for messages.

    Raises:
      UserError: a label that is no column, or that has other values than 0 and 1.
    """
    missing = [label for label in labels if label not in names]
    if missing:
        raise UserError(f"{path} lacks the label {missing[0]!r} that {lister} lists")
    chosen = [names.index(label) for label in labels]
    truth = values[:, chosen]
    if not np.isin(truth, (0, 1)).all():
        raise UserError(f"{path}: labels must be 0 or 1")
    return np.delete(values, chosen, axis=1), truth == 1


def _parts(files: Sequence[pathlib.Path], sizes: Sequence[int]) -> dict[str, Rows] | None:
    """Rows by part, if the name of every file says which part it is."""
    words = [re.split(r"[-_.]", _ARFF.sub("", file.name).lower())[-1] for file in files]
    parts = [PART_NAMES.get(word) for word in words]
    if len(set(parts)) != len(files) or "train" not in parts or "test" not in parts:
        return None
    ends = np.cumsum(sizes)
    return {
        part: np.arange(end - size, end, dtype=np.int32)
        for part, end, size in zip(parts, ends, sizes, strict=True)
        if part is not None
    }


def label_names(path: pathlib.Path) -> tuple[str, ...]:
    """The labels that an XML file lists, plain or gzipped.

    Raises:
      UserError: not XML, no label, or one that is listed twice.
    """
    try:
        root = ElementTree.fromstring(read_bytes(path))
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not valid XML: {error}") from error
    names = tuple(e.attrib["name"] for e in root.iter() if e.tag.endswith("label"))
    if not names or len(set(names)) != len(names):
        raise UserError(f"{path} must list at least one label, each once; got {names}")
    return names


def read_rows(
    path: pathlib.Path, lines: Lines = lines
) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Names of the attributes and their values, [examples, attributes].

    Args:
      path: an ARFF file, plain or gzipped.
      lines: (number, text) of each of its lines; `nominal.numeric_lines` turns nominal
        attributes, which are refused otherwise, into numbers.

    Raises:
      UserError: a line that cannot be read, named with file and number, or no examples.
    """
    names: list[str] = []
    rows: list[npt.NDArray[np.float32]] = []
    in_data = False
    for number, line in lines(path):
        text = line.strip()
        if not text or text.startswith("%"):
            continue
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
