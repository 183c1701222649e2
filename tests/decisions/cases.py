"""Decision rules and random scores that the decision tests share."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import sigmoidf1_jax as sf


@dataclasses.dataclass(frozen=True)
class Rule:
    name: str
    fit: Callable[..., Any]
    takes: tuple[str, ...] = ("where", "weights")
    fits: bool = True

    def __str__(self) -> str:
        return self.name


d, partial = sf.decisions, functools.partial
WHERE_ONLY: Any = {"takes": ("where",)}

RULES = [
    Rule("fixed", lambda scores, labels: d.fixed(0.5), (), fits=False),
    *(
        Rule(f"global_threshold/{a}", partial(d.global_threshold, average=a))
        for a in ("micro", "macro", "samples")
    ),
    Rule("global_threshold/folds", partial(d.global_threshold, folds=3)),
    Rule("global_threshold/mcc", partial(d.global_threshold, score=sf.scores.mcc)),
    Rule("per_label_threshold", d.per_label_threshold),
    Rule("per_label_threshold/folds", partial(d.per_label_threshold, folds=3)),
    Rule("lipton_threshold", d.lipton_threshold),
    Rule("lipton_threshold/micro", partial(d.lipton_threshold, average="micro")),
    Rule("lipton_threshold/alone", lambda s, y, **kw: d.lipton_threshold(s, **kw)),
    Rule("knee_threshold", d.knee_threshold, **WHERE_ONLY),
    Rule("top_k", partial(d.top_k, k=2), fits=False),
    Rule("top_k/density", d.top_k),
    Rule("label_count", d.label_count),
    Rule("f_maximizer", partial(d.f_maximizer, beta=2.0), fits=False),
    Rule("block_coordinate_ascent", d.block_coordinate_ascent, fits=False),
    Rule("block_coordinate_ascent/k", partial(d.block_coordinate_ascent, k=2), fits=False),
    Rule("frank_wolfe", d.frank_wolfe),
    Rule("frank_wolfe/k", partial(d.frank_wolfe, k=2)),
    Rule("weighted", lambda scores, labels: d.weighted(2.0, -0.5), (), fits=False),
    Rule("conformal_risk", partial(d.conformal_risk, alpha=0.3), **WHERE_ONLY),
    Rule(
        "conformal_risk/per_label",
        partial(d.conformal_risk, alpha=0.3, per_label=True),
        **WHERE_ONLY,
    ),
    *(
        Rule(f"calibrated/{f.__name__}", partial(d.calibrated, rule=d.f_maximizer, calibrate=f))
        for f in (d.calibration.platt, d.calibration.temperature, d.calibration.isotonic)
    ),
]

# The first of each name: variants, after the slash, share what reads their inputs.
KINDS = list({r.name.partition("/")[0]: r for r in reversed(RULES)}.values())
# What the inner loop runs: a threshold per label, a number of labels, a set per example.
QUICK = [r for r in KINDS if r.name in ("per_label_threshold", "label_count", "f_maximizer")]


def data(seed: int, n: int = 24, num_labels: int = 5, levels: int | None = None):
    """float32 probabilities and labels drawn from them; every label has both classes.

    With `levels` the probabilities take that many values, so that there are many ties.
    """
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(-0.5, 1.5, (n, num_labels))))
    if levels is not None:
        p = (np.floor(p * levels) + 0.5) / levels
    labels = (rng.random(p.shape) < p).astype(np.int32)
    labels[0], labels[1] = 1, 0
    return p.astype(np.float32), labels


def f_beta(h: np.ndarray, y: np.ndarray, beta: float = 1.0, empty: float = 0.0, axis: Any = None):
    """F-beta in float64 numpy, `empty` for 0/0."""
    h, y = np.asarray(h, float), np.asarray(y, float)
    b2 = beta**2
    top = (1 + b2) * np.sum(h * y, axis=axis)
    bottom = b2 * np.sum(y, axis=axis) + np.sum(h, axis=axis)
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), empty)
