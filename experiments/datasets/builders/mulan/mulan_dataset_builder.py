"""Mulan's multilabel sets: ARFF files with an XML list of labels, one builder for all."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from experiments.datasets.builders.multilabel_builder import Content, Example, MultilabelBuilder
from experiments.datasets.builders.raw import RawFiles
from experiments.datasets.dataset import Rows
from experiments.datasets.formats import arff
from experiments.datasets.formats.arff_folder import Part
from experiments.datasets.formats.xml_labels import read_label_list

_COMMIT = "43f6389095ad71984264db4387a8074b22bc7d4a"
_URL = f"https://raw.githubusercontent.com/tsoumakas/mulan/{_COMMIT}/data/multi-label"


@dataclasses.dataclass(eq=False)
class MulanConfig(tfds.core.BuilderConfig):
    """One of the sets.

    Attributes:
      stem: what its files' names begin with, where that is not the config's name.
      scope: as `MultilabelBuilder.SCOPE`, with its reason in `scope_reason`.
      public: whether Mulan's repository has the plain files.
    """

    stem: str = ""
    scope: str = "unknown"
    scope_reason: str = "the set's documentation does not say"
    public: bool = False


def _config(name: str, scope: str, reason: str, **options: Any) -> MulanConfig:
    return MulanConfig(
        name=name, **{"stem": name} | options, scope=scope, scope_reason=reason, description=reason
    )


class Builder(MultilabelBuilder):
    """Features and labels of one of Mulan's sets, in its own train and test parts.

    What files say is what they say when they are given by path: see `arff.read_content`.
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES: ClassVar = {
        "2.0.0": "Nominal features: one for each of more than two values; `known` labels."
    }
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
        _config("genbase", "entity-wide", "families of a protein"),
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
        return {
            "features": tfds.features.Tensor(shape=(None,), dtype=np.float32),
            "known": tfds.features.Tensor(shape=(None,), dtype=np.bool_),
        }

    def _content(self, raw_files: RawFiles) -> Content:
        stem = self.builder_config.stem
        lister = self._path(raw_files, f"{stem}.xml")
        label_list = read_label_list(lister)
        whole = (f"{stem}.arff", f"{stem}-sparse.arff")
        parts = {
            part: (f"{stem}-{part}.arff", f"{stem}-{part}-sparse.arff")
            for part in ("train", "test")
        }
        if raw_files.find(*whole) and not raw_files.find(*parts["train"]):
            parts = {"train": whole}
        files = [Part(self._path(raw_files, *names), part) for part, names in parts.items()]
        # What is not known stays so: --impute says at reading what takes its place.
        content = arff.read_content(files, lambda _: (label_list, lister), impute="median")
        return Content(
            {
                str(part): functools.partial(_examples, content, rows)
                for part, rows in content.parts().items()
            },
            label_list.names,
        )

    def _path(self, raw_files: RawFiles, *names: str) -> pathlib.Path:
        public = self.builder_config.public
        return raw_files.path(
            *names, url=f"{_URL}/{self.builder_config.name}/{names[0]}" if public else None
        )


def _examples(content: arff.Content, rows: Rows) -> Iterator[Example]:
    names = content.label_list.names
    for i, row in enumerate(rows):
        yield {
            "id": str(i),
            "features": content.features[row],
            "known": content.where[row],
            "labels": [names[label] for label in np.flatnonzero(content.labels[row])],
        }
