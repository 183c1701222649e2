"""The forward pass that training needs: parameters and what else a network keeps, to logits."""

import functools
import inspect
from typing import Any, Protocol

import flax.linen as nn
from jaxtyping import Array, Float


class Forward(Protocol):
    """A network in training.

    `params` are what is optimised, `model_state` is what the network itself updates (running
    statistics of normalisation, {} or None if there are none) and `key` is for dropout.
    """

    def __call__(
        self, params: Any, model_state: Any, inputs: Any, key: Array
    ) -> tuple[Float[Array, "examples labels"], Any]: ...


def forward(model: nn.Module | Forward) -> Forward:
    """The forward pass of a Flax module in training; another callable passes through.

    The module is applied with all its other collections mutable, dropout drawn from the key, and
    `train=True` if its `__call__` has an argument of that name.
    """
    if not isinstance(model, nn.Module):
        return model
    return functools.partial(_apply, model)


def takes_train(model: nn.Module) -> bool:
    """Whether the module's `__call__` has an argument `train`."""
    return "train" in inspect.signature(type(model).__call__).parameters


def _apply(
    model: nn.Module, params: Any, model_state: Any, inputs: Any, key: Array
) -> tuple[Array, Any]:
    options: dict[str, Any] = {"train": True} if takes_train(model) else {}
    logits, changed = model.apply(
        {"params": params, **model_state},
        inputs,
        mutable=list(model_state),
        rngs={"dropout": key},
        **options,
    )
    return logits, {**model_state, **changed}
