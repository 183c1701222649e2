"""Splits: exact sizes, rare labels everywhere, and those of data sets that bring their own."""

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


def rare_labels(rows, labels):
    """Label frequencies that fall like 1 / rank: most labels have a handful of examples."""
    return np.random.default_rng(1).random((rows, labels)) < 0.5 / np.arange(1, labels + 1)


CASES = {
    "one label": np.random.default_rng(0).random((60, 1)) < 0.35,
    "three each": np.eye(30, dtype=bool).repeat(3, axis=0),
    "two each": np.eye(40, dtype=bool).repeat(2, axis=0),
    "few examples": np.eye(3, dtype=bool),
    "no label": np.array([[True, False]] + [[False, False]] * 10),
    "rare": rare_labels(500, 100),
}


@pytest.mark.parametrize("labels", CASES.values(), ids=CASES)
def test_parts_have_their_sizes_and_every_example_is_in_one(labels):
    parts = splits.stratified(labels, 3)
    expected = np.array([0.6, 0.2, 0.2]) * len(labels)
    for seed in range(3):
        rows = [part[seed][part[seed] >= 0] for part in parts]
        assert np.abs([len(r) for r in rows] - expected).max() < 1
        assert sorted(np.concatenate(rows)) == list(range(len(labels)))


def test_labels_that_can_be_are_in_every_part():
    labels = rare_labels(500, 100)
    counts = labels.sum(0)
    assert (counts == 3).any()
    found = splits.lacking(labels, splits.stratified(labels, 3))
    for missing in found.values():
        assert not missing[:, counts >= 3].any()
    # Two examples are in train and test, one is in train.
    assert not found["test"][:, counts == 2].any()
    assert not found["train"][:, counts >= 1].any()


def test_as_many_labels_as_a_part_has_room_for_are_in_it():
    # 30 tags on 3 rows each: validation and test have room for 18 rows, of 18 tags.
    found = splits.lacking(CASES["three each"], splits.stratified(CASES["three each"], 2))
    assert {name: missing.sum(1).tolist() for name, missing in found.items()} == {
        "train": [0, 0],
        "validation": [12, 12],
        "test": [12, 12],
    }
    # 40 tags on 2 rows each: test has room for 16.
    found = splits.lacking(CASES["two each"], splits.stratified(CASES["two each"], 2))
    assert found["test"].sum(1).tolist() == [24, 24]


def test_frequencies_are_alike_in_all_parts():
    rng = np.random.default_rng(2)
    labels = rng.random((1000, 20)) < rng.uniform(0.02, 0.4, 20)
    parts = splits.stratified(labels, 3)
    for rows, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        for seed in range(3):
            # Chance alone would be off by 5 examples of a label of 150 in 200.
            assert np.abs(labels[rows[seed]].sum(0) - share * labels.sum(0)).max() < 3


def test_a_seed_is_a_split():
    labels = CASES["rare"]
    two, again = splits.stratified(labels, 2), splits.stratified(labels, 1, first=1)
    np.testing.assert_array_equal(two.test[1:], again.test)
    assert not np.array_equal(two.test[0], two.test[1])


def test_labels_without_positives_are_named():
    labels = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0]], bool)
    parts = splits.Splits(
        *(np.array(rows) for rows in ([[0, 1], [0, 2]], [[2, -1]] * 2, [[3], [1]]))
    )
    assert splits.lacking_in_words(splits.lacking(labels, parts), ("a", "b [x]", "c")) == [
        "without a positive example in train: c, b [x] (1 of 2 seeds)",
        "without a positive example in validation: c",
        "without a positive example in test: b [x], c",
    ]
    many = splits.lacking(np.zeros((1, 9), bool), splits.Splits(*[np.zeros((1, 1), int)] * 3))
    assert splits.lacking_in_words(many, "abcdefghi")[0].endswith(": a, b, c, d, e and 4 more")
