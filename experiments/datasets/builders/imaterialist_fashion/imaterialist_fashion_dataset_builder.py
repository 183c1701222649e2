"""iMaterialist fashion 2018: pictures of products and their fashion attributes."""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from experiments.datasets.builders import raw
from experiments.datasets.builders.multilabel_builder import Content, Example, MultilabelBuilder
from experiments.datasets.formats.files import read_bytes
from experiments.errors import UserError


class Builder(MultilabelBuilder):
    """Pictures that the user has fetched, with the numbers of their attributes."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = """
        download train.json and validation.json from
        https://www.kaggle.com/c/imaterialist-challenge-fashion-2018 (an account is needed) and the
        pictures at the addresses in them as train/<imageId>.jpg and validation/<imageId>.jpg
    """
    HOMEPAGE = "https://www.kaggle.com/c/imaterialist-challenge-fashion-2018"
    SCOPE = "sub-entity"
    SCOPE_REASON = "attributes belong to garments and parts of them: necklines, sleeves, materials"

    def _inputs(self) -> dict[str, Any]:
        return {"image": tfds.features.Image()}

    def _content(self, raw_files: raw.RawFiles) -> Content:
        return Content(
            {
                split: functools.partial(
                    _pictures, raw_files.path(f"{split}.json"), raw_files.path(split)
                )
                for split in ("train", "validation")
            }
        )


def _pictures(path: pathlib.Path, folder: pathlib.Path) -> Iterator[Example]:
    try:
        annotations = raw.json_value(read_bytes(path), str(path))["annotations"]
        found = [(str(entry["imageId"]), list(map(str, entry["labelId"]))) for entry in annotations]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path}: expected annotations, each with an imageId and a list labelId"
        ) from error
    for identifier, labels in found:
        picture = folder / f"{identifier}.jpg"
        if picture.exists():  # many addresses no longer answer
            yield {"id": identifier, "image": raw.image_file(picture), "labels": labels}
