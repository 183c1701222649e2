"""Tox21: molecules and the assays that they are active in, many of them not measured."""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from experiments.datasets.builders import raw
from experiments.datasets.builders.multilabel_builder import Content, Example, MultilabelBuilder
from experiments.errors import UserError

_COMMIT = "fbe3b911a94a6eb8c84c1a9e7ac67a472c49ea80"
_URL = f"https://raw.githubusercontent.com/deepchem/deepchem/{_COMMIT}/datasets/tox21.csv.gz"
_ASSAYS = (
    *("NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD", "NR-PPAR-gamma"),
    *("SR-ARE", "SR-ATAD5", "SR-HSE", "SR-MMP", "SR-p53"),
)
_CELLS = {"1": True, "0": False, "1.0": True, "0.0": False, "": None}


class Builder(MultilabelBuilder):
    """SMILES strings; `known` is False where an assay has no result."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"optional: tox21.csv or tox21.csv.gz ({_URL})"
    HOMEPAGE = "https://tripod.nih.gov/tox21/challenge/"
    SCOPE = "entity-wide"
    SCOPE_REASON = "an assay measures the whole molecule"

    def _inputs(self) -> dict[str, Any]:
        return {
            "text": tfds.features.Text(),
            "known": tfds.features.Tensor(shape=(len(_ASSAYS),), dtype=np.bool_),
        }

    def _content(self, raw_files: raw.RawFiles) -> Content:
        path = raw_files.path("tox21.csv", url=_URL)
        return Content({"train": functools.partial(_molecules, path)}, _ASSAYS)


def _molecules(path: pathlib.Path) -> Iterator[Example]:
    for number, row in raw.csv_rows(path, (*_ASSAYS, "mol_id", "smiles")):
        for assay in _ASSAYS:
            if row[assay] not in _CELLS:
                raise UserError(
                    f"{path} line {number}: {assay} is {row[assay]!r}; expected 1, 0 or nothing"
                )
        results = [_CELLS[row[assay]] for assay in _ASSAYS]
        yield {
            "id": row["mol_id"],
            "text": row["smiles"],
            "labels": [assay for assay, active in zip(_ASSAYS, results, strict=True) if active],
            "known": np.array([result is not None for result in results]),
        }
