"""Mulan's sets: ARFF parts with their XML list, dense and sparse, plain and gzipped."""

import gzip
import hashlib

import numpy as np
import pytest

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments import datasets
from experiments.datasets import Options
from experiments.datasets.builders.mulan.mulan_dataset_builder import Builder
from experiments.datasets.sources import tfds
from experiments.errors import UserError

XML = '<labels xmlns="urn:x"><label name="b"/><label name="a"/><label name="never"/></labels>'
HEADER = """@relation r
@attribute first numeric
@attribute a {0,1}
@attribute second numeric
@attribute b {0,1}
@attribute never {0,1}
@data
"""


def write(folder, stem, **parts):
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.xml").write_text(XML)
    for part, rows in parts.items():
        name = f"{stem}-{part}.arff" if part != "whole" else f"{stem}.arff"
        (folder / name).write_text(HEADER + rows)
    return folder


def test_parts_are_splits_and_labels_have_the_list_s_order(tmp_path):
    folder = write(tmp_path, "emotions", train="1.5,0,-2,1,0\n0,1,0,0,0\n", test="{1 1, 3 1}\n")
    builder = prepare(Builder, folder, "emotions")
    assert builder.info.features["labels"].feature.names == ["b", "a", "never"]
    assert (builder.SCOPE, builder.name) == ("entity-wide", "mulan")
    data = builder.as_data_source()
    train = {e["id"]: e for e in data["train"]}
    np.testing.assert_array_equal(train[b"0"]["features"], np.float32([1.5, -2]))
    assert train[b"0"]["features"].dtype == np.float32
    assert [list(train[key]["labels"]) for key in (b"0", b"1")] == [[0], [1]]
    assert list(data["test"][0]["labels"]) == [0, 1]


def test_one_file_is_one_split_and_may_be_gzipped(tmp_path):
    write(tmp_path, "CAL500", whole="1,0,2,1,0\n")
    path = tmp_path / "CAL500.arff"
    (tmp_path / "CAL500.arff.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    read, _ = examples(Builder, tmp_path, "cal500")
    assert {split: counts(e)["examples"] for split, e in read.items()} == {"train": 1}


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no yeast.xml; put <set>-train.arff and"):
        examples(Builder, tmp_path / "nothing", "yeast")
    write(tmp_path, "yeast", train="1,0,2,1,0\n")
    with pytest.raises(UserError, match=rf"{tmp_path} holds no yeast-test.arff"):
        examples(Builder, tmp_path, "yeast")
    write(tmp_path, "yeast", train="1,0,2,1,0\n", test="1,0,2,1,0\n1,0\n")
    with pytest.raises(UserError, match=rf"{tmp_path}/yeast-test.arff line 9: 2 values"):
        prepare(Builder, tmp_path, "yeast")
    assert not [p for p in (tmp_path / "data").rglob("*") if "2.0.0" in p.name]
    (tmp_path / "yeast.xml").write_text("<labels>")
    with pytest.raises(UserError, match=rf"{tmp_path}/yeast.xml is not valid XML"):
        examples(Builder, tmp_path, "yeast")


NOMINAL = """@attribute 'the name' {p1,'p 2',p3,p4,p5,p6,p7,p8,p9,p10} % of a protein
@attribute colour {red, 'dark blue', green}
@attribute size {1,2,13}
@attribute sings {YES,NO}
@attribute b {NO,YES}
@attribute a {FALSE,TRUE}
@attribute never {0,1}
@data % ten
"""
ROWS = [
    "'p 2','dark blue',13,YES,YES,FALSE,0",
    "{0 p3, 1 'dark blue', 4 YES}",
    "p1,red,2,NO,?,TRUE,0",
    *(f"p{i},green,1,NO,NO,FALSE,0" for i in range(4, 11)),
]


def test_the_builder_and_the_reader_of_paths_agree(tmp_path):
    """Nominal features and labels, comments, quotes, names of rows, and labels not known."""
    write(tmp_path, "flags", train="", test="", whole="")
    (tmp_path / "FLAGS.xml").write_text((tmp_path / "flags.xml").read_text())
    (tmp_path / "flags.xml").unlink()
    for part, rows in (("-train", ROWS[:6]), ("-test", ROWS[6:]), ("", ROWS)):
        (tmp_path / f"flags{part}.arff").write_text(NOMINAL + "\n".join(rows))
    prepare(Builder, tmp_path, "flags")
    found = datasets.load("mulan/flags", Options(data_dir=tmp_path / "data"))
    expected = datasets.load(str(tmp_path))
    assert "flags.arff left out" in expected.source
    assert "attribute 'the name' left out" in expected.source
    # colour (three columns), size, sings: a sparse row has the first of the list.
    np.testing.assert_array_equal(
        expected.features[expected.parts["train"][:3]],
        [[0, 1, 0, 13, 1], [0, 1, 0, 1, 1], [1, 0, 0, 2, 0]],
    )

    def rows(data, part):  # TFDS shuffles them
        columns = (data.features, data.labels, data.where)
        return sorted(map(tuple, np.hstack(columns)[data.parts[part]].tolist()))

    for part in ("train", "test"):
        assert rows(found, part) == rows(expected, part)
    assert found.label_names == expected.label_names == ("b", "a", "never")
    assert (~expected.where).sum() == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("p1,pink,1,NO,NO,TRUE,0", "attribute 'colour' is 'pink'; expected one of its values red"),
        ("{1 pink}", "attribute 'colour' is 'pink'; expected one of its values red, dark blue"),
        ("p1,red,1", "3 values; expected 7"),
        ("{9 red}", "index 9 of a row of 7 values"),
    ],
)
def test_values_out_of_their_list_are_named(tmp_path, row, message):
    (tmp_path / "flags.xml").write_text(XML)
    (tmp_path / "flags.arff").write_text(f"{NOMINAL}% comment\n{row}\n" + "\n".join(ROWS))
    with pytest.raises(UserError, match=rf"flags.arff line 10: {message}"):
        examples(Builder, tmp_path, "flags")


