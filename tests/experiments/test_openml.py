"""OpenML by number, from a stand-in for the download."""

import types
import urllib.error

import numpy as np
import pytest
import scipy.sparse

pytest.importorskip("sklearn", reason="data sets need the experiments extra")

from experiments import datasets
from experiments.datasets import Options
from experiments.datasets.sources import openml
from experiments.errors import UserError

FOUND = {
    "data": np.array([[1.0, 2], [3, 4]]),
    "target": np.array([["TRUE", "FALSE"], ["FALSE", "FALSE"]], object),
    "target_names": ["a", "b"],
    "feature_names": ["x", "y"],
    "details": {"name": "tiny", "version": "4"},
}


@pytest.fixture
def answer(monkeypatch):
    """Makes the download give `FOUND` with changes, or raise; returns what was asked for."""
    asked = {}

    def set_answer(error=None, **changes):
        def fetch(**arguments):
            asked.update(arguments)
            if error is not None:
                raise error
            return types.SimpleNamespace(**{**FOUND, **changes})

        monkeypatch.setattr(openml, "fetch_openml", fetch)
        return asked

    return set_answer


def test_default_targets_are_labels(answer):
    asked = answer()
    data = datasets.load("openml:40597")
    assert (asked["data_id"], asked["target_column"]) == (40597, "default-target")
    assert data.name == "openml-40597"
    assert data.source == "OpenML 40597 (tiny, version 4)"
    np.testing.assert_array_equal(data.features, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(data.labels, [[True, False], [False, False]])


def test_sparse_features_and_named_labels(answer):
    asked = answer(data=scipy.sparse.csr_array(FOUND["data"]), target=np.array([[1.0, 0], [0, 1]]))
    data = datasets.load("openml:3", Options(labels=("a", "b")))
    assert asked["target_column"] == ["a", "b"]
    np.testing.assert_array_equal(data.features, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(data.labels, [[True, False], [False, True]])


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("openml:scene", {}, "expected the number of a data set, as in openml:40597"),
        ("openml:1", {"error": urllib.error.URLError("no route")}, "cannot be fetched.*no route"),
        ("openml:1", {"error": ValueError("Dataset 1\nnot found")}, "Dataset 1 not found"),
        ("openml:1", {"target": np.array(["u", "v"])}, "has one target; pass --labels .* x, y"),
        ("openml:1", {"target": None}, "has no target"),
        (
            "openml:1",
            {"target": np.array([["1", "0"], ["0", "-1"]])},
            r"label 'b' of example 1 is '-1'; expected 0, 1, .*--negative",
        ),
        (
            "openml:1",
            {"data": np.array([[1, np.nan], [np.nan, 4]])},
            r"feature 'y' of example 0 is not known \(2 values are not\); --impute",
        ),
        (
            "openml:1",
            {"error": IndexError("index 9")},
            "a target may lack values .*; give the ARFF",
        ),
    ],
)
def test_mistakes_are_named(answer, name, changes, message):
    answer(**changes)
    with pytest.raises(UserError, match=message):
        datasets.load(name)


def test_labels_and_features_that_are_not_known(answer):
    target = np.array([["-1", "?"], ["1", None]], object)
    answer(target=target, data=np.array([[1, np.nan], [3, 4]]))
    data = datasets.load("openml:3", Options(negative="-1", impute="median"))
    assert data.labels.tolist() == [[False, False], [True, False]]
    assert data.where.tolist() == [[True, False], [True, False]]
    assert data.impute == "median"
    answer(target=np.array([[1.0, np.nan], [0, 1]]))
    assert datasets.load("openml:3").where.tolist() == [[True, False], [True, True]]
