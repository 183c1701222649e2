"""What all TFDS builders here share: one input, a set of labels, splits read from raw files."""

import abc
import collections
import dataclasses
import inspect
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from experiments.datasets.builders.raw import RawFiles
from experiments.errors import UserError

Example = dict[str, Any]
Examples = Callable[[], Iterator[Example]]


@dataclasses.dataclass(frozen=True)
class Content:
    """What a builder read from its raw files.

    Attributes:
      splits: per split a function that yields its examples: dicts with `id`, the inputs and
        `labels`, a list of names. It is called once to count labels and once to write.
      label_names: the labels to keep, in their order; None: all that occur, sorted.
      keep_unlabelled: whether examples without any of these labels are kept.
    """

    splits: Mapping[str, Examples]
    label_names: Sequence[str] | None = None
    keep_unlabelled: bool = True


def count_labels(examples: Examples) -> collections.Counter[str]:
    """How many of the examples have each label."""
    return collections.Counter(
        label for example in examples() for label in dict.fromkeys(example["labels"])
    )


class MultilabelBuilder(tfds.core.GeneratorBasedBuilder):
    """A builder that works without TensorFlow: `file_format="array_record"`, `as_data_source`.

    A subclass says which features an example has besides `id` and `labels`, and reads the raw
    files. The names of the labels are those of the raw files: known once the set is prepared.

    Attributes:
      HOMEPAGE: where the data are described.
      SCOPE: "entity-wide" (labels describe all of an example), "sub-entity" (labels belong to
        parts of it) or "unknown".
      SCOPE_REASON: why, in a line.
    """

    VERSION = tfds.core.Version("1.0.0")
    HOMEPAGE: ClassVar[str]
    SCOPE: str
    SCOPE_REASON: str

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # TFDS finds checksums.tsv beside this file; its own way to the file needs the package
        # importlib_resources, which it does not install.
        cls.code_path = pathlib.Path(inspect.getfile(cls))

    @abc.abstractmethod
    def _inputs(self) -> dict[str, Any]:
        """The input feature (`text`, `features` or `image`) and others besides id and labels."""

    @abc.abstractmethod
    def _content(self, raw_files: RawFiles) -> Content:
        """The examples in the raw files."""

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "id": tfds.features.Text(),
                **self._inputs(),
                "labels": tfds.features.Sequence(tfds.features.ClassLabel()),
            }
        )
        return self.dataset_info_from_configs(features=features, homepage=self.HOMEPAGE)

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, Example]]]:
        instructions = " ".join((self.MANUAL_DOWNLOAD_INSTRUCTIONS or "").split())
        content = self._content(RawFiles(self.name, instructions, dl_manager))
        names = content.label_names
        if names is None:
            names = sorted(set().union(*map(count_labels, content.splits.values())))
        if not names:
            raise UserError(
                f"data set {self.name}: no label is left in {', '.join(content.splits)}; "
                f"{instructions}"
            )
        self.info.features["labels"].feature.names = list(names)
        return {
            split: self._generate_examples(split, examples, frozenset(names), content)
            for split, examples in content.splits.items()
        }

    def _generate_examples(
        self, split: str, examples: Examples, names: frozenset[str], content: Content
    ) -> Iterator[tuple[str, Example]]:
        seen = set()
        for example in examples():
            labels = [label for label in dict.fromkeys(example["labels"]) if label in names]
            if labels or content.keep_unlabelled:
                if example["id"] in seen:
                    raise UserError(
                        f"data set {self.name}: two examples of split {split} have the id "
                        f"{example['id']!r}"
                    )
                seen.add(example["id"])
                yield example["id"], {**example, "labels": labels}
        if not seen:
            raise UserError(f"data set {self.name}: no examples are left in split {split}")
