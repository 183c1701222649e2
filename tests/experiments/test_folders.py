"""Folders and pairs of files: which hold one data set, its parts, its list of labels."""

import bz2
import gzip
import pathlib

import numpy as np
import pytest

pytest.importorskip("river", reason="data sets need the experiments extra")

from experiments import datasets
from experiments.datasets import Options, card
from experiments.datasets.formats.xml_labels import read_label_list
from experiments.errors import UserError
from tests.conftest import SHARED

HEADER = """@relation x
@attribute f numeric
@attribute g {red,green,blue}
@attribute y {0,1}
@attribute z {0,1}
@data
"""
XML = '<labels><label name="y"/><label name="z"/></labels>'
TRAIN = ["1,red,1,0", "2,green,0,1", "3,blue,1,1"]
TEST = ["4,red,0,1", "1,red,1,0"]
SPARSE = {"1,red,1,0": "{0 1, 2 1}", "4,red,0,1": "{0 4, 3 1}"}


def write(folder: pathlib.Path, **files: list[str] | str) -> pathlib.Path:
    """Writes files: `_` in a name stands for `-`, and lists are rows of an ARFF file."""
    for name, content in files.items():
        path = folder / name.replace("_", "-")
        if isinstance(content, str):
            path.with_suffix(path.suffix + ".xml").write_text(content)
        else:
            text = HEADER + "\n".join(content) + "\n"
            path.with_suffix(path.suffix + ".arff").write_text(text)
    return folder


def check(data: datasets.Dataset, *left_out: str) -> None:
    """Asserts that the data set is that of TRAIN and TEST, with the files that are left out."""
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 3, "test": 2}
    assert sorted(data.features[data.parts["train"], 0]) == [1, 2, 3]
    assert sorted(data.features[data.parts["test"], 0]) == [1, 4]
    assert len(data.labels) == 5
    assert data.feature_names == ("f", "g=red", "g=green", "g=blue")
    for name in left_out:
        assert f"{name} left out: its rows are those of" in data.source
    assert data.source.count("left out") == len(left_out)


def test_a_whole_set_beside_its_parts_is_left_out(tmp_path):
    whole = [TEST[1], *TRAIN[::-1], TEST[0]]  # in any order
    check(
        datasets.load(str(write(tmp_path, d=whole, d_train=TRAIN, d_test=TEST, d_=XML))), "d.arff"
    )
    data = datasets.load(str(tmp_path))
    assert data.source.endswith("(ARFF; d.arff left out: its rows are those of d-test.arff, "
                                "d-train.arff)")  # fmt: skip
    assert len(datasets.load(str(tmp_path / "d.arff")).labels) == 5


