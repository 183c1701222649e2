"""Systems and references on a problem: trained, tuned on validation, and scored."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from experiments import evaluation, references
from experiments.datasets.dataset import Rows
from experiments.evaluation import ByCriterion, Part
from experiments.problem import Problem
from experiments.references import Fit
from experiments.systems import SYSTEMS
from experiments.tuning_space import System, settings, tuning_points
from sigmoidf1_jax import models, training

# Told the share that is done, from 0 to 1.
Progress = Callable[[float], None]
# The place of the criterion among a population's.
FIXED = ByCriterion._fields.index("fixed")
ALL_POSITIVE = "all_positive"
LABEL_FREQUENCY = "label_frequency"
LOGISTIC_REGRESSION = "logistic_regression"
REFERENCES = (ALL_POSITIVE, LABEL_FREQUENCY, LOGISTIC_REGRESSION)


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


@dataclasses.dataclass(frozen=True)
class Learning:
    """A value per epoch, means over seeds of the runs that are selected at 0.5.

    Attributes:
      loss: on the training rows.
      mean_f1: `evaluation.mean_f1` on validation, at 0.5.
    """

    loss: tuple[float, ...]
    mean_f1: tuple[float, ...]


class Trained(NamedTuple):
    """A system's scores on validation and test, and the runs that gave them.

    Attributes:
      validation: scores of the run that each criterion selects.
      test: the same runs' on test.
      selected: hyperparameters of these runs, a `ByCriterion` per seed; () where none are tuned.
      learning: None where nothing is trained by epochs.
    """

    validation: ByCriterion[Part]
    test: ByCriterion[Part]
    selected: tuple[ByCriterion[Mapping[str, float]], ...] = ()
    learning: Learning | None = None


def no_progress(share: float) -> None:
    """Tells nobody."""


def determines(name: str, plan: Plan) -> dict[str, object]:
    """What of the plan a system's scores depend on, as JSON; the problem and the code aside."""
    if name in SYSTEMS:
        return {
            "points": tuning_points(SYSTEMS[name], plan.budget),
            "epochs": plan.epochs,
            "hidden": list(plan.hidden),
            "batch_size": plan.batch_size,
        }
    if name == LOGISTIC_REGRESSION:
        return {"points": list(references.REGULARISATION[: plan.budget])}
    return {}


def train_system(
    system: System, problem: Problem, plan: Plan, progress: Progress = no_progress
) -> Trained:
    """Trains a system with every setting of the plan's budget, and selects runs on validation."""
    data, splits = problem.dataset, problem.splits
    points = tuning_points(system, plan.budget)
    train_rows = [splits.of_seed(seed).train for seed in range(problem.seeds)]
    train_labels = [(data.labels[rows], problem.where[rows]) for rows in train_rows]
    num_labels = data.labels.shape[1]
    model = system.network(num_labels, plan.hidden)
    features = jnp.asarray(data.features)
    trained = training.population(
        model,
        settings(system, points, train_labels),
        features,
        jnp.asarray(data.labels),
        problem.split(),
        jax.random.split(jax.random.key(0), problem.seeds),
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        criteria=_criteria(system.scores),
        where=jnp.asarray(problem.where),
        progress=lambda epoch: progress((epoch + 1) / plan.epochs),
    )
    # A run that never was a number has -inf, and is taken only where all of them are so.
    setting = np.asarray(trained.best.argmax(1))  # [seeds, criteria]
    seeds = np.arange(problem.seeds)

    def scores(rows: Rows, criterion: int) -> Part:
        chosen = jax.tree.map(lambda x: x[seeds, setting[:, criterion], criterion], trained.params)

        predict = _predictor(model, system.scores)
        return problem.part(rows, predict(chosen, rows, problem.split(), features))

    criteria = range(len(ByCriterion._fields))
    at_half = setting[:, FIXED]
    return Trained(
        validation=ByCriterion(*(scores(splits.validation, c) for c in criteria)),
        test=ByCriterion(*(scores(splits.test, c) for c in criteria)),
        selected=tuple(
            ByCriterion(
                *(
                    {**points[k], "epoch": int(trained.best_epoch[s, k, c])}
                    for c, k in enumerate(row)
                )
            )
            for s, row in enumerate(setting)
        ),
        learning=Learning(
            loss=tuple(np.asarray(trained.loss)[seeds, at_half].mean(0).tolist()),
            mean_f1=tuple(np.asarray(trained.criteria)[seeds, at_half, :, FIXED].mean(0).tolist()),
        ),
    )


