"""TFDS builders without TensorFlow: a tiny one prepared, read, and refused."""

import pathlib
import sys
import types

import numpy as np
import pytest

pytest.importorskip("tensorflow_datasets", reason="data sets need the experiments extra")

from tensorflow_datasets import core, features

from experiments import datasets
from experiments.datasets.sources import tfds
from experiments.errors import UserError

# The library's own dependencies warn when they are first used.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NAMES = ["drama", "comedy", "war"]
EXAMPLES = {
    "train": [("a film of war", [2], [1, 1, 1]), ("laughs", [1], [1, 1, 0]), ("", [], [1, 1, 1])],
    "test": [("tears and laughs", [0, 1], [1, 1, 1])],
    "unsupervised": [("who knows", [], [0, 0, 0])],
}


def builder_class(extra, examples, **attributes):
    """A builder with `labels` and the features `extra`; examples are dicts by split."""

    def info(self):
        labels = features.Sequence(features.ClassLabel(names=NAMES))
        return core.DatasetInfo(
            builder=self, features=features.FeaturesDict({"labels": labels, **extra})
        )

    def split_generators(self, manager):
        return {split: enumerate(rows) for split, rows in examples.items()}

    return type(
        "Tiny",
        (core.GeneratorBasedBuilder,),
        {
            "VERSION": core.Version("1.0.0"),
            "_info": info,
            "_split_generators": split_generators,
            "_generate_examples": None,
            # Where its checksums would be; by itself TFDS looks with importlib_resources.
            "code_path": pathlib.Path(__file__),
            **attributes,
        },
        skip_registration=True,
    )


def text_examples():
    return {
        split: [
            {"text": text, "labels": labels, "known": np.array(known, bool), "id": "z"}
            for text, labels, known in rows
        ]
        for split, rows in EXAMPLES.items()
    }


TEXT = {
    "text": features.Text(),
    "known": features.Tensor(shape=(3,), dtype=np.bool_),
    "id": features.Text(),
}


def test_text_labels_missing_labels_and_the_sources_split(tmp_path):
    tiny = builder_class(TEXT, text_examples(), SCOPE="entity-wide", SCOPE_REASON="films")
    data = tfds.from_class(tiny, "", tmp_path, 16)
    assert data.name == "tiny"
    assert data.label_names == tuple(NAMES)
    assert sorted(data.parts) == ["test", "train"]
    assert data.features.shape == (4, 16)
    assert (data.scope, data.scope_reason) == ("entity-wide", "films")
    found = {
        text: ([NAMES[i] for i in np.flatnonzero(y)], known.tolist())
        for text, y, known in zip(data.texts, data.labels, data.where, strict=True)
    }
    expected = {
        text: ([NAMES[i] for i in sorted(labels)], [k == 1 for k in known])
        for split in ("train", "test")
        for text, labels, known in EXAMPLES[split]
    }
    assert found == expected
    (row,) = data.parts["test"]
    assert data.texts[row] == "tears and laughs"
    assert "tensorflow" not in sys.modules
    # A second time it is read, not prepared.
    again = tfds.from_class(tiny, "", tmp_path, 16)
    np.testing.assert_array_equal(again.labels, data.labels)


def test_one_split_is_no_split_and_numbers_are_taken_as_they_are(tmp_path):
    rows = [{"features": np.array([i, 0.5], np.float32), "labels": [i]} for i in range(3)]
    tensor = {"features": features.Tensor(shape=(2,), dtype=np.float32)}
    data = tfds.from_class(builder_class(tensor, {"train": rows}), "", tmp_path, 16)
    assert data.parts is None
    assert data.where is None
    assert sorted(data.features.tolist()) == [[0, 0.5], [1, 0.5], [2, 0.5]]
    np.testing.assert_array_equal(np.argmax(data.labels, 1), data.features[:, 0])


