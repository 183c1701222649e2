"""Hallmarks of Cancer: PubMed abstracts and the hallmarks that their sentences speak of."""

from typing import Any, ClassVar

import tensorflow_datasets as tfds

from experiments.datasets.builders.annotated_abstracts import abstracts
from experiments.datasets.builders.multilabel_builder import Content, MultilabelBuilder
from experiments.datasets.builders.raw import RawFiles

_COMMIT = "3bc6e6deb90cf5bc4f9988c493fe2c32e9b3cf2a"
_URL = f"https://github.com/sb895/Hallmarks-of-Cancer/archive/{_COMMIT}.tar.gz"
_DIGEST = "8d8f592b6da8d4fa8ddc34e46b4d7792c590a3da81e25988d2f7d097f955afd1"


class Builder(MultilabelBuilder):
    """Abstracts with the union of the labels of their sentences."""

    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="top_level", description="The 10 hallmarks."),
        tfds.core.BuilderConfig(name="full_path", description="36 paths in the taxonomy."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        optional: {_URL} saved as hallmarks_of_cancer.tar.gz, or its folders text and labels
    """
    HOMEPAGE = "https://github.com/sb895/Hallmarks-of-Cancer"
    SCOPE = "sub-entity"
    SCOPE_REASON = "labels are given to sentences; a document has those of its sentences"

    def _inputs(self) -> dict[str, Any]:
        return {"text": tfds.features.Text()}

    def _content(self, raw_files: RawFiles) -> Content:
        top = self.builder_config.name == "top_level"
        documents = abstracts(
            raw_files, _URL, _DIGEST, lambda path: path.split("--")[0] if top else path
        )
        return Content({"train": lambda: iter(documents)})
