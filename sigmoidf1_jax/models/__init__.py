"""Flax networks: features -> logits [..., num_labels]."""

from sigmoidf1_jax.models.mlp import MLP

__all__ = ["MLP"]
