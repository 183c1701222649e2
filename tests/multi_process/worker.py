"""One process of test_processes.py: trains and, as process 0, writes its parameters.

Usage: python -m tests.multi_process.worker OUTPUT ADDRESS NUM_PROCESSES PROCESS_ID
"""

import sys

import jax
import numpy as np
import optax

import sigmoidf1_jax as sf
from sigmoidf1_jax import training

EXAMPLES, LABELS, STEPS = 24, 5, 3


def main(output, address, num_processes, process_id):
    count, rank = int(num_processes), int(process_id)
    if count > 1:
        assert training.initialize_distributed(address, count, rank, timeout=60) == count
        # A second call changes nothing.
        assert training.initialize_distributed(address, count, rank) == count
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(STEPS, EXAMPLES, 3)).astype(np.float32)
    labels = rng.random((STEPS, EXAMPLES, LABELS)) < 0.3
    # Each process holds its own part of the examples, and the last ones no positives.
    labels[:, EXAMPLES // 2 :, 0] = False
    mine = slice(rank * EXAMPLES // count, (rank + 1) * EXAMPLES // count)
    model, optimizer = sf.models.MLP(LABELS, hidden=(4,)), optax.adam(0.05)
    objective = training.moving(sf.objectives.sigmoid_f1(), 0.5)
    results = {}
    for how in ("shard_map", "pmap", "jit"):
        state = training.initial_state(
            model, objective, optimizer, jax.random.key(0), inputs[0], LABELS
        )
        step = training.train_step(model, objective, optimizer)
        parallel = training.data_parallel(step, jax.devices(), how)
        for i in range(STEPS):
            state, metrics = parallel(state, training.Batch(inputs[i, mine], labels[i, mine]))
        leaves = jax.tree.leaves((state.params, state.loss_state, metrics["loss"]))
        results |= {f"{how} {i}": np.asarray(x) for i, x in enumerate(leaves)}
    if rank == 0:
        np.savez(output, devices=jax.device_count(), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
