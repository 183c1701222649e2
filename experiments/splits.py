"""Stratified train / validation / test splits, one per seed (docs/splits.md)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse

from experiments.datasets.dataset import Dataset, Rows
from experiments.errors import UserError, listed

Labels = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer[Any]]
Parts = npt.NDArray[np.int8]

SHARES = (0.6, 0.2, 0.2)
VALIDATION_OF_TRAIN = 0.2
# Which part a label's first, second and third positive example goes to: without one in train
# nothing is learnt of a label, without one in test nothing is known of what was learnt.
_FIRST = ("train", "test", "validation")
# Names of labels that a sentence lists.
_NAMED = 5
# Swaps that even out the parts, at most, and the rows that they choose from.
_SWAPS = 600
_POOL = 20_000


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
            _rows(_stratify(labels, sizes, Splits._fields[:2], seed), 2, train)
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
        _rows(_stratify(sparse, sizes, Splits._fields, seed), 3, everything)
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


def _stratify(
    labels: scipy.sparse.csr_array, sizes: Sequence[int], names: Sequence[str], seed: int
) -> Parts:
    """The part of every row, [examples]; part p gets exactly `sizes[p]` rows.

    The rarest label that is left is dealt out first: its rows go to the parts that want it most,
    and what they carry besides is taken off what those parts want of other labels. All rows of
    a label are dealt out at once, which gives each part what one row at a time would.

    Source: Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011.
    """
    rng = np.random.default_rng((seed, 0))
    examples, num_labels = labels.shape
    capacity = np.array(sizes)
    counts = np.bincount(labels.indices, minlength=num_labels)
    wanted = _wanted(counts, capacity / examples, names)
    columns = labels.tocsc()
    part = np.full(examples, -1, np.int8)
    # Ties of equally rare labels are broken by chance.
    order = rng.permutation(num_labels)
    left = counts.copy()

    def assign(rows: Numbers, desire: npt.NDArray[np.float64]) -> None:
        part[rows] = _deal(desire, capacity, len(rows), rng)
        for p in range(len(capacity)):
            mine = rows[part[rows] == p]
            capacity[p] -= len(mine)
            carried = np.bincount(_indices(labels, mine), minlength=num_labels)
            wanted[:, p] -= carried
            left[:] -= carried

    while True:
        remaining = np.where(left[order] > 0, left[order], np.iinfo(left.dtype).max)
        label = order[remaining.argmin()]
        if left[label] == 0:
            break
        rows = columns.indices[columns.indptr[label] : columns.indptr[label + 1]]
        assign(rng.permutation(rows[part[rows] < 0]), wanted[label])
    rest = rng.permutation(np.flatnonzero(part < 0))
    part[rest] = np.repeat(np.arange(len(capacity)), capacity)
    needed = _needed(counts, names)
    found = np.stack(
        [
            np.bincount(_indices(labels, np.flatnonzero(part == p)), minlength=num_labels)
            for p in range(len(capacity))
        ],
        axis=1,
    )
    _repair(labels, columns, part, found, needed, rng)
    _even_out(labels, part, found, needed, rng)
    return part


def _wanted(
    counts: Numbers, shares: npt.NDArray[np.float64], names: Sequence[str]
) -> npt.NDArray[np.float64]:
    """How many positives of each label each part wants: [num_labels, parts]."""
    wanted = np.maximum(counts[:, None] * shares, _needed(counts, names))
    wanted[:, shares.argmax()] += counts - wanted.sum(1)
    few = counts < len(shares)
    wanted[few] = _needed(counts, names)[few]
    return wanted


def _needed(counts: Numbers, names: Sequence[str]) -> Labels:
    """Whether a label has examples enough that one should be in the part: [num_labels, parts]."""
    rank = {name: i for i, name in enumerate(n for n in _FIRST if n in names)}
    return counts[:, None] > np.array([rank[name] for name in names])


def _deal(
    desire: npt.NDArray[np.float64], capacity: Numbers, rows: int, rng: np.random.Generator
) -> Numbers:
    """Parts for so many rows, each to the part whose desire is then the greatest.

    Taking the row lowers the desire by 1; ties go to the part with more room, then by chance.
    """
    room = np.minimum(capacity, rows)
    parts = np.repeat(np.arange(len(capacity)), room)
    taken = np.concatenate([np.arange(r) for r in room])
    desires = np.round(desire[parts] - taken, 6)
    order = np.lexsort((rng.random(len(parts)), taken - capacity[parts], -desires))
    return parts[order[:rows]]


def _indices(matrix: Any, rows: Numbers) -> Numbers:
    """Column numbers of these rows' entries, with repetitions."""
    starts, ends = matrix.indptr[rows], matrix.indptr[rows + 1]
    lengths = ends - starts
    offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return matrix.indices[np.repeat(starts, lengths) + offsets]


