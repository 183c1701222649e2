"""The comparison's table (terminal, Markdown) and its self-contained HTML report."""

import base64
import html as html_escape
import json
import math
from typing import Any

from rich.table import Table
from rich.text import Text

from experiments.decision_rules import DEFAULT, ORACLE
from experiments.significance import mean_and_deviation
from experiments.storage import numbers
from experiments.systems import BASELINE
from experiments.tuning import REFERENCES

MAIN_METRICS = {
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "samples_f1": "samples F1",
    "hamming_loss": "Hamming loss",
}
MORE_METRICS = {
    "micro_precision": "micro P",
    "macro_precision": "macro P",
    "weighted_precision": "weighted P",
    "samples_precision": "samples P",
    "micro_recall": "micro R",
    "macro_recall": "macro R",
    "weighted_recall": "weighted R",
    "samples_recall": "samples R",
    "subset_accuracy": "subset accuracy",
}
SIGNIFICANT = 0.05
# Rows of the table in the terminal; the file has all of them.
SHOWN = 15
RANKED_BY = ("micro_f1", "macro_f1", "samples_f1")
_MEAN = "Mean over seeds, on test. "
_SPREAD = "Mean ± standard deviation over seeds, on test. "
_NOTE = (
    "Thresholds and hyperparameters were chosen on "
    "validation. + better, - worse than cross-entropy with tuned thresholds (Wilcoxon signed-rank "
    f"over seeds, Holm-corrected, p < {SIGNIFICANT}). "
)
_ORACLE = "Rows named oracle saw the test labels: upper bounds, not results. "
UNDEFINED = "–"


def _titles() -> list[str]:
    return [title.removesuffix(" F1").removesuffix(" loss") for title in MAIN_METRICS.values()]


def live_header(width: int) -> str:
    """The header of the lines that appear as systems finish: F1 by average, Hamming loss.

    `width` is the length of the longest name of a system.
    """
    return f"{'system':{width}} {'decision':9}" + "".join(f" {t:>5}" for t in _titles())


def live_rows(name: str, record: dict[str, Any], resumed: bool, width: int) -> str:
    """The lines of one finished system."""
    lines = []
    for decision in DEFAULT:
        parts = record["values"].get(decision)
        if parts is None:
            continue
        line = f"{name:{width}} {decision:9}"
        for metric, title in zip(MAIN_METRICS, _titles(), strict=True):
            mean, _ = mean_and_deviation(numbers(parts["test"][metric]))
            line += f" {UNDEFINED if math.isnan(mean) else f'{mean:.3f}':>{max(5, len(title))}}"
        lines.append(line)
    return "\n".join(lines) + ("  resumed" if resumed else "")


def _cells(results: dict[str, Any], metrics: dict[str, str]) -> dict[tuple[str, str], list[str]]:
    """(System, decision) -> the metrics as text, "" where a system has none of them."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in results["rows"]:
        cell = cells.setdefault((row["system"], row["decision"]), {})
        if row["metric"] in metrics:
            cell[row["metric"]] = (
                UNDEFINED
                if row["mean"] is None
                else f"{row['mean']:.3f} ± {row['std']:.3f}{_mark(row, results)}"
            )
    return {key: [cell.get(m, "") for m in metrics] for key, cell in cells.items()}


def _mark(row: dict[str, Any], results: dict[str, Any]) -> str:
    if row["p_value"] is None or row["p_value"] >= SIGNIFICANT:
        return ""
    system, decision = row["baseline"].split("/")
    baseline = next(
        r["mean"]
        for r in results["rows"]
        if (r["system"], r["decision"], r["metric"]) == (system, decision, row["metric"])
    )
    better = (row["mean"] > baseline) != row["metric"].endswith("loss")
    return " +" if better else " -"


def _without_spread(cell: str) -> str:
    """A cell with its mean and mark alone: 0.412 + for 0.412 ± 0.003 +."""
    mean, _, rest = cell.partition(" ± ")
    mark = rest.partition(" ")[2]
    return f"{mean} {mark}" if mark else mean


def best_first(results: dict[str, Any]) -> list[tuple[str, str]]:
    """(System, decision) by the mean of micro, macro and samples F1 on test; oracles are not."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in results["rows"]:
        if row["metric"] in RANKED_BY and row["decision"] != ORACLE:
            values = found.setdefault((row["system"], row["decision"]), [])
            values += [] if row["mean"] is None else [row["mean"]]
    means = {key: sum(v) / len(v) if v else -math.inf for key, v in found.items()}
    return sorted(means, key=lambda key: -means[key])


