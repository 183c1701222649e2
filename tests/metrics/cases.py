"""Every metric of sf.metrics as a function of predictions, labels, `where` and `weights`."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import sigmoidf1_jax as sf

m, partial = sf.metrics, functools.partial


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    metric: Callable[..., Any]
    decided: bool = False
    """Takes decisions, which cannot be NaN."""
    per_label: bool = False
    """The first axis of every result holds labels."""
    ratio: bool = False
    """0 (`zero_division`) where nothing counts, and not NaN."""

    def __str__(self) -> str:
        return self.name

    @property
    def function(self) -> str:
        return self.name.partition("/")[0]


def averages(name: str, *of: str | None, **fields: Any) -> list[Case]:
    return [
        Case(f"{name}/{a}", partial(getattr(m, name), average=a), per_label=a is None, **fields)
        for a in of
    ]


def sketched(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    def metric(scores, labels, **given):
        return function(m.score_histogram(scores, labels, num_bins=16, **given), **options)

    return metric


def streamed(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    def metric(predictions, labels, **given):
        stream = m.Stream(function, labels.shape[-1], **options)
        state = stream.update(stream.empty(), predictions, labels, **given)
        return stream.compute(stream.merge(state, stream.empty()))

    return metric


SETS = ("f1/macro", "f1/samples", "subset_accuracy", "hamming_loss", "label_count_error")
RANKINGS = (
    "average_precision/macro", "roc_auc/weighted", "roc_auc/samples", "ndcg_at_k/3",
    "recall_at_k/1", "ranking_loss",
)  # fmt: skip


def reported(names: tuple[str, ...], **options: Any) -> Callable[..., Any]:
    def metric(predictions, labels, **given):
        # As scores and as decisions; the parts of the report depend on one of them each.
        decided = names is SETS
        scores = predictions.astype("float32") if decided else predictions
        decisions = predictions if decided else predictions > 0.5
        values = m.report(scores, labels, decisions, k=(1, 3), **given, **options)
        return {name: values[name] for name in names}

    return metric


WORTH = np.array([1, 2, 3, 4], np.float32)
RATIOS = ("f_beta", "precision", "recall", "jaccard", "accuracy", "specificity", "matthews",
          "mcc", "balanced_accuracy")  # fmt: skip
CASES = [
    *averages("f1", "macro", "micro", "weighted", "samples", None, decided=True, ratio=True),
    *(Case(name, getattr(m, name), decided=True, ratio=True) for name in RATIOS),
    *(
        Case(name, getattr(m, name), decided=True)
        for name in ("hamming_loss", "subset_accuracy", "label_count_error", "label_count_bias")
    ),
    *averages("average_precision", "macro", "micro", "weighted", "samples", None),
    *averages("roc_auc", "macro", "samples"),
    Case("roc_auc/skip", partial(m.roc_auc, undefined="skip")),
    *(
        Case(name, getattr(m, name))
        for name in (
            "label_ranking_average_precision", "coverage_error", "ranking_loss", "one_error"
        )
    ),
    *(
        Case(name, partial(getattr(m, name), k=2))
        for name in ("precision_at_k", "recall_at_k", "r_precision_at_k", "ndcg_at_k")
    ),
    Case("psp_at_k", partial(m.psp_at_k, k=2, inverse_propensities=WORTH)),
    *averages("brier_score", "macro", "micro", None),
    *averages("calibration_error", "macro", "micro"),
    Case("reliability", partial(m.reliability, num_bins=2), per_label=True),
    Case("sketched_average_precision", sketched(m.sketched_average_precision)),
    Case("sketched_roc_auc", sketched(m.sketched_roc_auc, average=None), per_label=True),
    Case("average_precision_bounds", sketched(m.average_precision_bounds)),
    Case("roc_auc_bounds", sketched(m.roc_auc_bounds)),
    Case("threshold_counts", sketched(m.threshold_counts), per_label=True),
    Case("report/sets", reported(SETS), decided=True),
    Case("report/rankings", reported(RANKINGS)),
    Case("Stream/f1", streamed(m.f1), decided=True, ratio=True),
    Case("Stream/hamming_loss", streamed(m.hamming_loss), decided=True),
    Case("Stream/roc_auc", streamed(m.roc_auc, num_bins=16)),
    Case("Stream/ranking_loss", streamed(m.ranking_loss)),
    Case("Stream/psp_at_k", streamed(m.psp_at_k, k=2, inverse_propensities=tuple(WORTH))),
    Case("Stream/calibration_error", streamed(m.calibration_error, num_bins=2)),
]  # fmt: skip
