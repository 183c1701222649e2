"""Multilayer perceptron on dense features."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class MLP(nn.Module):
    """Dense layers with ReLU between them: [..., features] -> logits [..., num_labels].

    Attributes:
      num_labels: size of the output.
      hidden: sizes of the hidden layers; () is a linear model.
      count_outputs: size of a second head, appended to the logits, for the number of labels
        (`losses.label_count`). It does not train the layers below it, as in ML-Net (Du et al.,
        JAMIA 2019).

    Example:
      >>> import jax, jax.numpy as jnp
      >>> model = MLP(num_labels=3, hidden=(8,))
      >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 4)))
      >>> model.apply(variables, jnp.zeros((5, 4))).shape
      (5, 3)
    """

    num_labels: int
    hidden: tuple[int, ...] = (128,)
    count_outputs: int = 0

    @nn.compact
    def __call__(self, features: Float[Array, "*batch features"]) -> Float[Array, "*batch outputs"]:
        for size in self.hidden:
            features = nn.relu(nn.Dense(size)(features))
        logits = nn.Dense(self.num_labels)(features)
        if not self.count_outputs:
            return logits
        counts = nn.Dense(self.count_outputs)(jax.lax.stop_gradient(features))
        return jnp.concatenate([logits, counts], -1)
