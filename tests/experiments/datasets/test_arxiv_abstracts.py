"""arXiv's metadata snapshot: categories, archives, frequent categories."""

import csv
import gzip
import json

import pytest

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.builders.arxiv_abstracts.arxiv_abstracts_dataset_builder import Builder
from experiments.errors import UserError

FILE = "arxiv-metadata-oai-snapshot.json"


def paper(identifier, categories, **changed):
    return {
        "id": identifier,
        "title": "A\n  title",
        "abstract": "  An\nabstract. ",
        "categories": categories,
    } | changed


def write(folder, papers):
    text = "".join(json.dumps(p) + "\n" for p in papers)
    (folder / FILE).write_text(text, encoding="utf-8")


def test_categories_and_archives(tmp_path):
    write(tmp_path, [paper("0704.0001", "cs.LG stat.ML"), paper("0704.0002", "cs.LG cs.CV hep-th")])
    builder = prepare(Builder, tmp_path, "archives")
    assert builder.info.features["labels"].feature.names == ["cs", "hep-th", "stat"]
    read = {e["id"]: e for e in builder.as_data_source()["train"]}
    assert list(read[b"0704.0001"]["labels"]) == [0, 2]
    assert list(read[b"0704.0002"]["labels"]) == [0, 1]
    assert read[b"0704.0001"]["text"] == b"An abstract."
    assert examples(Builder, tmp_path)[1] == ["cs.CV", "cs.LG", "hep-th", "stat.ML"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": 1\n', f"{FILE} line 1: not JSON"),
        ("\n[]\n", f"{FILE} line 2: expected an object with the texts id, title"),
        (json.dumps(paper("1", None)), f"{FILE} line 1: expected an object"),
        ("", "no label is left in train"),
    ],
)
def test_broken_lines_are_named(tmp_path, content, message):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=message):
        examples(Builder, tmp_path)


def test_a_missing_snapshot_is_explained(tmp_path):
    with pytest.raises(UserError, match=rf"{FILE}.*; download .* from https://www.kaggle.com"):
        prepare(Builder, tmp_path / "none", data_dir=tmp_path / "data")


@pytest.mark.parametrize(
    ("config", "labels", "expected"),
    [
        ("categories", 125, (2000, 1.496, (1, 6), 0, 725)),
        ("categories_20", 38, (1810, 1.385, None, 0, None)),
        ("archives", 18, (2000, 1.260, None, 0, None)),
    ],
)
def test_a_real_sample_has_its_published_counts(tmp_path, config, labels, expected):
    path = shared("arxiv_abstracts") / "arxiv_metadata_2000.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        write(tmp_path, csv.DictReader(file))
    read, names = examples(Builder, tmp_path, config)
    assert len(names) == labels
    found = counts(read["train"]).values()
    assert [f for f, e in zip(found, expected, strict=True) if e is not None] == [
        e for e in expected if e is not None
    ]