def test_features_that_are_not_known_stay_so(tmp_path):
    (tmp_path / "flags.xml").write_text(XML)
    (tmp_path / "flags.arff").write_text(f"{NOMINAL}?,?,1,NO,NO,TRUE,0\n" + "\n".join(ROWS))
    builder = prepare(Builder, tmp_path, "flags")
    with pytest.raises(UserError, match=r"is nan; expected finite numbers .*--impute"):
        tfds.from_builder(builder, 8)
    data = tfds.from_builder(builder, 8, "zero")
    assert data.impute == "zero"
    assert np.isnan(data.features).sum() == 3  # a column for each colour


def test_sparse_forms_of_files_are_found(tmp_path):
    write(tmp_path, "corel5k", **{"train-sparse": "{1 1}\n", "Test-sparse": "{0 2, 3 1}\n"})
    read, _ = examples(Builder, tmp_path, "corel5k")
    assert [e["labels"] for split in ("train", "test") for e in read[split]] == [["a"], ["b"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "labels", "train", "test", "several"),
    [
        ("scene", 6, (1211, 1.062, (1, 3)), (1196, 1.086, (1, 2)), 177),
        ("medical", 45, (333, 1.255, (1, 3)), (645, 1.24, (1, 3)), 226),
    ],
)
def test_the_real_files_have_their_published_counts(tmp_path, name, labels, train, test, several):
    read, names = examples(Builder, shared(name), name, tmp_path)
    assert len(names) == labels
    for split, expected in (("train", train), ("test", test)):
        found = counts(read[split])
        assert (found["examples"], found["cardinality"], found["range"]) == expected
    assert counts(read["train"] + read["test"])["several"] == several
    assert read["train"][0]["features"].shape == ({"scene": 294, "medical": 1449}[name],)


@pytest.mark.parametrize("name", ["scene", "medical"])
def test_the_registered_checksums_are_those_of_the_published_files(name):
    folder = shared(name)
    infos = {k: v for k, v in Builder.url_infos.items() if f"/{name}/" in k}
    assert len(infos) == 3
    for info in infos.values():
        path = folder / info.filename
        data = (
            path.read_bytes()
            if path.exists()
            else gzip.decompress((folder / f"{info.filename}.gz").read_bytes())
        )
        assert (len(data), hashlib.sha256(data).hexdigest()) == (info.size, info.checksum)
