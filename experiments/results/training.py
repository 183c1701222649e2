"""The records of a run: a step's line in metrics.jsonl, and the result."""

import dataclasses
from collections.abc import Mapping

from experiments.summary import Summary

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class StepRecord:
    """A line of metrics.jsonl.

    Attributes:
      step: from 1.
      epoch: from 1.
      gradient_norm: of the gradient of the global batch.
      loss: of the global batch.
      validation: metrics at 0.5 after the step; None where it was not evaluated.
    """

    step: int
    epoch: int
    gradient_norm: float
    loss: float
    validation: Mapping[str, float] | None = None


@dataclasses.dataclass(frozen=True)
class LabelResult:
    """One label on test with the global threshold; NaN where there is nothing to divide by."""

    label: str
    frequency: float
    f1: float
    precision: float
    recall: float


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What result.json holds.

    Attributes:
      schema: of the file.
      dataset: what was trained on.
      config: what determines the result.
      versions: of packages.
      parameters: their number.
      best_step: step of the best state on validation.
      validation: its metrics there, at 0.5.
      threshold: of the global decision, to be used with the network.
      test: decision -> metric -> value.
      labels: each label.
    """

    schema: int
    dataset: Summary
    config: Mapping[str, object]
    versions: Mapping[str, str]
    parameters: int
    best_step: int
    validation: Mapping[str, float]
    threshold: float
    test: Mapping[str, Mapping[str, float]]
    labels: tuple[LabelResult, ...]
