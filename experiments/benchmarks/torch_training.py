"""One training of a network in torch as one writes it there: a loop over batches."""

import os

import numpy as np
import numpy.typing as npt
import torch

from experiments.benchmarks import torch_losses

LOSSES = {
    "binary_cross_entropy": torch_losses.LOSSES["binary_cross_entropy"],
    "sigmoid_f1": torch_losses.LOSSES["sigmoid_f1_macro"],
}


def train(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.bool_],
    loss: str,
    epochs: int,
    hidden: int,
    batch: int,
) -> float:
    """Trains on the first five sixths of the examples and judges on the rest in every epoch."""
    torch.set_num_threads(os.cpu_count() or 1)
    x, y = torch.tensor(features), torch.tensor(labels, dtype=torch.float32)
    rows = len(x) * 5 // 6
    network = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, y.shape[1])
    )
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.01)
    best = 0.0
    for _ in range(epochs):
        for chosen in torch.randperm(rows).split(batch):
            optimizer.zero_grad()
            LOSSES[loss](network(x[chosen]), y[chosen]).backward()
            optimizer.step()
        with torch.no_grad():
            decided = (network(x[rows:]) > 0).float()
            both = (decided * y[rows:]).sum(0)
            f1 = 2 * both / (decided.sum(0) + y[rows:].sum(0)).clamp(min=1)
            best = max(best, f1.mean().item())
    return best
