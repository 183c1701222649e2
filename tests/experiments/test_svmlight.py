"""svmlight with several labels, and the extreme-classification format."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="data sets need the experiments extra")

from sklearn.datasets import load_svmlight_file

from experiments import datasets
from experiments.datasets import dataset
from experiments.datasets.selection import drop_rare_labels
from experiments.errors import UserError


def write(tmp_path, text, name="d.svm"):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_svmlight_agrees_with_scikit_learn(tmp_path):
    path = write(tmp_path, "# a comment\n10,2 1:0.5 4:2\n\n2 3:-1 # end\n 2:7\n")
    data = datasets.load(path)
    features, labels = load_svmlight_file(path, multilabel=True)
    np.testing.assert_array_equal(data.features, features.toarray())
    named = [
        tuple(float(name) for name, y in zip(data.label_names, row, strict=True) if y)
        for row in data.labels
    ]
    assert named == [tuple(sorted(row)) for row in labels]
    assert data.label_names == ("2", "10")


def test_extreme_classification_format(tmp_path):
    path = write(tmp_path, "3 4 5\n4,0 0:0.5 3:2\n 1:1\n2\n", "train.txt")
    data = datasets.load(path)
    np.testing.assert_array_equal(data.features, [[0.5, 0, 0, 2], [0, 1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(data.labels, [[1, 0, 0, 0, 1], [0] * 5, [0, 0, 1, 0, 0]])


def test_many_labels_stay_numbers(tmp_path):
    data = datasets.load(write(tmp_path, "2 1 20000\n19999,5 0:1\n7 0:2\n"))
    assert data.labels.tolist() == [[5, 19999], [7, -1]]
    kept = drop_rare_labels(data, 1)
    assert kept.label_names == ("5", "7", "19999")
    assert kept.labels.tolist() == [[True, False, True], [False, True, False]]


def test_labels_above_the_digits_of_floats_stay_apart(tmp_path):
    text = f"{2**53 + 1} 1:0.5\n{2**53} 2:1\n{2**53 + 1} 2:1\n"
    data = datasets.load(write(tmp_path, text))
    assert data.label_names == (str(2**53), str(2**53 + 1))
    assert data.labels.tolist() == [[False, True], [True, False], [False, True]]


def test_two_classes_are_one_label(tmp_path):
    path = write(tmp_path, "+1 1:0.5\n-1 2:1\n-1.0 1:2\n")
    data = datasets.load(path, datasets.Options(negative="-1"))
    assert data.label_names == ("1",)
    assert data.labels.tolist() == [[True], [False], [False]]
    with pytest.raises(UserError, match="beside others"):
        datasets.load(write(tmp_path, "-1,2 1:1\n"), datasets.Options(negative="-1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1:2\n1 1-2\n", "d.svm line 2: '1-2'; expected index:value"),
        ("1 1:x\n", "line 1: '1:x'; expected index:value"),
        ("a 1:2\n", "line 1: label 'a'; expected a whole number"),
        ("1,,2 1:2\n", "line 1: label ''"),
        ("1 1:2 1:3\n", "line 1: feature 1 is there twice"),
        ("1 -1:2\n", "line 1: feature -1 is negative"),
        (f"1 {'1' * 5000}:2\n", "line 1: .* expected index:value"),
        ("1 1_0:2\n", "line 1: '1_0:2'; expected index:value"),
        ("1 1:1_0\n", "line 1: '1:1_0'; expected index:value"),
        ("1 1:nan\n", "line 1: '1:nan'; expected index:value"),
        ("1_0 1:2\n", "line 1: label '1_0'; expected a whole number"),
        ("3,2,3 1:2\n", "line 1: label 3 is there twice"),
        ("3,3.0 1:2\n", "line 1: label 3 is there twice"),
        ("1 1:2\n-1 1:3\n", r"line 2: label -1 is negative \(--negative -1 if it says that"),
        ("1e16 1:2\n", "line 1: label 1e16; numbers above 2\\^53 lose digits"),
        ("1:2\n", "has no labels"),
        ("", "has 0 examples"),
        ("2 3 4\n1 0:1\n", "line 1 says 2 examples, but 1 follow"),
        ("1 3 4\n4 0:1\n", "line 2: label 4; line 1 says 0 to 3"),
        ("1 3 4\n1 3:1\n", "line 2: feature 3; line 1 says 0 to 2"),
        ("1 999999999 4\n1 3:1\n", r"dense array of shape \[1, 999999999\].*limit is .* GiB"),
    ],
)
def test_mistakes_are_named_with_file_and_line(tmp_path, text, message, monkeypatch):
    monkeypatch.setattr(dataset, "MEMORY_LIMIT", 2**20)
    with pytest.raises(UserError, match=message):
        datasets.load(write(tmp_path, text))
