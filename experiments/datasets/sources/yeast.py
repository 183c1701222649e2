"""Yeast: functions of 2,417 genes from micro-array and phylogenetic features, 14 labels."""

import csv
import gzip

import numpy as np

from experiments.datasets.dataset import Dataset
from experiments.errors import UserError

SOURCE = (
    "Elisseeff and Weston, NIPS 2001; the Mulan version as carried by the Python package river "
    "(BSD-3), OpenML 40597"
)


def yeast() -> Dataset:
    """2,417 genes with 103 features and 14 labels.

    Raises:
      UserError: the package that carries them is not installed.
    """
    try:
        from river.datasets import Yeast
    except ImportError as error:
        raise UserError(
            "data set yeast is carried by the package river, which is not installed; "
            "pip install 'sigmoidf1-jax[experiments]'"
        ) from error
    with gzip.open(Yeast().path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0])
    label_names = tuple(c for c in columns if c.startswith("Class"))
    feature_names = [c for c in columns if c not in label_names]
    features = np.array([[float(row[c]) for c in feature_names] for row in rows], np.float32)
    labels = np.array([[row[c] == "1" for c in label_names] for row in rows])
    return Dataset(
        "yeast",
        features,
        labels,
        label_names,
        SOURCE,
        scope="entity-wide",
        scope_reason="a gene has its functions as a whole",
    )
