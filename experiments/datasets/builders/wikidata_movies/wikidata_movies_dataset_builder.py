"""Wikidata films: genres of films from title, year and people, in bokeh-sampledata's table."""

import contextlib
import functools
import importlib.metadata
import pathlib
import sqlite3
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from experiments.datasets.builders.multilabel_builder import (
    Content,
    Example,
    MultilabelBuilder,
    count_labels,
)
from experiments.datasets.builders.raw import RawFiles
from experiments.errors import UserError

_PACKAGE = "bokeh-sampledata"
_FILE = "movies.db"
_FIRST = (2026, 1)  # earlier releases hold another table, under another licence
_FIELDS = ("Director", "Writer", "Cast", "Language", "Country", "Runtime")
_MIN_COUNT = 100


class Builder(MultilabelBuilder):
    """Films as text: title and year, then a line a field."""

    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="all", description="All films, also those without a genre."),
        tfds.core.BuilderConfig(
            name="frequent", description=f"Genres of {_MIN_COUNT} films or more, and their films."
        ),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        install the package {_PACKAGE} 2026.1 or newer, or put its file {_FILE} there
    """
    HOMEPAGE = "https://www.wikidata.org"
    SCOPE = "entity-wide"
    SCOPE_REASON = "genres describe the whole film"

    def _inputs(self) -> dict[str, Any]:
        return {"text": tfds.features.Text(), "title": tfds.features.Text()}

    def _content(self, raw_files: RawFiles) -> Content:
        path = raw_files.find(_FILE) or _installed() or raw_files.path(_FILE)
        films = functools.partial(_films, path)
        if self.builder_config.name == "all":
            return Content({"train": films})
        counts = count_labels(films)
        frequent = sorted(genre for genre, count in counts.items() if count >= _MIN_COUNT)
        return Content({"train": films}, frequent, keep_unlabelled=False)


def _installed() -> pathlib.Path | None:
    """The installed package's table, or None without the package."""
    try:
        found = importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    if tuple(map(int, found.version.split(".")[:2])) < _FIRST:
        raise UserError(f"{_PACKAGE} {found.version} has another table; install 2026.1 or newer")
    return pathlib.Path(str(found.locate_file(f"bokeh_sampledata/_data/{_FILE}")))


def _films(path: pathlib.Path) -> Iterator[Example]:
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as table:
            table.row_factory = sqlite3.Row
            fields = ", ".join(f'"{field}"' for field in _FIELDS)
            for film in table.execute(f"SELECT ID, Title, Year, Genre, {fields} FROM omdb"):
                genres = (film["Genre"] or "").split(",")
                lines = [f"{film['Title']} ({film['Year']})"]
                lines += [f"{field}: {film[field]}" for field in _FIELDS if film[field]]
                yield {
                    "id": str(film["ID"]),
                    "title": film["Title"],
                    "text": "\n".join(lines),
                    "labels": [genre.strip() for genre in genres if genre.strip()],
                }
    except sqlite3.Error as error:
        raise UserError(f"{path} is not the table of films: {error}") from error
