"""Stratified train / validation / test splits, one per seed (docs/splits.md)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse

from experiments.datasets.dataset import Dataset, Rows
from experiments.errors import UserError, listed
from experiments.stratification import Labels, Numbers, Parts, stratify

SHARES = (0.6, 0.2, 0.2)
VALIDATION_OF_TRAIN = 0.2
# Names of labels that a sentence lists.
_NAMED = 5


class Splits(NamedTuple):
    """Row numbers of S seeds' splits, [S, n] each, shorter ones padded with -1."""

    train: Rows
    validation: Rows
    test: Rows

    def of_seed(self, seed: int) -> "Splits":
        """One seed's rows, [n] each, without the padding."""
        return Splits(*(rows[seed][rows[seed] >= 0] for rows in self))


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
    train, test = np.sort(parts["train"]), np.sort(parts["test"])
    per_seed: list[tuple[Numbers, ...]]
    if "validation" in parts:
        per_seed = [(train, np.sort(parts["validation"]))] * seeds
        how = "the source's train, validation and test"
    else:
        shares = (1 - VALIDATION_OF_TRAIN, VALIDATION_OF_TRAIN)
        sizes = _checked_sizes(len(train), shares, Splits._fields[:2])
        labels = _sparse(dataset.labels[train])
        per_seed = [
            _rows(stratify(labels, sizes, Splits._fields[:2], seed), 2, train)
            for seed in range(first, first + seeds)
        ]
        how = "the source's train and test; validation is 20 % of train, stratified by seed"
    return Splits(
        _stack([rows[0] for rows in per_seed]),
        _stack([rows[1] for rows in per_seed]),
        _stack([test] * seeds),
    ), how


def stratified(labels: Labels, seeds: int, first: int = 0) -> Splits:
    """60 % train, 20 % validation, 20 % test per seed from `first` on, by iterative stratification.

    Args:
      labels: bool [examples, num_labels].
      seeds: how many splits.
      first: the first one's seed; the same seed gives the same split.

    Raises:
      UserError: fewer than 3 examples: a part would be empty.

    Example:
      >>> labels = np.array([[True], [True], [True], [False], [False]])
      >>> [labels[rows[0]].sum().item() for rows in stratified(labels, seeds=1)]
      [1, 1, 1]
    """
    sizes = _checked_sizes(len(labels), SHARES, Splits._fields)
    sparse = _sparse(labels)
    everything = np.arange(len(labels))
    per_seed = [
        _rows(stratify(sparse, sizes, Splits._fields, seed), 3, everything)
        for seed in range(first, first + seeds)
    ]
    return Splits(*(_stack(rows) for rows in zip(*per_seed, strict=True)))


def part_sizes(examples: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to `shares`, by largest remainder, none 0 if there are enough.

    Example:
      >>> part_sizes(9, (0.6, 0.2, 0.2)), part_sizes(3, (0.6, 0.2, 0.2))
      ([5, 2, 2], [1, 1, 1])
    """
    exact = examples * np.asarray(shares, np.float64) / np.sum(shares)
    sizes = np.floor(exact + 1e-9).astype(int)
    remainders = np.round(exact - sizes, 9)
    sizes[np.argsort(-remainders, kind="stable")[: examples - sizes.sum()]] += 1
    while examples >= len(sizes) and sizes.min() == 0:
        sizes[sizes.argmax()] -= 1
        sizes[sizes.argmin()] += 1
    return [int(size) for size in sizes]


def lacking(labels: Labels, splits: Splits) -> dict[str, Labels]:
    """Part -> whether a label has no positive example there: bool [seeds, num_labels].

    Example:
      >>> one = np.array([[0]])
      >>> found = lacking(np.array([[True, False]]), Splits(one, one, one))
      >>> found["test"].tolist()
      [[False, True]]
    """
    return {
        name: np.stack([~labels[rows[rows >= 0]].any(0) for rows in part])
        for name, part in zip(Splits._fields, splits, strict=True)
    }


def lacking_in_words(found: dict[str, Labels], names: Sequence[str]) -> list[str]:
    """A line per part in which labels lack positives; long lists are shortened."""
    lines = []
    for part, missing in found.items():
        seeds = missing.sum(0)
        rare = np.flatnonzero(seeds)
        if not len(rare):
            continue
        # Those that lack them in most seeds first.
        shown = [
            names[i]
            + ("" if seeds[i] == len(missing) else f" ({seeds[i]} of {len(missing)} seeds)")
            for i in rare[np.argsort(-seeds[rare], kind="stable")]
        ]
        lines.append(f"without a positive example in {part}: {listed(shown, _NAMED)}")
    return lines


def _checked_sizes(examples: int, shares: Sequence[float], names: Sequence[str]) -> list[int]:
    sizes = part_sizes(examples, shares)
    for name, size in zip(names, sizes, strict=True):
        if size == 0:
            raise UserError(
                f"the {name} split of {examples} examples is empty; expected at least 1"
            )
    return sizes


def _sparse(labels: Labels) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(labels, dtype=np.int64)


def _rows(part: Parts, parts: int, numbers: Numbers) -> tuple[Numbers, ...]:
    return tuple(numbers[part == p] for p in range(parts))


def _stack(rows: Sequence[Numbers]) -> Rows:
    return np.stack(rows).astype(np.int32)
