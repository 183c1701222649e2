"""Data sets by name, path or address, in one in-memory shape."""

import dataclasses
import pathlib
import re
from collections.abc import Callable
from typing import NamedTuple

from experiments.datasets.dataset import Dataset
from experiments.datasets.formats import ARFF, FORMATS, SPARSE, format_of, stem_and_suffix
from experiments.datasets.formats.two_files import joined
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


def _read(source: str | pathlib.Path, options: Options) -> Dataset:
    found = _file(source) if isinstance(source, pathlib.Path) else _source(source)
    options.refuse_unused(_FLAGS, found.kind, found.shown)
    return found.read(options)


class _Source(NamedTuple):
    """A key of `_FLAGS`, what messages call the source, and what reads it."""

    kind: str
    shown: str
    read: Callable[[Options], Dataset]


# What takes which flags; the formats of files bring their own.
_FLAGS: dict[str, tuple[str, ...]] = {
    **{known.name: known.flags for known in FORMATS.values()},
    "OpenML": ("labels", "negative", "impute"),
    "TFDS": ("text_features", "data_dir", "impute"),
    "fixed": (),
}


def _source(name: str) -> _Source:
    # What brings a library of its own is imported when it is asked for.
    if name in LOADERS:
        return _Source("fixed", f"the data set {name}", lambda _: LOADERS[name]())
    kind, _, rest = name.partition(":")
    if kind == "openml":
        from experiments.datasets.sources.openml import openml

        return _Source("OpenML", name, lambda options: openml(rest, options))
    if kind == "tfds":
        from experiments.datasets.sources import tfds

        return _Source(
            "TFDS",
            name,
            lambda o: tfds.from_library(rest, o.data_dir, o.text_features, o.impute),
        )
    path = pathlib.Path(name)
    known = builder_classes()
    builder, _, config = name.partition("/")
    if builder in known:
        from experiments.datasets.sources import tfds

        return _Source(
            "TFDS",
            f"the data set {builder}",
            lambda o: tfds.from_class(
                known[builder], config, o.data_dir, o.text_features, o.impute
            ),
        )
    if path.exists():
        return _file(path)
    if builder != name or format_of(path) is not None:
        raise UserError(f"there is no file or folder {name}")
    raise UserError(f"unknown data set {name!r}; known: {', '.join(names())}; or {KINDS}")


def _file(path: pathlib.Path) -> _Source:
    found = format_of(path)
    if found is None:
        raise UserError(f"{path}: unknown kind of file; expected {KINDS}")

    def read(options: Options) -> Dataset:
        if options.test is not None:
            second = pathlib.Path(options.test)
            _check_second(path, second)
            # ARFF files are read together, with the values of nominal attributes in both.
            if not found is format_of(second) is ARFF:
                return _two_files(path, second, options)
        # The name becomes a folder's.
        return found.read(path, re.sub(r"[^\w.-]", "_", stem_and_suffix(path)[0]), options)

    return _Source(found.name, f"{path} ({found.name})", read)


def _check_second(path: pathlib.Path, second: pathlib.Path) -> None:
    if not second.is_file():
        raise UserError(f"--test {second} is no file; expected a file with test examples")
    if path.is_dir() or path.resolve() == second.resolve():
        raise UserError(f"--test is for two files, one with training examples; {path} is not one")


def _two_files(path: pathlib.Path, second: pathlib.Path, options: Options) -> Dataset:
    """The training examples in one file and the test examples in a second."""
    if options.split is not None:
        raise UserError("--split and --test exclude each other; pass one of them")
    options_of = dataclasses.replace(options, test=None)
    train = _read(path, options_of)
    first, other = format_of(path), format_of(second)
    if first is not None and "features" in first.flags and train.feature_names:
        # Which columns are numbers is read off the training examples alone.
        options_of = dataclasses.replace(options_of, features=train.feature_names)
    test = _read(second, options_of)
    sparse = first is other is SPARSE
    collected = sparse or (
        len(options.labels) == 1 and options.labels not in (train.label_names, test.label_names)
    )
    return joined(train, test, (path, second), union=collected, sparse=sparse)
