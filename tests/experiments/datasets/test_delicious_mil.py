"""Delicious MIL: sentences of word numbers and rows of labels."""

import pytest

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.builders.delicious_mil import delicious_mil_dataset_builder as delicious
from experiments.datasets.formats import files
from experiments.errors import UserError

DATA = "<2> <3> 2 0 0 <1> 1\n<1> <2> 1 1\n"
LABELS = "1 0\n1 1\n"


def write(folder, **changed):
    files = {"labels.txt": "art, 0\nmusic, 1\n\n", "vocabs.txt": "sing, 0\npaint, 1\nred, 2\n"}
    for part in ("train", "valid", "test"):
        files |= {f"{part}-data.dat": DATA, f"{part}-label.dat": LABELS}
    for name, text in files.items():
        (folder / name).write_text(changed.get(name.replace("-", "_").split(".")[0], text))


def test_sentences_are_lines(tmp_path):
    write(tmp_path)
    builder = prepare(delicious.Builder, tmp_path)
    assert builder.info.features["labels"].feature.names == ["art", "music"]
    data = builder.as_data_source()
    assert set(data) == {"train", "validation", "test"}
    read = {e["id"]: (e["text"], sorted(e["labels"])) for e in data["validation"]}
    assert read == {b"1": (b"red sing sing\npaint", [0]), b"2": (b"paint paint", [0, 1])}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": "art, 1\n"}, r"labels.txt line 1: expected 'name, 0'"),
        ({"train_label": "1 0\n"}, r"train-data.dat has 2 lines and .*train-label.dat 1"),
        ({"test_label": "1 0\n1 2\n"}, r"test-label.dat line 2: expected 2 times 0 or 1"),
        ({"train_data": "<2> <1> 0\n" * 2}, r"train-data.dat line 1: sentences or words are not"),
        ({"train_data": "<1> <2> 0\n" * 2}, r"train-data.dat line 1: sentences or words are not"),
        ({"train_data": "<1> <1> 7\n" * 2}, r"train-data.dat line 1: expected word numbers below"),
    ],
)
def test_broken_lines_are_named(tmp_path, changed, message):
    write(tmp_path, **changed)
    with pytest.raises(UserError, match=message):
        examples(delicious.Builder, tmp_path)


@pytest.mark.parametrize(
    ("part", "expected"),
    [("test", (3983, 2.908, (0, 9), 226)), ("valid", (443, 2.840))],
)
def test_the_real_parts_have_their_published_counts(part, expected):
    folder = shared("delicious_mil")
    labels = delicious._names(folder / "labels.txt.gz")
    words = delicious._names(folder / "vocabs.txt.gz")
    assert (len(labels), len(words)) == (20, 8520)
    read = list(
        delicious.documents(
            folder / f"{part}-data.dat.gz", folder / f"{part}-label.dat.gz", words, labels
        )
    )
    assert tuple(counts(read).values())[: len(expected)] == expected


def test_the_real_train_labels_have_their_published_counts():
    rows = [line.split() for _, line in files.lines(shared("delicious_mil") / "train-label.dat.gz")]
    assert {len(row) for row in rows} == {20}
    assert len(rows) == 8251
    assert round(sum(row.count("1") for row in rows) / len(rows), 3) == 2.895


def test_the_registered_checksums_are_those_of_the_published_files():
    folder = shared("delicious_mil")
    assert len(delicious.Builder.url_infos) == 7
    for info in delicious.Builder.url_infos.values():
        assert len(files.read_bytes(folder / f"{info.filename}.gz")) == info.size
