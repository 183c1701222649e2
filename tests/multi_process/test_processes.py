"""Two processes of two devices each train to what one process with one device trains to."""

import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.multi_device.devices import ROOT, environment


def free_port():
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


def run(output, processes, devices):
    """Starts the workers, waits for them and returns what process 0 wrote."""
    address = f"localhost:{free_port()}"
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.multi_process.worker",
             str(output), address, str(processes), str(rank)],
            cwd=ROOT, env=environment(devices), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(processes)
    ]  # fmt: skip
    try:
        logs = [worker.communicate(timeout=300)[0] for worker in workers]
    finally:
        for worker in workers:
            # JAX's runtime swallows SIGTERM.
            worker.send_signal(signal.SIGKILL)
    assert all(worker.returncode == 0 for worker in workers), "\n".join(logs)
    return np.load(output, allow_pickle=False)


@pytest.mark.slow
def test_two_processes_of_two_devices_train_like_one_of_one(tmp_path):
    alone = run(tmp_path / "alone.npz", 1, 1)
    together = run(tmp_path / "together.npz", 2, 2)
    assert (int(alone["devices"]), int(together["devices"])) == (1, 4)
    for name in alone.files:
        if name != "devices":
            # float32 sums in another order, through three steps of Adam.
            np.testing.assert_allclose(
                together[name], alone[name], rtol=2e-5, atol=2e-6, err_msg=name
            )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'localhost:1', None, 0", "belong together"),
        ("'localhost:1', 2, 2", "process_id must lie in 0..num_processes - 1 = 1, got 2"),
        ("'localhost', 2, 1, timeout=1", "must be host:port, got 'localhost'"),
        ("'localhost:1', 2, 1, timeout=1", "localhost:1 did not answer within 1 s"),
    ],
)
def test_mistakes_are_named(arguments, message):
    from sigmoidf1_jax.training import initialize_distributed

    with pytest.raises((ValueError, TimeoutError), match=message):
        eval(f"f({arguments})", {"f": initialize_distributed})


@pytest.mark.slow
def test_without_a_cluster_there_is_one_process():
    code = "from sigmoidf1_jax import training; print(training.initialize_distributed())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "1\n", done.stderr
