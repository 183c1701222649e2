"""Several processes on this machine, as a try-out of many hosts."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from experiments.errors import UserError

GRACE_SECONDS = 30.0
"""How long processes may take to save and end after a signal."""


def launch(command: Sequence[str], processes: int) -> int:
    """Runs a command in N processes that find each other, and returns the first bad exit code.

    The command is `python -m experiments *command` with --coordinator-address, --num-processes
    and --process-id added. When one process fails, the others cannot go on: they are ended too.
    SIGTERM and Ctrl-C reach all of them.

    Raises:
      UserError: fewer than one process.
    """
    if processes < 1:
        raise UserError(f"--processes must be >= 1, got {processes}")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "experiments", *command),
                *("--coordinator-address", address),
                *("--num-processes", str(processes), "--process-id", str(rank)),
            ],
            # Collectives of processes on one machine need threads of their own.
            env={"PJRT_NPROC": "32", **os.environ},
        )
        for rank in range(processes)
    ]

    def forward(number: int, _: FrameType | None) -> None:
        for process in started:
            if process.poll() is None:
                process.send_signal(number)

    handlers = {s: signal.signal(s, forward) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _wait(started)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for process in started:
            # Not SIGTERM, which JAX's runtime takes for itself.
            if process.poll() is None:
                process.kill()
            process.wait()


def _wait(started: Sequence["subprocess.Popen[bytes]"]) -> int:
    """Waits for all; after a failure the others get `GRACE_SECONDS`."""
    last: float | None = None
    while True:
        codes = [process.poll() for process in started]
        failed = [code for code in codes if code]
        if None not in codes or (last is not None and time.monotonic() > last):
            return abs(failed[0]) if failed else 0
        if failed and last is None:
            last = time.monotonic() + GRACE_SECONDS
        time.sleep(0.1)
