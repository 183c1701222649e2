"""Mulan's sets: ARFF parts with their XML list, dense and sparse, plain and gzipped."""

import gzip
import hashlib

import numpy as np
import pytest

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.mulan.mulan_dataset_builder import Builder
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
    assert not [p for p in (tmp_path / "data").rglob("*") if "1.0.0" in p.name]
    (tmp_path / "yeast.xml").write_text("<labels>")
    with pytest.raises(UserError, match=rf"{tmp_path}/yeast.xml is not valid XML"):
        examples(Builder, tmp_path, "yeast")


NOMINAL = """@attribute 'the name' {p1,'p 2'}
@attribute colour {red, 'dark blue', green}
@attribute size {1,2,13}
@attribute b {NO,YES}
@attribute a {FALSE,TRUE}
@attribute never {0,1}
@data
"""


@pytest.mark.parametrize(
    "rows", ["'p 2','dark blue',13,YES,FALSE,0\n", "{0 'p 2', 1 'dark blue', 2 13, 3 YES}\n"]
)
def test_nominal_values_are_their_places(tmp_path, rows):
    for stem in ("genbase", "flags"):
        (tmp_path / f"{stem}.xml").write_text(XML)
        (tmp_path / f"{stem}.arff").write_text(NOMINAL + rows)
    read, _ = examples(Builder, tmp_path, "flags")
    np.testing.assert_array_equal(read["train"][0]["features"], [1, 1, 13])
    assert read["train"][0]["labels"] == ["b"]
    read, _ = examples(Builder, tmp_path, "genbase")  # without the protein's name
    np.testing.assert_array_equal(read["train"][0]["features"], [1, 13])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("p1,pink,1,NO,TRUE,0", "'pink' is in no list of values"),
        ("{1 pink}", "'pink' is in no list of values"),
        ("p1,red,1", "3 values; expected 6"),
        ("{9 red}", "index 9 of a row of 6 values"),
    ],
)
def test_values_out_of_their_list_are_named(tmp_path, row, message):
    (tmp_path / "flags.xml").write_text(XML)
    (tmp_path / "flags.arff").write_text(f"{NOMINAL}% comment\n{row}\n")
    with pytest.raises(UserError, match=rf"flags.arff line 9: {message}"):
        examples(Builder, tmp_path, "flags")


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
