"""NumPy archives (.npz)."""

import pathlib
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import PARTS, Dataset, Rows
from experiments.datasets.formats.cells import number
from experiments.datasets.formats.files import decode
from experiments.datasets.options import Options
from experiments.errors import UserError

_EXPECTED = (
    "expected arrays `features` (or `x`) and `labels` (or `y`), and as you like `label_names`, "
    "`where`, and row numbers `train`, `validation`, `test`"
)


def npz(path: pathlib.Path, name: str, options: Options) -> Dataset:
    """The data set in an .npz file; grey images [n, height, width] get a channel axis.

    NaN labels are missing ones. `--negative` and `--impute` are as for tables.

    Raises:
      UserError: a file that cannot be read, arrays that are not there or do not fit.
    """
    try:
        # Pickled objects can run code when they are read: they are refused.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = dict(content)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} is not an .npz file of arrays, or is truncated: {error}"
        ) from error
    features = _first(arrays, "features", "x", "X")
    # Where labels are `y`, `labels` may hold their names.
    by_letter = _first(arrays, "y", "Y")
    labels = _first(arrays, "labels") if by_letter is None else by_letter
    if features is None or labels is None:
        raise UserError(f"{path} holds {', '.join(arrays) or 'nothing'}; {_EXPECTED}")
    if labels.ndim != 2 or labels.dtype.kind not in "biuf":
        raise UserError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape}; expected a "
            "matrix [examples, labels] of 0 and 1"
        )
    names = _first(arrays, "label_names", *(() if by_letter is None else ("labels",)))
    label_names = tuple(map(str, range(labels.shape[1]))) if names is None else _names(path, names)
    where = arrays.get("where")
    known = None if where is None else _flags(path, "where", where)
    padded = labels.dtype.kind == "i" and len(label_names) > labels.shape[1]
    if not padded:
        labels, missing = _truth(path, labels, options.negative)
        if missing.any():
            if known is not None and known.shape != missing.shape:
                raise UserError(f"{path}: where is {known.shape}, labels are {missing.shape}")
            known = ~missing if known is None else known & ~missing
    elif options.negative is not None:
        raise UserError(f"{path}: labels are numbers of labels, padded; --negative means nothing")
    parts = {part: _rows(path, part, arrays[part], len(labels)) for part in PARTS if part in arrays}
    return Dataset(
        name,
        _features(features),
        labels.astype(np.int32 if padded else bool),
        label_names,
        path.name,
        where=known,
        impute=options.impute,
        parts=parts or None,
    )


def _first(arrays: dict[str, npt.NDArray[Any]], *names: str) -> npt.NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _names(path: pathlib.Path, names: npt.NDArray[Any]) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind not in "USiu":
        raise UserError(
            f"{path}: label_names are {names.dtype} of shape {names.shape}; expected a list of text"
        )
    if names.dtype.kind == "S":  # as HDF5 and C programs write text
        return tuple(decode(bytes(name), f"{path}: label_names") for name in names)
    return tuple(map(str, names))


def _truth(
    path: pathlib.Path, labels: npt.NDArray[Any], negative: str | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Labels, False where they are missing, and where they are."""
    missing = np.isnan(labels)
    low = 0.0 if negative is None else number(negative)
    wrong = ~(missing | (labels == low) | (labels == 1))
    if low is None or wrong.any():
        found = labels[wrong][:1].tolist() or [negative]
        hint = " (--negative -1 takes -1 for 0)" if found == [-1] and negative is None else ""
        raise UserError(
            f"{path}: labels must be 0 or 1, or {negative} or 1 (--negative), got {found[0]}"
            if negative is not None
            else f"{path}: labels must be 0 or 1, got {found[0]}{hint}"
        )
    return labels == 1, missing


def _flags(path: pathlib.Path, key: str, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """An array of True and False; 0 and 1 are as good, anything else is refused."""
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        wrong = values[~np.isin(values, (0, 1))].ravel()[:1].tolist()
        raise UserError(
            f"{path}: {key} is {values.dtype}{f' and holds {wrong[0]}' if wrong else ''}; expected "
            "True and False"
        )
    return values == 1


def _rows(path: pathlib.Path, part: str, rows: npt.NDArray[Any], examples: int) -> Rows:
    """The row numbers of a part, given so or as a mask of all examples."""
    if rows.dtype == np.bool_ and rows.shape == (examples,):
        return np.flatnonzero(rows).astype(np.int32)
    if rows.ndim != 1 or rows.dtype.kind not in "iuf" or not (rows == np.floor(rows)).all():
        raise UserError(
            f"{path}: {part} is {rows.dtype} of shape {rows.shape}; expected whole row numbers, or "
            f"True and False for all {examples} examples"
        )
    if len(rows) and not (rows.min() >= 0 and rows.max() < examples):
        raise UserError(
            f"{path}: {part} has rows {rows.min():.0f} to {rows.max():.0f}; expected 0 to "
            f"{examples - 1}"
        )
    return rows.astype(np.int32)


def _features(features: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if features.dtype == np.uint8 and features.ndim >= 3:
        return features[..., None] if features.ndim == 3 else features
    if features.dtype.kind not in "biuf":
        return features
    with np.errstate(over="ignore"):  # infinite then, which is refused by its place
        return features.astype(np.float32)
