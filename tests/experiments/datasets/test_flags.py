"""Flags that a kind of file does not take."""

import dataclasses
import pathlib

import pytest

pytest.importorskip("river", reason="data sets need the experiments extra")

from experiments import datasets
from experiments.datasets.formats import FORMATS
from experiments.errors import UserError

GIVEN = {
    "labels": ("a",),
    "label_separator": "|",
    "negative": "-1",
    "features": ("x",),
    "impute": "zero",
    "delimiter": ";",
    "text": ("t",),
    "text_features": 8,
    "split": "s",
    "test": "other.csv",
    "data_dir": pathlib.Path("data"),
}
EVERYWHERE = {"min_label_count", "drop_unlabelled"}


def test_every_option_has_a_value_here():
    assert {*GIVEN, *EVERYWHERE} == {field.name for field in dataclasses.fields(datasets.Options)}
    assert all({*known.flags} <= {*GIVEN} for known in FORMATS.values())


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_message_names_flag_file_and_the_formats_that_take_it(tmp_path, suffix):
    path = tmp_path / f"films{suffix}"
    path.write_text("not read before its flags are")
    for name in {*GIVEN} - {*FORMATS[suffix].flags}:
        flag = f"--{name.replace('_', '-')}"
        takers = {known.name for known in FORMATS.values() if name in known.flags}
        with pytest.raises(UserError) as raised:
            datasets.load(str(path), datasets.Options(**{name: GIVEN[name]}))
        message = str(raised.value)
        assert message.startswith(f"{flag} means nothing for {path} ({FORMATS[suffix].name}), ")
        named = set(message.rpartition(f"{flag} is for ")[2].split(", "))
        assert named - {"OpenML", "TFDS"} == takers
