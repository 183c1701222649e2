"""Results on disk: whole files or none, and one run in a folder at a time."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from experiments import storage
from experiments.errors import Stopped, UserError

HOLD = """
import pathlib, sys
from experiments import storage
with storage.locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_in_a_folder_is_told_who_works_there(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(UserError, match=rf"in use by another run \(process {other.pid}\)"),
            storage.locked(tmp_path),
        ):
            pass
        other.kill()
        other.wait()
    # A lock does not outlive its process.
    with storage.locked(tmp_path):
        pass


@pytest.mark.parametrize("where", ["mkstemp", "fsync"])
def test_a_full_disk_stops_a_run_and_leaves_nothing_half_written(tmp_path, monkeypatch, where):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage.tempfile if where == "mkstemp" else os, where, full)
    message = "cannot write .*value.json: No space left on device; what is done is kept"
    with pytest.raises(Stopped, match=message) as stopped:
        storage.write_json(tmp_path / "value.json", 1)
    assert stopped.value.code == 1
    assert not list(tmp_path.iterdir())


def test_arrays_come_back_or_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    assert storage.read_arrays(path) is None
    storage.write_arrays(path, {"a": np.arange(3000)})
    np.testing.assert_array_equal(storage.read_arrays(path)["a"], np.arange(3000))
    whole = path.read_bytes()
    for damaged in (b"", whole[:-100], whole.replace(whole[200:220], b"?" * 20), b"{}"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"is not a whole \.npz file"):
            storage.read_arrays(path)
