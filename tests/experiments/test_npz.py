"""NumPy archives as data sets."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="data sets need the experiments extra")

from experiments import datasets
from experiments.datasets import Options
from experiments.errors import UserError

X = np.array([[0.5, 1], [2, 3], [4, 5]])
Y = np.array([[1, 0], [0, 0], [1, 1]])


def save(tmp_path, **arrays):
    np.savez(tmp_path / "d.npz", **arrays)
    return str(tmp_path / "d.npz")


def test_names_missing_labels_and_parts(tmp_path):
    where = np.array([[1, 1], [0, 1], [1, 1]], bool)
    path = save(
        tmp_path,
        features=X,
        labels=Y,
        label_names=np.array(["a", "b"]),
        where=where,
        train=np.array([2, 0]),
        test=np.array([1]),
    )
    data = datasets.load(path)
    np.testing.assert_array_equal(data.features, X.astype(np.float32))
    np.testing.assert_array_equal(data.labels, Y == 1)
    np.testing.assert_array_equal(data.where, where)
    assert data.label_names == ("a", "b")
    assert {k: v.tolist() for k, v in data.parts.items()} == {"train": [2, 0], "test": [1]}


def test_x_and_y_with_names_in_labels_and_grey_images(tmp_path):
    images = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    data = datasets.load(save(tmp_path, x=images, y=Y.astype(np.uint8), labels=["p", "q"]))
    assert data.label_names == ("p", "q")
    np.testing.assert_array_equal(data.features, images[..., None])


def test_what_programs_write_for_truth_names_and_parts(tmp_path):
    path = save(
        tmp_path,
        X=X,
        Y=np.array([[1, -1.0], [np.nan, -1], [1, 1]]),
        label_names=np.array([b"caf\xc3\xa9", b"b"]),
        where=np.ones((3, 2)),
        train=np.array([True, False, True]),
        test=np.array([1.0]),
    )
    data = datasets.load(path, Options(negative="-1"))
    assert data.label_names == ("café", "b")
    np.testing.assert_array_equal(data.labels, [[1, 0], [0, 0], [1, 1]])
    np.testing.assert_array_equal(data.where, [[1, 1], [0, 1], [1, 1]])
    assert {k: v.tolist() for k, v in data.parts.items()} == {"train": [0, 2], "test": [1]}


def test_features_that_are_not_known(tmp_path):
    path = save(tmp_path, x=np.where(X == 3, np.nan, X), y=Y)
    with pytest.raises(UserError, match="feature 1 of example 1 is nan"):
        datasets.load(path)
    assert np.isnan(datasets.load(path, Options(impute="zero")).features[1, 1])


def test_numbers_of_many_labels(tmp_path):
    names = np.array([f"label {i}" for i in range(10_001)])
    labels = np.array([[3, 10_000], [-1, -1], [7, -1]])
    data = datasets.load(save(tmp_path, x=X, labels=labels, label_names=names))
    assert data.labels.dtype == np.int32
    assert data.num_labels == 10_001
    rows, positive = data.positives()
    assert (rows.tolist(), positive.tolist()) == ([0, 0, 2], [3, 10_000, 7])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": X}, "d.npz holds features; expected arrays"),
        ({"x": X, "y": Y + 1}, "labels must be 0 or 1"),
        ({"x": X, "y": Y[:, 0]}, r"labels are int64 of shape \(3,\); expected a matrix"),
        ({"x": X[:2], "y": Y}, "2 rows of features and 3 rows of labels"),
        ({"x": X, "y": Y, "label_names": ["a", "a"]}, "label name 'a' is there twice"),
        ({"x": X, "y": Y, "label_names": ["a", " "]}, "label name ' ' is empty"),
        ({"x": X, "y": Y, "label_names": ["a"]}, "1 label names for 2 labels"),
        ({"x": X, "y": Y, "train": [0, 1], "test": [1]}, "must be distinct rows"),
        ({"x": X, "y": Y, "train": [0.5, 1]}, "train is float64 of .* expected whole row numbers"),
        ({"x": X, "y": Y, "train": [-1, 1]}, "train has rows -1 to 1; expected 0 to 2"),
        ({"x": X, "y": Y, "test": [True, False]}, "test is bool of .* for all 3 examples"),
        ({"x": X, "y": Y, "where": Y * 0.4}, "where is float64 and holds 0.4; expected True"),
        ({"x": X, "y": Y, "where": np.full((3, 2), "x")}, "where is <U1"),
        ({"x": X, "y": 2 * Y - 1}, r"labels must be 0 or 1, got -1 \(--negative -1 takes"),
        ({"x": X, "y": Y, "label_names": [b"\xff", b"a"]}, "label_names line 1: byte 0xff"),
        ({"x": X, "y": Y, "label_names": [0.5, 1]}, "label_names are float64"),
        ({"x": X, "y": Y, "where": Y == 0}, "both missing"),
        ({"x": np.array([None]), "y": Y}, "Object arrays cannot be loaded"),
        ({"x": np.zeros((3, 2, 2)), "y": Y}, r"features are float32 of shape \(3, 2, 2\)"),
    ],
)
def test_mistakes_are_named(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        datasets.load(save(tmp_path, **arrays))


def test_a_truncated_archive_is_refused(tmp_path):
    path = save(tmp_path, x=X, y=Y)
    content = (tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"is not an \.npz file of arrays, or is truncated"):
        datasets.load(path)
