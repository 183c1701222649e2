"""Training: from an objective and a Flax module to parameters."""

from sigmoidf1_jax.training.accumulation import Accumulated, accumulate
from sigmoidf1_jax.training.batch import Batch, pad
from sigmoidf1_jax.training.checkpoints import Checkpointer
from sigmoidf1_jax.training.collectives import (
    complete_gradient,
    value_and_global_gradient,
    varying,
)
from sigmoidf1_jax.training.distributed import initialize_distributed
from sigmoidf1_jax.training.forward import Forward, forward, mode_arguments
from sigmoidf1_jax.training.label_blocks import label_blocks, label_blocks_top_k
from sigmoidf1_jax.training.moving import Moving, moving
from sigmoidf1_jax.training.parallel import data_parallel, label_sharding, make_mesh
from sigmoidf1_jax.training.population import (
    Population,
    Setting,
    Split,
    population,
    stack,
)
from sigmoidf1_jax.training.step import Step, TrainState, initial_state, train_step

__all__ = [
    "Accumulated",
    "Batch",
    "Checkpointer",
    "Forward",
    "Moving",
    "Population",
    "Setting",
    "Split",
    "Step",
    "TrainState",
    "accumulate",
    "complete_gradient",
    "data_parallel",
    "forward",
    "initial_state",
    "initialize_distributed",
    "label_blocks",
    "label_blocks_top_k",
    "label_sharding",
    "make_mesh",
    "mode_arguments",
    "moving",
    "pad",
    "population",
    "stack",
    "train_step",
    "value_and_global_gradient",
    "varying",
]