def test_spellings_of_parts_and_other_forms_of_them(tmp_path):
    sparse = [SPARSE.get(row, row) for row in TEST]
    folder = write(tmp_path, Corel5k_Train=TRAIN, corel5kTest=TEST, corel5k_test_sparse=sparse,
                   corel5k_sparse=[*sparse, *TRAIN])  # fmt: skip
    (folder / "corel5k-Train-sparse.arff.bz2").write_bytes(
        bz2.compress((HEADER + "\n".join(TRAIN)).encode())
    )
    (folder / "COREL5K.xml.gz").write_bytes(gzip.compress(XML.encode()))
    (folder / "._corel5kTest.arff").write_bytes(b"\0")
    left = ("corel5k-test-sparse.arff", "corel5k-Train-sparse.arff.bz2", "corel5k-sparse.arff")
    check(datasets.load(str(folder)), *left)


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".BZ2"])
def test_compressed_parts_and_lists(tmp_path, suffix):
    pack = {"": bytes, ".gz": gzip.compress}.get(suffix, bz2.compress)
    for name, rows in (("train", TRAIN), ("test", TEST)):
        (tmp_path / f"{name}.ARFF{suffix}").write_bytes(
            pack((HEADER + "\n".join(rows)).encode("utf-8-sig"))
        )
    (tmp_path / f"labels.xml{suffix}").write_bytes(pack(XML.encode()))
    check(datasets.load(str(tmp_path)))
    if suffix == ".gz":
        path = tmp_path / "train.ARFF.gz"
        path.write_bytes(path.read_bytes()[:-4])
        with pytest.raises(UserError, match=r"train\.ARFF\.gz cannot be read"):
            datasets.load(str(tmp_path))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"d": TRAIN, "d_train": TRAIN, "d_test": TEST}, "d.arff has 3 rows that are not the 5 of"),
        ({"d": [*TRAIN, "4,red,0,1", "1,red,1,1"], "d_train": TRAIN, "d_test": TEST},
         "which is the data set. give the path of one file .and --test, of another"),
        ({"d": [*TRAIN, *TEST], "d_test": TEST}, "d.arff has 5 rows that are not the 2 of d-test"),
        ({"d_train": TRAIN, "D_train": TEST}, "d-train.arff and .*D-train.arff are both train"),
        ({"d": TRAIN, "d_sparse": TEST}, "d-sparse.arff and .*d.arff are both a whole set, and"),
        ({"d": TRAIN, "e": TEST}, "holds several data sets, or parts that are not called train"),
        ({"d_fold1": TRAIN, "d_fold2": TEST}, "not called train, .*: d-fold1.arff, d-fold2.arff"),
        ({"a_train": TRAIN, "b_test": TEST}, "holds several data sets.*a-train.arff, b-test.arff"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_is_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        datasets.load(str(write(tmp_path, labels=XML, **files)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "@attribute f",
            "@attribute h",
            "d-train.arff has other attributes than .*d-test.arff, .*'",
        ),
        ("{red,green,blue}", "{1,2}", "line 3: attribute 'g' is of another type than in .*d-test"),
    ],
)
def test_parts_that_do_not_agree_are_refused(tmp_path, old, new, message):
    write(tmp_path, d_train=["1,1,1,0"], d_test=TEST, d=XML)
    path = tmp_path / "d-train.arff"
    path.write_text(path.read_text().replace(old, new).replace("1,1,1,0", "1,?,1,0"))
    with pytest.raises(UserError, match=message):
        datasets.load(str(tmp_path), Options(impute="zero"))


def test_columns_and_values_are_matched_by_name(tmp_path):
    write(tmp_path, d_train=TRAIN, d=XML)
    header = (
        "@attribute z {0,1}\n@attribute g {blue,black,red}\n@attribute y {0,1}\n"
        "@attribute f real\n@data\n"
    )
    (tmp_path / "d-test.arff").write_text(header + "{1 black, 3 7, 0 1}\n0,red,1,8\n")
    data = datasets.load(str(tmp_path))
    # d-test.arff is first: its columns, then values that d-train.arff alone lists.
    assert data.feature_names == ("g=blue", "g=black", "g=red", "g=green", "f")
    expected = [[0, 1, 0, 0, 7], [0, 0, 1, 0, 8], [0, 0, 1, 0, 1], [0, 0, 0, 1, 2], [1, 0, 0, 0, 3]]
    np.testing.assert_array_equal(data.features, expected)
    assert data.labels.astype(int).tolist() == [[0, 1], [1, 0], [1, 0], [0, 1], [1, 1]]


