"""The comparison's table (terminal, Markdown) and its self-contained HTML report."""

import base64
import html as html_escape
import json
from typing import Any

from rich.table import Table

from experiments.decision_rules import DEFAULT, ORACLE

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
NOTE = (
    "Mean ± standard deviation over seeds, on test. Thresholds and hyperparameters were chosen on "
    "validation. + better, - worse than cross-entropy with tuned thresholds (Wilcoxon signed-rank "
    f"over seeds, Holm-corrected, p < {SIGNIFICANT}). "
    "Rows named oracle saw the test labels: upper bounds, not results."
)


def live_header() -> str:
    """The header of the lines that appear as systems finish: F1 by average, Hamming loss."""
    titles = [title.removesuffix(" F1").removesuffix(" loss") for title in MAIN_METRICS.values()]
    return f"{'system':21}{'decision':9}" + "".join(f"{t:>9}" for t in titles)


def live_rows(name: str, record: dict[str, Any], resumed: bool) -> str:
    """The lines of one finished system."""
    lines = []
    for decision in DEFAULT:
        parts = record["values"].get(decision)
        if parts is None:
            continue
        means = [sum(v := parts["test"][m]) / len(v) for m in MAIN_METRICS]
        lines.append(f"{name:21}{decision:9}" + "".join(f"{x:9.3f}" for x in means))
    return "\n".join(lines) + ("  resumed" if resumed else "")


def _cells(results: dict[str, Any], metrics: dict[str, str]) -> list[list[str]]:
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in results["rows"]:
        cell = cells.setdefault((row["system"], row["decision"]), {})
        if row["metric"] in metrics:
            cell[row["metric"]] = f"{row['mean']:.3f} ± {row['std']:.3f}{_mark(row, results)}"
    return [[*key, *(cell.get(m, "") for m in metrics)] for key, cell in cells.items()]


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


def rich_table(results: dict[str, Any], with_spread: bool) -> Table:
    """The main table for the terminal; without standard deviations where it is narrow."""
    table = Table(caption=NOTE, title=_title(results), box=None, padding=(0, 1, 0, 0))
    for title in ("system", "decision", *MAIN_METRICS.values()):
        table.add_column(title.replace(" F1", "\nF1").replace(" loss", "\nloss"), no_wrap=True)
    for system, decision, *values in _cells(results, MAIN_METRICS):
        if not with_spread:
            values = [v.split(" ")[0] + v.partition("±")[2][6:] for v in values]
        table.add_row(system, decision, *values)
    return table


def _title(results: dict[str, Any]) -> str:
    d, c = results["dataset"], results["config"]
    low, high = d["labels_per_example"]
    return (
        f"{d['name']}: {d['examples']} examples, {d['labels']} labels, "
        f"{d['cardinality']:.2f} labels per example ({low} to {high}); "
        f"{c['seeds']} seeds, {c['budget']} settings per loss; split: {d['split']}"
    )


def markdown(results: dict[str, Any]) -> str:
    """Both tables as Markdown."""
    parts = [f"{_title(results)}\n"]
    for metrics in (MAIN_METRICS, MORE_METRICS):
        header = ["system", "decision", *metrics.values()]
        lines = [header, ["---"] * len(header), *_cells(results, metrics)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join([*parts, NOTE, ""])


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
    for metrics in (MAIN_METRICS, MORE_METRICS):
        body.append(_html_table(results, metrics))
    body.append(f"<p>{html_escape.escape(NOTE)} Bold: the best mean of a column.</p>")
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
            r["mean"] for r in results["rows"] if r["metric"] == metric and r["decision"] != ORACLE
        ]
        best[metric] = f"{min(means) if metric.endswith('loss') else max(means):.3f}"
    header = "".join(f"<th>{t}</th>" for t in ("system", "decision", *metrics.values()))
    rows = []
    for system, decision, *values in _cells(results, metrics):
        cells = "".join(
            f"<td{' class=best' if v.startswith(best[m]) else ''}>{v}</td>"
            for m, v in zip(metrics, values, strict=True)
        )
        rows.append(f"<tr><td>{system}</td><td>{decision}</td>{cells}</tr>")
    return f"<table><tr>{header}</tr>{''.join(rows)}</table>"
