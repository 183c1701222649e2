"""Data sets from ARFF files: dense, sparse, quoted, and the mistakes that files hold."""

import pathlib

import numpy as np
import pytest

pytest.importorskip("river", reason="data sets need the experiments extra")

from experiments import datasets
from experiments.errors import UserError

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


def read(path: pathlib.Path, text: str, **options) -> datasets.Dataset:
    """The data set in `text` as a file that no list of labels lies beside."""
    (path / "d.arff").write_text(text)
    return datasets.load(str(path / "d.arff"), datasets.Options(**options))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (HEADER + "1,0,2\n", r"part0.arff line 9: 3 values; expected 4"),
        (HEADER + "1,0,x,1\n", r"line 9: attribute 'second' is 'x'; expected a number"),
        (HEADER + "1,0,1_0,1\n", r"line 9: attribute 'second' is '1_0'; expected a number"),
        (HEADER + "inf,0,1,1\n", r"line 9: attribute 'first one' is 'inf'; expected a number"),
        (HEADER + "1e39,0,1,1\n", r"line 9: .*'1e39'; expected a number up to 3.4e\+38"),
        (HEADER + "{9 1}\n", "line 9: index 9 of a row of 4 values"),
        (HEADER + "{-1 1}\n", "line 9: '-1 1'; expected an index from 0, and a value"),
        (HEADER + "{0 1, 0 2}\n", "line 9: index 0 is there twice"),
        (HEADER + "{0 1, 2}\n", "line 9: '2'; expected an index from 0, and a value"),
        (HEADER + "{0 1\n", "line 9: a sparse row must end with }"),
        (HEADER + "nan,0,2,1\n?,0,2,1", "line 9: .*'first one' is not known .2 rows.*--impute"),
        (HEADER + "1,2,3,0\n", "line 9: label 'a' is '2'; expected one of its values 0, 1"),
        (HEADER + "1,0,3,0, {x}\n", "line 9: the row's weight is 'x'"),
        (HEADER + "1,0,'3,0\n", 'line 9: "\'3,0": a quote is not closed'),
        (HEADER + "1,'0'0,3,0\n", "line 9: .* a quote is not closed, or stands in"),
        (HEADER, "has no examples after @data"),
        (HEADER.replace("@DATA", "@DATA 1,0,2,1"), "line 8: '1,0,2,1' after @data"),
        (HEADER.replace("@DATA", ""), "part0.arff has no line @data"),
        (HEADER.replace("@DATA", "1,0,2,1"), "line 8: '1,0,2,1'; expected @relation, @attribute"),
        (HEADER.replace("second", "a"), "line 5: attribute 'a' is there twice, first on line 4"),
        ("@data\n1\n", "has no @attribute before @data"),
        ("@attribute a string\n", "line 1: attribute 'a' is 'string'; expected numeric"),
        ("@attribute 't x' date 'yyyy'\n", "line 1: attribute 't x' is \"date 'yyyy'\""),
        ("@attribute a relational\n", "line 1: attribute 'a' is 'relational'"),
        ("@attribute a\n", "line 1: not an attribute's name and type: 'a'"),
        ("@attribute a {0,1\n", "line 1: the values of attribute 'a' must end with }"),
        ("@attribute a {}\n", "line 1: attribute 'a' has no values"),
        ("@attribute b {0,1}\n@data\n1\n", "lacks the label 'a'"),
        ("@attribute b {0,1}\n@attribute a numeric\n@data\n1,1\n", "has labels alone"),
        (
            HEADER.replace("{0,1}", "{no,absent}"),
            "line 4: label 'a' has the value 'absent' .no, ab",
        ),
        (HEADER.replace("{0,1}", "{-1,1}"), "line 4: label 'a' has the value '-1'.*--negative"),
        (
            HEADER.replace("{0,1}", "numeric") + "1,0.5,2,1\n",
            "line 9: label 'a' is '0.5'; expected 0 and 1, false and true, no and yes",
        ),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path, data, message):
    with pytest.raises(UserError, match=message) as error:
        datasets.load(str(folder(tmp_path, data)))
    assert len(str(error.value)) < 400


def test_messages_never_list_hundreds_of_values(tmp_path):
    values = ",".join(f"P{i:05}{'x' * 60}" for i in range(660))
    header = f"@attribute protein {{{values}}}\n@attribute y {{0,1}}\n@data\n"
    with pytest.raises(UserError, match=r"is 'P1'; expected one of .* and 652 more") as error:
        read(tmp_path, header + "P1,0\n", labels=("y",))
    assert len(str(error.value)) < 600


COMMENTS = """% a comment % "of two
@RELATION\tr % that is it
@attribute f numeric % in cm
@Attribute\t'50% \\'of\\' it' real[0.0, 1.0]%note
@attribute kind {'100%', "it's, too", it\\'s} %{absent, present}
@attribute y{0,1} %{absent, present}
@ATTRIBUTE "z z"{0,1}

@Data % two rows
1,0.5,'100%',1,0 % the first
% another "comment
2 , 0.25 ,\t"it's, too" ,0, '1'%
{0 3, 1 .5, 2 "it\\'s, too", 4 1} % sparse
{}

  % the end
"""


