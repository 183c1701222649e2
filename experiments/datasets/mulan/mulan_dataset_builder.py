"""Mulan's multilabel sets: ARFF files with an XML list of labels, one builder for all."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from experiments.datasets.arff import label_names, read_rows, split_labels
from experiments.datasets.multilabel_builder import Content, Example, MultilabelBuilder
from experiments.datasets.nominal import numeric_lines
from experiments.datasets.raw import Source

_COMMIT = "43f6389095ad71984264db4387a8074b22bc7d4a"
_URL = f"https://raw.githubusercontent.com/tsoumakas/mulan/{_COMMIT}/data/multi-label"


@dataclasses.dataclass(eq=False)
class MulanConfig(tfds.core.BuilderConfig):
    """One of the sets.

    Attributes:
      stem: what its files' names begin with, where that is not the config's name.
      scope: as `MultilabelBuilder.SCOPE`, with its reason in `scope_reason`.
      public: whether Mulan's repository has the plain files.
      identified: whether the first attribute only says which example a row is.
    """

    stem: str = ""
    scope: str = "unknown"
    scope_reason: str = "the set's documentation does not say"
    public: bool = False
    identified: bool = False


def _config(name: str, scope: str, reason: str, **options: Any) -> MulanConfig:
    return MulanConfig(
        name=name, **{"stem": name} | options, scope=scope, scope_reason=reason, description=reason
    )


class Builder(MultilabelBuilder):
    """Features and labels of one of Mulan's sets, in its own train and test parts."""

    BUILDER_CONFIGS: ClassVar = [
        _config("scene", "sub-entity", "what a photograph shows, several next to each other",
                public=True),
        _config("medical", "entity-wide", "ICD-9-CM codes of a whole radiology report",
                public=True),
        _config("bibtex", "entity-wide", "tags that users gave to a publication"),
        _config("birds", "sub-entity", "species that sing somewhere in a recording"),
        _config("cal500", "entity-wide", "words that listeners chose for a song", stem="CAL500"),
        _config("corel5k", "sub-entity", "things seen in a picture", stem="Corel5k"),
        _config("delicious", "entity-wide", "tags that users gave to a web page"),
        _config("emotions", "entity-wide", "moods of a piece of music"),
        _config("enron", "entity-wide", "topics of an e-mail"),
        _config("flags", "sub-entity", "colours of parts of a flag"),
        _config("genbase", "entity-wide", "families of a protein", identified=True),
        _config("image", "sub-entity", "what a photograph shows, several next to each other"),
        _config("langlog", "entity-wide", "tags of a web log's entry"),
        _config("mediamill", "sub-entity", "things seen in a key frame of a video"),
        _config("slashdot", "entity-wide", "topics of a story"),
        _config("tmc2007_500", "entity-wide", "problems in a flight report", stem="tmc2007-500"),
        _config("yeast", "entity-wide", "functional classes of a gene"),
    ]  # fmt: skip
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
        put <set>-train.arff and <set>-test.arff, or <set>.arff, and <set>.xml there, as Mulan
        (https://mulan.sourceforge.net/datasets-mlc.html) or other collections in its format offer
        them, plain or gzipped
    """
    HOMEPAGE = "https://mulan.sourceforge.net/datasets-mlc.html"
    SCOPE = "unknown"
    SCOPE_REASON = "differs by set; see the config's scope"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.SCOPE = self.builder_config.scope
        self.SCOPE_REASON = self.builder_config.scope_reason

    def _inputs(self) -> dict[str, Any]:
        return {"features": tfds.features.Tensor(shape=(None,), dtype=np.float32)}

    def _content(self, source: Source) -> Content:
        config = self.builder_config
        labels = self._path(source, f"{config.stem}.xml")
        if source.find(f"{config.stem}.arff") and not source.find(f"{config.stem}-train.arff"):
            parts = {"train": f"{config.stem}.arff"}
        else:
            parts = {split: f"{config.stem}-{split}.arff" for split in ("train", "test")}
        tables = {split: _table(self._path(source, name), labels) for split, name in parts.items()}
        first = 1 if config.identified else 0
        return Content(
            {
                split: functools.partial(_examples, features[:, first:], truth, names)
                for split, (features, truth, names) in tables.items()
            },
            tables["train"][2],
        )

    def _path(self, source: Source, name: str) -> pathlib.Path:
        public = self.builder_config.public
        return source.path(
            name, url=f"{_URL}/{self.builder_config.name}/{name}" if public else None
        )


def _table(
    data: pathlib.Path, labels: pathlib.Path
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], tuple[str, ...]]:
    """Features, labels and names of one ARFF file."""
    names = label_names(labels)
    columns, values = read_rows(data, numeric_lines)
    return *split_labels(columns, values, names, data, labels), names


def _examples(
    features: npt.NDArray[np.float32], labels: npt.NDArray[np.bool_], names: tuple[str, ...]
) -> Iterator[Example]:
    for row, (values, truth) in enumerate(zip(features, labels, strict=True)):
        yield {
            "id": str(row),
            "features": values,
            "labels": [names[label] for label in np.flatnonzero(truth)],
        }