def _repair(
    labels: scipy.sparse.csr_array,
    columns: Any,
    part: Parts,
    found: Numbers,
    needed: Labels,
    rng: np.random.Generator,
) -> None:
    """Swaps rows so that labels that lack a positive example in a part get one there.

    No other label loses its last one in a part, and sizes stay. Labels that share rows can make
    it impossible. `found` counts positives, [num_labels, parts], and is kept up to date.
    """
    share = np.bincount(part, minlength=found.shape[1]) / len(part)
    counts = found.sum(1)
    spare: dict[int, Numbers] = {}
    for label, target in np.argwhere(needed & (found == 0)):
        rows = rng.permutation(columns.indices[columns.indptr[label] : columns.indptr[label + 1]])
        for row in rows:
            source = part[row]
            carried = labels.indices[labels.indptr[row] : labels.indptr[row + 1]]
            last = needed[carried, source] & (found[carried, source] <= 1)
            if last.any():
                continue
            if target not in spare:
                last_there = needed[:, target] & (found[:, target] <= 1)
                inside = np.flatnonzero(part == target)
                spare[target] = inside[labels[inside] @ last_there.astype(np.int64) == 0]
            if not len(spare[target]):
                break
            # The row that comes back is the one whose labels are too many there.
            excess = found - counts[:, None] * share
            price = excess[:, source] - excess[:, target] + 1
            back = spare[target][(labels[spare[target]] @ price).argmin()]
            _swap(labels, part, found, row, back)
            spare.clear()
            break


def _even_out(
    labels: scipy.sparse.csr_array,
    part: Parts,
    found: Numbers,
    needed: Labels,
    rng: np.random.Generator,
) -> None:
    """Swaps rows as long as that brings the parts' counts of positives closer to their shares.

    The commonest labels are dealt out last, when most of their rows are placed: what is too
    much or too little of them in a part is put right here, by the sum of squares. No label loses
    its last positive in a part.
    """
    share = np.bincount(part, minlength=found.shape[1]) / len(part)
    counts = found.sum(1)
    pool = rng.permutation(len(part))[:_POOL]
    pooled = labels[pool]
    pairs = [(p, q) for q in range(len(share)) for p in range(q) if share[p] and share[q]]
    idle = 0
    for step in range(_SWAPS):
        p, q = pairs[step % len(pairs)]
        excess = found - counts[:, None] * share
        price = excess[:, p] - excess[:, q]
        # Larger than any sum of prices: a row with a part's last positive stays.
        fixed = (1 + np.abs(price).sum()) * (needed & (found <= 1))
        leaving = np.where(part[pool] == p, pooled @ (price - 1 - fixed[:, p]), -np.inf)
        coming = np.where(part[pool] == q, pooled @ (price + 1 + fixed[:, q]), np.inf)
        row, back = leaving.argmax(), coming.argmin()
        if leaving[row] - coming[back] > 1e-6:
            _swap(labels, part, found, pool[row], pool[back])
            idle = 0
        else:
            idle += 1
            if idle == len(pairs):
                break


def _swap(
    labels: scipy.sparse.csr_array, part: Parts, found: Numbers, one: int, other: int
) -> None:
    """Two rows change places."""
    for row, source, target in ((one, part[one], part[other]), (other, part[other], part[one])):
        carried = labels.indices[labels.indptr[row] : labels.indptr[row + 1]]
        found[carried, source] -= 1
        found[carried, target] += 1
    part[one], part[other] = part[other], part[one]
