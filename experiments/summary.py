"""What there is to say of a data set and its split before anything is trained."""

import dataclasses
from collections.abc import Mapping

from experiments.datasets import card
from experiments.datasets.dataset import Dataset
from experiments.problem import Problem
from experiments.splits import Splits, lacking, lacking_in_words


@dataclasses.dataclass(frozen=True)
class Summary:
    """A data set's name, size and label statistics."""

    name: str
    source: str
    examples: int
    features: int
    labels: int
    cardinality: float
    labels_per_example: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class SplitSummary(Summary):
    """Further: where the split comes from, its parts' sizes, and what readers should know of it.

    Attributes:
      lacking: labels that lack positive examples in a part, in lines.
      leak: as `experiments.datasets.card.leak`.
      warnings: what of it readers of results should know, in lines.
    """

    split: str
    part_sizes: Mapping[str, int]
    lacking: tuple[str, ...]
    leak: Mapping[str, int] | None
    warnings: tuple[str, ...]


def describe(dataset: Dataset) -> Summary:
    """The data set's name, size and label statistics."""
    counts = dataset.labels.sum(1)
    return Summary(
        name=dataset.name,
        source=dataset.source,
        examples=len(dataset.labels),
        features=dataset.features.shape[1],
        labels=dataset.labels.shape[1],
        cardinality=float(counts.mean()),
        labels_per_example=(int(counts.min()), int(counts.max())),
    )


def describe_split(problem: Problem) -> SplitSummary:
    """The data set and its split."""
    splits, dataset = problem.splits, problem.dataset
    lacked = lacking_in_words(lacking(dataset.labels, splits), dataset.label_names)
    leak = card.leak(dataset)
    leaky = leak is not None and leak["features"] > 0
    return SplitSummary(
        **vars(describe(dataset)),
        split=problem.how,
        part_sizes={
            name: int((rows[0] >= 0).sum())
            for name, rows in zip(Splits._fields, splits, strict=True)
        },
        lacking=tuple(lacked),
        leak=leak,
        warnings=(
            *lacked,
            *([f"test examples in train: {card.leak_in_words(leak)}"] if leaky else []),
        ),
    )
