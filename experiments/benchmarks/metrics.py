"""Metrics against scikit-learn and, where installed, torchmetrics."""

import functools
import importlib
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import sklearn.metrics as sk

import sigmoidf1_jax as sf
from experiments.reports.tables import Column, Table

Numbers = npt.NDArray[Any]
SHAPES = [(10_000, 100), (100_000, 100), (10_000, 1_000)]
DENSITY = 0.05


class Row(NamedTuple):
    """Median seconds of one metric on one shape; None where a library lacks it."""

    metric: str
    examples: int
    labels: int
    ours: float
    scikit_learn: float
    torchmetrics: float | None


class Contender(NamedTuple):
    """One metric in three libraries; `decided` metrics take decisions instead of scores."""

    name: str
    ours: Callable[..., object]
    scikit_learn: Callable[..., object]
    torchmetrics: str | None
    decided: bool = False


def _sketched(metric: Callable[..., jax.Array], scores: jax.Array, labels: jax.Array) -> jax.Array:
    stream = sf.metrics.Stream(metric, scores.shape[-1])
    return stream.compute(stream.update(stream.empty(), scores, labels))


CONTENDERS = [
    Contender(
        "f1 macro",
        sf.metrics.f1,
        functools.partial(sk.f1_score, average="macro", zero_division=0),
        "multilabel_f1_score",
        decided=True,
    ),
    Contender(
        "f1 samples",
        functools.partial(sf.metrics.f1, average="samples"),
        functools.partial(sk.f1_score, average="samples", zero_division=0),
        None,
        decided=True,
    ),
    Contender(
        "average precision",
        sf.metrics.average_precision,
        sk.average_precision_score,
        "multilabel_average_precision",
    ),
    Contender("roc auc", sf.metrics.roc_auc, sk.roc_auc_score, "multilabel_auroc"),
    Contender(
        "average precision, sketch",
        functools.partial(_sketched, sf.metrics.average_precision),
        sk.average_precision_score,
        "multilabel_average_precision",
    ),
    Contender(
        "roc auc, sketch",
        functools.partial(_sketched, sf.metrics.roc_auc),
        sk.roc_auc_score,
        "multilabel_auroc",
    ),
    Contender(
        "lrap",
        sf.metrics.label_ranking_average_precision,
        sk.label_ranking_average_precision_score,
        "multilabel_ranking_average_precision",
    ),
    Contender(
        "coverage error",
        sf.metrics.coverage_error,
        sk.coverage_error,
        "multilabel_coverage_error",
    ),
    Contender(
        "ranking loss", sf.metrics.ranking_loss, sk.label_ranking_loss, "multilabel_ranking_loss"
    ),
]


def run(*, quick: bool) -> Iterator[Row]:
    """Times every contender on every shape; each is warmed up (and compiled) first."""
    torch_metrics = _torchmetrics()
    # scikit-learn's and torchmetrics' times repeat between a metric and its sketch: keep them.
    timed: dict[tuple[object, tuple[int, int]], float] = {}
    for shape in [(2_000, 50)] if quick else SHAPES:
        rng = np.random.default_rng(0)
        labels = rng.random(shape) < DENSITY
        scores = rng.normal(size=shape).astype(np.float32) + labels
        decisions = scores > 1
        integers = labels.astype(np.int64)
        for c in CONTENDERS:
            predictions = decisions if c.decided else scores
            ours = _median(jax.jit(c.ours), (jnp.asarray(predictions), jnp.asarray(labels)), 5)
            given = integers, decisions.astype(np.int64) if c.decided else scores
            if (c.scikit_learn, shape) not in timed:
                timed[c.scikit_learn, shape] = _median(c.scikit_learn, given, 1)
            theirs = None
            if torch_metrics is not None and c.torchmetrics is not None:
                if (c.torchmetrics, shape) not in timed:
                    timed[c.torchmetrics, shape] = _torch_time(torch_metrics, c, *given)
                theirs = timed[c.torchmetrics, shape]
            yield Row(c.name, *shape, ours, timed[c.scikit_learn, shape], theirs)


def _median(function: Callable[..., object], arguments: Sequence[object], repeats: int) -> float:
    with warnings.catch_warnings():
        # scikit-learn warns about labels without positives.
        warnings.simplefilter("ignore")
        jax.block_until_ready(function(*arguments))
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            jax.block_until_ready(function(*arguments))
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _torchmetrics() -> ModuleType | None:
    try:
        return importlib.import_module("torchmetrics.functional.classification")
    except ImportError:
        return None


def _torch_time(module: ModuleType, c: Contender, labels: Numbers, predictions: Numbers) -> float:
    torch = importlib.import_module("torch")
    options = {"thresholds": None} if c.name.startswith(("average", "roc")) else {}
    function = functools.partial(
        getattr(module, str(c.torchmetrics)),
        num_labels=labels.shape[1],
        validate_args=False,
        **options,
    )
    return _median(function, (torch.tensor(predictions), torch.tensor(labels)), 1)


def table(rows: Sequence[Row]) -> Table:
    """Times and ratios (ours / theirs, below 1 is faster)."""
    numbers = ("shape", "ours", "scikit-learn", "ratio", "torchmetrics", "ratio")
    columns = [Column("metric"), *(Column(title, right=True) for title in numbers)]
    title = f"metrics on {jax.default_backend()}, median milliseconds"
    return Table.of(columns, map(_cells, rows), title=title)


def _cells(row: Row) -> list[str]:
    theirs = row.torchmetrics
    return [
        row.metric,
        f"{row.examples}x{row.labels}",
        f"{row.ours * 1e3:.1f}",
        f"{row.scikit_learn * 1e3:.0f}",
        f"{row.ours / row.scikit_learn:.3f}",
        "" if theirs is None else f"{theirs * 1e3:.0f}",
        "" if theirs is None else f"{row.ours / theirs:.3f}",
    ]
