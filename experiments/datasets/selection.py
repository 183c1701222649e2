"""Which labels and examples of a data set stay."""

import dataclasses

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import Dataset, label_array, label_counts
from experiments.errors import UserError


def drop_rare_labels(dataset: Dataset, min_count: int) -> Dataset:
    """Without the labels that fewer than `min_count` examples have.

    Raises:
      UserError: no label is left.
    """
    counts = label_counts(dataset)
    keep = counts >= min_count
    if not keep.any():
        raise UserError(
            f"data set {dataset.name}: no label has {min_count} examples (--min-label-count); the "
            f"commonest has {counts.max()}"
        )
    rows, labels = dataset.positives()
    kept = keep[labels]
    number = np.cumsum(keep) - 1
    pairs = np.stack([rows[kept], number[labels[kept]]], 1)
    return dataclasses.replace(
        dataset,
        labels=label_array(pairs, len(dataset.labels), int(keep.sum())),
        label_names=tuple(n for n, k in zip(dataset.label_names, keep, strict=True) if k),
        where=None if dataset.where is None else dataset.where[:, keep],
        hierarchy=dataset.hierarchy and _without(dataset.hierarchy, keep),
    )


def _without(
    hierarchy: tuple[tuple[int, int], ...], keep: npt.NDArray[np.bool_]
) -> tuple[tuple[int, int], ...]:
    """The hierarchy of the labels that are kept: the next one above that is, is the parent."""
    parents = {child: parent for parent, child in hierarchy}
    number = np.cumsum(keep) - 1
    kept = []
    for child in parents:
        above: int | None = parents[child]
        while above is not None and not keep[above]:
            above = parents.get(above)
        if keep[child] and above is not None:
            kept.append((int(number[above]), int(number[child])))
    return tuple(kept)


def drop_unlabelled(dataset: Dataset) -> Dataset:
    """Without the examples that have none of the labels.

    Raises:
      UserError: none is left of a part of the source's split.
    """
    rows = np.unique(dataset.positives()[0])
    number = np.full(len(dataset.labels), -1, np.int32)
    number[rows] = np.arange(len(rows))
    parts = dataset.parts and {
        name: number[part][number[part] >= 0] for name, part in dataset.parts.items()
    }
    return dataclasses.replace(
        dataset,
        features=dataset.features[rows],
        labels=dataset.labels[rows],
        where=None if dataset.where is None else dataset.where[rows],
        parts=parts,
        texts=dataset.texts and tuple(dataset.texts[row] for row in rows),
    )
