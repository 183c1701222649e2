"""Training: from an objective and a Flax module to parameters."""

from sigmoidf1_jax.training.population import (
    Population,
    Setting,
    Split,
    population,
    stack,
)

__all__ = ["Population", "Setting", "Split", "population", "stack"]
