"""Multilayer perceptron on dense features."""

import flax.linen as nn
from jaxtyping import Array, Float


class MLP(nn.Module):
    """Dense layers with ReLU between them: [..., features] -> logits [..., num_labels].

    Attributes:
      num_labels: size of the output.
      hidden: sizes of the hidden layers; () is a linear model.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> model = MLP(num_labels=3, hidden=(8,))
      >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 4)))
      >>> model.apply(variables, jnp.zeros((5, 4))).shape
      (5, 3)
    """

    num_labels: int
    hidden: tuple[int, ...] = (128,)

    @nn.compact
    def __call__(self, features: Float[Array, "*batch features"]) -> Float[Array, "*batch labels"]:
        for size in self.hidden:
            features = nn.relu(nn.Dense(size)(features))
        return nn.Dense(self.num_labels)(features)