# One function per system, so that what calls it compiles once.


@functools.cache
def _criteria(scores: Callable[[Array], Array]) -> Callable[[Array, Array, Array], Array]:
    """What selects an epoch, of a system's logits on validation."""

    def criteria(logits: Array, labels: Array, where: Array) -> Array:
        return evaluation.selection_criteria(scores(logits), labels, where)

    return criteria


@functools.cache
def _predictor(model: models.MLP, scores: Callable[[Array], Array]) -> Callable[..., Array]:
    """`(params, rows, split, features)` -> scores of each seed's rows."""
    options = training.mode_arguments(model, training=False)

    def one_seed(
        params: PyTree, rows: jax.Array, split: training.Split, features: jax.Array
    ) -> jax.Array:
        return scores(jnp.asarray(model.apply(params, split.inputs(features[rows]), **options)))

    return jax.jit(jax.vmap(one_seed, (0, 0, 0, None)))


def reference(name: str, problem: Problem, plan: Plan, progress: Progress = no_progress) -> Trained:
    """Scores of a reference predictor, fitted (and tuned, where it has what to tune) per seed."""
    grid = len(references.REGULARISATION[: plan.budget])
    fits = problem.seeds * grid * problem.dataset.num_labels
    numbers = iter(range(1, fits + 1))
    per_seed = [
        _logistic_regression(problem, seed, plan, lambda: progress(next(numbers) / fits))
        if name == LOGISTIC_REGRESSION
        else _constant(name, problem, seed)
        for seed in range(problem.seeds)
    ]

    def part(rows: Rows, criterion: int, on_test: bool) -> Part:
        scores = np.zeros((*rows.shape, problem.dataset.num_labels), np.float32)
        for seed, found in enumerate(per_seed):
            mine = found[criterion].test if on_test else found[criterion].validation
            scores[seed, : len(mine)] = mine
        return problem.part(rows, scores)

    splits, criteria = problem.splits, range(len(ByCriterion._fields))
    return Trained(
        validation=ByCriterion(*(part(splits.validation, c, False) for c in criteria)),
        test=ByCriterion(*(part(splits.test, c, True) for c in criteria)),
        selected=tuple(
            ByCriterion(found.fixed.chosen, found.tuned.chosen)
            for found in per_seed
            if found.fixed.chosen
        ),
    )


def _constant(name: str, problem: Problem, seed: int) -> ByCriterion[Fit]:
    """A predictor that scores all examples alike."""
    predict = {
        ALL_POSITIVE: references.all_positive,
        LABEL_FREQUENCY: references.label_frequency,
    }[name]
    train, held_out, unseen = problem.splits.of_seed(seed)
    known = problem.dataset.labels[train], problem.where[train]
    fit = Fit(predict(*known, len(held_out)), predict(*known, len(unseen)))
    return ByCriterion(fit, fit)


def _logistic_regression(
    problem: Problem, seed: int, plan: Plan, fitted: Callable[[], None]
) -> ByCriterion[Fit]:
    train, held_out, unseen = (
        references.Known(
            references.for_linear(
                problem.filled(seed, rows), problem.shift[seed], problem.scale[seed]
            ),
            problem.dataset.labels[rows],
            problem.where[rows],
        )
        for rows in problem.splits.of_seed(seed)
    )
    return references.logistic_regression(train, held_out, unseen.features, plan.budget, fitted)
