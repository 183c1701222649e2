"""CSV, TSV, JSON lines and Parquet: columns by role, and mistakes named with file and line."""

import bz2
import gzip
import json
import lzma

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="data sets need the experiments extra")

from experiments import datasets
from experiments.datasets import Options
from experiments.datasets.dataset import fingerprint
from experiments.errors import UserError
from tests.conftest import SHARED

CSV = """height,title,drama,comedy,weight,part
1.5,"A film, of sorts",1,0,-2,train
2,Another,0,1,3e2,test
0,"Third
with a second line",1,1,4,dev
"""


def write(tmp_path, text, name="films.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_numeric_columns_are_features_and_the_rest_is_named(tmp_path):
    options = Options(labels=("drama", "comedy"), split="part")
    data = datasets.load(write(tmp_path, CSV), options)
    np.testing.assert_array_equal(data.features, [[1.5, -2], [2, 300], [0, 4]])
    np.testing.assert_array_equal(data.labels, [[1, 0], [0, 1], [1, 1]])
    assert data.features.dtype == np.float32
    assert data.label_names == ("drama", "comedy")
    assert data.where is None
    assert data.name == "films"
    assert {k: v.tolist() for k, v in data.parts.items()} == {
        "train": [0],
        "test": [1],
        "validation": [2],
    }
    assert "features: height, weight; not used: title" in data.source


def test_features_can_be_chosen(tmp_path):
    options = Options(labels=("drama", "comedy"), features=("weight",))
    assert datasets.load(write(tmp_path, CSV), options).features.tolist() == [[-2], [300], [4]]


def test_every_format_gives_the_same_data(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = [
        {"x": 1.5, "text": "one word", "genres": "a|b"},
        {"x": -2.0, "text": "", "genres": ""},
        {"x": 0.25, "text": "two words", "genres": "c | a"},
    ]
    header = "x,text,genres"
    lines = [",".join(str(v) for v in row.values()) for row in rows]
    write(tmp_path, "\n".join([header, *lines]), "t.csv")
    write(tmp_path, "\ufeff" + "\r\n".join([header, *lines]), "excel.csv")
    write(tmp_path, "\n".join(s.replace(",", "\t") for s in [header, *lines]), "t.tsv")
    jsonl = "\n\n".join(json.dumps(row) for row in rows)
    write(tmp_path, jsonl, "t.jsonl")
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(jsonl.encode()))
    listed = [{**r, "genres": [g for g in r["genres"].split("|") if g]} for r in rows]
    write(tmp_path, "\n".join(json.dumps(row) for row in listed), "lists.jsonl")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(listed), tmp_path / "t.parquet")
    names = ["t.csv", "excel.csv", "t.tsv", "t.jsonl", "packed.jsonl.gz", "lists.jsonl"]
    for name in [*names, "t.parquet"]:
        for text in ((), ("text",)):
            options = Options(
                labels=("genres",),
                label_separator="|",
                text=text,
                text_features=8 if text else 2048,
            )
            data = datasets.load(str(tmp_path / name), options)
            assert data.label_names == ("a", "b", "c"), name
            np.testing.assert_array_equal(data.labels, [[1, 1, 0], [0, 0, 0], [1, 0, 1]])
            if text:
                assert data.texts == ("one word", "", "two words"), name
                assert data.features.shape == (3, 8)
            else:
                np.testing.assert_array_equal(data.features, [[1.5], [-2], [0.25]])


def test_several_text_columns_are_joined(tmp_path):
    path = write(tmp_path, "title,body,labels\none,two,a\nthree,,b\n")
    data = datasets.load(path, Options(labels=("labels",), text=("title", "body")))
    assert data.texts == ("one\ntwo", "three\n")


def test_blank_cells_of_label_columns_are_missing_labels(tmp_path):
    data = datasets.load(write(tmp_path, "x,a,b\n1,,0\n2,True,\n"), Options(labels=("a", "b")))
    np.testing.assert_array_equal(data.labels, [[0, 0], [1, 0]])
    np.testing.assert_array_equal(data.where, [[0, 1], [1, 0]])


def test_one_column_of_truth_is_one_label(tmp_path):
    data = datasets.load(write(tmp_path, "x,a\n1,0\n2,1\n"), Options(labels=("a",)))
    assert data.label_names == ("a",)
    assert data.labels.tolist() == [[False], [True]]


