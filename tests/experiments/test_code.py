"""The digest of code: an edit changes it, a comment does not."""

import ast

import pytest

from experiments import code

TEXT = """
def loss(x):
    return 2 * x
"""
SAME = '''
"""A module."""


def loss(x):  # what is lost
    """Twice."""
    return (2 * x)
'''


def tree(folder, text):
    path = folder / "loss.py"
    path.write_text(text)
    return code._tree(path)


def test_comments_do_not_count_and_numbers_do(tmp_path):
    assert tree(tmp_path, TEXT) == tree(tmp_path, SAME)
    assert tree(tmp_path, TEXT) != tree(tmp_path, TEXT.replace("2", "3"))


@pytest.mark.slow
def test_all_that_a_system_runs_counts():
    of_tuning = code._imported(("experiments.tuning",))
    for name in ("tuning", "systems", "references", "evaluation", "decision_rules", "splits"):
        assert f"experiments.{name}" in of_tuning
    assert not [name for name in of_tuning if name.startswith("experiments.reports")]
    study = code._imported(("experiments.studies.batch_size",))
    assert {"experiments.studies.batch_size", "experiments.tuning"} <= set(study)
    assert code.digest("experiments.tuning") != code.digest("experiments.studies.batch_size")


def test_packages_count_where_something_of_theirs_is_imported():
    def imported(text):
        return list(code._imports(ast.parse(text)))

    # The table of commands is made by the package; `compare` is a module of its own.
    assert imported("from experiments.commands import COMMANDS") == ["experiments.commands"]
    assert imported("from experiments.commands import compare") == ["experiments.commands.compare"]
    assert "experiments.commands" in code._imported(("experiments.__main__",))
    for name in ("compare", "train"):
        found = code._imported((f"experiments.commands.{name}",))
        assert "experiments.evaluation" in found
    # Data count by their fingerprint: not with all that could read them.
    assert "experiments.datasets" not in code._imported(("experiments.studies.batch_size",))


@pytest.mark.slow
def test_an_edit_of_the_package_counts(monkeypatch):
    before = code.digest("experiments.systems")
    code.digest.cache_clear()
    plain = code._tree
    monkeypatch.setattr(
        code, "_tree", lambda path: plain(path) + "edited" * (path.name == "mlp.py")
    )
    assert code.digest("experiments.systems") != before
    code.digest.cache_clear()


@pytest.fixture(autouse=True)
def _forget():
    code.digest.cache_clear()
    yield
    code.digest.cache_clear()
