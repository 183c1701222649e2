"""Kills training at random moments: `python -m tests.experiments.check_kill [KILLS] [SEED]`.

A run is killed (SIGKILL) again and again and resumed to its end: its parameters and all else in
its last and best checkpoints must equal those of a run in one piece, bit by bit, and so must the
lines of its metrics.
"""

import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
import tyro

from experiments.commands.train import Train
from experiments.training.setup import prepare
from sigmoidf1_jax.training import Checkpointer
from tests.experiments.small_train import OPTIONS, main, registered

ROOT = pathlib.Path(__file__).parents[2]


def start(folder, arguments, **environment):
    """The small run as a process of its own."""
    command = [sys.executable, "-m", "tests.experiments.small_train"]
    command += ["--output", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def wait_for_step(process, folder, step):
    """Waits until the metrics of a step are written, or the process ends."""
    path, deadline = folder / "metrics.jsonl", time.monotonic() + 120
    while not path.exists() or path.read_bytes().count(b"\n") < step:
        assert time.monotonic() < deadline, f"step {step} was not reached"
        if process.poll() is not None:
            return
        time.sleep(0.002)


def contents(folder, options):
    """The arrays of the last and the best checkpoint, and the lines of the metrics."""
    with registered():
        setup = prepare(options)
    like = jax.jit(setup.initial_state, out_shardings=setup.layout())()
    checkpoints = Checkpointer(folder, setup.config())
    last, data_state = checkpoints.restore(like)
    best, metrics = checkpoints.restore_best(like)
    checkpoints.close()
    arrays = []
    for state in (last, best):
        plain = state._replace(key=jax.random.key_data(state.key))
        arrays += [np.asarray(x) for x in jax.tree.leaves(plain)]
    return arrays, data_state, metrics, (folder / "metrics.jsonl").read_text()


def kill_and_resume(folder, moments, arguments, delay=0.0):
    """Runs in the folder to the end, killed each time the lines of a step are written."""
    for moment in moments:
        process = start(folder, arguments)
        wait_for_step(process, folder, moment)
        time.sleep(random.random() * delay)
        assert process.poll() is None, "the run ended before it was killed"
        process.kill()
        process.wait()
    assert main(["--output", str(folder), *arguments]) == 0


def assert_same(got, expected):
    """Two `contents` are equal, bit by bit."""
    for one, other in zip(got[0], expected[0], strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    assert got[1:] == expected[1:]


def check(folder, kills, arguments):
    """The steps at which the run was killed; raises if its result differs in one bit."""
    whole, killed = folder / "whole", folder / "killed"
    assert main(["--output", str(whole), *arguments]) == 0
    options = tyro.cli(Train, args=[*OPTIONS, *arguments])
    expected = contents(whole, options)
    moments = sorted(random.randrange(int(expected[0][0])) for _ in range(kills))
    kill_and_resume(killed, moments, arguments, delay=0.05)
    assert_same(contents(killed, options), expected)
    return moments


if __name__ == "__main__":
    random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--epochs", "40", "--checkpoint-every", "2"]
        moments = check(pathlib.Path(folder), kills, arguments)
    print(f"killed after the lines of steps {moments}: the result is the same, bit by bit")
