"""Figures of a data set's card."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.cluster import hierarchy
from scipy.spatial import distance

from experiments.datasets.card import co_occurrence, labels_per_example
from experiments.datasets.dataset import Dataset, label_counts
from experiments.reports.figures import png, text

_COLOUR = "#31688e"


def all_figures(dataset: Dataset) -> dict[str, bytes]:
    """Name -> PNG."""
    drawn = {
        "labels_per_example": draw_labels_per_example(dataset),
        "label_frequencies": draw_label_frequencies(dataset),
        "co_occurrence": draw_co_occurrence(dataset),
    }
    return {name: png(figure) for name, figure in drawn.items()}


def draw_labels_per_example(dataset: Dataset) -> Figure:
    """Number of examples by number of labels."""
    counts = labels_per_example(dataset)
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    # A bar per number, or at most 60 bars of equal widths.
    width = -(-(int(counts.max()) + 1) // 60)
    edges = np.arange(0, counts.max() + 1 + width, width)
    heights, _ = np.histogram(counts, edges)
    axes.bar(edges[:-1] + (width - 1) / 2, heights, 0.9 * width, color=_COLOUR)
    if len(heights) <= 12:
        # On white, so that the dashed line does not strike a number through.
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        for x, height in zip(edges, heights, strict=False):
            y, number = height + 0.015 * heights.max(), f"{height:,}"
            axes.text(x, y, number, ha="center", va="bottom", size=8, bbox=box, zorder=3)
    axes.axvline(counts.mean(), color="black", linestyle="--", linewidth=1)
    axes.set_title(
        f"{text(dataset.name)}: {counts.mean():.2f} labels per example (dashed)", fontsize=11
    )
    axes.set(xlabel="labels of an example", ylabel="examples")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.1)
    _plain(axes)
    return figure


def draw_label_frequencies(dataset: Dataset) -> Figure:
    """Number of examples of each label, labels in descending order."""
    counts = label_counts(dataset)
    order = np.argsort(-counts, kind="stable")
    if len(order) <= 40:
        figure = Figure(figsize=(6, 0.19 * len(order) + 1.2), layout="constrained")
        axes = figure.subplots()
        axes.barh(range(len(order)), counts[order], color=_COLOUR)
        axes.set_yticks(range(len(order)), [text(dataset.label_names[i]) for i in order], size=8)
        axes.invert_yaxis()
        axes.margins(y=0.01)
        axes.set(xlabel="examples")
    else:
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(np.arange(1, len(order) + 1), counts[order], ".-", color=_COLOUR, markersize=4)
        # Long tails are straight here; labels without examples stay visible at 0.
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(bottom=0)
        axes.set(xlabel="labels by rank", ylabel="examples")
        axes.grid(alpha=0.3)
    axes.set_title(f"{text(dataset.name)}: examples of each of {len(order):,} labels", fontsize=11)
    _plain(axes)
    return figure


def draw_co_occurrence(dataset: Dataset) -> Figure:
    """Of the examples with one label, the share that has another; similar labels side by side."""
    chosen, counts = co_occurrence(dataset)
    order = similar_side_by_side(counts)
    counts, names = counts[np.ix_(order, order)], [dataset.label_names[i] for i in chosen[order]]
    share = counts / np.diag(counts)[:, None]
    np.fill_diagonal(share, np.nan)
    size = max(3.5, 0.19 * len(names) + 1.5)
    figure = Figure(figsize=(size + 1.2, size), layout="constrained")
    axes = figure.subplots()
    if np.nansum(share) == 0:
        axes.set_title(f"{text(dataset.name)}: no two labels occur together", fontsize=11)
    else:
        axes.set_title(f"{text(dataset.name)}: labels that occur together", fontsize=11)
    image = axes.imshow(share, cmap="Blues", vmin=0, aspect="equal")
    axes.set_facecolor("0.8")
    labels = [text(name) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=90, size=7)
    axes.set_yticks(range(len(names)), labels, size=7)
    axes.set(xlabel="have this one too", ylabel="of the examples with this label")
    figure.colorbar(image, ax=axes, shrink=0.7, format=lambda x, _: f"{100 * x:g}%")
    return figure


def similar_side_by_side(counts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """An order of labels in which neighbours share examples: clusters of the Jaccard similarity.

    Args:
      counts: co-occurrence counts [m, m], positive on the diagonal.

    Returns:
      A permutation of m numbers.
    """
    own = np.diag(counts)
    if len(own) < 3:
        return np.arange(len(own))
    jaccard = counts / (own[:, None] + own[None, :] - counts)
    condensed = distance.squareform(1 - jaccard, checks=False)
    tree = hierarchy.linkage(condensed, method="average", optimal_ordering=True)
    return np.asarray(hierarchy.leaves_list(tree), np.intp)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
