"""Every metric of arrays sharded over a mesh of Explicit axes equals that of one device."""

import pytest

from tests.multi_device import devices

pytestmark = pytest.mark.slow


def test_metrics_take_arrays_that_are_sharded_over_explicit_axes():
    assert "metrics agree" in devices.check("tests.multi_device.check_metrics")
