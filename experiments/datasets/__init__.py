"""Data sets by name, in one in-memory shape."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from experiments.datasets.arff import arff_folder
from experiments.datasets.yeast import yeast
from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Dense features and labels.

    Attributes:
      name: the name it is asked for by.
      features: float32 [examples, num_features], finite.
      labels: bool [examples, num_labels].
      label_names: num_labels names.
      source: where the data come from, for reports.
    """

    name: str
    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.bool_]
    label_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        """Refuses what no split and no metric could make sense of."""
        examples, num_labels = self.labels.shape
        if examples == 0 or self.features.shape[0] != examples:
            raise UserError(
                f"data set {self.name}: {self.features.shape[0]} rows of features and {examples} "
                "rows of labels; expected the same number, above 0"
            )
        if len(self.label_names) != num_labels:
            raise UserError(
                f"data set {self.name}: {len(self.label_names)} label names for {num_labels} labels"
            )
        bad = np.argwhere(~np.isfinite(self.features))
        if bad.size:
            row, column = bad[0]
            raise UserError(
                f"data set {self.name}: feature {column} of example {row} is "
                f"{self.features[row, column]}; expected finite numbers ({len(bad)} are not)"
            )


LOADERS: dict[str, Callable[[], Dataset]] = {
    "yeast": lambda: Dataset("yeast", *yeast()),
}


def load(name: str) -> Dataset:
    """The data set of that name, or of the ARFF files in the folder of that path.

    Raises:
      UserError: unknown name, or data that cannot be used.
    """
    if name in LOADERS:
        return LOADERS[name]()
    folder = pathlib.Path(name)
    if folder.is_dir():
        return Dataset(folder.resolve().name, *arff_folder(folder))
    raise UserError(
        f"unknown data set {name!r}; known: {', '.join(sorted(LOADERS))}, or a folder with "
        ".arff files and an .xml file"
    )
