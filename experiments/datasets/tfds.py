"""Data sets prepared by tensorflow_datasets builders, read without TensorFlow."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from experiments.datasets.dataset import Dataset, Rows, check_memory, label_array
from experiments.datasets.tables import PART_NAMES
from experiments.datasets.text import bag_of_words
from experiments.errors import UserError

INPUTS = ("text", "features", "image")
# The only format that is written and read without TensorFlow for all features.
FILE_FORMAT = "array_record"


def named(name: str, data_dir: pathlib.Path | None, text_features: int) -> Dataset:
    """The data set that tensorflow_datasets has under `name` or `name/config`.

    Raises:
      UserError: no such data set, one that cannot be prepared, or features that `from_builder`
        does not understand.
    """
    try:
        builder = tfds.builder(name, data_dir=data_dir, file_format=FILE_FORMAT)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise UserError(f"tfds:{name}: {str(error).strip().splitlines()[0]}") from error
    _inputs_and_labels(builder)  # before a long download
    return from_builder(builder, text_features)


def from_class(
    builder_class: Any, config: str, data_dir: pathlib.Path | None, text_features: int
) -> Dataset:
    """The data set of a builder class; `config` "" is its first.

    Raises:
      UserError: no such configuration, or as `from_builder`.
    """
    known = [c.name for c in builder_class.BUILDER_CONFIGS]
    if config and config not in known:
        raise UserError(
            f"data set {builder_class.name} has no configuration {config!r}; known: "
            f"{', '.join(known) or 'none'}"
        )
    builder = builder_class(config=config or None, data_dir=data_dir, file_format=FILE_FORMAT)
    return from_builder(builder, text_features)


def from_builder(builder: Any, text_features: int) -> Dataset:
    """Prepares a builder's data set if it is not, and reads it.

    Its features are one of `text`, `features` (float32 [d]) and `image` (uint8, all of one size);
    `labels`, a sequence of `ClassLabel` or a bool tensor whose metadata has `label_names`; and as
    it likes `known`, False where a label is missing. Others are passed over.

    Args:
      builder: a `tfds.core.DatasetBuilder` made with `file_format=FILE_FORMAT`; its `SCOPE` and
        `SCOPE_REASON`, where it has them, become the data set's.
      text_features: size of the hashed bag of words of `text`.

    Raises:
      UserError: what cannot be downloaded or prepared, other features, or no examples.
    """
    name = builder.name + (f"-{builder.builder_config.name}" if builder.builder_config else "")
    try:
        builder.download_and_prepare()
        sources = builder.as_data_source()
    except UserError:
        raise
    except (OSError, AssertionError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"data set {name} cannot be prepared: {reason}") from error
    key, names = _inputs_and_labels(builder)
    parts, inputs, labels, known = _read(sources, key)
    if not inputs:
        raise UserError(f"data set {name} has 0 examples")
    if not names:
        raise UserError(f"data set {name} has no names of labels")
    features, texts = _features(key, inputs, name, text_features)
    scope: Any = getattr(builder, "SCOPE", "unknown")
    return Dataset(
        name,
        features,
        _labels(labels, len(names)),
        names,
        f"{builder.info.full_name} (TFDS builder, {builder.info.homepage})",
        where=None if known is None else np.stack(known),
        parts=parts if len(parts) > 1 else None,
        texts=texts,
        scope=scope,
        scope_reason=getattr(builder, "SCOPE_REASON", "the builder does not say"),
    )


def _inputs_and_labels(builder: Any) -> tuple[str, tuple[str, ...]]:
    """The key of the input feature, and the names of the labels."""
    features = builder.info.features
    inputs = [key for key in INPUTS if key in features]
    names: Sequence[str] | None = None
    if "labels" in features:
        inner = getattr(features["labels"], "feature", None)
        names = getattr(inner, "names", None) or (builder.info.metadata or {}).get("label_names")
    if len(inputs) != 1 or "labels" not in features:
        raise UserError(
            f"{builder.info.full_name} has the features {', '.join(features)}; expected `labels` "
            f"and one of {', '.join(INPUTS)}"
        )
    return inputs[0], tuple(names or ())


def _read(
    sources: Mapping[str, Any], key: str
) -> tuple[dict[str, Rows], list[Any], list[Any], list[Any] | None]:
    """Parts, inputs, labels and known entries of all examples."""
    inputs: list[Any] = []
    labels: list[Any] = []
    known: list[Any] = []
    parts: dict[str, Rows] = {}
    for split, source in sources.items():
        part = PART_NAMES.get(split)
        if part is None:
            continue
        start = len(inputs)
        for example in source:
            inputs.append(example[key])
            labels.append(example["labels"])
            if "known" in example:
                known.append(example["known"])
        parts[part] = np.arange(start, len(inputs), dtype=np.int32)
    return parts, inputs, labels, known or None


def _labels(labels: Sequence[Any], num_labels: int) -> npt.NDArray[Any]:
    first = np.asarray(labels[0])
    if first.dtype == np.bool_:
        return np.stack(labels)
    pairs = [(i, int(label)) for i, present in enumerate(labels) for label in set(present)]
    return label_array(pairs, len(labels), num_labels)


def _features(
    key: str, inputs: Sequence[Any], name: str, text_features: int
) -> tuple[npt.NDArray[Any], tuple[str, ...] | None]:
    if key == "text":
        texts = tuple(text.decode("utf-8") for text in inputs)
        return bag_of_words(texts, text_features), texts
    shapes = {np.shape(x) for x in inputs}
    if len(shapes) > 1:
        raise UserError(
            f"data set {name}: `{key}` has several shapes, such as {sorted(shapes)[:3]}; expected "
            "one size"
        )
    dtype = np.uint8 if key == "image" else np.float32
    check_memory(f"data set {name}", len(inputs), *shapes.pop(), itemsize=np.dtype(dtype).itemsize)
    return np.stack(inputs).astype(dtype, copy=False), None
