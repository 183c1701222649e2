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
    found: dict[str, pathlib.Path] = {}
    open_names = list(modules)
    while open_names:
        name = open_names.pop()
        path = _file(name)
        if name in found or path is None:
            continue
        found[name] = path
        open_names += _imports(ast.parse(path.read_bytes()))
    return found


def _file(name: str) -> pathlib.Path | None:
    """The file of a module or of a package of `experiments`."""
    # Data count by their fingerprint: what reads them does not, unless it is named itself.
    if not name.startswith("experiments.") or name == "experiments.datasets":
        return None
    path = _folder("experiments").parent.joinpath(*name.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                # What is imported is a module itself, or is made by the module or package.
                name = f"{node.module}.{alias.name}"
                yield name if _file(name) else node.module


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
