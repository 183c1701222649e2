"""A data set with its splits: what every system is given."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.typing import ArrayLike

from experiments.datasets.dataset import MAX_DENSE_LABELS, Dataset, Rows, check_memory
from experiments.errors import UserError
from experiments.evaluation import Part
from experiments.splits import Splits, of_dataset
from sigmoidf1_jax import training

Floats = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A data set with its splits: what every system is given.

    Attributes:
      dataset: features float32 [examples, num_features], labels bool [examples, num_labels].
      where: True where a label is known, like the labels.
      splits: rows of each seed's parts.
      how: where the splits come from, in words.
      shift: mean of each seed's training rows, [seeds, num_features].
      scale: one over their standard deviation, 0 where a feature is constant.
      fill: what takes the place of a feature that is NaN, fitted on the same rows; None where
        the data set has none.
    """

    dataset: Dataset
    where: npt.NDArray[np.bool_]
    splits: Splits
    how: str
    shift: Floats
    scale: Floats
    fill: Floats | None = None

    @property
    def seeds(self) -> int:
        """Number of splits."""
        return len(self.splits.train)

    def filled(self, seed: int, rows: Rows) -> Floats:
        """Features of these rows without NaN, not standardised: [rows, num_features]."""
        features: Floats = self.dataset.features[rows]
        return features if self.fill is None else fill_in(features, self.fill[seed])

    def split(self) -> training.Split:
        """The splits and their standardisation, as population training takes them."""
        return training.Split(
            self.splits.train, self.splits.validation, self.shift, self.scale, self.fill
        )

    def part(self, rows: Rows, scores: ArrayLike) -> Part:
        """Scores [seeds, n, labels] with the labels and mask of `rows` [seeds, n]."""
        labels = self.dataset.labels[rows]
        where = self.where[rows] & (rows >= 0)[..., None]
        # A padded row may hold any number but NaN.
        return Part(jnp.nan_to_num(jnp.asarray(scores)), jnp.asarray(labels), jnp.asarray(where))


def fill_in(features: Floats, fill: Floats) -> Floats:
    """Features with `fill` [num_features] where they are NaN."""
    return np.where(np.isnan(features), fill, features)


def make_problem(dataset: Dataset, seeds: int, first: int = 0) -> Problem:
    """Splits by seed, from `first` on, and the standardisation of each seed's training rows."""
    splits, how = of_dataset(dataset, seeds, first)
    where = np.ones(dataset.labels.shape, bool) if dataset.where is None else dataset.where
    fill, shift, scale = [], [], []
    for rows in splits.train:
        x = dataset.features[rows[rows >= 0]]
        if dataset.impute is not None:
            fill.append(_medians(x) if dataset.impute == "median" else np.zeros_like(x[0]))
            x = fill_in(x, fill[-1])
        deviation = x.std(0)
        shift.append(x.mean(0))
        # A feature that is constant in training carries nothing: it stays 0 there.
        scale.append(np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0))
    return Problem(
        dataset,
        where,
        splits,
        how,
        np.stack(shift).astype(np.float32),
        np.stack(scale).astype(np.float32),
        np.stack(fill).astype(np.float32) if fill else None,
    )


def _medians(features: Floats) -> Floats:
    """Median of what is known of each feature, 0 where nothing is."""
    known = ~np.isnan(features).all(0)
    medians = np.zeros_like(features[0])
    medians[known] = np.nanmedian(features[:, known], axis=0)
    return medians


def dense(dataset: Dataset) -> Dataset:
    """The data set as the comparison's small networks take it: images become rows of numbers.

    Raises:
      UserError: token ids, or labels that are not a matrix.
    """
    if dataset.labels.dtype != np.bool_:
        raise UserError(
            f"compare holds the scores of all labels, up to {MAX_DENSE_LABELS}; data set "
            f"{dataset.name} has {dataset.num_labels} (--min-label-count drops rare ones)"
        )
    if dataset.features.dtype == np.int32:
        raise UserError(f"compare takes numbers or images; data set {dataset.name} has token ids")
    if dataset.features.dtype == np.float32:
        return dataset
    flat = dataset.features.reshape(len(dataset.labels), -1)
    check_memory(f"data set {dataset.name}", *flat.shape, itemsize=4)
    return dataclasses.replace(dataset, features=flat.astype(np.float32) / 255)
