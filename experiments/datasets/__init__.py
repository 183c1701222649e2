"""Data sets by name, path or address, in one in-memory shape."""

import pathlib
import re
from collections.abc import Callable

from experiments.datasets.dataset import Dataset, drop_rare_labels, drop_unlabelled
from experiments.datasets.files import without_compression
from experiments.datasets.options import Options
from experiments.datasets.simulated import simulated
from experiments.datasets.sklearn_multilabel import sklearn_multilabel
from experiments.datasets.yeast import yeast
from experiments.errors import UserError

__all__ = ["KINDS", "LOADERS", "Dataset", "Options", "builder_classes", "load"]

LOADERS: dict[str, Callable[[], Dataset]] = {
    "yeast": yeast,
    "simulated": simulated,
    "sklearn_multilabel": sklearn_multilabel,
}

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_SPARSE = (".svm", ".svmlight", ".libsvm", ".txt")
KINDS = (
    "a .csv, .tsv, .jsonl, .parquet, .npz, .arff, .svm or .txt file (text perhaps in .gz, .bz2 or "
    ".xz), a folder with .arff and .xml files, openml:NUMBER, or tfds:NAME"
)


def load(name: str, options: Options | None = None) -> Dataset:
    """The data set of that name, file, folder, or address.

    Args:
      name: a key of `LOADERS` or `builder_classes()` (`NAME/CONFIG` for one of several
        configurations); a path; `openml:NUMBER`; or `tfds:NAME`.
      options: which columns are what, and which labels and examples stay.

    Raises:
      UserError: an unknown name, or data that cannot be used.
    """
    options = options or Options()
    options.check()
    dataset = _read(name, options)
    if options.min_label_count:
        dataset = drop_rare_labels(dataset, options.min_label_count)
    if options.drop_unlabelled:
        dataset = drop_unlabelled(dataset)
    return dataset


def builder_classes() -> dict[str, type]:
    """The TFDS builder classes of this project by name."""
    # Imported late: it brings tensorflow_datasets.
    from experiments.datasets.builders import BUILDERS

    return dict(BUILDERS)


def _read(name: str, options: Options) -> Dataset:
    # Formats are imported when they are asked for: each brings a library of its own.
    if name in LOADERS:
        options.refuse_unused((), f"the data set {name}")
        return LOADERS[name]()
    kind, _, rest = name.partition(":")
    if kind == "openml":
        from experiments.datasets.openml import openml

        options.refuse_unused(("labels",), "OpenML")
        return openml(rest, options.labels)
    if kind == "tfds":
        from experiments.datasets import tfds

        options.refuse_unused(("text_features", "data_dir"), "TFDS")
        return tfds.from_library(rest, options.data_dir, options.text_features)
    path = pathlib.Path(name)
    known = builder_classes()
    builder, _, config = name.partition("/")
    if builder in known:
        from experiments.datasets import tfds

        options.refuse_unused(("text_features", "data_dir"), f"the data set {builder}")
        return tfds.from_class(known[builder], config, options.data_dir, options.text_features)
    if path.exists():
        return _file(path, options)
    names = ", ".join(sorted({*LOADERS, *known}))
    raise UserError(f"unknown data set {name!r}; known: {names}; or {KINDS}")


def _file(path: pathlib.Path, options: Options) -> Dataset:
    base = without_compression(path.resolve().name)
    stem, dot, suffix = base.rpartition(".")
    suffix = (dot + suffix).lower()
    # The name becomes a folder's.
    name = re.sub(r"[^\w.-]", "_", base if path.is_dir() or not stem else stem)
    if path.is_dir() or suffix == ".arff":
        from experiments.datasets.arff import arff

        options.refuse_unused(("labels",), "ARFF files")
        return arff(path, name, options.labels)
    if suffix in _TABLES:
        from experiments.datasets.tables import columns_of, table

        options.refuse_unused(columns_of(suffix), f"a {suffix} file")
        return table(path, name, options)
    if suffix == ".npz":
        from experiments.datasets.arrays import npz

        options.refuse_unused(("negative", "impute"), ".npz files")
        return npz(path, name, options)
    if suffix in _SPARSE:
        from experiments.datasets.svmlight import svmlight

        options.refuse_unused(("negative",), "sparse text files")
        return svmlight(path, name, options.negative)
    raise UserError(f"{path}: unknown kind of file; expected {KINDS}")
