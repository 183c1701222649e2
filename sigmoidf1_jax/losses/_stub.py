"""Writes `__init__.pyi`: the true signatures of the losses, for type checkers and editors.

Python's type system cannot add keyword parameters (`where`, `weights`, `axis_name`) to a
signature, so the stub is made from the definitions; a test keeps both equal. After a change to
a loss's signature run `python -m sigmoidf1_jax.losses._stub`.
"""

import ast
import importlib
import inspect
import pathlib

from sigmoidf1_jax import losses
from sigmoidf1_jax.losses._define import FORMULA_ARRAYS

PATH = pathlib.Path(__file__).with_name("__init__.pyi")

_HEADER = '''"""Written by `python -m sigmoidf1_jax.losses._stub`; do not edit."""

from typing import Literal

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sigmoidf1_jax import scores
'''

_IMPORTS = [
    "from sigmoidf1_jax._inputs import Labels, Logits, Weights, Where",
    "from sigmoidf1_jax.averaging import Average",
    "from sigmoidf1_jax.objective import AxisName",
    "from sigmoidf1_jax.scores import Score",
    "from sigmoidf1_jax.surrogates import Surrogate",
]

_DATA = {"where": "Where", "weights": "Weights", "axis_name": "AxisName | None"}


def stub() -> str:
    """The text of the stub, unformatted."""
    names = losses.__all__
    made = [n for n in names if _is_made(n)]
    # Sparse and stateful losses have their own signatures and are passed on as they are.
    passed_on = [
        f"from {getattr(losses, n).__module__} import {n} as {n}" for n in names if n not in made
    ]
    imports = "\n".join(sorted([*_IMPORTS, *passed_on]))
    return "\n".join([_HEADER + imports + "\n", f"__all__ = {names!r}\n", *map(_declaration, made)])


def _is_made(name: str) -> bool:
    """Whether the loss gets `where`, `weights` and `axis_name` from a decorator."""
    loss = getattr(losses, name)
    return hasattr(loss, "objective") and not hasattr(loss, "init")


def _declaration(name: str) -> str:
    loss = getattr(losses, name)
    module = importlib.import_module(loss.__module__)
    tree = ast.parse(inspect.getsource(module))
    definition = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    arguments = definition.args
    arguments.args = [a for a in arguments.args if a.arg not in FORMULA_ARRAYS]
    parts = [ast.unparse(arguments)] if arguments.args or arguments.kwonlyargs else []
    if not arguments.kwonlyargs:
        parts.append("*")
    keywords = [k for k in _DATA if k in inspect.signature(loss).parameters]
    parts += [f"{k}: {_DATA[k]} = None" for k in keywords]
    unreduced = "axis_name" not in keywords
    result = 'Float[Array, "*batch labels"]' if unreduced else "Array"
    return f"def {name}(logits: Logits, labels: Labels, {', '.join(parts)}) -> {result}: ...\n"


if __name__ == "__main__":
    PATH.write_text(stub())
