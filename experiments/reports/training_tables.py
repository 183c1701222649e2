"""The table, the lines and the curves of a training run."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from experiments.reports.metric_titles import MAIN_METRICS
from experiments.reports.tables import Column, Table
from experiments.results.training import RunResult, StepRecord


def progress_line(step: int, epoch: int, loss: float, validation: Mapping[str, float]) -> str:
    """The line of an evaluation."""
    shown = "  ".join(f"{name} {_number(value)}" for name, value in validation.items())
    return f"epoch {epoch:4d}  step {step:6d}  loss {loss:.4f}  {shown}"


def test_table(result: RunResult) -> Table:
    """The main metrics on test, a row per decision."""
    return Table.of(
        ["decision", *(Column(title, right=True) for title in MAIN_METRICS.values())],
        [
            [name, *(_number(values[metric]) for metric in MAIN_METRICS)]
            for name, values in result.test.items()
        ],
        title=f"{result.dataset.name}, test",
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def learning_curve(records: Sequence[StepRecord], select: str) -> Figure:
    """The loss of every step, and the metrics on validation."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([r.step for r in records], [r.loss for r in records], linewidth=0.8)
    left.set(xlabel="step", ylabel="training loss")
    evaluated = {r.step: r.validation for r in records if r.validation is not None}
    steps, values = list(evaluated), list(evaluated.values())
    for name in values[0]:
        shown = [v[name] for v in values]
        right.plot(steps, shown, label=name, linewidth=2 if name == select else 1)
    right.set(xlabel="step", ylabel="on validation, at 0.5")
    right.legend(fontsize=8)
    return figure
