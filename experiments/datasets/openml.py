"""Multilabel data sets of openml.org, by number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import fetch_openml

from experiments.datasets.cells import truth
from experiments.datasets.dataset import Dataset, check_memory
from experiments.errors import UserError


def openml(number: str, labels: Sequence[str] = ()) -> Dataset:
    """Data set `number` of openml.org, downloaded once and kept in scikit-learn's data folder.

    Its labels are its default targets, unless `labels` names columns. Nominal features are
    numbered in the order in which the file lists their values.

    Raises:
      UserError: not a number, no such data set or connection, targets that are not binary.
    """
    if not number.isascii() or not number.isdecimal():
        raise UserError(f"openml:{number}: expected the number of a data set, as in openml:40597")
    try:
        found = fetch_openml(
            data_id=int(number),
            target_column=list(labels) or "default-target",
            as_frame=False,
            parser="liac-arff",
        )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"openml:{number} cannot be fetched or read: {reason}") from error
    if found.target is None or found.target.ndim != 2:
        raise UserError(
            f"openml:{number} has {'one target' if found.target is not None else 'no target'}; "
            f"pass --labels with its binary columns; its columns: {', '.join(found.feature_names)}"
        )
    name = f"openml-{number}"
    return Dataset(
        name,
        _dense(found.data, name),
        _labels(_dense(found.target, name, found.target.dtype), found.target_names, name),
        tuple(found.target_names),
        f"OpenML {number} ({found.details['name']}, version {found.details['version']})",
    )


def _dense(values: Any, name: str, dtype: Any = np.float32) -> npt.NDArray[Any]:
    if not hasattr(values, "toarray"):
        return np.asarray(values, dtype)
    check_memory(f"data set {name}", *values.shape, itemsize=4)
    return np.asarray(values.toarray(), dtype)


def _labels(targets: npt.NDArray[Any], names: Sequence[str], name: str) -> npt.NDArray[np.bool_]:
    labels = np.zeros(targets.shape, bool)
    for (row, column), cell in np.ndenumerate(targets):
        value = truth(cell)
        if value is None:
            raise UserError(
                f"data set {name}: label {names[column]!r} of example {row} is {str(cell)!r}; "
                "expected 0, 1, true or false"
            )
        labels[row, column] = value
    return labels
