"""Splits of data sets that bring their own."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="splits need the experiments extra")

from experiments import splits
from experiments.datasets import Dataset
from experiments.errors import UserError

N = 60
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(N, 3)).astype(np.float32)
LABELS = RNG.random((N, 4)) < 0.4


def data(parts):
    parts = parts and {k: np.array(v, np.int32) for k, v in parts.items()}
    return Dataset("small", FEATURES, LABELS, tuple("abcd"), "made here", parts=parts)


def test_own_test_part_is_used_and_validation_is_taken_from_train():
    train, test = np.arange(50), np.arange(50, 58)
    found, how = splits.of_dataset(data({"train": train, "test": test}), 3)
    assert how.startswith("the source's train and test; validation is 20 % of train")
    for seed in range(3):
        assert found.test[seed].tolist() == test.tolist()
        used = np.concatenate([found.train[seed], found.validation[seed]])
        assert sorted(used[used >= 0]) == train.tolist()
        np.testing.assert_allclose((found.validation[seed] >= 0).sum() / 50, 0.2, atol=0.05)
    assert not np.array_equal(found.validation[0], found.validation[1])


def test_three_own_parts_are_used_as_they_are():
    parts = {"train": [5, 4, 9], "validation": [1], "test": [7, 8]}
    found, how = splits.of_dataset(data(parts), 2)
    assert how == "the source's train, validation and test"
    assert found.train.tolist() == [[4, 5, 9]] * 2
    assert found.validation.tolist() == [[1]] * 2
    assert found.test.tolist() == [[7, 8]] * 2


@pytest.mark.parametrize("parts", [None, {"train": [0, 1], "validation": [2]}])
def test_without_a_test_part_all_examples_are_stratified(parts):
    found, how = splits.of_dataset(data(parts), 2)
    assert how == "stratified 60/20/20 by seed"
    for own, expected in zip(found, splits.stratified(LABELS, 2), strict=True):
        np.testing.assert_array_equal(own, expected)


def test_a_train_part_too_small_for_validation_is_refused():
    with pytest.raises(UserError, match="validation split of 1 examples is empty"):
        splits.of_dataset(data({"train": [0], "test": [1]}), 1)
