"""A sweep of seeds and settings in one program, compilation included, against a loop in torch."""

import functools
from collections.abc import Iterator

import jax
import numpy as np
import numpy.typing as npt

import sigmoidf1_jax as sf
from experiments.benchmarks.timing import OURS, Contender, Row, in_turns, installed
from sigmoidf1_jax import models, training

EXAMPLES, FEATURES, LABELS, HIDDEN, BATCH = 1_200, 100, 14, 64, 64
SEEDS = 5
LEARNING_RATES = np.geomspace(1e-3, 1e-2, 8)
LOSSES = {
    "binary_cross_entropy": sf.objectives.binary_cross_entropy(),
    "sigmoid_f1": sf.objectives.sigmoid_f1(slope=1.0),
}


def run(*, quick: bool) -> Iterator[Row]:
    """Milliseconds of one training: of one in torch, and of one of the sweep's."""
    epochs = 3 if quick else 60
    rng = np.random.default_rng(0)
    features = rng.standard_normal((EXAMPLES, FEATURES), np.float32)
    labels = features @ rng.standard_normal((FEATURES, LABELS), np.float32) > 8
    setting = f"{SEEDS} seeds x {len(LEARNING_RATES)} settings x {epochs} epochs"
    for name, objective in LOSSES.items():
        contenders = {
            OURS: Contender(functools.partial(_sweep, objective, features, labels, epochs))
        }
        if installed("torch"):
            from experiments.benchmarks import torch_training

            train = functools.partial(
                torch_training.train, features, labels, name, epochs, HIDDEN, BATCH
            )
            contenders["torch, one training"] = Contender(train)
        trainings = SEEDS * len(LEARNING_RATES)
        for row in in_turns(f"{name}, a training", setting, contenders, 1 if quick else 7):
            if row.contender == OURS:
                yield row._replace(milliseconds=row.milliseconds / trainings)
            else:
                yield row._replace(
                    ratio=row.ratio / trainings, low=row.low / trainings, high=row.high / trainings
                )


def _sweep(
    objective: sf.Objective,
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.bool_],
    epochs: int,
) -> object:
    # Compiled anew, as in the first sweep of a session.
    jax.clear_caches()
    rows = np.tile(np.arange(EXAMPLES), (SEEDS, 1))
    train, validation = np.split(rows, [EXAMPLES * 5 // 6], axis=1)
    statistics = (SEEDS, FEATURES)
    split = training.Split(train, validation, np.zeros(statistics), np.ones(statistics))
    return training.population(
        models.MLP(LABELS, (HIDDEN,)),
        training.stack([training.Setting(objective, rate, 0.01) for rate in LEARNING_RATES]),
        *(features, labels, split, jax.random.split(jax.random.key(0), SEEDS)),
        epochs=epochs,
        batch_size=BATCH,
        criteria=_criteria,
    )


def _criteria(logits: jax.Array, labels: jax.Array, where: jax.Array) -> jax.Array:
    return sf.metrics.f1(logits > 0, labels, where=where)[None]
