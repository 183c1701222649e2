"""Imports of experiments go one way: commands, then engines, reports, records and data."""

import ast
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "experiments"


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


def test_reports_need_no_engine():
    for name in MODULES:
        if name.startswith("experiments.reports"):
            engines = {
                module
                for module in imports(name, everywhere=True)
                if module.startswith(("experiments.training.", "experiments.comparison."))
            }
            assert {module.rpartition(".")[2] for module in engines} <= {"results"}, name
