"""Every loss on 8 virtual devices equals one device, in value and gradient."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def test_pmap_and_shard_map_over_8_devices_equal_one_device():
    # A process of its own: the number of devices is fixed when JAX starts. PJRT_NPROC gives
    # collectives of virtual devices enough threads to meet.
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "PJRT_NPROC": "32",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.multi_device.check_losses"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "losses agree" in done.stdout
