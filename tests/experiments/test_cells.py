"""What cells say: truth, numbers, nothing, and the labels that they list."""

import decimal

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="data sets need the experiments extra")

from experiments.datasets.formats.cells import is_blank, number, truth
from experiments.datasets.formats.label_lists import label_lists
from experiments.errors import UserError


@pytest.mark.parametrize("cell", ["1", " 1.0 ", "+1", "1.000e+00", "TRUE", "yes", "Y", True, 1.0])
def test_what_says_that_a_label_holds(cell):
    assert truth(cell) is True
    assert truth(cell, negative="-1") is True


@pytest.mark.parametrize("cell", ["0", "-0.0", "0e5", "False", "no", "f", 0, decimal.Decimal("0")])
def test_what_says_that_it_does_not(cell):
    assert truth(cell) is False
    # Where -1 says so, 0 may mean "not known".
    assert truth(cell, negative="-1") is None
    assert truth("-1.00", negative="-1") is False


@pytest.mark.parametrize("cell", ["1_0", "１", "0x1", "1,5", "inf", "1 0", "1e400", [1], b"1"])
def test_what_is_no_number(cell):
    assert number(cell) is None
    assert truth(cell) is None


@pytest.mark.parametrize("cell", ["", "  ", None, float("nan"), "NA", "n/a", "NaN", "null", "?"])
def test_what_says_nothing(cell):
    assert is_blank(cell)
    assert truth(cell) is number(cell) is None


def read(cells, separator=None):
    return label_lists(cells, separator, lambda row, message: UserError(f"row {row}: {message}"))


@pytest.mark.parametrize(
    ("cells", "names", "labels"),
    [
        (["b, a", "", "a"], "a b", [[1, 1], [0, 0], [1, 0]]),
        (["['b', 'a']", "[]", '["a"]'], "a b", [[1, 1], [0, 0], [1, 0]]),
        (["('b', 'a')", "()", "{'a'}"], "a b", [[1, 1], [0, 0], [1, 0]]),
        (["['b' 'a']", "[]", "['a']"], "a b", [[1, 1], [0, 0], [1, 0]]),
        ([["b", "a"], None, ["a"]], "a b", [[1, 1], [0, 0], [1, 0]]),
        ([["a,b"], []], "a,b", [[1], [0]]),
        # Numbers in their own order; whole ones however they are written.
        (["10,9", "9.0", ""], "9 10", [[1, 1], [1, 0], [0, 0]]),
        ([[10, 9], [9.0], []], "9 10", [[1, 1], [1, 0], [0, 0]]),
        ([3, 12.0, decimal.Decimal(3)], "3 12", [[1, 0], [0, 1], [1, 0]]),
        ([2**53, 2**53 + 1, None], f"{2**53} {2**53 + 1}", [[1, 0], [0, 1], [0, 0]]),
        (["0,1", "1", "0"], "0 1", [[1, 1], [0, 1], [1, 0]]),
        # Codes are text.
        (["007,7", "7", ""], "007 7", [[1, 1], [0, 1], [0, 0]]),
        (["250.01,401.0", "401.0", ""], "250.01 401.0", [[1, 1], [0, 1], [0, 0]]),
        (["a (1)(2), b", "(c)(d)", "b"], "(c)(d)|a (1)(2)|b", [[0, 1, 1], [1, 0, 0], [0, 0, 1]]),
        (["x [old],y", "y", ""], "x [old]|y", [[1, 1], [0, 1], [0, 0]]),
    ],
)
def test_lists_of_names(cells, names, labels):
    found = read(cells)
    assert found.names == tuple(names.split("|" if "|" in names else None))
    np.testing.assert_array_equal(found.labels, labels)
    assert found.where is None


@pytest.mark.parametrize(
    "cells",
    [
        ["[0, 1, 1]", "", "[1, 0, 0]"],
        ["[0 1 1]", "", "[1 0 0]"],
        ["[0. 1. 1.]", "", "[1. 0. 0.]"],
        ["0,1,1", "", "1,0,0"],
        [[0.0, 1.0, 1.0], None, [1.0, 0.0, 0.0]],
        [[False, True, True], None, [True, False, False]],
        [np.array([0, 1, 1]), None, np.array([1, 0, 0])],
    ],
)
def test_vectors_of_0_and_1(cells):
    found = read(cells)
    assert found.names == ("0", "1", "2")
    np.testing.assert_array_equal(found.labels, [[0, 1, 1], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(found.where, [[1] * 3, [0] * 3, [1] * 3])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a", "b,,c"], "row 1: an empty label"),
        ([["a", ""]], "row 0: an empty label"),
        ([["a"], ["b", None]], "row 1: None as a label"),
        ([["a"], [float("nan")]], "row 1: nan as a label"),
        ([["a"], [["b"]]], "row 1: a list as a label"),
        ([[{"id": 3}]], "row 0: a dict as a label"),
        ([{"id": 3}], "row 0: a dict as a label"),
        ([["a", True]], "row 0: True, unless all lists are 0 and 1"),
        ([["a"], "b"], "row 1: no list, beside cells that are lists"),
        (["['a', 'b", "c"], "row 0: a list that cannot be read"),
        (["{a,b}", "{c}"], "row 0: a list that cannot be read"),
        (["[a]", "[b]"], "row 0: a list that cannot be read"),
        (["c", "a|b"], r"row 1: '\|' that may divide labels \(pass --label-separator '\|'"),
        (["a;b", "c"], "row 0: ';' that may divide labels"),
        (["a", "NA"], r"row 1: a word for nothing .* \[\"NA\"\]"),
        ([0.5, 1.0], "row 0: a number with a fraction, 0.5"),
        ([["a", 2.5]], "row 0: a number with a fraction, 2.5"),
        (["0.25", "3.5"], "row 0: a number with a fraction"),
        (["0.2,0.8", "1.0,0.0"], "row 0: a number with a fraction"),
        ([-1, 1], r"row 0: a negative number \(--negative -1"),
        (["-1", "1"], r"row 0: a negative number \(--negative -1"),
        ([[2.0**53 + 2]], "row 0: a float above 2.53, .* lost digits"),
        ([[0, 1, 1], [1, 0]], r"row 0: a vector of 0 and 1, or a list .*, got \[2, 3\]"),
        ([[0, 1, 1], []], r"row 0: a vector of .*, got \[0, 3\]"),
        ([[0], [1]], "row 0: a vector of 0 and 1, or a list"),
        (["", ""], "row 0: no label, like everywhere"),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused(cells, message):
    with pytest.raises(UserError, match=message) as raised:
        read(cells)
    assert "\n" not in str(raised.value)
