"""Examples of TFDS's features as one data set."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import (
    PART_NAMES,
    Dataset,
    Impute,
    Scope,
    check_memory,
    label_array,
)
from experiments.datasets.text import bag_of_words
from experiments.errors import UserError

INPUTS = ("text", "features", "image")


def from_examples(
    name: str,
    features: Mapping[str, Any],
    splits: Mapping[str, Any],
    text_features: int,
    *,
    source: str,
    scope: Scope,
    scope_reason: str,
    label_names: Sequence[str] | None = None,
    impute: Impute | None = None,
) -> Dataset:
    """The data set in examples of TFDS's features.

    Args:
      name: name of the data set.
      features: one of `text`, `features` (float32 [d]) and `image` (uint8, all of one size);
        `labels`, a sequence of `ClassLabel` or a bool tensor; as it likes `known`, a bool tensor
        that is False where a label is missing. Others are passed over.
      splits: sized collections of examples; those called train, validation (or dev ...) and test
        are read. One split alone is no split of the source's.
      text_features: size of the hashed bag of words of `text`.
      source: where they come from, for reports.
      scope: what labels describe; see `Dataset`.
      scope_reason: why, in a line.
      label_names: names of the labels of a bool tensor; a `ClassLabel` has its own.
      impute: what takes the place of `features` that are NaN.

    Raises:
      UserError: other features, inputs of several sizes or too large, or no examples.
    """
    key = input_feature(name, features)
    names = tuple(getattr(getattr(features["labels"], "feature", None), "names", label_names) or ())
    if not names:
        raise UserError(f"data set {name} has no names of labels")
    splits = {PART_NAMES[split]: s for split, s in splits.items() if split in PART_NAMES}
    examples = sum(len(split) for split in splits.values())
    if not examples:
        raise UserError(f"data set {name} has 0 examples")
    shape, dtype = features[key].shape, np.uint8 if key == "image" else np.float32
    if key != "text" and None not in shape:  # before all of them are held
        check_memory(f"data set {name}", examples, *shape, itemsize=np.dtype(dtype).itemsize)
    rows = [example for split in splits.values() for example in split]
    texts = tuple(row["text"].decode("utf-8") for row in rows) if key == "text" else None
    ends = np.cumsum([0, *(len(split) for split in splits.values())])
    return Dataset(
        name,
        _array(name, [row[key] for row in rows], dtype)
        if texts is None
        else bag_of_words(texts, text_features),
        _labels([row["labels"] for row in rows], len(names)),
        names,
        source,
        where=_where(rows) if "known" in features else None,
        parts={
            part: np.arange(start, end, dtype=np.int32)
            for part, (start, end) in zip(splits, itertools.pairwise(ends), strict=True)
        }
        if len(splits) > 1
        else None,
        texts=texts,
        impute=impute if key == "features" else None,
        scope=scope,
        scope_reason=scope_reason,
    )


def input_feature(name: str, features: Mapping[str, Any]) -> str:
    """The key of the input feature."""
    inputs = [key for key in INPUTS if key in features]
    if len(inputs) != 1 or "labels" not in features:
        raise UserError(
            f"data set {name} has the features {', '.join(features)}; expected `labels` and one of "
            f"{', '.join(INPUTS)}"
        )
    return inputs[0]


def _labels(labels: Sequence[Any], num_labels: int) -> npt.NDArray[Any]:
    if np.asarray(labels[0]).dtype == np.bool_:
        return np.stack(labels)
    pairs = [(i, int(label)) for i, present in enumerate(labels) for label in set(present)]
    return label_array(pairs, len(labels), num_labels)


def _where(rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.bool_] | None:
    known = np.stack([row["known"] for row in rows])
    return None if known.all() else known


def _array(name: str, inputs: Sequence[Any], dtype: Any) -> npt.NDArray[Any]:
    shapes = {np.shape(x) for x in inputs}
    if len(shapes) > 1:
        raise UserError(
            f"data set {name} has inputs of several shapes, such as {sorted(shapes)[:3]}; expected "
            "one size"
        )
    check_memory(f"data set {name}", len(inputs), *shapes.pop(), itemsize=np.dtype(dtype).itemsize)
    return np.stack(inputs).astype(dtype, copy=False)
