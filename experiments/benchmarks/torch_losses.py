"""Losses with their gradients in torch, eager and compiled: what others would write there."""

import functools
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from experiments.benchmarks.timing import Contender


def _sigmoid_f1(axes: Any, z: Any, y: Any) -> Any:
    h = torch.sigmoid(z)
    return 1 - torch.mean(2 * torch.sum(h * y, axes) / (torch.sum(h, axes) + torch.sum(y, axes)))


def _weighted_sigmoid_f1(z: Any, y: Any) -> Any:
    h, positives = torch.sigmoid(z), torch.sum(y, 0)
    f1 = 2 * torch.sum(h * y, 0) / (torch.sum(h, 0) + positives)
    return 1 - torch.sum(f1 * positives) / torch.sum(positives)


def _focal(z: Any, y: Any) -> Any:
    """Of gamma 2."""
    h = torch.sigmoid(z)
    missed = y * (1 - h) + (1 - y) * h
    entropy = functional.binary_cross_entropy_with_logits(z, y, reduction="none")
    return torch.mean(missed**2 * entropy)


def _asymmetric(z: Any, y: Any) -> Any:
    """Of gammas 1 and 4 and margin .05."""
    h = torch.sigmoid(z)
    shifted = torch.clamp(h - 0.05, min=0)
    positive = y * (1 - h) * functional.logsigmoid(z)
    negative = (1 - y) * shifted**4 * torch.log1p(-shifted)
    return -torch.mean(positive + negative)


LOSSES: dict[str, Any] = {
    "sigmoid_f1_macro": functools.partial(_sigmoid_f1, 0),
    "sigmoid_f1_micro": functools.partial(_sigmoid_f1, (0, 1)),
    "sigmoid_f1_samples": functools.partial(_sigmoid_f1, 1),
    "sigmoid_f1_weighted": _weighted_sigmoid_f1,
    "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
    "focal": _focal,
    "asymmetric": _asymmetric,
}


def contenders(
    name: str, logits: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> dict[str, Contender]:
    """Value and gradient of one of `LOSSES`, eager and by torch.compile, on all cores."""
    torch.set_num_threads(os.cpu_count() or 1)
    # A copy: JAX's arrays share their memory and cannot be written.
    z = torch.tensor(logits, requires_grad=True)
    y = torch.tensor(labels)
    loss = LOSSES[name]
    # One program per shape, as XLA's is.
    fast = torch.compile(loss, dynamic=False)

    def contender(function: Any) -> Contender:
        def value_and_grad() -> object:
            value = function(z, y)
            return value.detach(), torch.autograd.grad(value, z)

        return Contender(value_and_grad)

    return {"torch eager": contender(loss), "torch.compile": contender(fast)}
