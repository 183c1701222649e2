"""Compilation for tests, and the folder with real data and golden vectors, where there is one."""

import functools
import os
import pathlib
import signal
import subprocess
import sys

import pytest

# Most of the time of a test is that of compiling small programs: LLVM's optimisations cost more
# than they save, and programs of earlier runs are kept. Both before JAX is imported, here and in
# the processes that tests start.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(pathlib.Path(__file__).parents[1] / ".pytest_cache" / "jax")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# A shell's background job ignores Ctrl-C, and so would the processes whose Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = pathlib.Path(
    os.environ.get("SIGMOIDF1_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)


@pytest.fixture(scope="session")
def goldens():
    """`goldens("losses")` loads one file of values that peers' own code computed."""
    import numpy as np

    @functools.cache
    def load(name):
        path = SHARED / "goldens" / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"golden vectors not found at {path}; set SIGMOIDF1_SHARED to their folder")
        with np.load(path, allow_pickle=False) as file:
            return dict(file)

    return load


@pytest.fixture
def start():
    """`start(command, **options)` is a process that does not outlive the test, however it ends."""
    started = []

    def process(*arguments, **options):
        started.append(subprocess.Popen(*arguments, **options))
        return started[-1]

    yield process
    for one in started:
        one.kill()
        one.communicate()


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs():
    """Every program holds some memory maps, of which a process may have some 65,000."""
    yield
    # Tests that never import JAX should not do so here.
    jax = sys.modules.get("jax")
    if jax is not None:
        jax.clear_caches()
