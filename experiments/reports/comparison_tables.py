"""The comparison's tables (terminal, Markdown) and its self-contained HTML report."""

import base64
import html as html_escape
import json
import math
from collections.abc import Mapping

from experiments import records
from experiments.decision_rules import DEFAULT, ORACLE
from experiments.evaluation import RANKED_BY
from experiments.reports.metric_titles import MAIN_METRICS, MORE_METRICS
from experiments.reports.tables import UNDEFINED, Column, Table, mean_cell
from experiments.results.comparison import Pair, Results, Row, SystemRecord, lower_is_better
from experiments.significance import mean_and_deviation
from experiments.systems import BASELINE
from experiments.tuning import REFERENCES

SIGNIFICANT = 0.05
# Rows of the table in the terminal; the file has all of them.
SHOWN = 15
_MEAN = "Mean over seeds, on test. "
_SPREAD = "Mean ± standard deviation over seeds, on test. "
_NOTE = (
    "Thresholds and hyperparameters were chosen on "
    "validation. + better, - worse than cross-entropy with tuned thresholds (Wilcoxon signed-rank "
    f"over seeds, Holm-corrected, p < {SIGNIFICANT}). "
)
_ORACLE = "Rows named oracle saw the test labels: upper bounds, not results. "


def _titles() -> list[str]:
    return [title.removesuffix(" F1").removesuffix(" loss") for title in MAIN_METRICS.values()]


def live_header(width: int) -> str:
    """The header of the lines that appear as systems finish: F1 by average, Hamming loss.

    `width` is the length of the longest name of a system.
    """
    return f"{'system':{width}} {'decision':9}" + "".join(f" {t:>5}" for t in _titles())


def live_rows(name: str, record: SystemRecord, resumed: bool, width: int) -> str:
    """The lines of one finished system."""
    lines = []
    for decision in DEFAULT:
        if decision not in record.values:
            continue
        line = f"{name:{width}} {decision:9}"
        for metric, title in zip(MAIN_METRICS, _titles(), strict=True):
            mean, _ = mean_and_deviation(record.values[decision].test[metric])
            line += f" {mean_cell(mean):>{max(5, len(title))}}"
        lines.append(line)
    return "\n".join(lines) + ("  resumed" if resumed else "")


def _by_pair(results: Results) -> dict[Pair, dict[str, Row]]:
    """System and decision -> metric -> row."""
    found: dict[Pair, dict[str, Row]] = {}
    for row in results.rows:
        found.setdefault(row.pair, {})[row.metric] = row
    return found


def _cells(
    results: Results, metrics: Mapping[str, str], spread: bool = True
) -> dict[Pair, list[str]]:
    """System and decision -> the metrics as text, "" where a system has none of them."""
    rows = _by_pair(results)

    def cell(row: Row | None) -> str:
        if row is None:
            return ""
        mark = ""
        if row.p_value is not None and row.p_value < SIGNIFICANT:
            above = row.mean > rows[row.baseline][row.metric].mean
            mark = "+" if above != lower_is_better(row.metric) else "-"
        return mean_cell(row.mean, row.std if spread else None, mark)

    return {pair: [cell(of.get(metric)) for metric in metrics] for pair, of in rows.items()}


def best_first(results: Results) -> list[Pair]:
    """System and decision by the mean of micro, macro and samples F1 on test; oracles are not."""
    found: dict[Pair, list[float]] = {}
    for row in results.rows:
        if row.metric in RANKED_BY and row.decision != ORACLE:
            values = found.setdefault(row.pair, [])
            values += [] if math.isnan(row.mean) else [row.mean]
    means = {pair: sum(v) / len(v) if v else -math.inf for pair, v in found.items()}
    return sorted(means, key=lambda pair: -means[pair])


