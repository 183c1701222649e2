"""The card of a data set: what there is, how much, how unevenly. Pure functions of a `Dataset`."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.datasets.dataset import PARTS, Dataset, label_counts
from experiments.datasets.rows import keys
from experiments.reports.tables import Table

# Labels that a card lists and a co-occurrence map shows.
MOST = 40


def card(dataset: Dataset) -> dict[str, Any]:
    """The figures of a data set, as JSON.

    With n examples, c labels, Y_i the labels of example i and n_l the examples with label l:

    - cardinality: mean of |Y_i|; density: cardinality / c;
    - distinct_label_sets: number of different Y_i; commonest_set_share: the share of examples
      with the commonest one;
    - mean_imbalance, max_imbalance: mean and maximum over labels of max_k n_k / n_l (IRLbl of
      Charte et al., Neurocomputing 2015), over the labels that occur at all;
    - missing_share: the share of entries of labels that are not known;
    - missing_features_share: the share of features that are not known, which `impute` fills;
    - leak: as `leak`;
    - hierarchy: number of (parent, child) pairs as "edges", and as "depth" the labels on the
      longest way down; None without a hierarchy.

    A missing entry counts as absent everywhere else.
    """
    parts = dataset.parts or {}
    per_example = labels_per_example(dataset)
    counts = label_counts(dataset)
    occurring = counts[counts > 0]
    sets = _label_sets(dataset, per_example)
    imbalance = occurring.max() / occurring
    return {
        "name": dataset.name,
        "source": dataset.source,
        "scope": dataset.scope,
        "scope_reason": dataset.scope_reason,
        "examples": len(dataset.labels),
        "features": list(dataset.features.shape[1:]),
        "features_dtype": str(dataset.features.dtype),
        "labels": dataset.num_labels,
        "cardinality": float(per_example.mean()),
        "density": float(per_example.mean() / dataset.num_labels),
        "labels_per_example": [int(per_example.min()), int(per_example.max())],
        "examples_without_labels": int((per_example == 0).sum()),
        "examples_with_several_labels": int((per_example > 1).sum()),
        "labels_without_examples": int((counts == 0).sum()),
        "distinct_label_sets": len(sets),
        "commonest_set_share": max(sets.values()) / len(dataset.labels),
        "mean_imbalance": float(imbalance.mean()),
        "max_imbalance": float(imbalance.max()),
        "missing_features_share": _missing(dataset.features),
        "missing_share": 0.0 if dataset.where is None else float(1 - dataset.where.mean()),
        "parts": {name: len(parts[name]) for name in PARTS if name in parts},
        "leak": leak(dataset),
        "hierarchy": _hierarchy(dataset),
        "commonest_labels": {dataset.label_names[i]: int(counts[i]) for i in commonest(counts)},
    }


def leak(dataset: Dataset) -> dict[str, int] | None:
    """Test examples of the source's own split that are training examples, too.

    Returns:
      "test": number of test examples; "features": how many of them have the features of a
      training example, every one the same; "labels": how many have its labels, too. None if the
      source has no train and test part.
    """
    parts = dataset.parts or {}
    if "train" not in parts or "test" not in parts:
        return None
    labels = dataset.labels if dataset.labels.dtype == np.bool_ else np.sort(dataset.labels, 1)
    known = None if dataset.where is None else ~dataset.where
    seen: dict[bytes, set[bytes]] = {}
    counts = {"test": len(parts["test"]), "features": 0, "labels": 0}
    for part in ("train", "test"):
        rows = parts[part]
        shown = labels[rows] if known is None else np.hstack([labels[rows], known[rows]])
        # Rows in blocks: features may be of gigabytes.
        blocks = np.array_split(rows, -(-len(rows) // 1024))
        features = itertools.chain.from_iterable(keys(dataset.features[b]) for b in blocks)
        for key, label_set in zip(features, keys(shown), strict=True):
            if part == "train":
                seen.setdefault(key, set()).add(label_set)
            elif key in seen:
                counts["features"] += 1
                counts["labels"] += label_set in seen[key]
    return counts


def _hierarchy(dataset: Dataset) -> dict[str, int] | None:
    if not dataset.hierarchy:
        return None
    parents = {child: parent for parent, child in dataset.hierarchy}
    depth: dict[int, int] = {}
    for label in parents:
        path = [label]
        while path[-1] not in depth and path[-1] in parents:
            path.append(parents[path[-1]])
        depth.setdefault(path[-1], 1)
        for above, below in itertools.pairwise(reversed(path)):
            depth[below] = depth[above] + 1
    return {"edges": len(dataset.hierarchy), "depth": max(depth.values())}


def _missing(features: npt.NDArray[Any]) -> float:
    return float(np.isnan(features).mean()) if features.dtype == np.float32 else 0.0


def labels_per_example(dataset: Dataset) -> npt.NDArray[np.intp]:
    """Number of labels of each example: [examples]."""
    return np.bincount(dataset.positives()[0], minlength=len(dataset.labels))


def commonest(counts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The at most `MOST` labels with the highest counts, in descending order; ties by number."""
    return np.argsort(-counts, kind="stable")[:MOST]