def test_rare_labels_and_then_unlabelled_examples_are_dropped(tmp_path):
    path = write(tmp_path, 'x,g,s\n1,a,train\n2,"a,b",test\n3,c,train\n4,b,train\n')
    options = Options(labels=("g",), split="s", min_label_count=2, drop_unlabelled=True)
    data = datasets.load(path, options)
    assert data.label_names == ("a", "b")
    assert data.features.ravel().tolist() == [1, 2, 4]
    assert {k: v.tolist() for k, v in data.parts.items()} == {"train": [0, 2], "test": [1]}
    with pytest.raises(UserError, match=r"no label has 3 examples .* the commonest has 2"):
        datasets.load(path, Options(labels=("g",), min_label_count=3))


@pytest.mark.parametrize(
    ("content", "features"),
    [
        ("a,red,y\n1.5,True,1\n2,False,0\n", [[1.5, 1], [2, 0]]),
        ("a,red,y\n1.5,yes,yes\n2,no,no\n", [[1.5, 1], [2, 0]]),
        ("a,red,y\n1.5,yes,1\n2,maybe,0\n", [[1.5], [2]]),
        ("a,y\n1e0,1.000000000000000000e+00\n2,0.0e+00\n", [[1], [2]]),
        ("a;b;y\n1,5;2;1\n-0,25;1e3;0\n", [[1.5, 2], [-0.25, 1000]]),
        ("a|y\n1|1\n2|0\n", [[1], [2]]),
        ("a\ty\n1\t1\n2\t0\n", [[1], [2]]),
        ("a,y\r1,1\r2,0\r", [[1], [2]]),
        ('a,note,y\r\n1,"x\ry",1\r\n2,z;w,0\r\n', [[1], [2]]),
        ("a, y\n1, 1\n2, 0\n", [[1], [2]]),
        ("a,y\n1,1,\n2,0,\n", [[1], [2]]),
        ("\ufeffa,y,\n1,1,\n2,0,\n", [[1], [2]]),
    ],
)
def test_csv_as_programs_write_it(tmp_path, content, features):
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    data = datasets.load(str(path), Options(labels=("y",)))
    np.testing.assert_array_equal(data.features, features)
    np.testing.assert_array_equal(data.labels, [[1], [0]])


def test_long_texts_and_other_compressions(tmp_path):
    content = f'text,y\n"{"word " * 40_000}",1\nshort,0\n'.encode()
    options = Options(labels=("y",), text=("text",), text_features=4)
    for name, packed in {
        "t.csv.gz": gzip.compress(content),
        "t.csv.bz2": bz2.compress(content),
        "t.csv.xz": lzma.compress(content),
    }.items():
        (tmp_path / name).write_bytes(packed)
        data = datasets.load(str(tmp_path / name), options)
        assert [len(text) for text in data.texts] == [200_000, 5]
        assert data.name == "t"


@pytest.mark.parametrize(
    ("content", "left_out"),
    [
        (",a,y\n0,1.5,1\n1,2,0\n", "the first column, which has no name"),
        ("a,y\none,1.5,1\ntwo,2,0\n", "the first column, which has no name"),
        ("Unnamed: 0,a,y\n7,1.5,1\n3,2,0\n", "Unnamed: 0"),
        ("Unnamed: 0.1,Unnamed: 0,a,y\n0,0,1.5,1\n1,1,2,0\n", "Unnamed: 0.1, Unnamed: 0"),
        ("index,a,y\n0,1.5,1\n1,2,0\n", "index"),
        ("a,id,y\n1.5,1,1\n2,2,0\n", "id"),
    ],
)
def test_an_index_is_no_feature(tmp_path, content, left_out):
    data = datasets.load(write(tmp_path, content), Options(labels=("y",)))
    assert data.source == f"films.csv (features: a; left out as an index: {left_out})"
    np.testing.assert_array_equal(data.features, [[1.5], [2]])


def test_an_index_that_is_asked_for_is_a_feature(tmp_path):
    path = write(tmp_path, "Unnamed: 0,a,y\n4,1.5,1\n5,2,0\n")
    data = datasets.load(path, Options(labels=("y",), features=("Unnamed: 0",)))
    assert data.features.tolist() == [[4], [5]]
    # Numbers that are not those of rows are numbers.
    path = write(tmp_path, "index,a,y\n4,1.5,1\n9,2,0\n")
    assert datasets.load(path, Options(labels=("y",))).features.shape == (2, 2)


