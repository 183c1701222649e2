"""Material Design icons, and the drawing of SVG paths."""

import io
import json
import tarfile

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="icons are drawn with matplotlib")

from tests.experiments.datasets.building import counts, examples, prepare, shared  # isort: skip
from experiments.datasets.builders import svg_path
from experiments.datasets.builders.mdi_icons.mdi_icons_dataset_builder import Builder
from experiments.datasets.builders.svg_path import draw
from experiments.errors import UserError


@pytest.mark.parametrize(
    ("data", "area"),
    [
        ("M0 0H12V12H0Z", 144),
        ("m2,3 l4,0 0,4 -4,0z", 16),
        ("M0 0L24 0 24 24Z", 288),
        ("M2 12A10 10 0 0 1 22 12A10 10 0 0 1 2 12Z", np.pi * 100),
        ("M2 12a10 10 0 1120 0 10 10 0 01-20 0z", np.pi * 100),
        ("M4 12A5 5 0 0 0 20 12Z", np.pi * 64 / 2),  # radii too small for the chord
        ("M8 12A4 2 90 0 0 16 12Z", np.pi * 4 * 8 / 2),  # a turned ellipse, stretched too
        ("M0 0Q12 24 24 0Z", 24 * 24 / 3),  # two thirds of the triangle's half
        ("M0 12Q6 0 12 12T24 12V24H0Z", 24 * 12),  # the halves cancel
        ("M0 0C0 16 24 16 24 0Z", 24 * 16 * 0.6),
        ("M0 12C0 4 12 4 12 12S24 20 24 12V24H0Z", 24 * 12),
        ("M0 0H10V10H0ZM2 2V8H8V2Z", 64),  # a hole: drawn the other way round
    ],
)
def test_a_path_covers_its_area(data, area):
    # 96 pixels for 24 units: edges on pixel borders are exact, curved ones to a few per mille.
    assert draw(data, 96).sum() / 255 / 16 == pytest.approx(area, rel=4e-3)


@pytest.mark.parametrize("data", ["", "12 3", "M1", "M1 2 ? 3", "M0 0A1 1 0 2 0 3 3", "M0 0z1"])
def test_what_is_no_path_is_refused(data):
    with pytest.raises(ValueError, match=r"not path data|empty path"):
        draw(data, 8)


def write(folder, meta, icons):
    with tarfile.open(folder / "mdi-svg-7.4.47.tgz", "w:gz") as tar:
        files = {"meta.json": json.dumps(meta)} | {
            f"svg/{name}.svg": f'<svg viewBox="0 0 24 24"><path d="{d}" /></svg>'
            for name, d in icons.items()
        }
        for name, text in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))


META = [{"name": "box", "tags": ["Shape", "Home"]}, {"name": "none", "tags": []}]


def test_icons_are_pictures(tmp_path):
    write(tmp_path, META, {"box": "M0 0H12V24H0Z", "none": "M0 0H24V24H0Z"})
    builder = prepare(Builder, tmp_path)
    assert builder.info.features["labels"].feature.names == ["Home", "Shape"]
    (icon,) = builder.as_data_source()["train"]
    assert (icon["image"].shape, icon["image"].dtype) == ((32, 32, 1), np.uint8)
    np.testing.assert_array_equal(icon["image"][0, :, 0], np.where(np.arange(32) < 16, 255, 0))
    assert sorted(icon["labels"]) == [0, 1]
    assert len(examples(Builder, tmp_path, "all")[0]["train"]) == 2


def test_broken_packages_are_named(tmp_path):
    write(tmp_path, META, {"box": "M0 0H12V24H0Z"})
    with pytest.raises(UserError, match=r"7.4.47.tgz holds no none.svg, which its meta.json lists"):
        examples(Builder, tmp_path)
    write(tmp_path, META, {"box": "M0", "none": ""})
    with pytest.raises(UserError, match=r"box.svg has no path that can be drawn: not path data"):
        examples(Builder, tmp_path)


@pytest.mark.slow
def test_the_published_tags_have_their_counts(tmp_path, monkeypatch):
    """Real names and tags on one drawing, since the folder has pictures and not the SVG."""
    monkeypatch.setattr(svg_path, "draw", lambda data, size: np.zeros((size, size), np.uint8))
    with np.load(shared("mdi_icons") / "mdi_icons_32.npz", allow_pickle=False) as real:
        names, tags, truth = real["name"], real["labels"], real["y"] == 1
    meta = [
        {"name": str(name), "tags": [str(tag) for tag in tags[row]]}
        for name, row in zip(names, truth, strict=True)
    ]
    write(tmp_path, meta, {str(name): "M0 0H12V24H0Z" for name in names})
    read, found = examples(Builder, tmp_path, "all")
    assert found == [str(tag) for tag in tags]
    assert tuple(counts(read["train"]).values()) == (7447, 0.934, (0, 5), 2065, 1400)
    read, _ = examples(Builder, tmp_path, "labelled")
    assert tuple(counts(read["train"]).values())[:2] == (5382, 1.293)