def test_comments_quotes_and_spaces(tmp_path):
    data = read(tmp_path, COMMENTS, labels=("y", "z z"))
    assert data.feature_names[:2] == ("f", "50% 'of' it")
    assert data.feature_names[2:] == ("kind=100%", "kind=it's, too", "kind=it\\'s")
    one, two = [1, 0, 0], [0, 1, 0]
    expected = [[1, 0.5, *one], [2, 0.25, *two], [3, 0.5, *two], [0, 0, *one]]
    np.testing.assert_array_equal(data.features, np.float32(expected))
    assert data.labels.astype(int).tolist() == [[1, 0], [0, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize("after", ["@attribute y {0,1} %{absent, present}", "@attribute y {0,1}"])
@pytest.mark.parametrize("data", ["@data", "@data % two rows"])
def test_comments_after_declarations_and_after_data(tmp_path, after, data):
    text = (
        f"@relation x\n@attribute f numeric\n{after}\n@attribute z {{0,1}}\n{data}\n1,1,0\n2,0,1\n"
    )
    found = read(tmp_path, text, labels=("y", "z"))
    assert found.labels.tolist() == [[True, False], [False, True]]
    message = "which attributes are labels. no .xml file beside it .* pass --labels; .*: f, y, z"
    for path in (tmp_path, tmp_path / "d.arff"):
        with pytest.raises(UserError, match=message):
            datasets.load(str(path))


@pytest.mark.parametrize(
    "values", ["{0,1}", "{'0', '1'}", "{0.0,1.0}", "numeric", "{?,1,0}", "{1}"]
)
def test_labels_in_numbers(tmp_path, values):
    header = f"@attribute f real\n@attribute a {values}\n@attribute b integer\n@data\n"
    data = read(tmp_path, header + "1,1,0\n2,1.0,?\n3,'1',1\n4,?,1\n", labels=("b", "a"))
    assert data.labels.tolist() == [[False, True], [False, True], [True, True], [True, False]]
    assert data.where.tolist() == [[True, True], [False, True], [True, True], [True, False]]


@pytest.mark.parametrize("values", ["FALSE,TRUE", "false,true", "no,yes", "n,y", "0,1", "-1,1"])
@pytest.mark.parametrize("turned", [False, True])
def test_what_a_sparse_row_leaves_out_is_the_first_value(tmp_path, values, turned):
    no, yes = values.split(",")
    order = f"{{{yes}, {no}}}" if turned else f"{{{no},{yes}}}"
    header = f"@attribute f real\n@attribute a {order}\n@attribute g {order}\n@data\n"
    rows = f"1,{yes},{no}\n{{0 2}}\n{{0 3, 1 ?, 2 {yes}}}\n{{1 {no}}}\n"
    negative = "-1" if no == "-1" else None
    data = read(tmp_path, header + rows, labels=("a",), negative=negative)
    assert data.labels[:, 0].tolist() == [True, turned, False, False]
    assert data.where[:, 0].tolist() == [True, True, False, True]
    # As a feature it is the number, or 0 for no and 1 for yes.
    low = -1 if no == "-1" else 0
    first = 1 if turned else low
    np.testing.assert_array_equal(data.features[:, 1], [low, first, 1, first])
    assert data.features[:, 0].tolist() == [1, 2, 3, 0]


def test_a_label_left_out_beside_another_negative_is_refused(tmp_path):
    header = "@attribute f real\n@attribute a numeric\n@data\n1,-1\n2,1\n"
    assert read(tmp_path, header, labels=("a",), negative="-1").labels.sum() == 1
    with pytest.raises(UserError, match="line 6: label 'a' is left out, which means 0"):
        read(tmp_path, header + "{0 3}\n", labels=("a",), negative="-1")
    with pytest.raises(UserError, match=r"line 4: label 'a' is '-1'; .* or --negative"):
        read(tmp_path, header, labels=("a",))


def test_features_that_are_not_known(tmp_path):
    header = HEADER + "1,0,2,1\n?,1,4,0\n{1 1, 2 ?}\n"
    with pytest.raises(UserError, match=r"line 10: attribute 'first one' is not known"):
        read(tmp_path, header, labels=("a", "b"))
    data = read(tmp_path, header, labels=("a", "b"), impute="median")
    assert data.impute == "median"
    np.testing.assert_array_equal(data.features, [[1, 2], [np.nan, 4], [0, np.nan]])
    complete = read(tmp_path, HEADER + "1,0,2,1\n", labels=("a", "b"), impute="zero")
    assert complete.impute is None


def test_nominal_features(tmp_path):
    names = [f"p{i}" for i in range(12)]
    header = (
        f"@attribute 'the name' {{{','.join(names)}}}\n@attribute sex {{m,w}}\n"
        "@attribute colour {red, 'dark blue', green}\n@attribute size {1,2,13}\n"
        "@attribute y {0,1}\n@data\n"
    )
    rows = [f"{name},{'mw'[i % 2]},green,13.0,1" for i, name in enumerate(names)]
    rows[0] = "{1 w, 2 'dark blue'}"
    rows[1] = "p1,m,?,1,1"
    data = read(tmp_path, header + "\n".join(rows), labels=("y",), impute="zero")
    assert data.feature_names == ("sex", "colour=red", "colour=dark blue", "colour=green", "size")
    # A sparse row has the first size of the list, 1.
    np.testing.assert_array_equal(data.features[0], [1, 0, 1, 0, 1])
    np.testing.assert_array_equal(data.features[1], [0, np.nan, np.nan, np.nan, 1])
    np.testing.assert_array_equal(data.features[3], [1, 0, 0, 1, 13])
    assert "attribute 'the name' left out: 12 values in 12 rows say which" in data.source
    alone = header.replace("@attribute sex {m,w}\n", "@attribute b {0,1}\n").split(
        "@attribute colour"
    )
    named = f"{alone[0]}@data\n" + "\n".join(f"{name},1" for name in names)
    with pytest.raises(
        UserError, match=r"no feature besides its labels; attribute 'the name' left"
    ):
        read(tmp_path, named, labels=("b",))
    repeated = header + "\n".join(rows[2:] * 2)
    assert read(tmp_path, repeated, labels=("y",)).features.shape == (20, 12 + 5)


def test_weights_are_passed_over_and_said_so(tmp_path):
    data = read(tmp_path, HEADER + "1,0,2,1, {5}\n{0 3, 1 1}, {0.5}\n", labels=("a", "b"))
    assert data.features.tolist() == [[1, 2], [3, 0]]
    assert data.source == "d.arff (ARFF; weights of rows are passed over)"


def test_tabs_between_values_and_commas_at_the_end(tmp_path):
    data = read(tmp_path, HEADER + "1\t0  2 '1'\n3,1,4,0,\n", labels=("a", "b"))
    assert data.features.tolist() == [[1, 2], [3, 4]]
    assert data.labels.tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    ("relation", "names"),
    [
        ("'Music: -C 2'", ("y", "z")),
        ("Music: -C 1", ("y",)),
        ('"Music: -C -1 -split-number 50"', ("g",)),
        ("'Music:-split-number 50 -C -2-weka.filters.Remove-R1'", ("f", "g")),
    ],
)
def test_meka_says_in_the_relations_name_how_many_attributes_are_labels(tmp_path, relation, names):
    attributes = "".join(f"@attribute {name} {{0,1}}\n" for name in "yzfg")
    text = f"@relation {relation}\n{attributes}@data\n1,0,1,1\n0,1,1,0\n"
    assert read(tmp_path, text).label_names == names
    assert datasets.load(str(tmp_path)).label_names == names
    assert read(tmp_path, text, labels=("z",)).label_names == ("z",)
    # A list of its own name goes first; another file's does not count.
    (tmp_path / "other.xml").write_text('<labels><label name="q"/></labels>')
    assert read(tmp_path, text).label_names == names
    (tmp_path / "d.xml").write_text('<labels><label name="z"/></labels>')
    assert read(tmp_path, text).label_names == ("z",)
    (tmp_path / "d.xml").write_text('<labels><label name="q"/></labels>')
    with pytest.raises(UserError, match=r"lacks the label 'q' that .*d.xml lists"):
        read(tmp_path, text)


@pytest.mark.parametrize("count", [0, 3, -3])
def test_meka_numbers_out_of_range_are_refused(tmp_path, count):
    text = f"@relation 'x: -C {count}'\n" + "".join(f"@attribute {n} real\n" for n in "abc")
    with pytest.raises(UserError, match=f"-C {count} in the relation's name, for 3 attributes"):
        read(tmp_path, text + "@data\n1,1,1\n")


def test_keel_names_the_outputs(tmp_path):
    text = (
        "@relation r\n@attribute f real [0.0, 1.0]\n@attribute g integer[0,5]\n"
        "@attribute y{0, 1}\n@attribute 'z z' {0,1}\n@inputs f, g\n@outputs 'z z', y\n@data\n"
        "0.5, 3, 1, 0\n<null>, 4, 0, <null>\n"
    )
    data = read(tmp_path, text, impute="zero")
    assert data.label_names == ("z z", "y")
    assert data.labels.tolist() == [[False, True], [False, False]]
    assert data.where.tolist() == [[True, True], [False, True]]
    with pytest.raises(UserError, match="line 7: @outputs has no attribute 'x'"):
        read(tmp_path, text.replace("@outputs 'z z'", "@outputs x"))
