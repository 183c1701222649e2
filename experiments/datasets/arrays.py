"""NumPy archives (.npz)."""

import pathlib
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import PARTS, Dataset
from experiments.errors import UserError

_EXPECTED = (
    "expected arrays `features` (or `x`) and `labels` (or `y`), and as you like `label_names`, "
    "`where`, and row numbers `train`, `validation`, `test`"
)


def npz(path: pathlib.Path, name: str) -> Dataset:
    """The data set in an .npz file; grey images [n, height, width] get a channel axis.

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
    features = _first(arrays, "features", "x")
    # Where labels are `y`, `labels` may hold their names.
    names_too = ("labels",) if "y" in arrays else ()
    labels = _first(arrays, *(("y",) if names_too else ("labels",)))
    if features is None or labels is None:
        raise UserError(f"{path} holds {', '.join(arrays) or 'nothing'}; {_EXPECTED}")
    if labels.ndim != 2 or labels.dtype.kind not in "biuf":
        raise UserError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape}; expected a "
            "matrix [examples, labels] of 0 and 1"
        )
    names = _first(arrays, "label_names", *names_too)
    label_names = (
        tuple(str(i) for i in range(labels.shape[1]))
        if names is None
        else tuple(str(n) for n in names.ravel())
    )
    padded = labels.dtype.kind == "i" and len(label_names) > labels.shape[1]
    if not padded and not np.isin(labels, (0, 1)).all():
        raise UserError(f"{path}: labels must be 0 or 1")
    where = arrays.get("where")
    parts = {part: arrays[part].astype(np.int32) for part in PARTS if part in arrays}
    return Dataset(
        name,
        _features(features),
        labels.astype(np.int32 if padded else bool),
        label_names,
        path.name,
        where=None if where is None else where.astype(bool),
        parts=parts or None,
    )


def _first(arrays: dict[str, npt.NDArray[Any]], *names: str) -> npt.NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _features(features: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if features.dtype == np.uint8 and features.ndim >= 3:
        return features[..., None] if features.ndim == 3 else features
    return features.astype(np.float32) if features.dtype.kind in "biuf" else features
