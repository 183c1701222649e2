"""Data sets that TFDS carries, as one input and a set of labels: which feature is what.

The builders of some of them (goemotions, civil_comments, wikipedia_toxicity_subtypes, movielens)
need TensorFlow; a folder prepared elsewhere with `file_format="array_record"` is read without it by
`tfds.builder_from_directory`.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from experiments.datasets.dataset import Scope

Example = dict[str, Any]
Reader = Callable[[Example], Example]
# From a data set's features to the names of its labels and the function that reads an example's.
Labels = Callable[[Mapping[str, Any]], tuple[Sequence[str], Reader]]

_TOXICITY = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
# The 14 observations of CheXpert, in the order of its table's columns.
_OBSERVATIONS = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion"),
    *("Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion"),
    *("Pleural Other", "Fracture", "Support Devices"),
)


@dataclasses.dataclass(frozen=True)
class Adapter:
    """How one of TFDS's data sets is read.

    Attributes:
      dataset: what `tfds.builder` takes, name and config.
      source: the feature that is the input.
      target: what it is called here: "text" or "image".
      labels: how its labels are formed.
      splits: its labelled splits, by train, validation and test; what is absent it has not.
      scope: "entity-wide" or "sub-entity"; see `MultilabelBuilder.SCOPE`.
      scope_reason: why, in a line.
    """

    dataset: str
    source: str
    target: str
    labels: Labels
    splits: Mapping[str, str]
    scope: Scope
    scope_reason: str


def adapt(
    adapter: Adapter, features: Mapping[str, Any]
) -> tuple[tfds.features.FeaturesDict, Reader]:
    """The features and the examples of one of TFDS's data sets in the shape of the builders here.

    Args:
      adapter: an entry of `ADAPTERS`.
      features: `builder.info.features` of the prepared data set.

    Returns:
      Features with the input `text` or `image`, `labels` (a sequence of `ClassLabel`) and, where
      labels may be missing, `known`; and the function from an example of `as_data_source` to an
      example of these features.

    Example:
      >>> import tensorflow_datasets as tfds
      >>> features = {"comment_text": tfds.features.Text(), "joy": None, "anger": None}
      >>> adapted, read = adapt(ADAPTERS["goemotions"], features)
      >>> adapted["labels"].feature.names
      ['anger', 'joy']
      >>> read({"comment_text": b"Oh yes", "joy": True, "anger": False})
      {'text': b'Oh yes', 'labels': [1]}
    """
    names, read = adapter.labels(features)
    text = adapter.target == "text"  # some sources hold it as a plain string tensor
    adapted = {
        adapter.target: tfds.features.Text() if text else features[adapter.source],
        "labels": tfds.features.Sequence(tfds.features.ClassLabel(names=list(names))),
    }
    if adapter.labels is _observations:
        adapted["known"] = tfds.features.Tensor(shape=(len(names),), dtype=np.bool_)
    return tfds.features.FeaturesDict(adapted), lambda example: {
        adapter.target: example[adapter.source],
        **read(example),
    }


def _flags(chosen: Callable[[Mapping[str, Any]], Iterable[str]], inside: str = "") -> Labels:
    """Labels that are features each: true, or scores of at least 0.5; perhaps `inside` another."""

    def labels(features: Mapping[str, Any]) -> tuple[Sequence[str], Reader]:
        names = tuple(chosen(features[inside] if inside else features))

        def read(example: Example) -> Example:
            flags = example[inside] if inside else example
            return {"labels": [i for i, name in enumerate(names) if flags[name] >= 0.5]}

        return names, read

    return labels


def _classes(feature: str, inside: str = "", drop: Sequence[str] = ()) -> Labels:
    """Labels that are a sequence of classes, such as those of objects; each counts once."""

    def labels(features: Mapping[str, Any]) -> tuple[Sequence[str], Reader]:
        # A sequence of dicts, as objects are, is a dict of sequences in `feature` and examples.
        found = features[inside].feature[feature] if inside else features[feature].feature
        names = tuple(name for name in found.names if name not in drop)
        place = {found.str2int(name): i for i, name in enumerate(names)}

        def read(example: Example) -> Example:
            classes = example[inside][feature] if inside else example[feature]
            return {"labels": sorted({place[int(c)] for c in classes if int(c) in place})}

        return names, read

    return labels


def _observations(features: Mapping[str, Any]) -> tuple[Sequence[str], Reader]:
    """CheXpert's state per observation: unmentioned counts as negative, uncertain as missing."""
    states = features["label"].feature

    def read(example: Example) -> Example:
        found = [states.int2str(int(state)) for state in example["label"]]
        return {
            "labels": [i for i, state in enumerate(found) if state == "positive"],
            "known": np.array([state != "uncertain" for state in found]),
        }

    return _OBSERVATIONS, read


_TRAIN_TEST = {"train": "train", "test": "test"}
_TRAIN_VALIDATION = {"train": "train", "validation": "validation"}
_ALL = {**_TRAIN_VALIDATION, "test": "test"}

ADAPTERS: dict[str, Adapter] = {
    "wikipedia_toxicity_subtypes": Adapter(
        dataset="wikipedia_toxicity_subtypes/EnglishSubtypes",
        source="text",
        target="text",
        labels=_flags(lambda features: _TOXICITY),
        splits=_TRAIN_TEST,
        scope="entity-wide",
        scope_reason="annotators judged whole comments",
    ),
    "civil_comments": Adapter(
        dataset="civil_comments/CivilComments",
        source="text",
        target="text",
        labels=_flags(lambda features: (*_TOXICITY, "sexual_explicit")),
        splits=_ALL,
        scope="entity-wide",
        scope_reason="annotators judged whole comments",
    ),
    "goemotions": Adapter(
        dataset="goemotions",
        source="comment_text",
        target="text",
        labels=_flags(lambda features: sorted(set(features) - {"comment_text"})),
        splits=_ALL,
        scope="entity-wide",
        scope_reason="annotators judged whole comments",
    ),
    "voc": Adapter(
        dataset="voc/2007",
        source="image",
        target="image",
        labels=_classes("labels"),
        splits=_ALL,
        scope="sub-entity",
        scope_reason="each label is an object in a photograph",
    ),
    "coco": Adapter(
        dataset="coco/2014",
        source="image",
        target="image",
        labels=_classes("label", inside="objects"),
        splits=_TRAIN_VALIDATION,
        scope="sub-entity",
        scope_reason="each label is an object in a photograph",
    ),
    "bigearthnet": Adapter(
        dataset="bigearthnet/rgb",
        source="image",
        target="image",
        labels=_classes("labels"),
        splits={"train": "train"},
        scope="sub-entity",
        scope_reason="each label is a land cover of part of a satellite image",
    ),
    "celeb_a": Adapter(
        dataset="celeb_a",
        source="image",
        target="image",
        labels=_flags(sorted, inside="attributes"),
        splits=_ALL,
        scope="entity-wide",
        scope_reason="attributes of the one person in a picture",
    ),
    "chexpert": Adapter(
        dataset="chexpert",
        source="image",
        target="image",
        labels=_observations,
        splits=_TRAIN_VALIDATION,
        scope="sub-entity",
        scope_reason="findings have a place in the radiograph",
    ),
    "movielens": Adapter(
        dataset="movielens/latest-small-movies",
        source="movie_title",
        target="text",
        labels=_classes("movie_genres", drop=("Unknown", "(no genres listed)")),
        splits={"train": "train"},
        scope="entity-wide",
        scope_reason="genres describe the whole film",
    ),
}
