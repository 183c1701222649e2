"""What importing the package does and does not do."""

import subprocess
import sys

import pytest

import sigmoidf1_jax as sf

HEAVY = ("tensorflow", "torch", "sklearn", "matplotlib", "grain", "orbax", "river")


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.slow
def test_import_initialises_no_device_and_changes_no_config():
    code = """
import jax
before = dict(jax.config.values)
import sigmoidf1_jax
from jax._src import xla_bridge
assert not xla_bridge._backends, xla_bridge._backends
assert dict(jax.config.values) == before
print("ok")
"""
    assert run(code) == "ok\n"


@pytest.mark.slow
def test_import_of_the_losses_brings_in_nothing_heavy():
    code = f"""
import sys
import sigmoidf1_jax
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert run(code) == "[]\n"


@pytest.mark.parametrize("module", ["losses", "objectives", "metrics", "decisions"])
def test_public_names_are_documented(module):
    package = getattr(sf, module)
    for name in package.__all__:
        assert getattr(package, name).__doc__, name


def test_every_loss_is_an_objective_too():
    # zlpr_sparse is zlpr with labels as indices, which statistics of [..., num_labels] are not.
    assert set(sf.losses.__all__) - {"zlpr_sparse"} == set(sf.objectives.__all__)
