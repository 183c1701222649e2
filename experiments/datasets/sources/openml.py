"""Multilabel data sets of openml.org, by number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import fetch_openml

from experiments.datasets.dataset import Dataset, check_memory
from experiments.datasets.formats.cells import is_blank, truth
from experiments.datasets.options import Options
from experiments.datasets.sources.network import Unreachable, impatient_openml
from experiments.errors import UserError, listed


def openml(number: str, options: Options) -> Dataset:
    """Data set `number` of openml.org, downloaded once and kept in scikit-learn's data folder.

    Its labels are its default targets, unless `options.labels` names columns. Nominal features are
    numbered in the order in which the file lists their values.

    Raises:
      UserError: not a number, no such data set or connection, targets that are not binary, or
        features that are not known, without `options.impute`.
    """
    if not number.isascii() or not number.isdecimal():
        raise UserError(f"openml:{number}: expected the number of a data set, as in openml:40597")
    by_hand = f"the ARFF file of https://www.openml.org/d/{number} by its path, with --labels"
    try:
        with impatient_openml():
            found = fetch_openml(
                data_id=int(number),
                target_column=list(options.labels) or "default-target",
                as_frame=False,
                parser="liac-arff",
                n_retries=1,
                delay=0.5,
            )
    except Unreachable as error:
        raise UserError(f"openml:{number}: {error}; or give {by_hand}") from error
    # scikit-learn looks up a nominal target that is not known at an index out of range.
    except (OSError, ValueError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())
        if isinstance(error, IndexError):
            reason = f"a target may lack values ({reason}); give {by_hand}"
        raise UserError(f"openml:{number} cannot be fetched or read: {reason}") from error
    if found.target is None or found.target.ndim != 2:
        raise UserError(
            f"openml:{number} has {'one target' if found.target is not None else 'no target'}; "
            f"pass --labels with its binary columns; its columns: {listed(found.feature_names, 20)}"
        )
    name = f"openml-{number}"
    features = _dense(found.data, name)
    unknown = np.argwhere(np.isnan(features))
    if len(unknown) and options.impute is None:
        row, column = unknown[0]
        raise UserError(
            f"data set {name}: feature {found.feature_names[column]!r} of example {row} is not "
            f"known ({len(unknown):,} values are not); --impute median or zero says what takes "
            "its place"
        )
    labels, where = _labels(
        _dense(found.target, name, found.target.dtype), found.target_names, name, options.negative
    )
    return Dataset(
        name,
        features,
        labels,
        tuple(found.target_names),
        f"OpenML {number} ({found.details['name']}, version {found.details['version']})",
        where=None if where.all() else where,
        impute=options.impute if len(unknown) else None,
        feature_names=tuple(found.feature_names),
    )


def _dense(values: Any, name: str, dtype: Any = np.float32) -> npt.NDArray[Any]:
    if not hasattr(values, "toarray"):
        return np.asarray(values, dtype)
    check_memory(f"data set {name}", *values.shape, itemsize=4)
    return np.asarray(values.toarray(), dtype)


def _labels(
    targets: npt.NDArray[Any], names: Sequence[str], name: str, negative: str | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Labels, and where they are known."""
    labels, where = np.zeros(targets.shape, bool), np.ones(targets.shape, bool)
    said: dict[Any, bool | None] = {}
    for (row, column), cell in np.ndenumerate(targets):
        if cell not in said:
            said[cell] = truth(cell, negative)
            if said[cell] is None and not is_blank(cell):
                expected = f"1 and {negative} (--negative)" if negative else "0, 1, true or false"
                hint = "" if negative else ", or --negative for another word for 0"
                raise UserError(
                    f"data set {name}: label {names[column]!r} of example {row} is {str(cell)!r}; "
                    f"expected {expected}{hint}"
                )
        labels[row, column] = said[cell] is True
        where[row, column] = said[cell] is not None
    return labels, where
