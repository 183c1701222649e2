"""Runs a check in a process with 8 virtual devices."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


# The checks compile much and compute little: without LLVM's optimisations they take half as long.
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def environment(count: int, flags: str = "") -> dict[str, str]:
    """The environment of a process with virtual devices.

    The number of devices is fixed when JAX starts, so it takes a process of its own. PJRT_NPROC
    gives collectives of virtual devices enough threads to meet.
    """
    return {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={count} {flags}".strip(),
        "PJRT_NPROC": "32",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
    }


def check(module: str, *arguments: str) -> str:
    """What `python -m module` prints on 8 virtual devices; fails where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(8, FLAGS), capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout
