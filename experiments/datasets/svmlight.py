"""Sparse text files: svmlight with several labels, and the extreme-classification format."""

import pathlib
import re
from collections.abc import Iterator

import numpy as np

from experiments.datasets.dataset import Dataset, check_memory, label_array
from experiments.datasets.files import lines
from experiments.errors import UserError

_HEADER = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s*")


def svmlight(path: pathlib.Path, name: str) -> Dataset:
    """The data set in a file with lines `label,label index:value index:value`.

    A first line of three numbers (examples, features, labels) makes it the extreme-classification
    format: features and labels are numbered from 0. Without it, labels are named as they stand,
    and features are numbered from 1 unless a 0 occurs.

    Raises:
      UserError: a line that cannot be read (named with its file and number), another number of
        examples than the first line says, or features too large to be held dense.
    """
    header: tuple[int, int, int] | None = None
    sets: list[set[str]] = []
    rows: list[int] = []
    indices: list[int] = []
    values: list[float] = []
    for number, text in lines(path):
        if number == 1 and (match := _HEADER.fullmatch(text)):
            header = (int(match[1]), int(match[2]), int(match[3]))
            continue
        text = text.partition("#")[0]
        # With a header an empty line is an example without labels and features, up to its number.
        if not text.strip() and (header is None or len(sets) == header[0]):
            continue
        place = f"{path} line {number}"
        labels, entries = _line(text, place)
        for index, value in entries:
            rows.append(len(sets))
            indices.append(index)
            values.append(value)
        if header is not None:
            _check_range(labels, [i for i, _ in entries], header, place)
        sets.append(labels)
    if header is not None and len(sets) != header[0]:
        raise UserError(f"{path} line 1 says {header[0]} examples, but {len(sets)} follow")
    if not sets or not indices:
        raise UserError(f"{path} has {len(sets)} examples and {len(indices)} feature values")
    first = 0 if header is not None else min(1, min(indices))
    num_features = header[1] if header is not None else max(indices) + 1 - first
    check_memory(f"the features of {path}", len(sets), num_features, itemsize=4)
    features = np.zeros((len(sets), num_features), np.float32)
    features[rows, np.array(indices) - first] = values
    if header is not None:
        names = tuple(map(str, range(header[2])))
    else:
        names = tuple(sorted(set().union(*sets), key=int))
        if not names:
            raise UserError(f"{path} has no labels")
    position = {label: i for i, label in enumerate(names)}
    pairs = [(i, position[label]) for i, labels in enumerate(sets) for label in labels]
    return Dataset(name, features, label_array(pairs, len(sets), len(names)), names, path.name)


def _line(text: str, place: str) -> tuple[set[str], list[tuple[int, float]]]:
    words = text.split()
    # A line that begins with a feature has no labels.
    listed = words.pop(0).split(",") if words and ":" not in words[0] else []
    labels = {_label(label, place) for label in listed}
    return labels, list(_entries(words, place))


def _label(text: str, place: str) -> str:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not number.is_integer():
        raise UserError(f"{place}: label {text!r}; expected a whole number")
    return str(int(number))


def _entries(words: list[str], place: str) -> Iterator[tuple[int, float]]:
    seen: set[int] = set()
    for word in words:
        index, _, value = word.partition(":")
        try:
            entry = int(index), float(value)
        except ValueError as error:
            raise UserError(f"{place}: {word!r}; expected index:value") from error
        if entry[0] < 0 or entry[0] in seen:
            raise UserError(f"{place}: feature {index} is negative or there twice")
        seen.add(entry[0])
        yield entry


def _check_range(
    labels: set[str], indices: list[int], header: tuple[int, int, int], place: str
) -> None:
    for what, numbers, size in (
        ("feature", indices, header[1]),
        ("label", [int(label) for label in labels], header[2]),
    ):
        wrong = [n for n in numbers if not 0 <= n < size]
        if wrong:
            raise UserError(f"{place}: {what} {wrong[0]}; line 1 says 0 to {size - 1}")