def test_lists_of_labels(tmp_path):
    def listing(text: str, name: str = "list.xml"):
        path = tmp_path / name
        path.write_text(text)
        return read_label_list(path)

    named = '<?xml version="1.0" encoding="latin-1"?>\n<m:labels xmlns:m="urn:mulan">{}</m:labels>'
    flat = named.format('<m:label name="A &amp; B"/><m:sublabel/><m:label name=" b "></m:label>')
    assert listing(flat) == (("A & B", "b"), None)
    assert listing("<labels><label>Beach</label>\n<label>\n Fall\n Foliage</label></labels>") == (
        ("Beach", "Fall Foliage"),
        None,
    )
    tree = '<labels><label name="a"><label name="b"><label name="c"/></label>{}</label>{}</labels>'
    nested = tree.format('<label name="d"/>', '<label name="e"/>')
    assert listing(nested) == (("a", "b", "c", "d", "e"), ((0, 1), (1, 2), (0, 3)))
    texts = "<labels><label>Beach<label>Sand</label><label>Sea</label></label></labels>"
    assert listing(texts) == (("Beach", "Sand", "Sea"), ((0, 1), (0, 2)))
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 9))
    bomb = f'<!DOCTYPE l [<!ENTITY l0 "ha">{laughs}]><l><label>&l8;</label></l>'
    for text, message in (
        ("<labels>", "list.xml is not valid XML: no element found"),
        ("<labels/>", "list.xml lists no label; expected at least one label, each once"),
        (
            '<l>\n<label name="a"/><label>b</label>\n<label>a</label></l>',
            "line 2: label 'a' is list",
        ),
        ("<l><label/></l>", "line 1: a label without a name"),
        ('<?xml version="1.0" encoding="x-y"?><l/>', "not valid XML: unknown encoding"),
        (f"<?xml version='1.0'?>\n{bomb}", r"line 2: a document type \(<!DOCTYPE>\)"),
        ('<!DOCTYPE l SYSTEM "file:///etc/passwd"><l/>', "line 1: a document type"),
    ):
        with pytest.raises(UserError, match=message):
            listing(text)


def test_a_hierarchy_is_kept(tmp_path):
    write(tmp_path, d=TRAIN)
    (tmp_path / "d.xml").write_text('<l><label name="y"><label name="z"></label></label></l>')
    assert datasets.load(str(tmp_path)).hierarchy == ((0, 1),)
    assert datasets.load(str(tmp_path), Options(labels=("z",))).hierarchy is None


def test_of_several_lists_a_files_own_is_taken(tmp_path):
    write(tmp_path, d_train=TRAIN, d_test=TEST, other=XML, another=XML.replace("z", "q"))
    with pytest.raises(UserError, match=r"which of another.xml, other.xml lists the labels of"):
        datasets.load(str(tmp_path))
    (tmp_path / "D.XML").write_text('<l><label name="z"/></l>')
    assert datasets.load(str(tmp_path)).label_names == ("z",)


def test_folders_without_files_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds 0 \.arff files and 0 \.xml files"):
        datasets.load(str(tmp_path))


def test_two_paths_of_arff_files(tmp_path):
    write(tmp_path, train=TRAIN, l=XML)
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", test=TEST)
    test = tmp_path / "other" / "test.arff"
    with pytest.raises(UserError, match=r"test\.arff: which attributes are labels"):
        datasets.load(str(tmp_path / "train.arff"), Options(test=str(test)))
    write(tmp_path / "other", l=XML)
    data = datasets.load(str(tmp_path / "train.arff"), Options(test=str(test)))
    check(data)
    assert data.source == "train.arff and test.arff (ARFF)"


def test_two_paths_of_tables(tmp_path):
    (tmp_path / "a.csv").write_text("f,g,y,z,note\n1,2,1,0,x\n3,4,0,1,y\n")
    (tmp_path / "b.tsv").write_text("z\ty\tg\tf\n1\t\t6\t5\n")
    train, test = str(tmp_path / "a.csv"), tmp_path / "b.tsv"
    data = datasets.load(train, Options(labels=("y", "z"), test=str(test)))
    assert data.features.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert data.labels.astype(int).tolist() == [[1, 0], [0, 1], [0, 1]]
    assert data.where.tolist() == [[True, True], [True, True], [False, True]]
    assert {k: v.tolist() for k, v in data.parts.items()} == {"train": [0, 1], "test": [2]}
    assert data.name == "a"
    (tmp_path / "b.tsv").write_text("z\ty\tf\n1\t\t5\n")
    with pytest.raises(UserError, match=r"b.tsv has no column 'g'"):
        datasets.load(train, Options(labels=("y", "z"), test=str(test)))


