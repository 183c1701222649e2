"""Records and JSON: there and back, and what is no record."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("jax")

from experiments import records, storage
from experiments.errors import UserError
from experiments.evaluation import ByCriterion
from experiments.results.comparison import Pair, Row


class Size(NamedTuple):
    examples: int
    name: str


@dataclasses.dataclass(frozen=True)
class Run:
    size: Size
    chosen: tuple[ByCriterion[Mapping[str, float]], ...]
    curve: np.ndarray
    p_value: float | None
    loss: float = math.nan
    note: str | None = None


RUN = Run(Size(3, "a"), (ByCriterion({"C": 0.1}, {"C": 1.0}),), np.array([[0.5, np.nan]]), None)
WRITTEN = {
    "size": [3, "a"],
    "chosen": [[{"C": 0.1}, {"C": 1.0}]],
    "curve": [[0.5, None]],
    "p_value": None,
    "loss": None,
}


def test_what_is_written_is_read_again():
    written = records.to_json(RUN)
    assert written == WRITTEN
    again = records.from_json(Run, json.loads(json.dumps(written)))
    assert again.size == RUN.size
    assert again.chosen == RUN.chosen
    assert again.chosen[0].tuned == {"C": 1.0}
    assert again.p_value is again.note is None
    assert math.isnan(again.loss)
    assert records.to_json(again) == written
    np.testing.assert_array_equal(
        records.from_json(np.ndarray[tuple[int, int], np.dtype[np.float64]], [[0.5, None]]),
        RUN.curve,
    )


def test_a_pair_is_one_text_in_a_file_and_two_names_in_a_record():
    row = Row("focal", "global", "micro_f1", 0.5, 0.1, (0.4, 0.6), Pair("bce", "per_label"), None)
    written = records.to_json(row)
    assert written["baseline"] == "bce/per_label"
    assert "undefined" not in written
    assert records.from_json(Row, written) == row


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": [3]}, "the value.size has 1 parts; expected 2"),
        ({"size": ["3", "a"]}, r"the value.size\[0\] is str; expected int"),
        ({"chosen": {}}, "the value.chosen is dict; expected list"),
        ({"chosen": [[{"C": "x"}, {}]]}, r"the value.chosen\[0\]\[0\].C is str; expected int | fl"),
        ({"size": None}, "the value.size is null; expected list"),
    ],
)
def test_what_is_no_record_is_refused_with_its_place(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        records.from_json(Run, {**WRITTEN, **changes})
    path = tmp_path / "run.json"
    storage.write_json(path, {**WRITTEN, **changes})
    with pytest.raises(UserError, match=f"run.json does not hold what it should: {message}"):
        storage.read_record(Run, path)


def test_a_record_that_lacks_a_field_is_refused():
    with pytest.raises(ValueError, match="the value lacks size"):
        records.from_json(Run, {k: v for k, v in WRITTEN.items() if k != "size"})
    with pytest.raises(ValueError, match="the value is list; expected Mapping"):
        records.from_json(Run, [])
