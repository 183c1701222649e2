"""The one in-memory shape of a data set, and what is asked of any of them."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from experiments.errors import UserError

Rows = npt.NDArray[np.int32]
Scope = Literal["entity-wide", "sub-entity", "unknown"]
Impute = Literal["median", "zero"]

PARTS = ("train", "validation", "test")
# What people call the parts of a split.
PART_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
MAX_DENSE_LABELS = 10_000
MEMORY_LIMIT = 4 * 2**30


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Features and labels of examples.

    Attributes:
      name: the name it is asked for by; results go to a folder of that name.
      features: float32 [examples, num_features], finite, or NaN where `impute` says what takes
        its place; or int32 token ids [examples, length],
        0 where a text has ended; or uint8 images [examples, height, width, channels].
      labels: bool [examples, num_labels]; above 10,000 labels int32 [examples, max_labels], the
        numbers of an example's labels, padded with -1.
      label_names: num_labels names, distinct.
      source: where the data come from, for reports.
      where: bool [examples, num_labels], False where it is not known whether an example has a
        label (`labels` is False there); None where all are known.
      impute: what takes the place of a feature that is NaN: "median", that of the training rows
        (0 where none of them has it), or "zero"; None where none is NaN.
      parts: rows of the source's own split, by "train", "validation" and "test"; None without.
      texts: what each example's features were made from, where that is text.
      scope: whether labels describe the whole entity, as a film's genres do ("entity-wide"), or
        parts of it, as objects in a photograph do ("sub-entity").
      scope_reason: why, in a line.
      feature_names: names of the columns of `features`, where the source has them.
      hierarchy: (parent, child) label numbers, where the source arranges labels in trees; `labels`
        are as the source has them, whether or not a child's parent holds too.
    """

    name: str
    features: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    label_names: tuple[str, ...]
    source: str
    where: npt.NDArray[np.bool_] | None = None
    impute: Impute | None = None
    parts: Mapping[str, Rows] | None = None
    texts: tuple[str, ...] | None = None
    scope: Scope = "unknown"
    scope_reason: str = "the source does not say"
    feature_names: tuple[str, ...] | None = None
    hierarchy: tuple[tuple[int, int], ...] | None = None

    @property
    def num_labels(self) -> int:
        """Number of labels."""
        return len(self.label_names)

    def positives(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Every (row, label) pair that holds, in order of rows, then labels."""
        if self.labels.dtype == np.bool_:
            rows, labels = np.nonzero(self.labels)
            return rows, labels
        rows, positions = np.nonzero(self.labels >= 0)
        labels = self.labels[rows, positions].astype(np.intp)
        order = np.lexsort((labels, rows))
        return rows[order], labels[order]

    def __post_init__(self) -> None:
        """Refuses what no split and no metric could make sense of."""
        if self.scope not in get_args(Scope):
            raise self._error(f"scope {self.scope!r}; expected one of {get_args(Scope)}")
        self._check_labels()
        self._check_features()
        self._check_parts()
        self._check_hierarchy()

    def _check_labels(self) -> None:
        shape = self.labels.shape
        if self.labels.ndim != 2 or 0 in shape:
            raise self._error(f"labels of shape {shape}; expected [examples, labels], none 0")
        seen: set[str] = set()
        for name in self.label_names:
            if not name.strip() or name in seen:
                raise self._error(
                    f"label name {name!r} is {'there twice' if name in seen else 'empty'}"
                )
            seen.add(name)
        if self.labels.dtype == np.bool_:
            if shape[1] != self.num_labels:
                raise self._error(f"{self.num_labels} label names for {shape[1]} labels")
        elif self.labels.dtype != np.int32:
            raise self._error(f"labels are {self.labels.dtype}; expected bool, or int32 numbers")
        elif self.num_labels <= MAX_DENSE_LABELS:
            raise self._error(
                f"labels are numbers, for {self.num_labels} label names; expected a bool matrix up "
                f"to {MAX_DENSE_LABELS} labels"
            )
        elif self.labels.min() < -1 or self.labels.max() >= self.num_labels:
            raise self._error(f"label numbers must be -1 (padding) to {self.num_labels - 1}")
        if not (self.labels > 0 if self.labels.dtype == np.bool_ else self.labels >= 0).any():
            raise self._error("no example has a label")
        if self.where is not None:
            if self.labels.dtype != np.bool_ or self.where.shape != shape:
                raise self._error(
                    f"`where` of shape {self.where.shape} for labels of shape {shape}; expected "
                    "the same shape, and a bool matrix of labels"
                )
            if (self.labels & ~self.where).any():
                raise self._error("a label is both missing (`where`) and True")

    def _check_features(self) -> None:
        kinds = {2: (np.float32, np.int32), 4: (np.uint8,)}
        shape, dtype = self.features.shape, self.features.dtype
        if dtype not in kinds.get(self.features.ndim, ()) or 0 in shape[1:]:
            raise self._error(
                f"features are {dtype} of shape {shape}; expected float32 [n, d], int32 [n, "
                "length] or uint8 [n, height, width, channels]"
            )
        for what, length in (("features", shape[0]), ("texts", len(self.texts or self.labels))):
            if length != len(self.labels):
                raise self._error(
                    f"{length} rows of {what} and {len(self.labels)} rows of labels; expected the "
                    "same number, above 0"
                )
        if self.feature_names is not None and (len(self.feature_names),) != shape[1:]:
            raise self._error(f"{len(self.feature_names)} names for features {list(shape[1:])}")
        if dtype != np.float32:
            return
        wrong = np.isinf(self.features) if self.impute else ~np.isfinite(self.features)
        if wrong.any():
            bad = np.argwhere(wrong)
            row, column = bad[0]
            raise self._error(
                f"feature {column} of example {row} is {self.features[row, column]}; expected "
                f"finite numbers ({len(bad)} are not; --impute fills those that are not known)"
            )

    def _check_parts(self) -> None:
        if self.parts is None:
            return
        unknown = [name for name in self.parts if name not in PARTS]
        if unknown:
            raise self._error(f"part {unknown[0]!r} of its split; expected {', '.join(PARTS)}")
        empty = [name for name, rows in self.parts.items() if len(rows) == 0]
        if empty:
            raise self._error(f"the {empty[0]} part of its split has no examples")
        used = np.concatenate(list(self.parts.values()))
        if used.min() < 0 or used.max() >= len(self.labels) or len(np.unique(used)) < len(used):
            raise self._error("the parts of its split must be distinct rows of the data set")

    def _check_hierarchy(self) -> None:
        pairs = self.hierarchy or ()
        parents = {child: parent for parent, child in pairs}
        if not {label for pair in pairs for label in pair} <= set(range(self.num_labels)):
            raise self._error(f"its hierarchy must hold label numbers, 0 to {self.num_labels - 1}")
        if len(parents) < len(pairs):
            raise self._error("a label of its hierarchy has two parents")
        for label in parents:
            above, steps = label, 0
            while above in parents:
                above, steps = parents[above], steps + 1
                if steps > len(pairs):
                    raise self._error(f"label {self.label_names[above]!r} is above itself")

    def _error(self, message: str) -> UserError:
        return UserError(f"data set {self.name}: {message}")


def check_memory(what: str, *shape: int, itemsize: int) -> None:
    """Refuses a dense array above `MEMORY_LIMIT` bytes before it is made.

    Raises:
      UserError: it would be larger.
    """
    size = math.prod(shape) * itemsize
    if size > MEMORY_LIMIT:
        raise UserError(
            f"{what} would be a dense array of shape {list(shape)}, {size / 2**30:.1f} GiB; "
            f"the limit is {MEMORY_LIMIT / 2**30:.0f} GiB"
        )


def label_array(pairs: npt.ArrayLike, examples: int, num_labels: int) -> npt.NDArray[Any]:
    """`Dataset.labels` from the distinct (row, label) pairs that hold: [pairs, 2]."""
    rows, labels = np.asarray(pairs, np.intp).reshape(-1, 2).T
    if num_labels <= MAX_DENSE_LABELS:
        check_memory("labels", examples, num_labels, itemsize=1)
        dense = np.zeros((examples, num_labels), bool)
        dense[rows, labels] = True
        return dense
    counts = np.bincount(rows, minlength=examples)
    check_memory("labels", examples, int(counts.max()), itemsize=4)
    order = np.lexsort((labels, rows))
    position = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded = np.full((examples, max(1, counts.max())), -1, np.int32)
    padded[rows[order], position] = labels[order]
    return padded


def label_counts(dataset: Dataset) -> npt.NDArray[np.intp]:
    """Number of examples with each label: [num_labels]."""
    return np.bincount(dataset.positives()[1], minlength=dataset.num_labels)


def fingerprint(dataset: Dataset) -> str:
    """Twelve hexadecimal digits of what is learnt from: other data under one name differ."""
    sha = hashlib.sha256("\n".join((*dataset.label_names, str(dataset.impute))).encode())
    arrays = {"features": dataset.features, "labels": dataset.labels, **(dataset.parts or {})}
    if dataset.where is not None:
        arrays["where"] = dataset.where
    for name, array in arrays.items():
        sha.update(f"{name} {array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:12]