def test_builders_of_the_project_go_by_name(tmp_path, monkeypatch):
    tiny = builder_class(TEXT, text_examples())
    monkeypatch.setattr(datasets, "builder_classes", lambda: {"tiny": tiny})
    options = datasets.Options(data_dir=tmp_path, text_features=4, drop_unlabelled=True)
    data = datasets.load("tiny", options)
    assert data.features.shape == (3, 4)
    assert data.scope == "unknown"
    with pytest.raises(UserError, match="tiny has no configuration 'big'; known: none"):
        datasets.load("tiny/big", options)
    with pytest.raises(UserError, match="--labels means nothing for the data set tiny"):
        datasets.load("tiny", datasets.Options(labels=("a",)))


def test_what_cannot_be_read_is_named(tmp_path):
    number = {"features": features.Tensor(shape=(None,), dtype=np.float32)}
    ragged = [{"features": np.zeros(i, np.float32), "labels": [0]} for i in (1, 2)]
    with pytest.raises(UserError, match="has inputs of several shapes"):
        tfds.from_class(builder_class(number, {"train": ragged}), "", tmp_path / "1", 16)
    both = {**TEXT, **number}
    rows = [{"features": [1.0], "text": "t", "id": "", "known": np.ones(3, bool), "labels": []}]
    with pytest.raises(UserError, match="expected `labels` and one of text, features, image"):
        tfds.from_class(builder_class(both, {"train": rows}), "", tmp_path / "2", 16)

    def broken():
        yield 0, {"features": [1.0], "labels": [0]}
        raise UserError("raw.csv line 3: not UTF-8")

    failing = builder_class(number, {}, _split_generators=lambda self, _: {"train": broken()})
    with pytest.raises(UserError, match=r"raw.csv line 3: not UTF-8"):
        tfds.from_class(failing, "", tmp_path / "3", 16)
    assert not [p for p in (tmp_path / "3").rglob("*") if p.is_file()]


def test_a_wrong_checksum_and_a_missing_file_are_named(tmp_path, monkeypatch):
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    tiny = builder_class(TEXT, text_examples())
    for error in (NonMatchingChecksumError("other\nfile"), AssertionError("put other\nfile there")):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(tiny, "download_and_prepare", fail)
        with pytest.raises(UserError, match=r"data set tiny cannot be prepared: .*other file"):
            tfds.from_class(tiny, "", tmp_path, 16)


def test_data_sets_of_the_library_are_read_through_adapters(tmp_path, monkeypatch):
    raw = {"comment": features.Text(), "joy": features.Scalar(dtype=np.bool_)}
    rows = [{"comment": f"word {i}", "joy": i == 2, "labels": []} for i in range(3)]
    tiny = builder_class(raw, {"train": rows, "dev": rows[2:]})
    adapter = types.SimpleNamespace(
        dataset="tiny/plain",
        splits={"train": "train", "test": "dev"},
        scope="entity-wide",
        scope_reason="whole comments",
    )

    def adapt(given, of):
        assert (given, set(of)) == (adapter, {"comment", "joy", "labels"})
        names = features.Sequence(features.ClassLabel(names=["joy"]))
        return {"text": features.Text(), "labels": names}, lambda example: {
            "text": example["comment"],
            "labels": [0] if example["joy"] else [],
        }

    def builder(name, **arguments):
        assert name == "tiny/plain"
        return tiny(**arguments)

    monkeypatch.setattr(tfds, "ADAPTERS", {"tiny": adapter})
    monkeypatch.setattr(tfds, "adapt", adapt)
    monkeypatch.setattr(tfds.tfds, "builder", builder)
    data = datasets.load("tfds:tiny", datasets.Options(data_dir=tmp_path, text_features=4))
    assert data.scope == "entity-wide"
    assert sorted(data.texts) == ["word 0", "word 1", "word 2", "word 2"]
    assert data.labels[:, 0].tolist() == [text == "word 2" for text in data.texts]
    assert data.parts["test"].tolist() == [3]


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(UserError, match="tfds:no_such_set"):
        datasets.load("tfds:no_such_set", datasets.Options(data_dir=tmp_path))
    with pytest.raises(UserError, match=r"mnist has the features image, label; expected `labels`"):
        datasets.load("tfds:mnist", datasets.Options(data_dir=tmp_path))
