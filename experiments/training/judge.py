"""The result of a run: its best state on test."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
import numpy.typing as npt
from jaxtyping import PyTree

import sigmoidf1_jax as sf
from experiments import evaluation, storage
from experiments.decision_rules import GLOBAL, PER_LABEL, UNTUNED
from experiments.evaluation import ByCriterion, Part
from experiments.results.training import SCHEMA, LabelResult, RunResult
from experiments.summary import describe
from experiments.training.predictor import Predictor
from experiments.training.setup import Setup
from experiments.tuning import ALL_POSITIVE
from sigmoidf1_jax import decisions
from sigmoidf1_jax.training import TrainState


class Judged(NamedTuple):
    """The result of a run, and what its figures are drawn from: test with the global threshold."""

    result: RunResult
    part: Part
    """Scores, labels and mask of the rows of test: [rows, labels]."""
    decided: npt.NDArray[np.bool_]
    """The decisions of the global threshold: [rows, labels]."""


def judge(
    setup: Setup, predictor: Predictor, state: TrainState, validation: Mapping[str, float]
) -> Judged:
    """Test metrics of a run's best state, beside the all-positive predictor, and of each label."""
    problem, splits = setup.problem, setup.problem.splits
    on_validation = predictor.predict(state, setup.data, setup.validation)[None]
    on_test = predictor.predict(state, setup.data, setup.test)[None]
    parts = (
        problem.part(splits.validation, on_validation),
        problem.part(splits.test, on_test),
    )
    positive = (
        problem.part(splits.validation, np.ones_like(on_validation)),
        problem.part(splits.test, np.ones_like(on_test)),
    )
    values = {
        ALL_POSITIVE: _test_metrics((UNTUNED,), *positive)[UNTUNED],
        **_test_metrics((UNTUNED, GLOBAL, PER_LABEL), *parts),
    }
    # The threshold of the global decision, to be used with the network.
    scores, labels, where = (x[0] for x in parts[0])
    decision = decisions.global_threshold(scores, labels, where=where)
    test = Part(*(x[0] for x in parts[1]))
    decided = np.asarray(decision(test.scores))
    result = RunResult(
        schema=SCHEMA,
        dataset=describe(problem.dataset),
        config=setup.config(),
        versions=storage.versions(),
        parameters=count(state.params),
        best_step=int(state.step),
        validation=validation,
        threshold=float(decision.threshold),
        test=values,
        labels=of_labels(problem.dataset.label_names, test, decided),
    )
    return Judged(result, test, decided)


def of_labels(
    names: Sequence[str], test: Part, decided: npt.NDArray[np.bool_]
) -> tuple[LabelResult, ...]:
    """Each label on test with these decisions."""
    counts = sf.confusion(decided, test.labels, where=test.where)
    nothing = {"zero_division": math.nan}
    columns = (
        (counts.tp + counts.fn) / (counts.tp + counts.fp + counts.fn + counts.tn),
        sf.scores.f1(counts, **nothing),
        sf.scores.precision(counts, **nothing),
        sf.scores.recall(counts, **nothing),
    )
    values = zip(*(np.asarray(x, float).tolist() for x in columns), strict=True)
    return tuple(LabelResult(label, *of) for label, of in zip(names, values, strict=True))


def _test_metrics(
    names: Sequence[str], validation: Part, test: Part
) -> dict[str, dict[str, float]]:
    """Decision -> metric -> value on test."""
    values = evaluation.evaluate(
        names, ByCriterion(validation, validation), ByCriterion(test, test)
    )
    return {
        name: {metric: value[0] for metric, value in of.test.items()} for name, of in values.items()
    }


def count(tree: PyTree) -> int:
    """The number of numbers in a tree."""
    return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))
