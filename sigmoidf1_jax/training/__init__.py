"""Training: populations of runs, and losses of a million labels."""

from sigmoidf1_jax.training.label_blocks import label_blocks, label_blocks_top_k
from sigmoidf1_jax.training.population import (
    Population,
    Setting,
    Split,
    population,
    stack,
)

__all__ = [
    "Population",
    "Setting",
    "Split",
    "label_blocks",
    "label_blocks_top_k",
    "population",
    "stack",
]
