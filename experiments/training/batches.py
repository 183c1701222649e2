"""Batches of a data set's rows for this process: shuffled, divided among processes, padded."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import grain
import jax
import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import Rows
from experiments.problem import fill_in
from sigmoidf1_jax.training import Batch


class InMemory(NamedTuple):
    """A data set in memory, and how its features are standardised."""

    features: npt.NDArray[np.float32]  # [examples, features]
    labels: npt.NDArray[np.bool_]  # [examples, labels]
    where: npt.NDArray[np.bool_]  # [examples, labels], True where the label is known
    shift: npt.NDArray[np.float32]  # [features]
    scale: npt.NDArray[np.float32]  # [features]
    fill: npt.NDArray[np.float32] | None = None  # [features], in the place of NaN

    def read(self, rows: Rows) -> Batch:
        """The examples of these rows; -1 is a row of zeros that does not count."""
        used = (rows >= 0)[:, None]
        features = self.features[rows]
        if self.fill is not None:
            features = fill_in(features, self.fill)
        inputs = np.where(used, (features - self.shift) * self.scale, np.float32(0))
        return Batch(inputs, self.labels[rows] & used, self.where[rows] & used)


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """The number of batches, the last one with what is left."""
    return -(-rows // batch_size)


def shuffled(
    data: InMemory, rows: Rows, *, seed: int, epochs: int, batch_size: int, padding: bool
) -> grain.DatasetIterator:
    """This process's part of the batches of all epochs, in an order of each epoch's own.

    The global batches depend on the seed alone, not on the number of processes, and the
    iterator's state (`get_state`, `set_state`) is the same on all of them: a run goes on with
    another number of processes. With `padding` all batches have one size.
    """
    per_epoch = steps_per_epoch(len(rows), batch_size)
    order = functools.lru_cache(maxsize=2)(
        lambda epoch: np.random.default_rng((seed, epoch)).permutation(rows)
    )

    def read(number: int) -> Batch:
        epoch, place = divmod(number, per_epoch)
        chosen = order(epoch)[place * batch_size : (place + 1) * batch_size]
        return data.read(_share(_pad(chosen, batch_size - len(chosen)) if padding else chosen))

    numbers = grain.MapDataset.range(per_epoch * epochs)
    ahead = grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)
    return iter(numbers.map(read).to_iter_dataset(ahead))


def in_order(data: InMemory, rows: Rows, batch_size: int) -> Iterator[Batch]:
    """This process's part of batches of one size, in the order of the rows."""
    for start in range(0, len(rows), batch_size):
        chosen = rows[start : start + batch_size]
        yield data.read(_share(_pad(chosen, batch_size - len(chosen))))


def _share(rows: Rows) -> Rows:
    """This process's rows: as many as every other's, some of them -1 if need be."""
    processes = jax.process_count()
    padded = _pad(rows, -len(rows) % processes)
    return padded.reshape(processes, -1)[jax.process_index()]


def _pad(rows: Rows, missing: int) -> Rows:
    return np.concatenate([rows, np.full(missing, -1, np.int32)])
