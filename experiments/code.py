"""What code results come from: a digest that an edit changes, but no comment or docstring."""

import ast
import functools
import hashlib
import importlib.util
import pathlib
from collections.abc import Iterator

PACKAGE = "sigmoidf1_jax"


@functools.cache
def digest(*modules: str) -> str:
    """Twelve hexadecimal digits of the package's code and of what these modules import.

    The digest is that of syntax trees: formatting, comments and docstrings do not count. Of
    `experiments`, the named modules count with all modules that they import, directly or not.

    Args:
      modules: names such as "experiments.tuning".
    """
    package = _folder(PACKAGE)
    found = {str(path.relative_to(package.parent)): path for path in package.rglob("*.py")}
    found |= _imported(modules)
    sha = hashlib.sha256()
    for name in sorted(found):
        sha.update(f"{name}\n{_tree(found[name])}\n".encode())
    return sha.hexdigest()[:12]


def _folder(package: str) -> pathlib.Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(package)
    return pathlib.Path(spec.origin).parent


def _imported(modules: tuple[str, ...]) -> dict[str, pathlib.Path]:
    """Module -> file, of these modules of `experiments` and all that they import of it."""
    root = _folder("experiments").parent
    found: dict[str, pathlib.Path] = {}
    open_names = list(modules)
    while open_names:
        name = open_names.pop()
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        if name in found or not name.startswith("experiments.") or not path.is_file():
            continue
        found[name] = path
        open_names += _imports(ast.parse(path.read_bytes()))
    return found


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # What is imported may be a module itself.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _tree(path: pathlib.Path) -> str:
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # A string that stands alone is a docstring, of a module, function, class or field.
            node.body = [x for x in body if not _is_text(x)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
