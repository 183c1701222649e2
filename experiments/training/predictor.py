"""A network's scores and metrics on rows of a data set, computed on all devices."""

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from experiments.datasets.dataset import Rows
from experiments.training.batches import InMemory, in_order
from sigmoidf1_jax import metrics
from sigmoidf1_jax.metrics import Stream
from sigmoidf1_jax.training import TrainState, mode_arguments
from sigmoidf1_jax.training.parallel import divide


@dataclasses.dataclass(frozen=True)
class Predictor:
    """What a network is evaluated with; every process gets the same numbers.

    Attributes:
      model: Flax module.
      scores: logits -> scores whose natural threshold is 0.5.
      num_labels: number of labels.
      mesh: devices, with an axis "batch".
      batch_size: examples that are evaluated at once; the last batch is padded and masked.
    """

    model: nn.Module
    scores: Callable[[Array], Array]
    num_labels: int
    mesh: Mesh
    batch_size: int

    def streams(self) -> dict[str, Stream]:
        """Name -> metric of the decisions at 0.5."""
        f1 = functools.partial(Stream, metrics.f1, self.num_labels)
        return {
            "micro_f1": f1(average="micro"),
            "macro_f1": f1(average="macro"),
            "samples_f1": f1(average="samples"),
            "hamming_loss": Stream(metrics.hamming_loss, self.num_labels),
        }

    def evaluate(self, state: TrainState, data: InMemory, rows: Rows) -> dict[str, float]:
        """The metrics of `streams` on these rows, batch by batch."""
        streams = self.streams()
        sums: PyTree = jax.device_get({name: stream.empty() for name, stream in streams.items()})
        for batch in in_order(data, rows, self._size()):
            sums = self._update(state.params, state.model_state, sums, divide(batch, self.mesh))
        # Sums are on all devices of all processes; their values on any one of them will do.
        sums = jax.device_get(sums)
        return {name: float(stream.compute(sums[name])) for name, stream in streams.items()}

    def predict(self, state: TrainState, data: InMemory, rows: Rows) -> npt.NDArray[np.float32]:
        """The scores of these rows, [rows, num_labels]."""
        parts = [
            np.asarray(
                self._scores(state.params, state.model_state, divide(batch, self.mesh).inputs)
            )
            for batch in in_order(data, rows, self._size())
        ]
        return np.concatenate(parts)[: len(rows)]

    def _size(self) -> int:
        devices = self.mesh.shape["batch"]
        return -(-self.batch_size // devices) * devices

    @functools.partial(jax.jit, static_argnums=0)
    def _update(self, params: PyTree, model_state: PyTree, sums: PyTree, batch: PyTree) -> PyTree:
        scores = self._apply(params, model_state, batch.inputs)
        updated = {
            name: stream.update(sums[name], scores >= 0.5, batch.labels, where=batch.where)
            for name, stream in self.streams().items()
        }
        return self._replicated(updated)

    @functools.partial(jax.jit, static_argnums=0)
    def _scores(self, params: PyTree, model_state: PyTree, inputs: Array) -> Array:
        scores: Array = self._replicated(self._apply(params, model_state, inputs))
        return scores

    def _apply(self, params: PyTree, model_state: PyTree, inputs: Array) -> Array:
        options = mode_arguments(self.model, training=False)
        variables = {"params": params, **model_state}
        return self.scores(jnp.asarray(self.model.apply(variables, inputs, **options)))

    def _replicated(self, tree: PyTree) -> PyTree:
        return jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, PartitionSpec()))
