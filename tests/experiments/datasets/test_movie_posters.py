"""Posters and plots: Kaggle's table in Latin-1, others in UTF-8, films without either."""

import io

import pytest

pytest.importorskip("PIL", reason="pictures need Pillow")

from PIL import Image

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.builders import raw
from experiments.datasets.builders.movie_posters.movie_posters_dataset_builder import Builder
from experiments.errors import UserError

KAGGLE = """imdbId,Imdb Link,Title,IMDB Score,Genre,Poster
1,x,Caf\xe9 (1999),7.1,Drama|War,http://x.invalid/1.jpg
2,x,Lost,5.0,Comedy,http://x.invalid/2.jpg
3,x,Untold,5.0,,http://x.invalid/3.jpg
1,x,Caf\xe9 (1999),7.1,Drama|War,http://x.invalid/1.jpg
"""
PLOTS = "id,title,overview,genres\n1,A,A kettle sings.,Drama|War\n2,B, ,Drama\n3,C,Text,\n"


def poster(path):
    data = io.BytesIO()
    Image.new("RGB", (3, 4), (255, 0, 0)).save(data, "jpeg")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.getvalue())


def test_posters_are_pictures(tmp_path):
    (tmp_path / "MovieGenre.csv").write_text(KAGGLE, encoding="latin-1")
    for identifier in (1, 3):
        poster(tmp_path / "SampleMoviePosters" / f"{identifier}.jpg")
    builder = prepare(Builder, tmp_path)
    (film,) = builder.as_data_source()["train"]
    assert builder.info.features["labels"].feature.names == ["Drama", "War"]
    assert film["image"].shape == (4, 3, 3)
    assert (film["title"].decode(), sorted(film["labels"])) == ("Caf\xe9 (1999)", [0, 1])


def test_plots_are_text(tmp_path):
    (tmp_path / "movies.csv").write_text(PLOTS)
    builder = prepare(Builder, tmp_path, "plots")
    (film,) = builder.as_data_source()["train"]
    assert film["text"] == b"A kettle sings."
    assert set(builder.info.features) == {"id", "title", "text", "labels"}


def test_missing_and_broken_files_are_named(tmp_path):
    (tmp_path / "MovieGenre.csv").write_text(KAGGLE, encoding="latin-1")
    with pytest.raises(UserError, match=r"holds no posters or SampleMoviePosters; download https"):
        examples(Builder, tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path} holds no movies.csv"):
        examples(Builder, tmp_path, "plots")
    (tmp_path / "posters").mkdir()
    with pytest.raises(UserError, match="no label is left in train"):
        examples(Builder, tmp_path)
    (tmp_path / "posters" / "1.jpg").write_text("<html>")
    with pytest.raises(UserError, match=r"posters/1.jpg is neither a JPEG nor a PNG"):
        prepare(Builder, tmp_path)
    assert not [p for p in (tmp_path / "data").rglob("*") if "1.0.0" in p.name]
    (tmp_path / "movies.csv").write_bytes(b"id,title,overview,genres\n1,A,\xe9,Drama\n")
    with pytest.raises(UserError, match=r"movies.csv line 2: byte 0xe9 is not UTF-8"):
        examples(Builder, tmp_path, "plots")


@pytest.mark.slow
def test_real_genres_have_their_published_counts(tmp_path):
    """Every film of the real table with one poster of ours, since the folder has none."""
    table = shared("movie_posters_resnet18") / "movies.csv.gz"
    (tmp_path / "movies.csv.gz").symlink_to(table)
    poster(tmp_path / "posters" / "one")
    for _, row in raw.csv_rows(table):
        (tmp_path / "posters" / f"{row['id']}.jpg").symlink_to("one")
    read, names = examples(Builder, tmp_path)
    assert len(names) == 19
    assert tuple(counts(read["train"]).values()) == (3985, 2.625, (1, 9), 0, 3331)


def test_real_plots_have_their_published_counts(tmp_path):
    read, names = examples(Builder, shared("movie_posters_resnet18"), "plots", tmp_path)
    assert len(names) == 19
    assert counts(read["train"])["examples"] == 3966
    assert counts(read["train"])["range"] == (1, 9)