def test_two_paths_of_lists_of_labels_and_texts(tmp_path):
    (tmp_path / "a.csv").write_text("text,genres\none,war|drama\ntwo,\n")
    (tmp_path / "b.csv").write_text("text,genres\nthree,comedy|war\n")
    options = Options(
        labels=("genres",), label_separator="|", text=("text",), test=str(tmp_path / "b.csv")
    )
    data = datasets.load(str(tmp_path / "a.csv"), options)
    assert data.label_names == ("drama", "war", "comedy")
    assert data.labels.astype(int).tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1]]
    assert data.texts == ("one", "two", "three")
    assert data.source == "a.csv (text: text); test: b.csv (text: text)"
    (tmp_path / "b.csv").write_text("text,genres\nthree,Comedy\n")
    with pytest.raises(UserError, match=r"none of the labels of .*a\.csv: Comedy, and dra"):
        datasets.load(str(tmp_path / "a.csv"), options)


def test_two_paths_of_sparse_text_are_matched_by_their_ids(tmp_path):
    (tmp_path / "a.svm").write_text("1,2 1:1 3:3\n2 2:2\n")
    (tmp_path / "b.svm").write_text("7,2 0:5 4:4\n")  # with a 0, which a.svm has not
    data = datasets.load(str(tmp_path / "a.svm"), Options(test=str(tmp_path / "b.svm")))
    assert data.feature_names == ("1", "2", "3", "0", "4")
    assert data.features.tolist() == [[1, 0, 3, 0, 0], [0, 2, 0, 0, 0], [0, 0, 0, 5, 4]]
    assert data.label_names == ("1", "2", "7")
    assert data.labels.astype(int).tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 1]]


def test_two_paths_that_do_not_go_together(tmp_path):
    arrays = {"features": np.ones((2, 3), np.float32), "labels": np.eye(2, dtype=int)}
    np.savez(tmp_path / "a.npz", **arrays, label_names=["a", "b"])
    np.savez(tmp_path / "b.npz", **arrays, label_names=["b", "a"])
    np.savez(tmp_path / "c.npz", **arrays, label_names=["a", "c"])
    np.savez(tmp_path / "d.npz", **arrays | {"features": np.ones((2, 4))}, label_names=["a", "b"])
    np.savez(tmp_path / "e.npz", **arrays, label_names=["a", "b"], train=[0], test=[1])
    a = str(tmp_path / "a.npz")
    data = datasets.load(a, Options(test=str(tmp_path / "b.npz")))
    assert data.labels.astype(int).tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
    for name, message in (
        ("c.npz", "c.npz lacks the label 'b' that .*a.npz has"),
        ("d.npz", r"d.npz has float32 features of shape \[4\]; expected float32 of shape \[3\]"),
        ("e.npz", "e.npz has a split of its own"),
        ("none.npz", "none.npz is no file; expected a file with test examples"),
        ("a.npz", "--test is for two files"),
    ):
        with pytest.raises(UserError, match=message):
            datasets.load(a, Options(test=str(tmp_path / name)))
    for name in ("yeast", "openml:1"):
        with pytest.raises(UserError, match="--test means nothing for"):
            datasets.load(name, Options(test=str(tmp_path / "a.npz")))
    (tmp_path / "t.csv").write_text("f,y,part\n1,1,train\n")
    options = Options(labels=("y",), split="part", test=str(tmp_path / "a.npz"))
    with pytest.raises(UserError, match="--split and --test exclude each other"):
        datasets.load(str(tmp_path / "t.csv"), options)


@pytest.mark.slow
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
    # By chance both have six test rows with the features of a training row.
    seen = {tuple(row) for row in data.features[data.parts["train"]].tolist()}
    repeated = sum(tuple(row) in seen for row in data.features[data.parts["test"]].tolist())
    assert card.leak(data)["features"] == repeated == 6
    counts = data.labels.sum(1)
    np.testing.assert_allclose(counts.mean(), cardinality, atol=1e-3)
    assert counts.max() == most
