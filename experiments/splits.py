"""Stratified train / validation / test splits, one per seed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

from experiments.datasets import Dataset
from experiments.datasets.dataset import Rows
from experiments.errors import UserError

Numbers = npt.NDArray[np.integer[Any]]


class Splits(NamedTuple):
    """Row numbers of S seeds' splits, [S, n] each, shorter ones padded with -1."""

    train: Rows
    validation: Rows
    test: Rows


def of_dataset(dataset: Dataset, seeds: int, first: int = 0) -> tuple[Splits, str]:
    """The source's own test examples where it has them, else stratified; and which, in words.

    A source with train and test but no validation gets 20 % of train for validation, stratified
    by seed, from `first` on. One with neither is split as `stratified` does. A missing label
    counts as absent here.

    Raises:
      UserError: a part would be empty.
    """
    parts = dataset.parts or {}
    if "train" not in parts or "test" not in parts:
        return stratified(dataset.labels, seeds, first), "stratified 60/20/20 by seed"
    train, test = parts["train"], parts["test"]
    per_seed: list[tuple[Numbers, Numbers]]
    if "validation" in parts:
        per_seed = [(train, parts["validation"])] * seeds
        how = "the source's train, validation and test"
    else:
        seeds_of = range(first, first + seeds)
        per_seed = [_split(dataset.labels, train, 0.2, seed) for seed in seeds_of]
        how = "the source's train and test; validation is 20 % of train, stratified by seed"
    _check("validation", per_seed[0][1], len(train))
    return Splits(
        _pad([np.sort(rows) for rows, _ in per_seed]),
        _pad([np.sort(rows) for _, rows in per_seed]),
        _pad([np.sort(test)] * seeds),
    ), how


def stratified(labels: npt.NDArray[np.bool_], seeds: int, first: int = 0) -> Splits:
    """60 % train, 20 % validation, 20 % test per seed from `first` on, by iterative stratification.

    Raises:
      UserError: a part would be empty.
    """
    parts: tuple[list[Numbers], ...] = ([], [], [])
    for seed in range(first, first + seeds):
        rest, test = _split(labels, np.arange(len(labels)), 0.2, seed)
        train, validation = _split(labels, rest, 0.25, seed)
        for collected, rows, name in zip(
            parts, (train, validation, test), Splits._fields, strict=True
        ):
            _check(name, rows, len(labels))
            collected.append(np.sort(rows))
    return Splits(*(_pad(rows) for rows in parts))


def _check(name: str, rows: Numbers, examples: int) -> None:
    if len(rows) == 0:
        raise UserError(f"the {name} split of {examples} examples is empty; expected at least 1")


def _split(
    labels: npt.NDArray[np.bool_], rows: Numbers, share: float, seed: int
) -> tuple[Numbers, Numbers]:
    if len(rows) < 2:
        return rows, rows[:0]
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    first, second = next(splitter.split(rows, labels[rows].astype(int)))
    return rows[first], rows[second]


def _pad(rows: Sequence[Numbers]) -> Rows:
    padded = np.full((len(rows), max(map(len, rows))), -1, np.int32)
    for target, source in zip(padded, rows, strict=True):
        target[: len(source)] = source
    return padded
