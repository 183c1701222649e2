"""Training on 8 virtual devices, and by micro-batches, equals training on one device."""

import pytest

from tests.multi_device import devices

pytestmark = pytest.mark.slow

# One of each kind of statistic. Without names the command checks every loss (some 10 minutes).
NAMES = ["binary_cross_entropy()", "sigmoid_f1(slope=3.0,offset=0.5,average=macro", "zlpr",
         "cost_sensitive_f_beta", "average_precision", "moving"]  # fmt: skip


def test_8_devices_train_like_one():
    printed = devices.check("tests.multi_device.check_training", "float64", *NAMES)
    # shard_map, pmap, jit, jit over batch and label, and micro-batches on 1 and on 8 devices.
    assert "networks agree" in printed
    assert printed.count("float64 ") == 7, printed
