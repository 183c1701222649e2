"""Decision rules: time and memory of a fit or a decision, against scikit-learn label by label."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import sklearn.isotonic
import sklearn.linear_model
import sklearn.metrics as sk

import sigmoidf1_jax as sf
from experiments.benchmarks.timing import OURS, Contender, Row, compiled, in_turns

d = sf.decisions
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
SHAPES = [(10_000, 100), (10_000, 1_000), (256, 20_000)]
SLOWEST_LABELS = 1_000
"""Peers that loop over labels in Python are timed up to so many."""


class Subject(NamedTuple):
    """A fit, or a decision that has nothing to fit, and what does the same for one label."""

    name: str
    ours: Callable[..., object]
    one_label: Callable[[Floats, Labels], object] | None = None


def _best_threshold(scores: Floats, labels: Labels) -> float:
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores)
    total = np.maximum(precision + recall, 1e-12)[:-1]
    return float(thresholds[np.argmax(precision[:-1] * recall[:-1] / total)])


def _platt(scores: Floats, labels: Labels) -> Any:
    logits = np.log(scores / (1 - scores))[:, None]
    return sklearn.linear_model.LogisticRegression(C=np.inf).fit(logits, labels)


def _isotonic(scores: Floats, labels: Labels) -> Any:
    return sklearn.isotonic.IsotonicRegression().fit(scores, labels)


SUBJECTS = [
    Subject("global_threshold", d.global_threshold),
    Subject("per_label_threshold", d.per_label_threshold, _best_threshold),
    Subject("per_label_threshold, 10 folds", functools.partial(d.per_label_threshold, folds=10)),
    Subject("lipton_threshold", d.lipton_threshold),
    Subject("label_count", d.label_count),
    Subject("f_maximizer, decision", lambda p, _: d.f_maximizer()(p)),
    Subject("platt", d.calibration.platt, _platt),
    Subject("temperature", d.calibration.temperature),
    Subject("isotonic", d.calibration.isotonic, _isotonic),
]


def run(*, quick: bool) -> Iterator[Row]:
    """Every rule on every shape."""
    for shape in [(1_000, 20)] if quick else SHAPES:
        rng = np.random.default_rng(0)
        p = rng.beta(0.2, 3.0, shape).clip(1e-6, 1 - 1e-6)
        labels = rng.random(shape) < p
        labels[0], labels[1] = True, False
        for subject in SUBJECTS:
            given = jnp.asarray(p, jnp.float32), jnp.asarray(labels)
            contenders = {OURS: compiled(subject.ours, *given)}
            if subject.one_label is not None and shape[1] <= SLOWEST_LABELS:
                peer = functools.partial(_every_label, subject.one_label, p, labels)
                contenders["scikit-learn"] = Contender(peer)
            setting = f"[{shape[0]}, {shape[1]}]"
            yield from in_turns(subject.name, setting, contenders, 3 if quick else 7)


def _every_label(
    one_label: Callable[[Floats, Labels], object], p: Floats, labels: Labels
) -> list[object]:
    return [one_label(p[:, c], labels[:, c]) for c in range(p.shape[1])]
