"""The type stub of the losses says what the definitions say."""

import ast

from sigmoidf1_jax.losses import _stub


def test_the_stub_is_what_the_definitions_generate():
    written, generated = _stub.PATH.read_text(), _stub.stub()
    assert ast.dump(ast.parse(written)) == ast.dump(ast.parse(generated)), (
        "run `python -m sigmoidf1_jax.losses._stub` and `ruff format`"
    )
