"""Every loss on 8 virtual devices equals one device, in value and gradient."""

import pytest

from tests.multi_device import devices

pytestmark = pytest.mark.slow


def test_pmap_and_shard_map_over_8_devices_equal_one_device():
    assert "losses agree" in devices.check("tests.multi_device.check_losses")
