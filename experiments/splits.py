"""Stratified train / validation / test splits, one per seed."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

from experiments.errors import UserError

Rows = npt.NDArray[np.int32]


class Splits(NamedTuple):
    """Row numbers of S seeds' splits, [S, n] each, shorter ones padded with -1."""

    train: Rows
    validation: Rows
    test: Rows


def stratified(labels: npt.NDArray[np.bool_], seeds: int, first: int = 0) -> Splits:
    """60 % train, 20 % validation, 20 % test per seed from `first` on, by iterative stratification.

    Raises:
      UserError: a part would be empty.
    """
    parts: tuple[list[Rows], list[Rows], list[Rows]] = ([], [], [])
    for seed in range(first, first + seeds):
        rest, test = _split(labels, np.arange(len(labels)), 0.2, seed)
        train, validation = _split(labels, rest, 0.25, seed)
        for collected, rows, name in zip(
            parts, (train, validation, test), Splits._fields, strict=True
        ):
            if len(rows) == 0:
                raise UserError(
                    f"the {name} split of {len(labels)} examples is empty; expected at least 1"
                )
            collected.append(np.sort(rows).astype(np.int32))
    return Splits(*(_pad(rows) for rows in parts))


def _split(
    labels: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64], share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    if len(rows) < 2:
        return rows, rows[:0]
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    first, second = next(splitter.split(rows, labels[rows].astype(int)))
    return rows[first], rows[second]


def _pad(rows: list[Rows]) -> Rows:
    padded = np.full((len(rows), max(map(len, rows))), -1, np.int32)
    for target, source in zip(padded, rows, strict=True):
        target[: len(source)] = source
    return padded
