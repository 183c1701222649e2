"""Wikidata films: the sqlite table of the package, and its genres."""

import csv
import gzip
import sqlite3

import pytest

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.builders.wikidata_movies import wikidata_movies_dataset_builder as movies
from experiments.errors import UserError

COLUMNS = (
    *("ID", "imdbID", "Title", "Year", "Runtime", "Genre"),
    *("Director", "Writer", "Cast", "Language", "Country"),
)


def write(folder, rows):
    table = sqlite3.connect(folder / "movies.db")
    columns = ", ".join(f'"{column}"' for column in COLUMNS)
    table.execute(f"CREATE TABLE omdb ({columns})")
    marks = ", ".join("?" * len(COLUMNS))
    table.executemany(
        f"INSERT INTO omdb VALUES ({marks})", [[row.get(c) for c in COLUMNS] for row in rows]
    )
    table.commit()
    table.close()


def test_films_become_text(tmp_path):
    film = {"ID": 7, "Title": "The Kettle", "Year": 1999, "Director": "A. Body", "Genre": "Drama"}
    write(tmp_path, [film, film | {"ID": 8, "Genre": "War, Drama"}, film | {"ID": 9, "Genre": ""}])
    builder = prepare(movies.Builder, tmp_path)
    assert builder.info.features["labels"].feature.names == ["Drama", "War"]
    read = {e["id"]: e for e in builder.as_data_source()["train"]}
    assert read[b"7"]["text"] == b"The Kettle (1999)\nDirector: A. Body"
    assert [sorted(read[key]["labels"]) for key in (b"7", b"8", b"9")] == [[0], [0, 1], []]
    with pytest.raises(UserError, match="no label is left in train"):
        examples(movies.Builder, tmp_path, "frequent")


def test_other_files_and_a_missing_package_are_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(movies, "_PACKAGE", "a-package-that-nobody-has")
    with pytest.raises(UserError, match=r"no movies.db.*; install the package bokeh-sampledata"):
        examples(movies.Builder, tmp_path / "none")
    (tmp_path / "movies.db").write_text("no table")
    with pytest.raises(UserError, match=r"movies.db is not the table of films"):
        examples(movies.Builder, tmp_path)
    monkeypatch.setattr(movies, "_PACKAGE", "pytest")
    with pytest.raises(UserError, match=r"pytest \d.* has another table; install 2026.1"):
        examples(movies.Builder, tmp_path / "none", data_dir=tmp_path / "again")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "labels", "expected"),
    [("all", 21, (17472, 2.030, (0, 10), 443, 10643)), ("frequent", 20, (17023, 2.081, (1, 10)))],
)
def test_the_real_table_has_its_published_counts(tmp_path, config, labels, expected):
    with gzip.open(shared("wikidata_movies") / "movies.csv.gz", "rt", encoding="utf-8") as file:
        write(tmp_path, csv.DictReader(file))
    read, names = examples(movies.Builder, tmp_path, config)
    assert len(names) == labels
    assert tuple(counts(read["train"]).values())[: len(expected)] == expected
