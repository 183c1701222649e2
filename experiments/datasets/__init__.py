"""Data sets by name, path or address, in one in-memory shape."""

import dataclasses
import pathlib
import re
from collections.abc import Callable

from experiments.datasets.dataset import Dataset
from experiments.datasets.formats.files import without_compression
from experiments.datasets.options import Options
from experiments.datasets.selection import drop_rare_labels, drop_unlabelled
from experiments.datasets.sources.simulated import simulated
from experiments.datasets.sources.sklearn_multilabel import sklearn_multilabel
from experiments.datasets.sources.yeast import yeast
from experiments.errors import UserError

__all__ = ["HELP", "KINDS", "LOADERS", "Dataset", "Options", "builder_classes", "load", "names"]

LOADERS: dict[str, Callable[[], Dataset]] = {
    "yeast": yeast,
    "simulated": simulated,
    "sklearn_multilabel": sklearn_multilabel,
}

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_ARFF = (".arff", ".dat")
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


def names() -> list[str]:
    """The data sets that have a name, without importing what makes them."""
    folder = pathlib.Path(__file__).parent / "builders"
    built = (p.parent.name for p in folder.glob("*/*_dataset_builder.py"))
    return sorted({*LOADERS, *built})


HELP = (
    f"Name of a data set ({', '.join(names())}), a file or folder, openml:NUMBER or tfds:NAME "
    "(see docs/data.md)."
)


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
        from experiments.datasets.sources.openml import openml

        options.refuse_unused(("labels", "negative", "impute"), "OpenML")
        return openml(rest, options)
    if kind == "tfds":
        from experiments.datasets.sources import tfds

        options.refuse_unused(("text_features", "data_dir", "impute"), "TFDS")
        return tfds.from_library(rest, options.data_dir, options.text_features, options.impute)
    path = pathlib.Path(name)
    known = builder_classes()
    builder, _, config = name.partition("/")
    if builder in known:
        from experiments.datasets.sources import tfds

        options.refuse_unused(("text_features", "data_dir", "impute"), f"the data set {builder}")
        return tfds.from_class(
            known[builder], config, options.data_dir, options.text_features, options.impute
        )
    if path.exists():
        if options.test is None:
            return _file(path, options)
        return _two_files(path, pathlib.Path(options.test), options)
    if builder != name or _kind(path)[1] in (*_TABLES, *_ARFF, *_SPARSE, ".npz"):
        raise UserError(f"there is no file or folder {name}")
    raise UserError(f"unknown data set {name!r}; known: {', '.join(names())}; or {KINDS}")


def _two_files(path: pathlib.Path, second: pathlib.Path, options: Options) -> Dataset:
    """The training examples in one file and the test examples in a second."""
    kinds = [_kind(p)[1] for p in (path, second)]
    if not second.is_file():
        raise UserError(f"--test {second} is no file; expected a file with test examples")
    if path.is_dir() or path.resolve() == second.resolve():
        raise UserError(f"--test is for two files, one with training examples; {path} is not one")
    if all(kind in _ARFF for kind in kinds):
        return _file(path, options)  # it reads both, with the values of nominal attributes in both
    if options.split is not None:
        raise UserError("--split and --test exclude each other; pass one of them")
    options_of = dataclasses.replace(options, test=None)
    train = _file(path, options_of)
    if kinds[0] in _TABLES and train.feature_names:
        # Which columns are numbers is read off the training examples alone.
        options_of = dataclasses.replace(options_of, features=train.feature_names)
    test = _file(second, options_of)
    from experiments.datasets.formats.two_files import joined

    sparse = all(kind in _SPARSE for kind in kinds)
    collected = sparse or (
        len(options.labels) == 1 and options.labels not in (train.label_names, test.label_names)
    )
    return joined(train, test, (path, second), union=collected, sparse=sparse)


def _kind(path: pathlib.Path) -> tuple[str, str]:
    """A path's name without its suffix, and the suffix in small letters, without .gz and such."""
    base = without_compression(path.resolve().name)
    stem, dot, suffix = base.rpartition(".")
    return (base if path.is_dir() or not stem else stem), (dot + suffix).lower()


def _file(path: pathlib.Path, options: Options) -> Dataset:
    stem, suffix = _kind(path)
    # The name becomes a folder's.
    name = re.sub(r"[^\w.-]", "_", stem)
    if path.is_dir() or suffix in _ARFF:
        from experiments.datasets.formats.arff import arff

        options.refuse_unused(("labels", "negative", "impute", "test"), "ARFF files")
        return arff(path, name, options)
    if suffix in _TABLES:
        from experiments.datasets.formats.tables import columns_of, table

        options.refuse_unused(columns_of(suffix), f"a {suffix} file")
        return table(path, name, options)
    if suffix == ".npz":
        from experiments.datasets.formats.arrays import npz

        options.refuse_unused(("negative", "impute"), ".npz files")
        return npz(path, name, options)
    if suffix in _SPARSE:
        from experiments.datasets.formats.svmlight import svmlight

        options.refuse_unused(("negative",), "sparse text files")
        return svmlight(path, name, options.negative)
    raise UserError(f"{path}: unknown kind of file; expected {KINDS}")