def co_occurrence(dataset: Dataset) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The commonest labels that occur, and the number of examples that have two of them.

    Returns:
      Label numbers [m], and symmetric counts [m, m] with each label's own count as diagonal.
    """
    counts = label_counts(dataset)
    chosen = commonest(counts)
    chosen = chosen[counts[chosen] > 0]
    position = np.full(dataset.num_labels, -1)
    position[chosen] = np.arange(len(chosen))
    rows, labels = dataset.positives()
    shown = position[labels] >= 0
    present = np.zeros((len(dataset.labels), len(chosen)), np.float32)
    present[rows[shown], position[labels[shown]]] = 1
    # Exact: float32 holds whole numbers up to 2^24, and a block adds up fewer.
    counted = np.zeros((len(chosen), len(chosen)), np.intp)
    for block in np.array_split(present, -(-len(present) // 2**20)):
        counted += (block.T @ block).astype(np.intp)
    return chosen, counted


def _label_sets(dataset: Dataset, per_example: npt.NDArray[np.intp]) -> dict[bytes, int]:
    """Number of examples with each set of labels."""
    _, labels = dataset.positives()
    ends = np.cumsum(per_example)
    sets: dict[bytes, int] = {}
    for start, end in itertools.pairwise((0, *ends)):
        key = labels[start:end].tobytes()
        sets[key] = sets.get(key, 0) + 1
    return sets


def rows(card: dict[str, Any]) -> list[tuple[str, str]]:
    """The card as titles and values for people."""
    low, high = card["labels_per_example"]
    n = card["examples"]
    shape = " x ".join(map(str, card["features"]))
    tree = card["hierarchy"]
    kind = {"float32": "numbers", "int32": "token ids", "uint8": "image"}[card["features_dtype"]]
    return [
        ("source", card["source"]),
        ("labels describe", f"{card['scope']}: {card['scope_reason']}"),
        ("examples", f"{n:,}"),
        ("the source's split", ", ".join(f"{k} {v:,}" for k, v in card["parts"].items()) or "none"),
        ("features", f"{shape} ({kind})"),
        ("labels", f"{card['labels']:,}"),
        ("labels per example", f"{card['cardinality']:.3f} (cardinality), {low} to {high}"),
        ("density", f"{card['density']:.4f}"),
        ("examples without labels", _share(card["examples_without_labels"], n)),
        ("examples with several labels", _share(card["examples_with_several_labels"], n)),
        ("labels without examples", f"{card['labels_without_examples']:,}"),
        (
            "distinct label sets",
            f"{card['distinct_label_sets']:,}; the commonest has "
            f"{card['commonest_set_share']:.1%} of the examples",
        ),
        (
            "imbalance (IRLbl)",
            f"mean {card['mean_imbalance']:.2f}, highest {card['max_imbalance']:.1f}",
        ),
        ("missing labels", f"{card['missing_share']:.1%} of the entries"),
        *(
            [("missing features", f"{card['missing_features_share']:.1%} of the values")]
            if card["missing_features_share"]
            else []
        ),
        ("test examples in train", leak_in_words(card["leak"])),
        *(
            [
                (
                    "hierarchy",
                    "{edges:,} edge{s}, depth {depth}".format(s="s"[: tree["edges"] > 1], **tree),
                )
            ]
            if tree
            else []
        ),
    ]


def leak_in_words(found: dict[str, int] | None) -> str:
    """What `leak` found, in a line."""
    if found is None:
        return "the source has no split of its own"
    if not found["features"]:
        return f"none of {found['test']:,}"
    return (
        f"{_share(found['features'], found['test'])} have the features of a training example, "
        f"{found['labels']:,} of them its labels, too"
    )


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.1%})"


def markdown(card: dict[str, Any], figures: dict[str, str]) -> str:
    """The card as Markdown; `figures` is title -> file."""
    table = Table.of(("", ""), rows(card)).markdown()
    counts = card["commonest_labels"].items()
    shares = [(name, _share(n, card["examples"])) for name, n in counts]
    labels = Table.of(("commonest labels", "examples"), shares).markdown()
    pictures = "\n\n".join(f"![{title}]({file})" for title, file in figures.items())
    return f"# {card['name']}\n\n{table}\n\n{pictures}\n\n{labels}\n"
