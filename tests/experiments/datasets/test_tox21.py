"""Tox21: results that are active, inactive or missing."""

import numpy as np
import pytest

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.builders.tox21.tox21_dataset_builder import _ASSAYS, Builder
from experiments.errors import UserError

HEADER = ",".join((*_ASSAYS, "mol_id", "smiles")) + "\n"


def test_missing_results_are_not_known(tmp_path):
    (tmp_path / "tox21.csv").write_text(HEADER + "1,0,,1.0" + ",0" * 8 + ",TOX1,CCO\n")
    builder = prepare(Builder, tmp_path)
    assert tuple(builder.info.features["labels"].feature.names) == _ASSAYS
    (row,) = builder.as_data_source()["train"]
    assert list(row["labels"]) == [0, 3]
    assert row["text"] == b"CCO"
    np.testing.assert_array_equal(row["known"], np.arange(12) != 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "2" + ",0" * 11 + ",a,b\n", "tox21.csv line 2: NR-AR is '2'; expected 1, 0 or"),
        (HEADER + "0,0\n", "tox21.csv line 2: expected 14 cells"),
        (HEADER, "no examples are left in split train"),
        (HEADER + ("0," * 12 + "a,b\n") * 2, "tox21: two examples of split train have the id 'a'"),
        ("mol_id,smiles\n", "tox21.csv line 1: no column 'NR-AR'"),
    ],
)
def test_broken_tables_are_named(tmp_path, content, message):
    (tmp_path / "tox21.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        prepare(Builder, tmp_path)
    assert not [p for p in (tmp_path / "data").rglob("*") if "1.0.0" in p.name]


def test_the_real_table_has_its_published_counts_and_checksum(tmp_path):
    folder = shared("tox21")
    read, names = examples(Builder, folder, data_dir=tmp_path)
    assert len(names) == 12
    found = counts(read["train"])
    assert (found["examples"], found["cardinality"], found["range"]) == (8014, 0.743, (0, 9))
    assert found["none"] == 5083
    known = np.stack([e["known"] for e in read["train"]])
    assert (known.all(1).sum(), round(1 - known.mean(0).max(), 2)) == (3111, 0.07)
    assert round(1 - known.mean(0).min(), 2) == 0.26
    complete = [e for e in read["train"] if e["known"].all()]
    assert counts(complete)["cardinality"] == 0.334
    (info,) = Builder.url_infos.values()
    assert info.size == (folder / "tox21.csv.gz").stat().st_size
