"""Material Design icons: pictures of 32 x 32 pixels and the tags of icons."""

import io
import pathlib
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from PIL import Image

from experiments.datasets.builders import raw, svg_path
from experiments.datasets.builders.multilabel_builder import Content, Example, MultilabelBuilder
from experiments.datasets.formats.files import decode
from experiments.errors import UserError

_FILES = ("mdi-svg-7.4.47.tgz", "svg-7.4.47.tgz")
_SIZE = 32
_PATH = re.compile(r'<path\b[^>]*\sd="([^"]*)"')


class Builder(MultilabelBuilder):
    """Icons, drawn from their SVG files: how much of each pixel is covered."""

    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="labelled", description="Icons with a tag."),
        tfds.core.BuilderConfig(name="all", description="Also icons without a tag."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        run npm pack @mdi/svg@7.4.47 and put the file {_FILES[0]} there, or its folder package
    """
    HOMEPAGE = "https://pictogrammers.com/library/mdi/"
    SCOPE = "entity-wide"
    SCOPE_REASON = "tags describe the whole icon"

    def _inputs(self) -> dict[str, Any]:
        return {"image": tfds.features.Image(shape=(_SIZE, _SIZE, 1), encoding_format="png")}

    def _content(self, raw_files: raw.RawFiles) -> Content:
        path = raw_files.find("package") or raw_files.path(*_FILES)
        files = {pathlib.PurePosixPath(name).name: data for name, data in raw.members(path)}
        if "meta.json" not in files:
            raise UserError(f"{path} holds no meta.json")
        icons = list(_icons(raw.json_value(files["meta.json"], f"{path}: meta.json"), files, path))
        return Content(
            {"train": lambda: iter(icons)}, keep_unlabelled=self.builder_config.name == "all"
        )


def _icons(meta: Any, files: dict[str, bytes], path: pathlib.Path) -> Iterator[Example]:
    for entry in meta:
        name = f"{entry['name']}.svg"
        if name not in files:
            raise UserError(f"{path} holds no {name}, which its meta.json lists")
        match = _PATH.search(decode(files[name], f"{path}: {name}"))
        try:
            pixels = svg_path.draw(match[1] if match else "", _SIZE)
        except ValueError as error:
            raise UserError(f"{path}: {name} has no path that can be drawn: {error}") from error
        picture = io.BytesIO()
        Image.fromarray(pixels).save(picture, "png")
        yield {"id": entry["name"], "image": picture.getvalue(), "labels": entry["tags"]}
