"""A data set's figures by hand, the checks of its shape, and its text as features."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="data sets need the experiments extra")

from experiments.datasets import Dataset, card, card_plots, dataset
from experiments.datasets.selection import drop_rare_labels, drop_unlabelled
from experiments.datasets.text import bag_of_words
from experiments.errors import UserError

LABELS = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]], bool)
SMALL = Dataset(
    "small",
    np.zeros((5, 2), np.float32),
    LABELS,
    ("a", "b", "c", "d"),
    "made here",
    parts={"test": np.array([4], np.int32), "train": np.array([0, 1, 2], np.int32)},
)
MANY = tuple(map(str, range(50)))


def test_figures_by_hand():
    found = card.card(SMALL)
    # Labels per example 2, 1, 2, 0, 3; examples per label 4, 3, 1, 0.
    expected = {
        "examples": 5,
        "features": [2],
        "labels": 4,
        "cardinality": 8 / 5,
        "density": 8 / 5 / 4,
        "labels_per_example": [0, 3],
        "examples_without_labels": 1,
        "examples_with_several_labels": 3,
        "labels_without_examples": 1,
        "distinct_label_sets": 4,
        "commonest_set_share": 2 / 5,
        "mean_imbalance": (1 + 4 / 3 + 4) / 3,
        "max_imbalance": 4,
        "missing_share": 0,
        "missing_features_share": 0,
        "parts": {"train": 3, "test": 1},
        "commonest_labels": {"a": 4, "b": 3, "c": 1, "d": 0},
        "scope": "unknown",
    }
    for key, value in expected.items():
        if isinstance(value, float):
            np.testing.assert_allclose(found[key], value, err_msg=key)
        else:
            assert found[key] == value, key
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_missing_labels_have_a_share():
    where = np.ones((5, 4), bool)
    where[3, :2] = False
    found = card.card(dataclasses.replace(SMALL, where=where))
    np.testing.assert_allclose(found["missing_share"], 2 / 20)


def test_missing_features_have_a_share():
    features = np.where(np.arange(5)[:, None] == 3, np.nan, SMALL.features).astype(np.float32)
    found = card.card(dataclasses.replace(SMALL, features=features, impute="median"))
    np.testing.assert_allclose(found["missing_features_share"], 1 / 5)
    assert ("missing features", "20.0% of the values") in card.rows(found)


def test_numbers_of_many_labels_give_the_figures_of_the_matrix():
    rng = np.random.default_rng(0)
    chosen = [rng.choice(12_000, size=k, replace=False) for k in (3, 0, 5, 1)]
    pairs = [(i, label) for i, row in enumerate(chosen) for label in row]
    names = tuple(map(str, range(12_000)))
    many = Dataset(
        "many",
        np.zeros((4, 1), np.float32),
        dataset.label_array(pairs, 4, 12_000),
        names,
        "made here",
    )
    dense = np.zeros((4, 12_000), bool)
    dense[tuple(np.transpose(pairs))] = True
    assert many.labels.shape == (4, 5)
    assert card.card(many) == card.card(dataclasses.replace(many, labels=dense))


def test_co_occurrence_and_its_order():
    labels, counts = card.co_occurrence(SMALL)
    assert labels.tolist() == [0, 1, 2]
    assert counts.tolist() == [[4, 3, 1], [3, 3, 1], [1, 1, 1]]
    # Labels 0 and 2 always occur together, as 1 and 3 do.
    pairs = np.tile(np.eye(2, dtype=int), (2, 2)) * 5
    order = card_plots.similar_side_by_side(pairs).tolist()
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset((0, 2)), frozenset((1, 3))}


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        SMALL,
        dataclasses.replace(SMALL, labels=np.tile(np.arange(50) == 3, (5, 1)), label_names=MANY),
        dataclasses.replace(SMALL, labels=LABELS[:, :1], label_names=("$a_1 | b$",)),
    ],
)
def test_every_figure_is_a_picture_even_of_odd_labels(data):
    figures = card_plots.all_figures(data)
    assert set(figures) == {"labels_per_example", "label_frequencies", "co_occurrence"}
    for content in figures.values():
        assert content.startswith(b"\x89PNG")
    text = card.markdown(card.card(data), {"a": "a.png"})
    assert text.startswith("# small\n")
    assert "![a](a.png)" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": LABELS[:0]}, r"labels of shape \(0, 4\)"),
        ({"labels": LABELS.astype(np.int32)}, "labels are numbers, for 4 label names"),
        ({"labels": LABELS.astype(float)}, "labels are float64; expected bool"),
        ({"labels": LABELS & False}, "no example has a label"),
        ({"label_names": ("a", "b", "a", "c")}, "label name 'a' is there twice"),
        ({"features": np.zeros((5, 2))}, r"features are float64 of shape \(5, 2\)"),
        ({"features": np.zeros((5, 0), np.float32)}, r"float32 of shape \(5, 0\)"),
        ({"texts": ("a",)}, "1 rows of texts and 5 rows of labels"),
        ({"parts": {"dev": np.array([1])}}, "part 'dev' of its split; expected train"),
        ({"parts": {"train": np.array([], int)}}, "the train part of its split has no examples"),
        ({"parts": {"train": np.array([5])}}, "must be distinct rows"),
        ({"where": np.ones((5, 1), bool)}, r"`where` of shape \(5, 1\)"),
        ({"scope": "some"}, "scope 'some'; expected one of"),
        ({"feature_names": ("x",)}, r"1 names for features \[2\]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_unlabelled_examples_are_dropped_with_their_parts():
    data = drop_unlabelled(SMALL)
    assert data.labels.tolist() == LABELS[[0, 1, 2, 4]].tolist()
    assert {k: v.tolist() for k, v in data.parts.items()} == {"test": [3], "train": [0, 1, 2]}


def test_a_fingerprint_depends_on_all_that_is_learnt_from():
    where = np.ones((5, 4), bool)
    others = [
        {"features": np.ones((5, 2), np.float32)},
        {"labels": ~LABELS},
        {"label_names": ("a", "b", "c", "e")},
        {"where": where},
        {"parts": None},
    ]
    found = {dataset.fingerprint(dataclasses.replace(SMALL, **changes)) for changes in others}
    assert len(found | {dataset.fingerprint(SMALL)}) == len(others) + 1
    assert dataset.fingerprint(SMALL) == dataset.fingerprint(
        dataclasses.replace(SMALL, source="elsewhere")
    )


def test_text_features_depend_on_a_texts_own_words_only():
    texts = ["Rain, rain and wind", "wind", ""]
    bag = bag_of_words(texts, 4096)
    assert bag.shape == (3, 4096)
    assert bag.dtype == np.float32
    assert sorted(bag[0][bag[0] > 0].tolist()) == pytest.approx(
        np.log([2, 2, 3]).tolist(), rel=1e-6
    )
    np.testing.assert_array_equal(bag_of_words(texts[1:], 4096), bag[1:])


def test_leak_counts_test_rows_that_are_training_rows():
    features = np.array([[1, 2], [3, 4], [0, 0], [1, 2], [-0.0, 0], [5, 5]], np.float32)
    labels = np.array([[1, 0], [0, 1], [0, 0], [1, 0], [1, 1], [1, 0]], bool)
    parts = {"train": np.array([0, 1, 2], np.int32), "test": np.array([3, 4, 5], np.int32)}
    data = Dataset("d", features, labels, ("a", "b"), "here", parts=parts)
    # Row 3 is row 0; row 4 has the features of row 2 and other labels.
    expected = {"test": 3, "features": 2, "labels": 1}
    assert card.leak(data) == expected
    images = np.repeat(np.abs(features).astype(np.uint8)[:, :, None, None], 3, axis=3)
    assert card.leak(dataclasses.replace(data, features=images)) == expected
    where = np.ones_like(labels)
    where[3, 1] = False  # not known is not the same as False
    assert card.leak(dataclasses.replace(data, where=where))["labels"] == 0
    blank = dataclasses.replace(data, features=np.full((6, 1), np.nan, np.float32), impute="zero")
    assert card.leak(blank)["features"] == 3
    assert card.leak(dataclasses.replace(data, parts=None)) is None
    lines = dict(card.rows(card.card(data)))
    assert lines["test examples in train"].startswith("2 (66.7%) have the features of a training")
    assert "hierarchy" not in lines


def test_a_hierarchy_outlives_its_rare_labels_and_is_in_the_card():
    # a > b > c and a > d; b is rare.
    data = dataclasses.replace(SMALL, hierarchy=((0, 1), (1, 2), (0, 3)))
    assert card.card(data)["hierarchy"] == {"edges": 3, "depth": 3}
    assert dict(card.rows(card.card(data)))["hierarchy"] == "3 edges, depth 3"
    labels = LABELS.copy()
    labels[:, 1] = [1, 0, 0, 0, 0]
    labels[:, 2:] = True
    kept = drop_rare_labels(dataclasses.replace(data, labels=labels), 2)
    assert kept.label_names == ("a", "c", "d")
    assert kept.hierarchy == ((0, 1), (0, 2))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (((0, 4),), "must hold label numbers, 0 to 3"),
        (((0, 1), (2, 1)), "has two parents"),
        (((0, 1), (1, 0), (1, 2)), "is above itself"),
    ],
)
def test_a_hierarchy_is_made_of_trees(pairs, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(SMALL, hierarchy=pairs)
