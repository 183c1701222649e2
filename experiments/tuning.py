"""Systems and references on a problem: trained, tuned on validation, and scored."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import evaluation, references
from experiments.datasets.dataset import Rows
from experiments.evaluation import Part
from experiments.problem import Problem
from experiments.systems import SYSTEMS, System, settings, tuning_points
from sigmoidf1_jax import models, training

Record = dict[str, Any]
# Told the share that is done, from 0 to 1.
Progress = Callable[[float], None]
REFERENCES = ("all_positive", "label_frequency", "logistic_regression")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What every system is given besides the problem.

    Attributes:
      epochs: passes over the training rows.
      hidden: sizes of the hidden layers.
      batch_size: rows in a training step.
      budget: hyperparameter settings that are tried.
    """

    epochs: int
    hidden: tuple[int, ...]
    batch_size: int
    budget: int


def no_progress(share: float) -> None:
    """Tells nobody."""


def determines(name: str, plan: Plan) -> Record:
    """What of the plan a system's scores depend on, as JSON; the problem and the code aside."""
    if name in SYSTEMS:
        return {
            "points": tuning_points(SYSTEMS[name], plan.budget),
            "epochs": plan.epochs,
            "hidden": list(plan.hidden),
            "batch_size": plan.batch_size,
        }
    if name == "logistic_regression":
        return {"points": list(references.REGULARISATION[: plan.budget])}
    return {}


def train_system(
    system: System, problem: Problem, plan: Plan, progress: Progress = no_progress
) -> tuple[list[Part], list[Part], Record]:
    """Validation and test scores of the selected runs, one part per selection criterion."""
    data, splits = problem.dataset, problem.splits
    points = tuning_points(system, plan.budget)
    train_rows = [rows[rows >= 0] for rows in splits.train]
    train_labels = [(data.labels[rows], problem.where[rows]) for rows in train_rows]
    num_labels = data.labels.shape[1]
    count_outputs = num_labels + 1 if system.count_head else 0
    model = models.MLP(num_labels, plan.hidden, count_outputs)
    trained = training.population(
        model,
        settings(system, points, train_labels),
        jnp.asarray(data.features),
        jnp.asarray(data.labels),
        problem.split(),
        jax.random.split(jax.random.key(0), problem.seeds),
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        criteria=lambda z, y, w: evaluation.selection_criteria(system.scores(z), y, w),
        where=jnp.asarray(problem.where),
        progress=lambda epoch: progress((epoch + 1) / plan.epochs),
    )
    # A run that never was a number has -inf, and is taken only where all of them are so.
    setting = np.asarray(trained.best.argmax(1))  # [seeds, criteria]
    seeds = np.arange(problem.seeds)

    def scores(rows: Rows, criterion: int) -> jax.Array:
        chosen = jax.tree.map(lambda x: x[seeds, setting[:, criterion], criterion], trained.params)

        def one_seed(params: Any, rows: Any, shift: Any, scale: Any, fill: Any) -> jax.Array:
            x = jnp.asarray(data.features)[rows]
            x = x if fill is None else jnp.where(jnp.isnan(x), fill, x)
            options = training.mode_arguments(model, training=False)
            return system.scores(jnp.asarray(model.apply(params, (x - shift) * scale, **options)))

        per_seed = (chosen, rows, problem.shift, problem.scale, problem.fill)
        return jax.jit(jax.vmap(one_seed))(*per_seed)

    criteria = range(setting.shape[1])
    validation = [problem.part(splits.validation, scores(splits.validation, c)) for c in criteria]
    test = [problem.part(splits.test, scores(splits.test, c)) for c in criteria]
    at_half = setting[:, 0]
    about = {
        "selected": [
            [{**points[k], "epoch": int(trained.best_epoch[s, k, c])} for c, k in enumerate(row)]
            for s, row in enumerate(setting)
        ],
        "learning": {
            "loss": np.asarray(trained.loss)[seeds, at_half].mean(0).tolist(),
            "mean_f1": np.asarray(trained.criteria)[seeds, at_half, :, 0].mean(0).tolist(),
        },
    }
    return validation, test, about


def reference(
    name: str, problem: Problem, plan: Plan, progress: Progress = no_progress
) -> tuple[list[Part], list[Part], Record]:
    """Validation and test scores of a reference predictor, one part per selection criterion."""
    data, splits = problem.dataset, problem.splits
    num_labels = data.labels.shape[1]
    selected: list[Any] = []
    validation = np.zeros((2, *splits.validation.shape, num_labels), np.float32)
    test = np.zeros((2, *splits.test.shape, num_labels), np.float32)
    fits = problem.seeds * len(references.REGULARISATION[: plan.budget]) * num_labels
    fitted = iter(range(1, fits + 1))
    for seed in range(problem.seeds):
        train, held_out, unseen = (rows[seed][rows[seed] >= 0] for rows in splits)
        if name == "logistic_regression":
            features = [
                references.for_linear(
                    problem.filled(seed, r), problem.shift[seed], problem.scale[seed]
                )
                for r in (train, held_out, unseen)
            ]
            parts = [
                (x, data.labels[r], problem.where[r])
                for x, r in zip(features, (train, held_out, unseen), strict=True)
            ]
            on_validation, on_test, chosen = references.logistic_regression(
                parts[0],
                parts[1],
                parts[2][0],
                plan.budget,
                lambda: progress(next(fitted) / fits),
            )
            selected.append([{"C": c} for c in chosen])
        else:
            predict = {
                "all_positive": references.all_positive,
                "label_frequency": references.label_frequency,
            }[name]
            known = data.labels[train], problem.where[train]
            on_validation = [predict(*known, len(held_out))] * 2
            on_test = [predict(*known, len(unseen))] * 2
        for criterion in range(2):
            validation[criterion, seed, : len(held_out)] = on_validation[criterion]
            test[criterion, seed, : len(unseen)] = on_test[criterion]
    return (
        [problem.part(splits.validation, v) for v in validation],
        [problem.part(splits.test, t) for t in test],
        {"selected": selected},
    )
