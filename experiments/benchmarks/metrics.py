"""Metrics against scikit-learn and, where installed, torchmetrics."""

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import sklearn.metrics as sk

import sigmoidf1_jax as sf
from experiments.benchmarks.timing import OURS, Contender, Row, compiled, in_turns, installed
from sigmoidf1_jax.averaging import Average

Numbers = npt.NDArray[Any]
SHAPES = [(10_000, 100), (100_000, 100), (10_000, 1_000)]
DENSITY = 0.05


class Subject(NamedTuple):
    """One metric in three libraries; `decided` metrics take decisions instead of scores."""

    name: str
    ours: Callable[..., jax.Array]
    scikit_learn: Callable[..., object]
    torchmetrics: str | None
    decided: bool = False


def _sketched(metric: Callable[..., jax.Array], scores: jax.Array, labels: jax.Array) -> jax.Array:
    stream = sf.metrics.Stream(metric, scores.shape[-1])
    return stream.compute(stream.update(stream.empty(), scores, labels))


def _f1(average: Average, torchmetrics: str | None) -> Subject:
    return Subject(
        f"f1 {average}",
        functools.partial(sf.metrics.f1, average=average),
        functools.partial(sk.f1_score, average=average, zero_division=0),
        torchmetrics,
        decided=True,
    )


AREAS = [
    Subject(
        "average precision",
        sf.metrics.average_precision,
        sk.average_precision_score,
        "multilabel_average_precision",
    ),
    Subject("roc auc", sf.metrics.roc_auc, sk.roc_auc_score, "multilabel_auroc"),
]
SUBJECTS = [
    _f1("macro", "multilabel_f1_score"),
    _f1("micro", "multilabel_f1_score"),
    _f1("samples", None),
    _f1("weighted", "multilabel_f1_score"),
    *AREAS,
    *(
        s._replace(name=f"{s.name}, sketch", ours=functools.partial(_sketched, s.ours))
        for s in AREAS
    ),
    Subject(
        "lrap",
        sf.metrics.label_ranking_average_precision,
        sk.label_ranking_average_precision_score,
        "multilabel_ranking_average_precision",
    ),
    Subject(
        "coverage error",
        sf.metrics.coverage_error,
        sk.coverage_error,
        "multilabel_coverage_error",
    ),
    Subject(
        "ranking loss", sf.metrics.ranking_loss, sk.label_ranking_loss, "multilabel_ranking_loss"
    ),
]


def run(*, quick: bool) -> Iterator[Row]:
    """Every metric on every shape, and the report beside its most expensive part."""
    for shape in [(2_000, 50)] if quick else SHAPES:
        rng = np.random.default_rng(0)
        labels = rng.random(shape) < DENSITY
        scores = rng.normal(size=shape).astype(np.float32) + labels
        setting = f"[{shape[0]}, {shape[1]}]"
        rounds = 3 if quick else 7
        for subject in SUBJECTS:
            predictions = scores > 1 if subject.decided else scores
            ours = compiled(subject.ours, jnp.asarray(predictions), jnp.asarray(labels))
            given = (predictions.astype(np.int64) if subject.decided else scores), labels
            contenders = {OURS: ours, **_peers(subject, *given)}
            yield from in_turns(subject.name, setting, contenders, rounds)
        yield from _report(setting, scores, labels, rounds)


def _peers(subject: Subject, predictions: Numbers, labels: Numbers) -> dict[str, Contender]:
    integers = labels.astype(np.int64)
    peers = {"scikit-learn": Contender(lambda: subject.scikit_learn(integers, predictions))}
    if subject.torchmetrics is None or not installed("torchmetrics"):
        return peers
    module = importlib.import_module("torchmetrics.functional.classification")
    torch = importlib.import_module("torch")
    options: dict[str, object] = {}
    if subject.torchmetrics in ("multilabel_average_precision", "multilabel_auroc"):
        options["thresholds"] = None
    if subject.decided:
        options["average"] = subject.name.removeprefix("f1 ")
    function = functools.partial(
        getattr(module, subject.torchmetrics),
        num_labels=labels.shape[1],
        validate_args=False,
        **options,
    )
    arguments = torch.tensor(predictions), torch.tensor(integers)
    return {**peers, "torchmetrics": Contender(lambda: function(*arguments))}


def _report(setting: str, scores: Numbers, labels: Numbers, rounds: int) -> Iterator[Row]:
    """All numbers at once beside the areas, which cost most of them."""
    arguments = tuple(map(jnp.asarray, (scores, labels, scores > 1)))
    contenders = {
        OURS: compiled(lambda s, y, h: dict(sf.metrics.report(s, y, h)), *arguments),
        **{f"{s.name} alone": compiled(s.ours, *arguments[:2]) for s in AREAS},
    }
    yield from in_turns("report", setting, contenders, rounds)
