"""What is kept of a trained system, so that no run trains it twice: a record, and its scores."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from experiments import storage
from experiments.datasets.dataset import Rows
from experiments.errors import UserError
from experiments.evaluation import ByCriterion, Part
from experiments.problem import Problem
from experiments.results.comparison import SystemRecord

# Scores above this many bytes are not kept: another decision then trains again.
MAX_SCORES = 256 * 2**20


class Parts(NamedTuple):
    """A trained system's scores: of the run that each criterion selects."""

    validation: ByCriterion[Part]
    test: ByCriterion[Part]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A trained system's files: NAME-KEY.json, its record, and NAME-KEY.npz, its scores.

    Attributes:
      folder: where they are.
      name: the system's.
      key: digest of everything that its scores depend on.
      say: told of files that are damaged, in a line.
    """

    folder: pathlib.Path
    name: str
    key: str
    say: Callable[[str], None]

    def record(self) -> SystemRecord | None:
        """The record; None where there is none, or a damaged one."""
        try:
            record = storage.read_record(SystemRecord, self._path("json"))
            if record is None or record.system == self.name:
                return record
            reason = "it is no record of this system"
        except (UserError, OSError) as error:
            reason = str(error)
        self.say(f"{self.name} is computed again: {self._path('json')} is damaged ({reason})")
        return None

    def write_record(self, record: SystemRecord) -> None:
        """Writes the record, in the place of an earlier one."""
        storage.write_json(self._path("json"), record)

    def parts(self, problem: Problem) -> Parts | None:
        """Validation and test scores; None where none are kept."""
        try:
            arrays = storage.read_arrays(self._path("npz"))
            if arrays is None:
                return None
            splits = problem.splits
            return Parts(
                _parts(arrays, "validation", splits.validation, problem),
                _parts(arrays, "test", splits.test, problem),
            )
        except (UserError, OSError) as error:
            self.say(f"the scores of {self.name} cannot be used: {error}")
            return None

    def write_parts(self, parts: Parts) -> None:
        """Writes the scores, unless they are too large."""
        arrays = {
            name: np.stack([np.asarray(part.scores, np.float32) for part in of])
            for name, of in parts._asdict().items()
        }
        if sum(x.nbytes for x in arrays.values()) <= MAX_SCORES:
            storage.write_arrays(self._path("npz"), arrays)

    def _path(self, suffix: str) -> pathlib.Path:
        return self.folder / f"{self.name}-{self.key}.{suffix}"


def _parts(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, rows: Rows, problem: Problem
) -> ByCriterion[Part]:
    expected = (len(ByCriterion._fields), *rows.shape, problem.dataset.num_labels)
    scores = arrays.get(name)
    if scores is None or scores.shape != expected:
        found = None if scores is None else list(scores.shape)
        raise UserError(f"{name} scores of shape {found}; expected {list(expected)}")
    return ByCriterion(*(problem.part(rows, of) for of in scores))
