"""Data sets from ARFF files: dense, sparse, quoted, and the mistakes that files hold."""

import gzip
import pathlib

import numpy as np
import pytest

pytest.importorskip("river", reason="data sets need the experiments extra")

from experiments import datasets
from experiments.errors import UserError
from tests.conftest import SHARED

XML = '<labels xmlns="urn:mulan"><label name="a"/><label name="b"/></labels>'
HEADER = """@relation r
% a comment
@attribute 'first one' numeric
@attribute a {0,1}
@attribute second REAL
@attribute b {0, 1}

@DATA
"""


def folder(path: pathlib.Path, *data: str, xml: str = XML) -> pathlib.Path:
    for i, text in enumerate(data):
        (path / f"part{i}.arff").write_text(text)
    (path / "labels.xml").write_text(xml)
    return path


def test_dense_and_sparse_rows_are_the_same(tmp_path):
    (tmp_path / "dense").mkdir()
    (tmp_path / "sparse").mkdir()
    dense = folder(tmp_path / "dense", HEADER + "1.5,0,-2,1\n0,1,0,0\n")
    sparse = folder(tmp_path / "sparse", HEADER + "{0 1.5, 2 -2, 3 1}\n{1 1}\n")
    a, b = datasets.load(str(dense)), datasets.load(str(sparse))
    np.testing.assert_array_equal(a.features, [[1.5, -2], [0, 0]])
    np.testing.assert_array_equal(a.labels, [[False, True], [True, False]])
    np.testing.assert_array_equal(a.features, b.features)
    np.testing.assert_array_equal(a.labels, b.labels)
    assert a.label_names == ("a", "b")
    assert a.name == "dense"


def test_gzipped_parts_are_joined(tmp_path):
    path = folder(tmp_path, HEADER + "1,0,2,1\n")
    (path / "z.arff.gz").write_bytes(gzip.compress((HEADER + "3,1,4,0\n").encode()))
    assert datasets.load(str(path)).features.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (HEADER + "1,0,2\n", r"part0.arff line 9: 3 values; expected 4"),
        (HEADER + "1,0,x,1\n", r"line 9: could not convert string to float: 'x'"),
        (HEADER + "{9 1}\n", "line 9: index 9 of a row of 4 values"),
        (HEADER + "{0 1\n", "line 9: a sparse row must end with }"),
        (HEADER + "nan,0,2,1\n", "feature 0 of example 0 is nan"),
        (HEADER + "1,2,3,0\n", "labels must be 0 or 1"),
        (HEADER, "has no examples after @data"),
        ("@attribute a string\n", "attribute a is 'string'; expected numeric"),
        ("@attribute b {0,1}\n@data\n1\n", "lacks the label 'a'"),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        datasets.load(str(folder(tmp_path, data)))


def test_folders_without_the_files_and_broken_lists_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds 0 \.arff files and 0 \.xml files"):
        datasets.load(str(tmp_path))
    with pytest.raises(UserError, match="not valid XML"):
        datasets.load(str(folder(tmp_path, HEADER + "1,0,2,1\n", xml="<labels>")))
    with pytest.raises(UserError, match="at least one label, each once"):
        datasets.load(str(folder(tmp_path, HEADER + "1,0,2,1\n", xml="<labels/>")))
    (tmp_path / "broken.arff.gz").write_bytes(gzip.compress(b"@data")[:-4])
    folder(tmp_path, HEADER + "1,0,2,1\n")
    with pytest.raises(UserError, match=r"broken.arff.gz cannot be read"):
        datasets.load(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "examples", "labels", "cardinality", "most"),
    [("medical", 978, 45, 1.245, 3), ("scene", 2407, 6, 1.074, 3)],
)
def test_published_files_have_their_published_counts(name, examples, labels, cardinality, most):
    path = SHARED / "data" / name
    if not path.is_dir():
        pytest.skip(f"no copy of the public {name} files at {path}; set SIGMOIDF1_SHARED")
    data = datasets.load(str(path))
    assert data.labels.shape == (examples, labels)
    assert data.features.shape[1] == {"medical": 1449, "scene": 294}[name]
    counts = data.labels.sum(1)
    np.testing.assert_allclose(counts.mean(), cardinality, atol=1e-3)
    assert counts.max() == most
