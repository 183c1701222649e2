"""Many hosts: JAX's own multi-controller runtime, found or given."""

import socket
import sys
import threading
import time

import jax


def initialize_distributed(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    timeout: int = 120,
) -> int:
    """Joins this process to the others of the run; call it before anything else uses JAX.

    Without arguments the cluster is found as JAX finds it: Cloud TPU pods, SLURM, Open MPI and
    Kubernetes jobs; where there is none, the run has one process. Then `jax.devices()` lists the
    devices of all processes, every process runs the same program, and `data_parallel` takes each
    process's own examples. Calling it again changes nothing.

    Args:
      coordinator_address: "host:port" of process 0, the same for all.
      num_processes: how many processes there are.
      process_id: this one's number, 0 to num_processes - 1.
      timeout: seconds to wait for the others.

    Returns:
      The number of processes.

    Raises:
      ValueError: only some of the three are given, or numbers that do not fit.
      TimeoutError: the coordinator did not answer in time. Where it is another process that does
        not come, JAX's runtime ends this one; a line that says so goes to standard error first.
      RuntimeError: JAX was used before.

    Source: the multi-controller programming model of the JAX documentation.

    Example:
      >>> initialize_distributed()  # doctest: +SKIP
      1
    """
    given = (coordinator_address, num_processes, process_id)
    if any(x is None for x in given) and any(x is not None for x in given):
        raise ValueError(
            "coordinator_address, num_processes and process_id belong together, got "
            f"{coordinator_address!r}, {num_processes!r}, {process_id!r}"
        )
    if num_processes is not None and not 0 <= (process_id or 0) < num_processes:
        raise ValueError(
            f"process_id must lie in 0..num_processes - 1 = {num_processes - 1}, got {process_id}"
        )
    if jax.distributed.is_initialized():
        return jax.process_count()
    if coordinator_address is not None and process_id != 0:
        _await_coordinator(coordinator_address, timeout)
    # JAX ends the process when others are missing; say first what it waits for.
    warn = threading.Timer(
        timeout,
        _say,
        [
            f"process {process_id}: after {timeout} s still waiting "
            f"for all {num_processes} processes of {coordinator_address}"
        ],
    )
    warn.daemon = True
    warn.start()
    try:
        jax.distributed.initialize(
            coordinator_address, num_processes, process_id, initialization_timeout=timeout + 5
        )
    except ValueError as error:
        # What JAX says where it finds no cluster.
        if coordinator_address is not None or "coordinator_address" not in str(error):
            raise
        return 1
    finally:
        warn.cancel()
    return jax.process_count()


def _await_coordinator(address: str, timeout: int) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"coordinator_address must be host:port, got {address!r}")
    last = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > last:
                raise TimeoutError(
                    f"the coordinator {address} did not answer within {timeout} s ({error})"
                ) from error
            time.sleep(0.1)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
