"""Sets that only their users have: diagnosis codes, iMaterialist fashion, video understanding."""

import gzip
import json

import numpy as np
import pytest

from tests.experiments.datasets.building import examples, prepare  # isort: skip
from experiments.datasets.builders.diagnosis_codes import diagnosis_codes_dataset_builder
from experiments.datasets.builders.holistic_video_understanding import (
    holistic_video_understanding_dataset_builder,
)
from experiments.datasets.builders.imaterialist_fashion import imaterialist_fashion_dataset_builder
from experiments.errors import UserError

Diagnosis = diagnosis_codes_dataset_builder.Builder
Fashion = imaterialist_fashion_dataset_builder.Builder
Video = holistic_video_understanding_dataset_builder.Builder

NOTES = """"ROW_ID","SUBJECT_ID","HADM_ID","CATEGORY","ISERROR","TEXT"
1,10,100,"Discharge summary",,"Came in.
Went ""home""."
2,10,100,"Discharge summary",,"Addendum."
3,10,101,"Nursing",,"Slept."
4,11,102,"Discharge summary",1,"Wrong patient."
5,12,103,"Discharge summary",,"Other stay."
6,13,104,"Discharge summary",,"No codes."
7,14,105,"Discharge summary",,"Rare."
"""
CODES = """ROW_ID,SUBJECT_ID,HADM_ID,SEQ_NUM,ICD9_CODE
1,10,100,1,4019
2,10,100,2,25000
3,12,103,1,4019
4,10,101,1,V301
5,14,105,1,0389
6,13,104,1,
"""


def write_stays(folder, notes=NOTES, codes=CODES):
    (folder / "NOTEEVENTS.csv.gz").write_bytes(gzip.compress(notes.encode()))
    (folder / "DIAGNOSES_ICD.csv").write_text(codes)


def test_summaries_of_a_stay_are_one_text(tmp_path):
    write_stays(tmp_path)
    builder = prepare(Diagnosis, tmp_path)
    assert builder.info.features["labels"].feature.names == ["0389", "25000", "4019"]
    read = {e["id"]: e for e in builder.as_data_source()["train"]}
    assert set(read) == {b"100", b"103", b"105"}
    assert read[b"100"]["text"] == b'Came in.\nWent "home".\n\nAddendum.'
    assert (read[b"100"]["patient"], sorted(read[b"100"]["labels"])) == (b"10", [1, 2])
    config = diagnosis_codes_dataset_builder.DiagnosisConfig(name="top_2", codes=2)
    found, names = examples(Diagnosis, tmp_path, config, tmp_path / "again")
    assert names == ["0389", "4019"]  # 4019 twice, then the first of those that occur once
    assert [e["labels"] for e in found["train"]] == [["4019"], ["4019"], ["0389"]]


def test_broken_stays_are_named(tmp_path):
    with pytest.raises(UserError, match=r"NOTEEVENTS.csv.*; NOTEEVENTS.csv.gz and DIAGNOSES_ICD.*"):
        examples(Diagnosis, tmp_path / "none")
    write_stays(tmp_path, NOTES + '8,99,100,"Discharge summary",,"x"\n')
    with pytest.raises(UserError, match=r"NOTEEVENTS.csv.gz line 10: stay 100 has a second pat"):
        examples(Diagnosis, tmp_path)
    write_stays(tmp_path, codes="HADM_ID\n")
    with pytest.raises(UserError, match=r"DIAGNOSES_ICD.csv line 1: no column 'ICD9_CODE'"):
        examples(Diagnosis, tmp_path)
    write_stays(tmp_path)
    notes = tmp_path / "NOTEEVENTS.csv.gz"
    notes.write_bytes(notes.read_bytes()[:-6])
    with pytest.raises(UserError, match=r"NOTEEVENTS.csv.gz cannot be read, or is truncated"):
        examples(Diagnosis, tmp_path)


def write_fashion(folder, annotations):
    image = pytest.importorskip("PIL.Image", reason="pictures need Pillow")
    for split in ("train", "validation"):
        (folder / f"{split}.json").write_text(json.dumps({"annotations": annotations}))
        (folder / split).mkdir(exist_ok=True)
        image.new("RGB", (1, 1)).save(folder / split / "1.jpg", "jpeg")


def test_pictures_that_are_there_have_their_attributes(tmp_path):
    write_fashion(
        tmp_path,
        [{"imageId": "1", "labelId": ["66", "9"]}, {"imageId": "2", "labelId": ["7"]}],
    )
    builder = prepare(Fashion, tmp_path)
    assert builder.info.features["labels"].feature.names == ["66", "9"]
    (picture,) = builder.as_data_source()["validation"]
    assert (picture["image"].shape, sorted(picture["labels"])) == ((1, 1, 3), [0, 1])


def test_broken_annotations_are_named(tmp_path):
    write_fashion(tmp_path, [{"imageId": "1"}])
    with pytest.raises(UserError, match=r"train.json: expected annotations, each with an imageId"):
        examples(Fashion, tmp_path)
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(UserError, match=r"train.json: not JSON"):
        examples(Fashion, tmp_path)
    write_fashion(tmp_path, [{"imageId": "3", "labelId": ["7"]}])
    with pytest.raises(UserError, match=r"no label is left in train, validation; download train"):
        examples(Fashion, tmp_path)


CLIPS = "Tags,youtube_id,time_start,time_end\ndog|run,abc,1.0,11.0\ncat,gone,0,10\n"


def write_clips(folder, features, clips=CLIPS):
    (folder / "features").mkdir(exist_ok=True)
    for name in ("HVU_Train_V1.0.csv", "HVU_Val_V1.0.csv"):
        (folder / name).write_text(clips)
    np.save(folder / "features" / "abc_000001_000011.npy", features)


def test_frames_are_averaged(tmp_path):
    write_clips(tmp_path, np.array([[1.0, 2], [3, 6]]))
    builder = prepare(Video, tmp_path)
    (clip,) = builder.as_data_source()["train"]
    np.testing.assert_array_equal(clip["features"], np.float32([2, 4]))
    assert clip["id"] == b"abc_000001_000011"
    names = builder.info.features["labels"].feature.names
    assert [names[i] for i in clip["labels"]] == ["dog", "run"]


def test_broken_clips_are_named(tmp_path):
    write_clips(tmp_path, np.array([[1.0, np.nan]]))
    with pytest.raises(UserError, match=r"000011.npy: shape \(1, 2\); expected finite numbers"):
        examples(Video, tmp_path)
    write_clips(tmp_path, np.ones(3), CLIPS.replace("1.0,", "soon,"))
    with pytest.raises(UserError, match=r"HVU_Train_V1.0.csv line 2: times must be seconds"):
        examples(Video, tmp_path)
    write_clips(tmp_path, np.ones(3), CLIPS + "dog,xyz,0,10\n")
    np.save(tmp_path / "features" / "xyz_000000_000010.npy", np.ones(4))
    with pytest.raises(UserError, match=r"\d\.npy: [34] features; the others have [34]"):
        examples(Video, tmp_path)
    (tmp_path / "features" / "abc_000001_000011.npy").write_text("no array")
    with pytest.raises(UserError, match=r"abc_000001_000011.npy is not an array"):
        examples(Video, tmp_path)
    for path in (tmp_path / "features").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"features holds no .npy files; unpack HVU_Train"):
        examples(Video, tmp_path)
