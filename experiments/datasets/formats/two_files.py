"""One data set from two files: one with the training examples, one with the test examples."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import Dataset, check_memory, label_array
from experiments.errors import UserError, listed


def joined(
    train: Dataset,
    test: Dataset,
    paths: tuple[pathlib.Path, pathlib.Path],
    union: bool,
    sparse: bool,
) -> Dataset:
    """The data set whose own split is train and test.

    Columns are matched by their names where they have names.

    Args:
      train: what was read from the first file.
      test: what was read from the second, in the same way.
      paths: the files, for messages.
      union: whether labels that one file does not name are absent there: where names of labels
        are collected from the rows.
      sparse: whether features that one file does not have are 0 there: where rows are sparse.

    Raises:
      UserError: features or labels that do not agree, or a file with a split of its own.
    """
    for data, path in zip((train, test), paths, strict=True):
        if data.parts is not None:
            raise UserError(f"{path} has a split of its own; --test is for files without one")
    names = train.label_names
    if union:
        number = dict.fromkeys((*names, *test.label_names))
        common = set(names) & set(test.label_names)
        if not common:
            raise UserError(
                f"{paths[1]} has none of the labels of {paths[0]}: {listed(test.label_names)}, and "
                f"{listed(names)}"
            )
        names = tuple(number)
    elif odd := set(names) ^ set(test.label_names):
        raise _differ(paths, "label", sorted(odd)[0], names)
    pairs = [_pairs(data, names) for data in (train, test)]
    pairs[1][:, 0] += len(train.labels)
    size = len(train.labels) + len(test.labels)
    features, feature_names = _features(train, test, paths, sparse)
    return dataclasses.replace(
        train,
        features=features,
        labels=label_array(np.concatenate(pairs), size, len(names)),
        label_names=names,
        source=f"{train.source}; test: {test.source}",
        where=_where(train, test, names),
        impute=train.impute or test.impute,
        parts={
            "train": np.arange(len(train.labels), dtype=np.int32),
            "test": np.arange(len(train.labels), size, dtype=np.int32),
        },
        texts=None if train.texts is None else (*train.texts, *(test.texts or ())),
        feature_names=feature_names,
    )


def _pairs(data: Dataset, names: tuple[str, ...]) -> npt.NDArray[np.intp]:
    position = {name: i for i, name in enumerate(names)}
    number = np.array([position[name] for name in data.label_names])
    rows, labels = data.positives()
    return np.stack([rows, number[labels]], 1)


def _where(train: Dataset, test: Dataset, names: tuple[str, ...]) -> npt.NDArray[np.bool_] | None:
    """What is known of labels; it is known that a label which a file does not name is absent."""
    if train.where is None and test.where is None:
        return None
    position = {name: i for i, name in enumerate(names)}
    where = np.ones((len(train.labels) + len(test.labels), len(names)), bool)
    start = 0
    for data in (train, test):
        if data.where is not None:
            columns = [position[name] for name in data.label_names]
            where[start : start + len(data.labels), columns] = data.where
        start += len(data.labels)
    return where


def _features(
    train: Dataset, test: Dataset, paths: tuple[pathlib.Path, pathlib.Path], sparse: bool
) -> tuple[npt.NDArray[Any], tuple[str, ...] | None]:
    """Features and their names: those of the first file, then what only the second has."""
    first, second = train.features, test.features
    names = (train.feature_names, test.feature_names)
    if names[0] and names[1] and names[0] != names[1]:
        odd = set(names[0]) ^ set(names[1])
        if odd and not sparse:
            raise _differ(paths, "feature", sorted(odd)[0], names[0])
        union = tuple(dict.fromkeys((*names[0], *names[1])))
        size = len(first) + len(second)
        check_memory(f"{paths[0]} and {paths[1]}", size, len(union), itemsize=4)
        position = {name: i for i, name in enumerate(union)}
        features = np.zeros((size, len(union)), np.float32)
        features[: len(first), : len(names[0])] = first
        features[len(first) :, [position[name] for name in names[1]]] = second
        return features, union
    shapes = [x.shape[1:] for x in (first, second)]
    if shapes[0] != shapes[1] or first.dtype != second.dtype:
        raise UserError(
            f"{paths[1]} has {second.dtype} features of shape {list(shapes[1])}; expected "
            f"{first.dtype} of shape {list(shapes[0])}, as in {paths[0]}"
        )
    return np.concatenate([first, second]), names[0]


def _differ(
    paths: tuple[pathlib.Path, pathlib.Path], what: str, odd: str, names: tuple[str, ...]
) -> UserError:
    lacks, has = (1, 0) if odd in names else (0, 1)
    return UserError(
        f"{paths[lacks]} lacks the {what} {odd!r} that {paths[has]} has; expected the same in both"
    )
