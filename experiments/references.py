"""Reference predictors: what any loss has to beat."""

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from experiments.evaluation import ByCriterion, selection_criteria

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Features = Any
"""An array, or a sparse matrix of SciPy."""
SPARSE = 0.8
# Inverse strengths of regularisation in the order in which a tuning budget tries them.
REGULARISATION = (1.0, 0.1, 0.01, 10.0)


def all_positive(labels: Labels, where: Labels, rows: int) -> Array:
    """Score 1 for every label: [rows, num_labels]."""
    return np.ones((rows, labels.shape[1]), np.float32)


def label_frequency(labels: Labels, where: Labels, rows: int) -> Array:
    """Each label's frequency among the training rows that have it known, for every example."""
    frequency = labels.sum(0, where=where) / np.maximum(where.sum(0), 1)
    return np.tile(frequency.astype(np.float32), (rows, 1))


def for_linear(features: Array, shift: Array, scale: Array) -> Features:
    """Standardised features for a linear model; mostly zeros (words of texts) stay sparse.

    The shift of sparse features is left to the model's intercept: a dense fit of the same model
    takes many times as long.
    """
    if np.mean(features == 0) > SPARSE:
        return scipy.sparse.csr_matrix(features * scale)
    return (features - shift) * scale


class Known(NamedTuple):
    """Features, labels, and where labels are known, of the rows of a part."""

    features: Features
    labels: Labels
    where: Labels


class Fit(NamedTuple):
    """A fitted predictor's scores, [rows, num_labels], and the hyperparameters of it."""

    validation: Array
    test: Array
    chosen: Mapping[str, float] = types.MappingProxyType({})


def logistic_regression(
    train: Known,
    validation: Known,
    test: Features,
    budget: int,
    fitted: Callable[[], None] = lambda: None,
) -> ByCriterion[Fit]:
    """One-vs-rest logistic regression of scikit-learn, its C tuned on validation.

    `fitted` is called after each label's fit with each C.
    """
    parts = validation.features, test
    fits = list(_candidates(train, parts, REGULARISATION[:budget], fitted))
    criteria = np.array(
        [_criteria(fit.validation, validation.labels, validation.where) for fit in fits]
    )
    # Where no F1 is defined on validation, the default is as good as any.
    best = np.nan_to_num(criteria, nan=-np.inf).argmax(0)
    return ByCriterion(*(fits[i] for i in best))


_criteria: Callable[..., jax.Array] = jax.jit(selection_criteria)


def _candidates(
    train: Known,
    parts: tuple[Features, Features],
    values: tuple[float, ...],
    fitted: Callable[[], None],
) -> Iterator[Fit]:
    features, labels, where = train
    for c in values:
        shape = labels.shape[1:]
        scores = [np.empty((x.shape[0], *shape), np.float32) for x in parts]
        for label in range(labels.shape[1]):
            known = where[:, label]
            y = labels[known, label]
            if y.all() or not y.any():  # one class, or nothing known: there is nothing to fit
                for target in scores:
                    target[:, label] = y.any()
            else:
                # liblinear: many times faster than the default on a thousand features, and exact.
                model = LogisticRegression(C=c, solver="liblinear", max_iter=1000)
                model.fit(features[known], y)
                for target, x in zip(scores, parts, strict=True):
                    target[:, label] = model.predict_proba(x)[:, 1]
            fitted()
        yield Fit(scores[0], scores[1], {"C": c})
