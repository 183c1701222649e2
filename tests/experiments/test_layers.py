"""Imports of experiments go one way: commands, then engines, reports, records and data."""

import ast
import itertools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "experiments"


def name_of(path):
    parts = path.relative_to(FOLDER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FOLDER.rglob("*.py")}


def imports(name, everywhere=False):
    """The modules of experiments that one imports when it is imported, or anywhere in it."""
    tree = ast.parse(MODULES[name].read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                found.add(module if module in MODULES else node.module)
    return {module for module in found if module in MODULES} - {name}


def test_no_command_imports_another_and_nothing_imports_a_command():
    commands = {name for name in MODULES if name.startswith("experiments.commands.")}
    assert {name.rpartition(".")[2] for name in commands} >= {
        *("benchmarks", "compare", "datasets", "study", "train"),
    }
    for name in MODULES:
        if name != "experiments.benchmarks.__main__":
            assert not imports(name, everywhere=True) & commands, name


def test_the_table_of_commands_names_modules_that_exist():
    pytest.importorskip("tyro", reason="the commands need the experiments extra")
    from experiments.commands import COMMANDS
    from experiments.commands.study import STUDIES

    assert {command.module for command in COMMANDS.values()} <= set(MODULES)
    assert {study.module for study in STUDIES.values()} <= set(MODULES)


def test_imports_have_no_circles():
    graph = {name: imports(name) for name in MODULES}
    while free := {name for name, needed in graph.items() if not needed}:
        graph = {name: needed - free for name, needed in graph.items() if name not in free}
    assert not graph


def layers():
    """The lines of the README's layout under experiments/: the paths that each names."""
    layout = (ROOT / "README.md").read_text().split("## Layout")[1]
    lines = layout.split("experiments/\n")[1].splitlines()
    listed = itertools.takewhile(lambda line: line.startswith("  "), lines)
    return [re.findall(r"[\w/]+\.py|\w+/(?= )", line.split("   ")[0] + " ") for line in listed]


def test_the_layout_is_what_is_there_and_imports_go_up_in_it():
    places = {path: i for i, paths in enumerate(layers()) for path in paths}
    assert all((FOLDER / path).exists() for path in places)

    def place(name):
        path = str(MODULES[name].relative_to(FOLDER))
        return places.get(path, places.get(f"{path.partition('/')[0]}/"))

    for name in MODULES:
        if name in ("experiments", "experiments.benchmarks.__main__"):
            continue
        assert place(name) is not None, f"{name} is not in the layout"
        for imported in imports(name, everywhere=True) - {"experiments"}:
            assert place(imported) <= place(name), f"{name} imports {imported}"
