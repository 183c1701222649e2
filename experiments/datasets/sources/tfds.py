"""Data sets prepared by tensorflow_datasets builders, read without TensorFlow."""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds

from experiments.datasets.dataset import (
    Dataset,
    Impute,
)
from experiments.datasets.sources.adapters import ADAPTERS, adapt
from experiments.datasets.sources.network import Unreachable, impatient_tfds
from experiments.datasets.sources.tfds_examples import from_examples, input_feature
from experiments.errors import UserError

# The only format that is written and read without TensorFlow for all features.
FILE_FORMAT = "array_record"


# Older builders are registered when their group is imported; these hold multilabel data.
GROUPS = ("image", "image_classification", "object_detection", "structured", "text")


def from_library(
    name: str,
    data_dir: pathlib.Path | None,
    text_features: int,
    impute: Impute | None = None,
) -> Dataset:
    """The data set that the library has under `name` or `name/config`.

    One for which this project has an adapter, by its name alone, is read by that.

    Raises:
      UserError: no such data set, one that cannot be prepared, or features that are not what
        `from_examples` takes.
    """
    for group in GROUPS:
        importlib.import_module(f"tensorflow_datasets.{group}")
    adapter = ADAPTERS.get(name)
    dataset = name if adapter is None else adapter.dataset
    try:
        builder = tfds.builder(dataset, data_dir=data_dir, file_format=FILE_FORMAT)
    except (tfds.core.DatasetNotFoundError, ValueError, ImportError) as error:
        needs = "No module named 'tensorflow'" in str(error)
        reason = (
            "its builder itself needs TensorFlow (pip install tensorflow)"
            if needs
            else str(error).strip().splitlines()[0]
        )
        raise UserError(f"tfds:{name}: {reason}") from error
    if adapter is None:
        input_feature(name, builder.info.features)  # before a long download
        return from_builder(builder, text_features, impute)
    sources = prepared(builder)
    features, read = adapt(adapter, builder.info.features)
    return from_examples(
        name,
        features,
        {part: _Adapted(sources[split], read) for part, split in adapter.splits.items()},
        text_features,
        source=f"{builder.info.full_name} (TFDS, {builder.info.homepage})",
        scope=adapter.scope,
        scope_reason=adapter.scope_reason,
        impute=impute,
    )


@dataclasses.dataclass(frozen=True)
class _Adapted:
    """Examples of a source, each read by a function when it is asked for."""

    source: Any
    read: Callable[[dict[str, Any]], dict[str, Any]]

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self.read, self.source)


def from_class(
    builder_class: Any,
    config: str,
    data_dir: pathlib.Path | None,
    text_features: int,
    impute: Impute | None = None,
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
    return from_builder(builder, text_features, impute)


def from_builder(builder: Any, text_features: int, impute: Impute | None = None) -> Dataset:
    """Prepares a builder's data set if it is not, and reads it.

    Args:
      builder: a `tfds.core.DatasetBuilder` made with `file_format=FILE_FORMAT`; its `SCOPE` and
        `SCOPE_REASON`, where it has them, become the data set's.
      text_features: size of the hashed bag of words of `text`.
      impute: what takes the place of `features` that are NaN.

    Raises:
      UserError: what cannot be downloaded or prepared, or as `from_examples`.
    """
    config = builder.builder_config
    name = builder.name if config is None else f"{builder.name}-{config.name}"
    sources = prepared(builder)
    info = builder.info
    return from_examples(
        name,
        info.features,
        sources,
        text_features,
        source=f"{info.full_name} (TFDS builder, {info.homepage})",
        label_names=(info.metadata or {}).get("label_names"),
        scope=getattr(builder, "SCOPE", "unknown"),
        scope_reason=getattr(builder, "SCOPE_REASON", "the builder does not say"),
        impute=impute,
    )


def prepared(builder: Any) -> Mapping[str, Any]:
    """The examples of each split; downloads and prepares them if they are not there.

    Raises:
      UserError: they cannot be.
    """
    # Imported late: they bring the machinery of downloads.
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.util import DownloadError

    # TFDS says with an AssertionError that the user must fetch files.
    known = (OSError, AssertionError, ValueError, ImportError)
    try:
        with impatient_tfds():
            builder.download_and_prepare()
        return builder.as_data_source()
    except Unreachable as error:
        raise UserError(
            f"data set {builder.name} cannot be prepared: {error}; {_by_hand(builder, error)}"
        ) from error
    except (*known, DownloadError, NonMatchingChecksumError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"data set {builder.name} cannot be prepared: {reason}") from error


def _by_hand(builder: Any, error: Unreachable) -> str:
    """Where a file goes that cannot be downloaded, or what else is prepared elsewhere."""
    full = pathlib.PurePosixPath(builder.info.full_name)
    root = pathlib.Path(builder.data_dir).parents[len(full.parts) - 1]
    info = builder.url_infos.get(error.address)
    if info is not None and info.filename:  # TFDS looks for those it knows by name
        return f"or download it by hand as {root / 'downloads' / 'manual' / info.filename}"
    return f"or prepare it where there is a network, and copy the folder {full} to {root}"
