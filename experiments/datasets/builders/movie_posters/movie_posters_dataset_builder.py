"""Movie posters: genres of films from their posters, or from their plots."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from experiments.datasets.builders import raw
from experiments.datasets.builders.multilabel_builder import Content, Example, MultilabelBuilder


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table of films: its file, encoding and columns."""

    file: str
    encoding: str
    identifier: str
    title: str
    genres: str
    plot: str | None


_TABLES = (
    _Table("MovieGenre.csv", "latin-1", "imdbId", "Title", "Genre", None),
    _Table("movies.csv", "utf-8", "id", "title", "genres", "overview"),
)


class Builder(MultilabelBuilder):
    """Films with a poster (config `posters`) or a plot (config `plots`)."""

    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="posters", description="The input is the poster."),
        tfds.core.BuilderConfig(name="plots", description="The input is the plot."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
        download https://www.kaggle.com/datasets/neha1703/movie-genre-from-its-poster (an account is
        needed) and put MovieGenre.csv and its folder SampleMoviePosters there, or more posters as
        posters/<imdbId>.jpg; or movies.csv with the columns id, title, genres (joined by |) and
        overview, which plots need, and posters/<id>.jpg
    """
    HOMEPAGE = "https://www.kaggle.com/datasets/neha1703/movie-genre-from-its-poster"
    SCOPE = "entity-wide"
    SCOPE_REASON = "genres describe the whole film"

    def _inputs(self) -> dict[str, Any]:
        return {
            **({"image": tfds.features.Image()} if self._posters() else {}),
            **({} if self._posters() else {"text": tfds.features.Text()}),
            "title": tfds.features.Text(),
        }

    def _posters(self) -> bool:
        return bool(self.builder_config.name == "posters")

    def _content(self, raw_files: raw.RawFiles) -> Content:
        tables = [table for table in _TABLES if self._posters() or table.plot]
        path = raw_files.path(*(table.file for table in tables))
        table = next(table for table in tables if path.name.startswith(table.file))
        folder = raw_files.path("posters", "SampleMoviePosters") if self._posters() else None
        films = functools.partial(_films, path, table, folder)
        return Content({"train": films}, keep_unlabelled=False)


def _films(path: pathlib.Path, table: _Table, posters: pathlib.Path | None) -> Iterator[Example]:
    """Films in the table that have a poster, or a plot where `posters` is None; each once."""
    columns = [table.identifier, table.title, table.genres, *([table.plot] if table.plot else [])]
    seen = set()
    for _, row in raw.csv_rows(path, columns, table.encoding):
        identifier = row[table.identifier]
        example = {
            "id": identifier,
            "title": row[table.title],
            "labels": [genre.strip() for genre in row[table.genres].split("|") if genre.strip()],
        }
        if identifier in seen:  # Kaggle's table repeats some films
            continue
        if posters is not None:
            poster = posters / f"{identifier}.jpg"
            if not poster.exists():  # many addresses of posters no longer answer
                continue
            example["image"] = raw.image_file(poster)
        elif table.plot:
            if not row[table.plot].strip():
                continue
            example["text"] = row[table.plot].strip()
        seen.add(identifier)
        yield example
