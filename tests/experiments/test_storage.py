"""Results on disk: whole files or none, and one run in a folder at a time."""

import subprocess
import sys

import pytest

from experiments import storage
from experiments.errors import UserError

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
