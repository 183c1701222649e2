"""The records of a comparison: a system's, a row's, and the whole's."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from experiments import significance
from experiments.decision_rules import GLOBAL, ORACLE, PER_LABEL, RULES
from experiments.evaluation import METRICS, ByCriterion, Curves, Evaluation, why_undefined
from experiments.summary import SplitSummary
from experiments.systems import BASELINE
from experiments.tuning import Learning

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class SystemRecord:
    """What is kept of a trained system.

    Attributes:
      system: its name.
      values: decision -> its values.
      curves: of the runs selected at 0.5.
      selected: hyperparameters of the selected runs, per seed; () where none are tuned.
      seconds: that training took.
      learning: None where nothing is trained by epochs.
    """

    system: str
    values: Mapping[str, Evaluation]
    curves: Curves
    selected: tuple[ByCriterion[Mapping[str, float]], ...]
    seconds: float
    learning: Learning | None = None


Records = Mapping[str, SystemRecord]
"""System -> its record."""


class Pair(NamedTuple):
    """A system with a decision; SYSTEM/DECISION as text."""

    system: str
    decision: str

    def to_text(self) -> str:
        """The text of a file."""
        return f"{self.system}/{self.decision}"

    @classmethod
    def from_text(cls, text: str) -> "Pair":
        """What `to_text` made."""
        system, _, decision = text.partition("/")
        return cls(system, decision)


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric of one system with one decision on test.

    Attributes:
      system: name.
      decision: name.
      metric: name.
      mean: over the seeds in which the metric is defined; NaN where it is in none.
      std: standard deviation, likewise.
      values: per seed.
      baseline: what the row is tested against.
      p_value: of the paired test, corrected; None where there is none.
      undefined: why the metric has no value in any seed.
    """

    system: str
    decision: str
    metric: str
    mean: float
    std: float
    values: tuple[float, ...]
    baseline: Pair
    p_value: float | None
    undefined: str | None = None

    @property
    def pair(self) -> Pair:
        """Whose the row is."""
        return Pair(self.system, self.decision)


@dataclasses.dataclass(frozen=True)
class Results:
    """A comparison, as results.json holds it."""

    schema: int
    dataset: SplitSummary
    config: Mapping[str, object]
    versions: Mapping[str, str]
    rows: tuple[Row, ...]


def lower_is_better(metric: str) -> bool:
    """Whether a metric is a loss."""
    return metric.endswith("loss")


def decision_names(records: Records) -> list[str]:
    """All decisions of the records, in order."""
    return [d for d in (*RULES, ORACLE) if any(d in r.values for r in records.values())]


def make_rows(records: Records) -> tuple[Row, ...]:
    """One row per system, decision and metric, with a paired test against the baseline.

    The baseline of a metric is cross-entropy with the tuned threshold (global or per label) that
    is better on validation; p-values are corrected (Holm) over the systems of one decision. Means,
    deviations and tests are over the seeds in which the metric is defined; where it is in none,
    they are NaN and the row says why it is undefined.
    """
    decisions = decision_names(records)
    rows = [
        row
        for metric in METRICS
        for decision in decisions
        for row in _rows_of(records, metric, decision, _baseline(records, metric))
    ]
    systems = {name: i for i, name in enumerate(records)}
    return tuple(sorted(rows, key=lambda r: (systems[r.system], decisions.index(r.decision))))


def _baseline(records: Records, metric: str) -> Pair:
    tuned = records[BASELINE].values

    def on_validation(decision: str) -> float:
        mean = mean_on_validation(tuned[decision], metric)
        return -math.inf if math.isnan(mean) else -mean if lower_is_better(metric) else mean

    return Pair(BASELINE, max((GLOBAL, PER_LABEL), key=on_validation))


def mean_on_validation(evaluation: Evaluation, metric: str) -> float:
    """Mean over seeds; NaN where the metric is undefined in all."""
    validation = evaluation.validation or {}
    return significance.mean_and_deviation(validation.get(metric, ()))[0]


def _rows_of(records: Records, metric: str, decision: str, baseline: Pair) -> Iterable[Row]:
    """A row of each system that has a value there."""
    values = {
        name: record.values[decision].test[metric]
        for name, record in records.items()
        if decision in record.values and metric in record.values[decision].test
    }
    against = records[baseline.system].values[baseline.decision].test[metric]
    spread = {name: significance.mean_and_deviation(x) for name, x in values.items()}
    # The baseline is not tested against itself, nor is an oracle, which saw test labels, nor what
    # has no value.
    tested = [
        name
        for name, (mean, _) in spread.items()
        if Pair(name, decision) != baseline and decision != ORACLE and not math.isnan(mean)
    ]
    corrected = significance.holm(
        [significance.wilcoxon_p_value(values[name], against) for name in tested]
    )
    p_values = dict(zip(tested, corrected, strict=True))
    for name, (mean, deviation) in spread.items():
        undefined = why_undefined(metric) if math.isnan(mean) else None
        p_value = p_values.get(name)
        yield Row(
            *(name, decision, metric, mean, deviation, values[name]),
            *(baseline, p_value, undefined),
        )