def terminal_table(results: Results, width: int) -> Table:
    """The table for the terminal: the best rows, and the best of each reference and the baseline.

    `width` is the terminal's: where they do not fit, standard deviations are left out.
    """
    ranked = best_first(results)
    shown = ranked[:SHOWN]
    for name in (*REFERENCES, BASELINE):
        best = [pair for pair in ranked if pair.system == name][:1]
        shown += [pair for pair in best if pair not in shown]
    cells = _cells(results, MAIN_METRICS)
    lines = [[*pair, *cells[pair]] for pair in shown]
    # Each column with the blank after it.
    wide = sum(1 + max(map(len, column)) for column in zip(*lines, strict=True)) <= width
    if not wide:
        means = _cells(results, MAIN_METRICS, spread=False)
        lines = [[*pair, *means[pair]] for pair in shown]
    note = (_SPREAD if wide else _MEAN) + _NOTE + _undefined(results, MAIN_METRICS)
    note += "Best first by the mean of micro, macro and samples F1"
    left = len(cells) - len(shown)
    if left:
        note += f"; {left} more rows are in table.md"
    titles = [t.replace(" F1", "\nF1").replace(" loss", "\nloss") for t in MAIN_METRICS.values()]
    columns = [
        Column("system"),
        Column("decision"),
        *(Column(title, whole=True) for title in titles),
    ]
    return Table.of(columns, lines, title=_title(results), caption=f"{note}.")


def _whole_table(results: Results, metrics: Mapping[str, str]) -> Table:
    """All rows, in the order of systems and decisions; the best mean of each metric is bold."""
    cells = _cells(results, metrics)
    best = {metric: _best(results, metric) for metric in metrics}
    return Table.of(
        ["system", "decision", *metrics.values()],
        [[*pair, *values] for pair, values in cells.items()],
        best=[
            (i, 2 + j)
            for i, values in enumerate(cells.values())
            for j, (value, metric) in enumerate(zip(values, metrics, strict=True))
            if value.startswith(best[metric] or "none")
        ],
    )


def _best(results: Results, metric: str) -> str | None:
    """The best mean as the table shows it; None where there is none. Oracles do not count."""
    means = [
        row.mean
        for row in results.rows
        if row.metric == metric and row.decision != ORACLE and not math.isnan(row.mean)
    ]
    if not means:
        return None
    return mean_cell(min(means) if lower_is_better(metric) else max(means))


def _undefined(results: Results, metrics: Mapping[str, str]) -> str:
    """Why metrics have no value, where one has none in any seed."""
    reasons = {
        metrics[row.metric]: row.undefined
        for row in results.rows
        if row.metric in metrics and row.undefined is not None
    }
    return "".join(f"{UNDEFINED} {title} is undefined: {why}. " for title, why in reasons.items())


def _note(results: Results) -> str:
    return (
        _SPREAD + _NOTE + _ORACLE + _undefined(results, {**MAIN_METRICS, **MORE_METRICS})
    ).rstrip()


def _title(results: Results) -> str:
    d, c = results.dataset, results.config
    low, high = d.labels_per_example
    return (
        f"{d.name}: {d.examples} examples, {d.labels} label{'s' * (d.labels > 1)}, "
        f"{d.cardinality:.2f} labels per example ({low} to {high}); "
        f"{c['seeds']} seeds, {c['budget']} settings per loss; split: {d.split}"
    )


def markdown(results: Results) -> str:
    """Both tables as Markdown."""
    parts = [f"{_title(results)}\n"]
    parts += [f"{line[0].upper()}{line[1:]}\n" for line in results.dataset.warnings]
    for metrics in (MAIN_METRICS, MORE_METRICS):
        parts.append(f"{_whole_table(results, metrics).markdown()}\n")
    return "\n".join([*parts, _note(results), ""])


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1100px; margin: 2em auto }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #ddd }
td { white-space: nowrap }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left }
td.best { font-weight: bold } img { max-width: 100%; margin: 1em 0 } pre { overflow-x: auto }
"""


def html(results: Results, figures: Mapping[str, bytes]) -> str:
    """One HTML file with tables, figures (name -> PNG) and configuration, and nothing external."""
    title = html_escape.escape(_title(results))
    body = [f"<h1>{html_escape.escape(results.dataset.name)}</h1><p>{title}</p>"]
    body += [f"<p>{html_escape.escape(line)}</p>" for line in results.dataset.warnings]
    for metrics in (MAIN_METRICS, MORE_METRICS):
        body.append(_whole_table(results, metrics).html())
    body.append(f"<p>{html_escape.escape(_note(results))} Bold: the best mean of a column.</p>")
    for name, png in figures.items():
        data = base64.b64encode(png).decode()
        body.append(f'<img alt="{name}" src="data:image/png;base64,{data}">')
    shown = {"dataset": results.dataset, "config": results.config, "versions": results.versions}
    settings = json.dumps(records.to_json(shown), indent=1)
    body.append(f"<h2>Configuration</h2><pre>{html_escape.escape(settings)}</pre>")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style>\n" + "\n".join(body) + "</html>\n"
    )
