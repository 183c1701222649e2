"""Training on 8 virtual devices, and by micro-batches, equals training on one device."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# One of each kind of statistic. Without names the command checks every loss (some 20 minutes).
NAMES = ["binary_cross_entropy()", "sigmoid_f1(slope=3.0,offset=0.5,average=macro", "zlpr",
         "cost_sensitive_f_beta", "average_precision", "moving"]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64"])
def test_8_devices_train_like_one(dtype):
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "PJRT_NPROC": "32",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.multi_device.check_training", dtype, *NAMES]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    # shard_map, pmap, jit, jit over batch and label, and micro-batches on 1 and on 8 devices.
    assert done.stdout.count(f"{dtype} ") == 7, done.stdout
