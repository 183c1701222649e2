"""Iterative stratification: rows dealt out to parts so that each label has its share in each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

Labels = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer[Any]]
Parts = npt.NDArray[np.int8]

# Which part a label's first, second and third positive example goes to: without one in train
# nothing is learnt of a label, without one in test nothing is known of what was learnt.
_FIRST = ("train", "test", "validation")
# Swaps that even out the parts, at most, and the rows that they choose from.
_SWAPS = 600
_POOL = 20_000


def stratify(
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


def _indices(matrix: scipy.sparse.csr_array, rows: Numbers) -> Numbers:
    """Column numbers of these rows' entries, with repetitions."""
    starts, ends = matrix.indptr[rows], matrix.indptr[rows + 1]
    lengths = ends - starts
    offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return matrix.indices[np.repeat(starts, lengths) + offsets]


def _repair(
    labels: scipy.sparse.csr_array,
    columns: scipy.sparse.csc_array,
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
