"""Sparse text files: svmlight with several labels, and the extreme-classification format."""

import pathlib
import re
from collections.abc import Iterator

import numpy as np

from experiments.datasets.dataset import Dataset, check_memory, label_array
from experiments.datasets.formats.cells import EXACT
from experiments.datasets.formats.cells import number as number_in
from experiments.datasets.formats.files import lines
from experiments.datasets.options import Options
from experiments.errors import UserError

_HEADER = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s*", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d+", re.ASCII)
_INDEX = re.compile(r"[-+]?\d{1,18}", re.ASCII)


def svmlight(path: pathlib.Path, name: str, options: Options) -> Dataset:
    """The data set in a file with lines `label,label index:value index:value`.

    A first line of three numbers (examples, features, labels) makes it the extreme-classification
    format: features and labels are numbered from 0. Without it, labels are named as they stand,
    and features are numbered from 1 unless a 0 occurs.

    Args:
      path: the file.
      name: the data set's.
      options: `negative` is the label that says that there is none, as -1 in files of two classes.

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
        labels, entries = _line(text, place, options.negative)
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
    return Dataset(
        name,
        features,
        label_array(pairs, len(sets), len(names)),
        names,
        path.name,
        feature_names=tuple(map(str, range(first, first + num_features))),
    )


def _line(text: str, place: str, negative: str | None) -> tuple[set[str], list[tuple[int, float]]]:
    words = text.split()
    # A line that begins with a feature has no labels.
    listed = words.pop(0).split(",") if words and ":" not in words[0] else []
    if listed and negative is not None and number_in(listed[0]) == number_in(negative):
        if len(listed) > 1:
            raise UserError(f"{place}: label {listed[0]} (--negative) beside others")
        listed = []
    labels: set[str] = set()
    for word in listed:
        label = _label(word, place)
        if label in labels:
            raise UserError(f"{place}: label {label} is there twice")
        labels.add(label)
    return labels, list(_entries(words, place))


def _label(text: str, place: str) -> str:
    value = number_in(text)
    if value is None or not value.is_integer():
        raise UserError(f"{place}: label {text!r}; expected a whole number")
    if value < 0:
        raise UserError(
            f"{place}: label {text} is negative (--negative {text} if it says that there is none)"
        )
    if _WHOLE.fullmatch(text):  # of any size: no float would keep all digits
        return str(int(text))
    if value > EXACT:
        raise UserError(f"{place}: label {text}; numbers above 2^53 lose digits as floats")
    return str(int(value))


def _entries(words: list[str], place: str) -> Iterator[tuple[int, float]]:
    seen: set[int] = set()
    for word in words:
        index, _, text = word.partition(":")
        value = number_in(text)
        if not _INDEX.fullmatch(index) or value is None:
            raise UserError(f"{place}: {word!r}; expected index:value, both numbers")
        feature = int(index)
        if feature < 0:
            raise UserError(f"{place}: feature {feature} is negative")
        if feature in seen:
            raise UserError(f"{place}: feature {feature} is there twice")
        seen.add(feature)
        yield feature, value


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
