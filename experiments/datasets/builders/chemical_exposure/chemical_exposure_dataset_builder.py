"""Chemical exposure: PubMed abstracts and the exposure information in their sentences."""

from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from experiments.datasets.builders.annotated_abstracts import abstracts
from experiments.datasets.builders.multilabel_builder import Content, MultilabelBuilder
from experiments.datasets.builders.raw import RawFiles

_COMMIT = "bdc6daa0d84d1ea8e9c050c6e0a75cbe2ec5d820"
_URL = f"https://github.com/sb895/chemical-exposure-information-corpus/archive/{_COMMIT}.tar.gz"
_DIGEST = "098bfab268a4ede5f7a63048c736a32caf8c7ceb7d2e0038ddb4d143b28c005b"
_POPULATIONS = ("children", "workers", "pregnant women")


def _without_population(path: str) -> str:
    return "--".join(level for level in path.split("--") if level not in _POPULATIONS)


_LABELS: dict[str, Callable[[str], str]] = {
    "no_population": _without_population,
    "full": str,
    "top_level": lambda path: path.split("--")[0],
}


class Builder(MultilabelBuilder):
    """Abstracts with the union of the labels of their sentences."""

    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(
            name="no_population", description="36 paths; children, workers, pregnant women joined."
        ),
        tfds.core.BuilderConfig(name="full", description="69 paths in the taxonomy."),
        tfds.core.BuilderConfig(name="top_level", description="The 3 roots of the taxonomy."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        optional: {_URL} saved as chemical_exposure.tar.gz, or its folders text and labels
    """
    HOMEPAGE = "https://github.com/sb895/chemical-exposure-information-corpus"
    SCOPE = "sub-entity"
    SCOPE_REASON = "labels are given to sentences; a document has those of its sentences"

    def _inputs(self) -> dict[str, Any]:
        return {"text": tfds.features.Text()}

    def _content(self, raw_files: RawFiles) -> Content:
        documents = abstracts(raw_files, _URL, _DIGEST, _LABELS[self.builder_config.name])
        return Content({"train": lambda: iter(documents)})
