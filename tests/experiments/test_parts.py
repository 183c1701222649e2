"""Small parts of the comparison: significance and storage."""

import json
import os

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the comparison needs the experiments extra")

import scipy.sparse

from experiments import records, references, significance, storage
from experiments.errors import UserError


def test_holm_by_hand():
    np.testing.assert_allclose(significance.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert significance.holm([0.9, 0.8]) == [1.0, 1.0]
    assert significance.holm([]) == []


def test_wilcoxon_of_equal_values_is_one_and_of_ten_gains_is_two_to_the_minus_nine():
    values = np.linspace(0.1, 0.2, 10)
    assert significance.wilcoxon_p_value(values, values) == 1.0
    gains = np.linspace(0.01, 0.02, 10)
    np.testing.assert_allclose(significance.wilcoxon_p_value(values + gains, values), 2 / 2**10)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "value.json"
    storage.write_json(path, {"a": 1})

    def fail(*_):
        raise OSError("disk is gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk is gone"):
        storage.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["value.json"]


def test_no_record_fails_for_what_is_not_a_number(tmp_path):
    value = {"a": [0.5, float("nan"), (np.float32("inf"),)], "b": np.array([1, np.nan]), 3: None}
    storage.write_json(tmp_path / "x.json", value)
    read = storage.read_json(tmp_path / "x.json")
    assert read == {"a": [0.5, None, [None]], "b": [1.0, None], "3": None}
    again = records.from_json(tuple[float, ...], read["b"])
    np.testing.assert_array_equal(again, [1, np.nan])


def test_broken_files_are_refused(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        storage.read_json(tmp_path / "x.json")
    assert storage.read_json(tmp_path / "none.json") is None


def test_a_digest_depends_on_every_value_and_not_on_order():
    assert storage.digest({"a": 1, "b": 2}) == storage.digest({"b": 2, "a": 1})
    assert storage.digest({"a": 1}) != storage.digest({"a": 2})


def test_sparse_features_reach_the_linear_model_sparse_and_lose_nothing():
    rng = np.random.default_rng(0)
    features = np.where(rng.random((80, 12)) < 0.1, rng.normal(size=(80, 12)), 0).astype(np.float32)
    shift, scale = features.mean(0), (1 / features.std(0)).astype(np.float32)
    sparse = references.for_linear(features, shift, scale)
    assert scipy.sparse.issparse(sparse)
    # The shift is the same for all examples, so their differences are what they were.
    standardised = (features - shift) * scale
    np.testing.assert_allclose(
        np.diff(sparse.toarray(), axis=0), np.diff(standardised, axis=0), atol=1e-5
    )
    dense = references.for_linear(features + 1, shift + 1, scale)
    np.testing.assert_allclose(dense, standardised, atol=1e-4)
