"""A batch of examples, padded so that it divides evenly."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Bool, Num


class Batch(NamedTuple):
    """Inputs of a network with their labels; every leaf has the examples on its first axis.

    Arrays are of NumPy or JAX. `where` (True = counts) and `weights` are [examples, num_labels],
    or [examples, 1] for whole examples.
    """

    inputs: Any
    labels: Num[ArrayLike, "examples labels"] | Bool[ArrayLike, "examples labels"]
    where: Bool[ArrayLike, "examples labels"] | Bool[ArrayLike, "examples 1"] | None = None
    weights: Num[ArrayLike, "examples labels"] | Num[ArrayLike, "examples 1"] | None = None


def size(batch: Any) -> int:
    """The number of examples of a batch, checked over all its leaves.

    Raises:
      ValueError: leaves whose first axes differ, or that have none.
    """
    sizes = {
        jax.tree_util.keystr(path): np.shape(x)[0] if np.ndim(x) else None
        for path, x in jax.tree_util.tree_leaves_with_path(batch)
    }
    if len(set(sizes.values())) != 1 or None in sizes.values():
        raise ValueError(f"all arrays of a batch need the same first axis, got {sizes}")
    return next(n for n in sizes.values() if n is not None)


def pad(batch: Batch, multiple: int) -> Batch:
    """The batch with rows of zeros that do not count, so that `multiple` divides its size.

    Losses, statistics and metrics of the padded batch are those of the batch. A network that
    mixes examples, as batch normalisation does, sees the rows of zeros.

    Example:
      >>> import jax.numpy as jnp
      >>> padded = pad(Batch(jnp.ones((3, 2)), jnp.ones((3, 4), bool)), 2)
      >>> padded.inputs.shape, padded.where[:, 0].tolist()
      ((4, 2), [True, True, True, False])
    """
    examples = size(batch)
    missing = -examples % multiple
    if not missing:
        return batch
    where = batch.where
    if where is None:
        where = jnp.ones((examples, 1), bool)

    def extend(x: Any) -> Any:
        # NumPy stays NumPy: batches are padded on the host, before they are sent to devices.
        zeros = ((0, missing), *((0, 0) for _ in x.shape[1:]))
        return np.pad(x, zeros) if isinstance(x, np.ndarray) else jnp.pad(x, zeros)

    return jax.tree.map(extend, batch._replace(where=where))
