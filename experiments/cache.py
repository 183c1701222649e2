"""What is kept of a trained system, so that no run trains it twice: a record, and its scores."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments import storage
from experiments.errors import UserError
from experiments.evaluation import Part
from experiments.problem import Problem

# Scores above this many bytes are not kept: another decision then trains again.
MAX_SCORES = 256 * 2**20
_RECORD = ("system", "values", "curves", "selected")

Record = dict[str, Any]
Parts = tuple[list[Part], list[Part]]


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

    def record(self) -> Record | None:
        """The record; None where there is none, or a damaged one."""
        try:
            record = storage.read_json(self._path("json"))
            if record is None or _is_record(record, self.name):
                return record
            reason = "it is no record of this system"
        except (UserError, OSError) as error:
            reason = str(error)
        self.say(f"{self.name} is computed again: {self._path('json')} is damaged ({reason})")
        return None

    def write_record(self, record: Record) -> None:
        """Writes the record, in the place of an earlier one."""
        storage.write_json(self._path("json"), record)

    def parts(self, problem: Problem) -> Parts | None:
        """Validation and test scores, a part per selection criterion; None where none are kept."""
        try:
            arrays = storage.read_arrays(self._path("npz"))
            if arrays is None:
                return None
            splits = problem.splits
            return (
                [
                    problem.part(splits.validation, x)
                    for x in _checked(arrays, "validation", problem)
                ],
                [problem.part(splits.test, x) for x in _checked(arrays, "test", problem)],
            )
        except (UserError, OSError) as error:
            self.say(f"the scores of {self.name} cannot be used: {error}")
            return None

    def write_parts(self, validation: list[Part], test: list[Part]) -> None:
        """Writes the scores, unless they are too large."""
        arrays = {
            name: np.stack([np.asarray(part.scores, np.float32) for part in parts])
            for name, parts in (("validation", validation), ("test", test))
        }
        if sum(x.nbytes for x in arrays.values()) <= MAX_SCORES:
            storage.write_arrays(self._path("npz"), arrays)

    def _path(self, suffix: str) -> pathlib.Path:
        return self.folder / f"{self.name}-{self.key}.{suffix}"


def _is_record(record: Any, name: str) -> bool:
    return (
        isinstance(record, dict)
        and all(key in record for key in _RECORD)
        and record["system"] == name
        and isinstance(record["values"], dict)
    )


def _checked(arrays: dict[str, Any], name: str, problem: Problem) -> Any:
    rows = getattr(problem.splits, name)
    expected = (*rows.shape, problem.dataset.num_labels)
    scores = arrays.get(name)
    if scores is None or scores.ndim != 4 or scores.shape[1:] != expected:
        found = None if scores is None else list(scores.shape)
        raise UserError(f"{name} scores of shape {found}; expected [criteria, *{list(expected)}]")
    return scores


def as_json(values: Any) -> Any:
    """A pytree of arrays as lists of numbers."""
    return jax.tree.map(lambda x: np.asarray(x, np.float64).tolist(), values)
