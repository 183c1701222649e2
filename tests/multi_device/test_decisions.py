"""Decisions on meshes with Explicit axes."""

import pytest

from tests.multi_device import devices

pytestmark = pytest.mark.slow


def test_decisions_on_explicit_meshes_equal_one_device():
    assert "agree" in devices.check("tests.multi_device.check_decisions")
