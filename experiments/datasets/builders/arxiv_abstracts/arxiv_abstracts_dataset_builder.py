"""arXiv abstracts: the categories of papers, from the metadata snapshot on Kaggle."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from experiments.datasets.builders import raw
from experiments.datasets.builders.multilabel_builder import (
    Content,
    Example,
    MultilabelBuilder,
    count_labels,
)
from experiments.datasets.formats import files
from experiments.errors import UserError

_FILE = "arxiv-metadata-oai-snapshot.json"


@dataclasses.dataclass(eq=False)
class ArxivConfig(tfds.core.BuilderConfig):
    """What the labels are.

    Attributes:
      archives: the part of a category before its dot (cs.LG is in cs), or whole categories.
      min_count: labels with fewer papers are dropped, and papers without another label.
    """

    archives: bool = False
    min_count: int = 1


class Builder(MultilabelBuilder):
    """Papers with title, abstract and categories."""

    BUILDER_CONFIGS: ClassVar = [
        ArxivConfig(name="categories", description="All categories."),
        ArxivConfig(
            name="categories_20", min_count=20, description="Categories of 20 papers or more."
        ),
        ArxivConfig(name="archives", archives=True, description="Archives, as cs and math."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        download {_FILE} from https://www.kaggle.com/datasets/Cornell-University/arxiv (an account
        is needed) and unpack it there
    """
    HOMEPAGE = "https://www.kaggle.com/datasets/Cornell-University/arxiv"
    SCOPE = "entity-wide"
    SCOPE_REASON = "authors choose the categories of a whole paper"

    def _inputs(self) -> dict[str, Any]:
        return {"text": tfds.features.Text(), "title": tfds.features.Text()}

    def _content(self, raw_files: raw.RawFiles) -> Content:
        config = self.builder_config
        papers = functools.partial(_papers, raw_files.path(_FILE), config.archives)
        counts = count_labels(papers)
        kept = sorted(name for name, count in counts.items() if count >= config.min_count)
        return Content({"train": papers}, kept, keep_unlabelled=False)


def _papers(path: pathlib.Path, archives: bool) -> Iterator[Example]:
    # The snapshot has millions of lines: it is read line by line, never as a whole.
    for number, line in files.lines(path):
        if line.strip():
            paper = raw.json_value(line, f"{path} line {number}")
            try:
                categories = paper["categories"].split()
                example = {
                    "id": paper["id"],
                    "title": " ".join(paper["title"].split()),
                    "text": " ".join(paper["abstract"].split()),
                }
            except (KeyError, TypeError, AttributeError) as error:
                raise UserError(
                    f"{path} line {number}: expected an object with the texts id, title, abstract "
                    "and categories"
                ) from error
            labels = [name.split(".")[0] for name in categories] if archives else categories
            yield {**example, "labels": labels}
