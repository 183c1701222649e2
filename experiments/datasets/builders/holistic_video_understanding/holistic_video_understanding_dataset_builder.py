"""Holistic Video Understanding: features of clips and the tags of what they show."""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from experiments.datasets.builders import raw
from experiments.datasets.builders.multilabel_builder import Content, Example, MultilabelBuilder
from experiments.errors import UserError

_FILES = {"train": "HVU_Train_V1.0.csv", "validation": "HVU_Val_V1.0.csv"}


class Builder(MultilabelBuilder):
    """Clips as the mean of the features that the user has computed for their frames."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        unpack {_FILES["train"]} and {_FILES["validation"]} of
        https://github.com/holistic-video-understanding/HVU-Dataset there, and put the frames'
        features there as features/<youtube_id>_<time_start>_<time_end>.npy, float [frames, size]
        or [size], with times of six digits
    """
    HOMEPAGE = "https://github.com/holistic-video-understanding/HVU-Dataset"
    SCOPE = "sub-entity"
    SCOPE_REASON = "tags are of objects, scenes, actions and events in parts of a clip"

    def _inputs(self) -> dict[str, Any]:
        return {"features": tfds.features.Tensor(shape=(None,), dtype=np.float32)}

    def _content(self, raw_files: raw.RawFiles) -> Content:
        folder = raw_files.path("features")
        first = next(folder.glob("*.npy"), None)
        if first is None:
            raise UserError(f"{folder} holds no .npy files; {raw_files.instructions}")
        size = _load(first).shape[-1]
        return Content(
            {
                split: functools.partial(_clips, raw_files.path(file), folder, size)
                for split, file in _FILES.items()
            }
        )


def _clips(path: pathlib.Path, folder: pathlib.Path, size: int) -> Iterator[Example]:
    columns = ["Tags", "youtube_id", "time_start", "time_end"]
    for number, row in raw.csv_rows(path, columns):
        try:
            times = [f"{int(float(row[column])):06}" for column in ("time_start", "time_end")]
        except ValueError as error:
            raise UserError(f"{path} line {number}: times must be seconds: {error}") from error
        name = "_".join([row["youtube_id"], *times])
        file = folder / f"{name}.npy"
        if file.exists():  # many clips are no longer on the web
            frames = _load(file)
            if frames.shape[-1] != size:
                raise UserError(f"{file}: {frames.shape[-1]} features; the others have {size}")
            yield {
                "id": name,
                "features": frames.reshape(-1, size).mean(0),
                "labels": [tag for tag in row["Tags"].split("|") if tag],
            }


def _load(path: pathlib.Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    try:
        frames = np.load(path, allow_pickle=False).astype(np.float32)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is not an array of numbers: {error}") from error
    if frames.ndim not in (1, 2) or not frames.size or not np.isfinite(frames).all():
        raise UserError(
            f"{path}: shape {frames.shape}; expected finite numbers, [frames, size] or [size]"
        )
    return np.asarray(frames, np.float32)