def test_parquet_with_an_index_decimals_and_truth(tmp_path):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        {
            "mw": [1.5, 2.0, 0.3],
            "drama": pyarrow.array([1, 0, None], pyarrow.decimal128(1, 0)),
            "war": [True, False, True],
            "key": ["x", "y", "z"],
            "__index_level_0__": [7, 3, 12],
        }
    )
    described = {b"pandas": b'{"index_columns": ["key", "__index_level_0__"], "columns": []}'}
    pyarrow.parquet.write_table(
        table.replace_schema_metadata(described), path := tmp_path / "t.parquet"
    )
    data = datasets.load(str(path), Options(labels=("drama", "war")))
    assert data.source.endswith("(features: mw; left out as an index: key, __index_level_0__)")
    np.testing.assert_array_equal(data.labels, [[1, 1], [0, 0], [0, 1]])
    np.testing.assert_array_equal(data.where, [[1, 1], [1, 1], [0, 1]])


def test_another_word_for_no_has_to_be_said(tmp_path):
    path = write(tmp_path, "x,a,b\n1,-1,1\n2,1,\n")
    with pytest.raises(UserError, match=r"label 'a' is '-1'; .* \(--negative -1 takes -1 for 0\)"):
        datasets.load(path, Options(labels=("a", "b")))
    data = datasets.load(path, Options(labels=("a", "b"), negative="-1"))
    np.testing.assert_array_equal(data.labels, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(data.where, [[1, 1], [1, 0]])
    with pytest.raises(UserError, match="line 3: label 'x' is '2'; expected 1 or absent, or"):
        datasets.load(path, Options(labels=("x",), negative="absent"))


def test_blank_features_are_refused_or_filled(tmp_path):
    path = write(tmp_path, "x,z,y\n1,3,1\n,NA,0\n5,?,1\n")
    with pytest.raises(UserError, match=r"line 3: feature 'x' is ''.*--impute fills blank ones"):
        datasets.load(path, Options(labels=("y",)))
    data = datasets.load(path, Options(labels=("y",), impute="median"))
    np.testing.assert_array_equal(data.features, [[1, 3], [np.nan, np.nan], [5, np.nan]])
    assert data.impute == "median"
    zero = datasets.load(path, Options(labels=("y",), impute="zero"))
    assert fingerprint(zero) != fingerprint(data)


A, G = {"labels": ("a",)}, {"labels": ("g",)}


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("t.csv", "x,a\n1,0\n2\n", A, "t.csv line 3: 1 cells; expected 2, as in the header"),
        ("t.csv", "x,a\n1,0,4\n1,0\n", A, "t.csv line 2: 3 cells; expected 2"),
        ("t.csv", 'x,a\n"1\n2",0\n3\n', A, "t.csv line 4: 1 cells"),
        ("t.csv", 'x,a\n1,"0\n', A, "t.csv line 2: unexpected end of data"),
        ("t.csv", "x,a,a\n1,0,0\n", A, "line 1: column 'a' is there 2 times"),
        ("t.csv", "x,,a\n1,0,0\n", A, "line 1: a column has no name"),
        ("t.csv", "", A, "line 1: expected a header"),
        ("t.csv", "x,a\n", A, "t.csv has 0 examples"),
        ("t.csv", "x,a\n1,0\n", {}, "which columns are labels.* its columns: x, a"),
        ("t.csv", "x,a\n1,0\n", {"labels": ("b",)}, r"no column 'b' \(--labels\); its columns: x"),
        ("t.csv", "x,a\n1,0\n", {"labels": ("a", "a")}, "column 'a' is given twice"),
        ("t.csv", "x,a\n1,0\n", {**A, "split": "a"}, r"given twice \(--labels, --split\)"),
        ("t.csv", "x,a\n1,0\n", {**A, "text": ("x",), "features": ("x",)}, "exclude each other"),
        ("t.csv", "x,a,b\n1,0,1\n1,2,1\n", {"labels": ("a", "b")}, "line 3: label 'a' is '2'"),
        ("t.csv", 'x,g\n1,a\n2,"a,,b"\n', G, "line 3: an empty label in 'g': 'a,,b'"),
        ("t.jsonl", '{"x": 1, "g": ["a", ""]}\n', G, "t.jsonl line 1: an empty label in 'g'"),
        ("t.csv", "x,g\n1, \n2,a\n", {**G, "label_separator": ""}, "--label-separator must not"),
        ("t.csv", "x,a\n1,0\n,1\n", A, "line 3: feature 'x' is ''; expected a finite number"),
        ("t.csv", "x,a\n1,0\nnan,1\n", A, "line 3: feature 'x' is 'nan'"),
        ("t.csv", "x,a\n1,0\n2,0\ntwo,1\n", A, "line 4: feature 'x' is 'two'"),
        ("t.csv", "x,a\nword,0\nmore,1\n", A, "no numeric column besides the labels; pass --text"),
        ("t.csv", "x,a,s\n1,0,later\n", {**A, "split": "s"}, "'s' is 'later'; expected train"),
        ("t.csv", b"x,a\n1,0\n\xff,1\n", A, "t.csv line 3: byte 0xff is not UTF-8"),
        ("t.jsonl", '{"x": 1}\n{"x": \n', A, "t.jsonl line 2: not JSON"),
        ("t.jsonl", '{"x": 1, "a": 0, "x": 2}\n', A, "line 1: 'x' is there twice"),
        ("t.csv", "a;b,y\n1;2,1\n", {"labels": ("y",)}, "',' or ';'. pass --delimiter"),
        ("t.csv", "x;a\n1;0\n2\n", A, "t.csv line 3: 1 cells; expected 2"),
        ("t.csv", "x,a\n1,0\n", {**A, "delimiter": "::"}, "--delimiter must be one character"),
        (
            "t.jsonl",
            "{}\n",
            {**A, "delimiter": ";"},
            "--delimiter .* for .*t.jsonl .* is for CSV$",
        ),
        ("t.csv", "x,a\n1e39,0\n", A, "line 2: feature 'x' is '1e39'; expected a finite"),
        ("t.csv", "x,a\n1_0,0\n1,1\n2,1\n", A, "line 2: feature 'x' is '1_0'"),
        ("t.csv", "x,a,b\n1,0\n".encode("utf-16"), A, "t.csv is UTF-16; save it as UTF-8"),
        ("t.csv", "x,g\n1,a\n2,\"['b', None]\"\n", G, "line 3: label column 'g': .*beside|lists"),
        ("t.jsonl", "[1]\n", A, "t.jsonl line 1: list; expected an object"),
        ("t.jsonl", '{"t": 3, "g": "x"}\n', {**G, "text": ("t",)}, "line 1: text 't' is 3"),
        ("t.csv.gz", gzip.compress(b"x,a\n1,0\n" * 99, mtime=0)[:-9], A, "t.csv.gz cannot be read"),
        ("t.parquet", b"PAR1 and then nothing", A, "t.parquet is not a Parquet file"),
        (
            "t.csv",
            "x,a\n1,0\n",
            {**A, "data_dir": "/x"},
            "--data-dir .* for .*t.csv .* is for TFDS$",
        ),
        ("t.csv", "x,a\n1,0\n", {**A, "text_features": 0}, "--text-features must be >= 1, got 0"),
        ("t.xls", "x,a\n1,0\n", A, r"t.xls: unknown kind of file; expected a .csv"),
    ],
)
def test_mistakes_are_named_with_file_and_line(tmp_path, name, content, options, message):
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        datasets.load(str(tmp_path / name), Options(**options))
    assert "\n" not in str(raised.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


TOX21 = "NR-AR NR-AR-LBD NR-AhR NR-Aromatase NR-ER NR-ER-LBD NR-PPAR-gamma SR-ARE SR-ATAD5 SR-HSE "


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "options", "examples", "labels", "cardinality", "unlabelled"),
    [
        (
            "tox21/tox21.csv.gz",
            Options(labels=(*TOX21.split(), "SR-MMP", "SR-p53"), text=("smiles",), text_features=4),
            *(8014, 12, 0.743, 5083),
        ),
        (
            "reuters21578_modapte/modapte.jsonl.gz",
            Options(labels=("topics",), text=("title",), text_features=4, split="split"),
            *(12902, None, None, 1828 + 280),
        ),
        (
            "wikidata_movies/movies.csv.gz",
            Options(labels=("Genre",), features=("Year",)),
            *(17472, 21, 2.03, None),
        ),
    ],
)
def test_public_files_have_their_published_counts(
    path, options, examples, labels, cardinality, unlabelled
):
    path = SHARED / "data" / path
    if not path.exists():
        pytest.skip(f"no copy of the public file at {path}; set SIGMOIDF1_SHARED")
    data = datasets.load(str(path), options)
    assert len(data.labels) == examples
    counts = data.labels.sum(1)
    if labels is not None:
        assert data.num_labels == labels
        np.testing.assert_allclose(counts.mean(), cardinality, atol=1e-3)
    if unlabelled is not None:
        assert (counts == 0).sum() == unlabelled
    if options.split:
        assert {k: len(v) for k, v in data.parts.items()} == {"train": 9603, "test": 3299}