def rich_table(results: dict[str, Any], width: int) -> Table:
    """The table for the terminal: the best rows, and the best of each reference and the baseline.

    `width` is the terminal's: where they do not fit, standard deviations are left out.
    """
    cells = _cells(results, MAIN_METRICS)
    ranked = best_first(results)
    shown = ranked[:SHOWN]
    for name in (*REFERENCES, BASELINE):
        best = [key for key in ranked if key[0] == name][:1]
        shown += [key for key in best if key not in shown]
    lines = [[*key, *cells[key]] for key in shown]
    # Each column with the blank after it.
    wide = sum(1 + max(map(len, column)) for column in zip(*lines, strict=True)) <= width
    note = (_SPREAD if wide else _MEAN) + _NOTE + _undefined(results, MAIN_METRICS)
    note += "Best first by the mean of micro, macro and samples F1"
    left = len(cells) - len(shown)
    if left:
        note += f"; {left} more rows are in table.md"
    # Names are data: none of them is markup.
    table = Table(
        caption=Text(f"{note}."), title=Text(_title(results)), box=None, padding=(0, 1, 0, 0)
    )
    for title in ("system", "decision"):
        table.add_column(title, overflow="fold")
    for title in MAIN_METRICS.values():
        table.add_column(title.replace(" F1", "\nF1").replace(" loss", "\nloss"), no_wrap=True)
    for line in lines:
        texts = line if wide else [*line[:2], *map(_without_spread, line[2:])]
        table.add_row(*map(Text, texts))
    return table


def _undefined(results: dict[str, Any], metrics: dict[str, str]) -> str:
    """Why metrics have no value, where one has none in any seed."""
    reasons: dict[str, str] = {}
    for row in results["rows"]:
        if row["metric"] in metrics and "undefined" in row:
            reasons[metrics[row["metric"]]] = row["undefined"]
    return "".join(f"{UNDEFINED} {title} is undefined: {why}. " for title, why in reasons.items())


def _note(results: dict[str, Any]) -> str:
    return (
        _SPREAD + _NOTE + _ORACLE + _undefined(results, {**MAIN_METRICS, **MORE_METRICS})
    ).rstrip()


def _title(results: dict[str, Any]) -> str:
    d, c = results["dataset"], results["config"]
    low, high = d["labels_per_example"]
    return (
        f"{d['name']}: {d['examples']} examples, {d['labels']} label{'s' * (d['labels'] > 1)}, "
        f"{d['cardinality']:.2f} labels per example ({low} to {high}); "
        f"{c['seeds']} seeds, {c['budget']} settings per loss; split: {d['split']}"
    )


def markdown(results: dict[str, Any]) -> str:
    """Both tables as Markdown, all rows, in the order of systems and decisions."""
    parts = [f"{_title(results)}\n"]
    parts += [f"{line[0].upper()}{line[1:]}\n" for line in results["dataset"]["warnings"]]
    for metrics in (MAIN_METRICS, MORE_METRICS):
        header = ["system", "decision", *metrics.values()]
        rows = [[*key, *values] for key, values in _cells(results, metrics).items()]
        lines = [header, ["---"] * len(header), *rows]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join([*parts, _note(results), ""])


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1100px; margin: 2em auto }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #ddd }
td { white-space: nowrap }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left }
td.best { font-weight: bold } img { max-width: 100%; margin: 1em 0 } pre { overflow-x: auto }
"""


def html(results: dict[str, Any], figures: dict[str, bytes]) -> str:
    """One HTML file with tables, figures and configuration, and no external reference."""
    title = html_escape.escape(_title(results))
    body = [f"<h1>{html_escape.escape(results['dataset']['name'])}</h1><p>{title}</p>"]
    body += [f"<p>{html_escape.escape(line)}</p>" for line in results["dataset"]["warnings"]]
    for metrics in (MAIN_METRICS, MORE_METRICS):
        body.append(_html_table(results, metrics))
    body.append(f"<p>{html_escape.escape(_note(results))} Bold: the best mean of a column.</p>")
    for name, png in figures.items():
        data = base64.b64encode(png).decode()
        body.append(f'<img alt="{name}" src="data:image/png;base64,{data}">')
    settings = json.dumps({k: results[k] for k in ("dataset", "config", "versions")}, indent=1)
    body.append(f"<h2>Configuration</h2><pre>{html_escape.escape(settings)}</pre>")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style>\n" + "\n".join(body) + "</html>\n"
    )


def _html_table(results: dict[str, Any], metrics: dict[str, str]) -> str:
    best = {}
    for metric in metrics:
        means = [
            r["mean"]
            for r in results["rows"]
            if r["metric"] == metric and r["decision"] != ORACLE and r["mean"] is not None
        ]
        if means:
            best[metric] = f"{min(means) if metric.endswith('loss') else max(means):.3f}"
    header = "".join(f"<th>{t}</th>" for t in ("system", "decision", *metrics.values()))
    rows = []
    for (system, decision), values in _cells(results, metrics).items():
        cells = "".join(
            f"<td{' class=best' if v.startswith(best.get(m, 'none')) else ''}>{v}</td>"
            for m, v in zip(metrics, values, strict=True)
        )
        rows.append(f"<tr><td>{system}</td><td>{decision}</td>{cells}</tr>")
    return f"<table><tr>{header}</tr>{''.join(rows)}</table>"
