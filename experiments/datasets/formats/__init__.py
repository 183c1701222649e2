"""Files with data sets: which suffix is read by what, and which flags that takes."""

import dataclasses
import pathlib
from collections.abc import Callable

from experiments.datasets.dataset import Dataset
from experiments.datasets.formats import arff, arrays, svmlight, tables
from experiments.datasets.formats.files import without_compression
from experiments.datasets.options import Options

__all__ = ["ARFF", "FORMATS", "SPARSE", "Format", "format_of", "stem_and_suffix"]


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
      name: what messages call it.
      read: makes the data set of a path, the name that it gets, and the options.
      flags: fields of `Options` that it takes, besides those that every source takes.
    """

    name: str
    read: Callable[[pathlib.Path, str, Options], Dataset]
    flags: tuple[str, ...]


_TABLE = (
    *("labels", "label_separator", "negative", "features", "impute", "text", "text_features"),
    *("split", "test"),
)
_CSV = Format("CSV", tables.table, (*_TABLE, "delimiter"))
_JSON_LINES = Format("JSON lines", tables.table, _TABLE)
ARFF = Format("ARFF", arff.arff, ("labels", "negative", "impute", "test"))
SPARSE = Format("svmlight", svmlight.svmlight, ("negative", "test"))

FORMATS: dict[str, Format] = {
    ".csv": _CSV,
    ".tsv": _CSV,
    ".jsonl": _JSON_LINES,
    ".ndjson": _JSON_LINES,
    ".parquet": Format("Parquet", tables.table, _TABLE),
    ".npz": Format("NPZ", arrays.npz, ("negative", "impute", "test")),
    ".arff": ARFF,
    ".dat": ARFF,  # KEEL's
    ".svm": SPARSE,
    ".svmlight": SPARSE,
    ".libsvm": SPARSE,
    ".txt": SPARSE,  # the extreme-classification repository's
}


def format_of(path: pathlib.Path) -> Format | None:
    """The format of a file, by its suffix; folders hold ARFF files."""
    return ARFF if path.is_dir() else FORMATS.get(stem_and_suffix(path)[1])


def stem_and_suffix(path: pathlib.Path) -> tuple[str, str]:
    """A path's name without its suffix, and the suffix in small letters, without .gz and such.

    >>> stem_and_suffix(pathlib.Path("data/Films.CSV.gz"))
    ('Films', '.csv')
    """
    base = without_compression(path.resolve().name)
    stem, dot, suffix = base.rpartition(".")
    return (base if path.is_dir() or not stem else stem), (dot + suffix).lower()
