"""Metrics of a training run: lines of JSON and TensorBoard events, and a guard against NaN."""

import collections
import contextlib
import dataclasses
import importlib.util
import json
import math
import pathlib
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from experiments import records, storage
from experiments.results.training import StepRecord

# Metrics are fetched this many steps late, so that the device need not wait for the host; nor
# does the host run further ahead.
DELAY = 8


class Log:
    """Writes `metrics.jsonl`, one line per step, and TensorBoard events beside it.

    Lines after the step that the run goes on from are dropped, so that no step appears twice.

    Args:
      folder: of the run; None writes nothing (other processes than the first).
      start: step that the run goes on from.

    Raises:
      OSError: the files cannot be written; so do all methods.
    """

    def __init__(self, folder: pathlib.Path | None, start: int) -> None:
        self.loss = math.nan
        self._pending: collections.deque[_Pending] = collections.deque()
        self._file = self._events = None
        if folder is None:
            return
        path = folder / "metrics.jsonl"
        storage.write_text(path, "".join(_lines(path, start)))
        self._file = path.open("a", encoding="utf-8")
        if importlib.util.find_spec("tensorboardX"):
            self._events = _Events(folder / "tensorboard", start)

    def add(self, step: int, epoch: int, metrics: Mapping[str, jax.Array]) -> None:
        """Takes the metrics of a step, loss and gradient norm, still being computed.

        Raises:
          FloatingPointError: those of an earlier step are not finite; names the step.
        """
        self._pending.append(_Pending(step, epoch, metrics))
        while len(self._pending) > DELAY:
            self._write(self._fetch())

    def drain(self, validation: Mapping[str, float] | None = None) -> None:
        """Writes what is pending, with the metrics on validation after the newest step.

        Raises:
          FloatingPointError: as `add`.
        """
        while self._pending:
            record = self._fetch()
            if not self._pending:
                record = dataclasses.replace(record, validation=validation)
            self._write(record)
        for file in (self._file, self._events):
            if file is not None:
                file.flush()

    def close(self) -> None:
        """Closes the files; what is pending is dropped."""
        with contextlib.ExitStack() as files:
            for file in (self._file, self._events):
                if file is not None:
                    files.callback(file.close)

    def _fetch(self) -> StepRecord:
        step, epoch, metrics = self._pending.popleft()
        # In the order of their names, as they come out of a compiled step.
        values = {name: float(metrics[name]) for name in sorted(metrics)}
        for name, value in values.items():
            if not math.isfinite(value):
                raise FloatingPointError(f"step {step}: {name.replace('_', ' ')} is {value}")
        self.loss = values["loss"]
        return StepRecord(step, epoch, values["gradient_norm"], values["loss"])

    def _write(self, record: StepRecord) -> None:
        if self._file is not None:
            self._file.write(json.dumps(records.to_json(record), allow_nan=False) + "\n")
        if self._events is not None:
            for name, value in (("loss", record.loss), ("gradient_norm", record.gradient_norm)):
                self._events.add(f"train/{name}", value, record.step)
            for name, value in (record.validation or {}).items():
                self._events.add(f"validation/{name}", value, record.step)


class _Pending(NamedTuple):
    """A step whose metrics may still be computed."""

    step: int
    epoch: int
    metrics: Mapping[str, jax.Array]


class _Events:
    """A file of TensorBoard events, written here and now.

    tensorboardX's own writer has a thread that reports a full disk in its own way and time.
    """

    def __init__(self, folder: pathlib.Path, start: int) -> None:
        from tensorboardX.proto import event_pb2, summary_pb2
        from tensorboardX.record_writer import RecordWriter

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(exist_ok=True)
        # To the microsecond: the same second may have seen a run that ended.
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        self._file = RecordWriter(str(folder / name))
        self._write(file_version="brain.Event:2")
        # What an earlier run wrote of the steps to come is not shown.
        session = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(step=start + 1, session_log=session)

    def add(self, name: str, value: float, step: int) -> None:
        scalar = self._summary.Value(tag=name, simple_value=value)
        self._write(step=step, summary=self._summary(value=[scalar]))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, **fields: Any) -> None:
        event = self._event(wall_time=time.time(), **fields)
        self._file.write(event.SerializeToString())


def read(path: pathlib.Path) -> list[StepRecord]:
    """The records of a `metrics.jsonl`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [records.from_json(StepRecord, json.loads(line)) for line in lines]


def _lines(path: pathlib.Path, last: int) -> list[str]:
    """The lines of the steps up to `last`; what a killed process left unfinished comes after."""
    if not last or not path.exists():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n") or json.loads(line)["step"] > last:
            break
        kept.append(line)
    return kept
