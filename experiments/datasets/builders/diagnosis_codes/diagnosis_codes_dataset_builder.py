"""Diagnosis codes: discharge summaries of MIMIC-III and the ICD-9 codes of the stay."""

import collections
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from experiments.datasets.builders import raw
from experiments.datasets.builders.multilabel_builder import (
    Content,
    Example,
    MultilabelBuilder,
    count_labels,
)
from experiments.errors import UserError

_NOTES, _CODES = "NOTEEVENTS.csv", "DIAGNOSES_ICD.csv"


@dataclasses.dataclass(eq=False)
class DiagnosisConfig(tfds.core.BuilderConfig):
    """How many codes.

    Attributes:
      codes: the most frequent ones that are kept, stays without any of them being dropped; None
        keeps all.
    """

    codes: int | None = None


class Builder(MultilabelBuilder):
    """Hospital stays: all their discharge summaries as one text, and their codes."""

    BUILDER_CONFIGS: ClassVar = [
        DiagnosisConfig(name="top_50", codes=50, description="The 50 most frequent codes."),
        DiagnosisConfig(name="top_100", codes=100, description="The 100 most frequent codes."),
        DiagnosisConfig(name="all", description="All codes."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
        {_NOTES}.gz and {_CODES}.gz of MIMIC-III, which PhysioNet gives to credentialled users
        (https://physionet.org/content/mimiciii/); mulan/medical is an open set of that kind
    """
    HOMEPAGE = "https://physionet.org/content/mimiciii/"
    SCOPE = "entity-wide"
    SCOPE_REASON = "codes are given to a whole hospital stay"

    def _inputs(self) -> dict[str, Any]:
        return {"text": tfds.features.Text(), "patient": tfds.features.Text()}

    def _content(self, raw_files: raw.RawFiles) -> Content:
        notes, codes = raw_files.path(_NOTES), raw_files.path(_CODES)
        stays = list(_stays(notes, codes))
        counts = count_labels(lambda: iter(stays))
        # By frequency, then by code, so that ties do not depend on the files' order.
        ranked = sorted(counts, key=lambda code: (-counts[code], code))
        return Content(
            {"train": lambda: iter(stays)},
            sorted(ranked[: self.builder_config.codes]),
            keep_unlabelled=False,
        )


def _stays(notes: pathlib.Path, codes: pathlib.Path) -> Iterator[Example]:
    """Stays with a discharge summary and a code; the summaries' texts are held in memory."""
    diagnoses = collections.defaultdict(list)
    for _, row in raw.csv_rows(codes, ["HADM_ID", "ICD9_CODE"]):
        if row["ICD9_CODE"]:
            diagnoses[row["HADM_ID"]].append(row["ICD9_CODE"])
    texts = collections.defaultdict(list)
    patients: dict[str, str] = {}
    columns = ["SUBJECT_ID", "HADM_ID", "CATEGORY", "ISERROR", "TEXT"]
    for number, row in raw.csv_rows(notes, columns):
        if row["CATEGORY"] == "Discharge summary" and row["ISERROR"] != "1":
            stay = row["HADM_ID"]
            if patients.setdefault(stay, row["SUBJECT_ID"]) != row["SUBJECT_ID"]:
                raise UserError(f"{notes} line {number}: stay {stay} has a second patient")
            texts[stay].append(row["TEXT"].strip())
    for stay, parts in texts.items():
        if diagnoses[stay]:
            yield {
                "id": stay,
                "patient": patients[stay],
                "text": "\n\n".join(parts),
                "labels": diagnoses[stay],
            }
