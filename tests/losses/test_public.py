"""The public face of losses and objectives: true signatures, docstrings, types, documentation."""

import inspect
import pathlib
import re
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import sigmoidf1_jax as sf

ROOT = pathlib.Path(__file__).parents[2]
DATA = {"logits", "labels", "indices", "state", "key", "index", "where", "weights", "axis_name"}
LOSSES = sorted(sf.losses.__all__)
SHARED = sorted(set(LOSSES) & set(sf.objectives.__all__))


def hyperparameters(function) -> list[tuple[str, object, object]]:
    """Name, kind and default of each argument that is not data, in order."""
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters if p.name not in DATA]


def test_losses_and_objectives_have_the_same_hyperparameters():
    assert set(LOSSES) - set(SHARED) == {"zlpr_sparse"}
    for name in SHARED:
        loss, objective = getattr(sf.losses, name), getattr(sf.objectives, name)
        assert hyperparameters(loss) == hyperparameters(objective), name


def test_all_losses_take_their_data_alike():
    for name in LOSSES:
        loss = getattr(sf.losses, name)
        parameters = inspect.signature(loss).parameters
        given = [p.name for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
        labels = "indices" if name == "zlpr_sparse" else "labels"
        assert given[:2] == ["logits", labels], name
        assert (given[2:3] == ["state"]) is hasattr(loss, "init"), name
        options = [p for p in parameters.values() if p.name in ("where", "weights", "axis_name")]
        assert all(p.kind is p.KEYWORD_ONLY and p.default is None for p in options), name
        assert [p.name for p in options][:2] == ["where", "weights"], name
        # Those without have nothing to reduce: they are unreduced.
        unreduced = sf.objectives.binary_cross_entropy().entries.__annotations__["return"]
        returns = inspect.signature(loss).return_annotation
        assert ("axis_name" in parameters) is (str(returns) != str(unreduced)), name


@pytest.mark.parametrize("module", [sf.losses, sf.objectives], ids=lambda m: m.__name__)
def test_source_and_name_are_those_of_the_definition(module):
    for name in module.__all__:
        function = getattr(module, name)
        assert inspect.isfunction(function), name
        assert "__signature__" not in vars(function), name
        assert "__wrapped__" not in vars(function), name
        assert (function.__name__, function.__qualname__) == (name, name)
        head = re.sub(r"^@with_init\(\w+\.init\)\n", "", inspect.getsource(function))
        assert head.startswith(f"def {name}("), name
    assert inspect.getsource(module.zlpr).startswith("def zlpr(")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["losses", "objectives"])
@pytest.mark.parametrize("name", ["zlpr", "sigmoid_f1", "focal", "tencent"])
def test_an_editor_finds_definition_and_docstring(module, name):
    jedi = pytest.importorskip("jedi")
    path = ROOT / "sigmoidf1_jax" / module
    code = f"import sigmoidf1_jax as sf\nsf.{module}.{name}"
    script = jedi.Script(code, project=jedi.Project(ROOT, sys_path=[str(ROOT), *sys.path]))
    where = {"line": 2, "column": len(f"sf.{module}.")}
    (found,) = script.goto(**where, follow_imports=True)
    assert found.module_path.parent == path
    line = found.module_path.read_text().splitlines()[found.line - 1]
    assert line.startswith(f"def {name}(")
    documentation = getattr(getattr(sf, module), name).__doc__
    shown = [x.docstring() for x in script.help(**where)]
    assert any(documentation.strip().splitlines()[0] in text for text in shown)


GOOD = """
import jax.numpy as jnp
import numpy as np
import sigmoidf1_jax as sf

for z, y in ((jnp.zeros((2, 3)), jnp.ones((2, 3), bool)),):
    sf.losses.zlpr(z, y)
    sf.losses.focal(z, y, 2.0, weights=jnp.ones(3))
x, t = np.zeros((2, 3), np.float32), np.ones((2, 3), np.int32)
mask = np.ones((2, 1), bool)
sf.losses.zlpr(x, t, where=mask)
sf.losses.focal(x, t, 2.0, weights=np.ones(3)).sum()
sf.losses.sigmoid_f1(x, t, np.ones(3), average=None, where=mask).sum()
state = sf.losses.f_bound.init(3)
value, state = sf.losses.f_bound(x, t, state)
state.multiplier
sf.objectives.f_bound(2.0)(x, t, state)[1].multiplier
sf.objectives.focal(alpha=0.25).entries(x, t).sum()
(sf.objectives.focal(gamma=1) + 0.5 * sf.objectives.sigmoid_f1(average="micro"))(x, t)
sf.losses.average_precision(x, t, sf.losses.average_precision.init(3, 9), index=np.arange(2))
"""
BAD = """
sf.losses.zlpr(x, t, slope=1)  # call-arg
sf.losses.tencent(x, t, sf.losses.tencent.init(3))  # call-arg
sf.losses.soft_f1(x, t, average="mean")  # arg-type
sf.losses.f_bound.init("3")  # arg-type
sf.losses.zlpr.init(3)  # attr-defined
sf.objectives.zlpr(slope=1)  # call-arg
"""


@pytest.mark.slow
def test_a_type_checker_takes_arrays_and_refuses_wrong_keywords(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    path = tmp_path / "snippet.py"
    path.write_text(GOOD + BAD)
    # The project's options, so that it shares the cache of the project's own runs.
    monkeypatch.chdir(ROOT)
    report, errors, _ = api.run([str(path)])
    assert not errors
    wrong = {
        GOOD.count("\n") + i: line.split("# ")[1]
        for i, line in enumerate(BAD.splitlines(), 1)
        if line
    }
    found = re.findall(r"snippet\.py:(\d+): error: .*\[([\w-]+)\]$", report, re.M)
    assert {int(line): kind for line, kind in found} == wrong, report


@pytest.mark.parametrize("name", LOSSES)
def test_docstrings_stand_alone(name):
    loss = getattr(sf.losses, name)
    doc = inspect.getdoc(loss)
    assert not re.search(r"\bas (in|for) `|\bas there\b|\bas above\b", doc)
    sections = re.findall(r"^(Args|Returns|Raises|Source|Example):", doc, re.M)
    assert sections == ["Args", "Returns", "Raises", "Source", "Example"]
    arguments = doc.split("\nArgs:\n")[1].split("\n\n")[0]
    described = re.findall(r"^  (\w+): \S", arguments, re.M)
    assert described == list(inspect.signature(loss).parameters)
    assert {"ValueError", "TypeError"} <= set(re.findall(r"^  (\w+): ", doc, re.M))
    # In the formula's own signs or in words: a range or a choice for every number.
    assert "$" in doc.split("\nArgs:\n")[0] or "`" in doc.split("\nArgs:\n")[0]


def written(default) -> str:
    if inspect.isfunction(default):
        return f" {default.__name__}"
    if isinstance(default, str):
        return f' "{default}"'
    number = isinstance(default, int | float) and not isinstance(default, bool)
    return (
        f" {default:g}" if number else "" if default is inspect.Parameter.empty else f" {default}"
    )


def table_cell(name: str) -> str:
    """The hyperparameters of a loss with their defaults, as docs/losses.md shows them."""
    cells = [
        key + written(default) for key, _, default in hyperparameters(getattr(sf.losses, name))
    ]
    return ", ".join(cells) or "-"


def test_the_table_of_defaults_is_true():
    rows = re.findall(r"^\| (`.*)$", (ROOT / "docs" / "losses.md").read_text(), re.M)
    shown = {}
    for row in rows:
        names, _, _, cell, *_ = row.split(" | ")
        shown |= dict.fromkeys(re.findall(r"`(\w+)`", names), cell)
    assert shown == {name: table_cell(name) for name in LOSSES}


def frames(call) -> int:
    """Python functions of this package that a call runs; comprehensions are none."""
    package = str(ROOT / "sigmoidf1_jax")
    count = 0

    def profile(frame, event, _):
        nonlocal count
        code = frame.f_code
        count += (
            event == "call"
            and code.co_filename.startswith(package)
            and not code.co_name.startswith("<")
        )

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(("name", "most"), [("sigmoid_f1", 75), ("binary_cross_entropy", 28)])
def test_an_eager_call_goes_through_few_functions(name, most):
    loss = getattr(sf.losses, name)
    for arrays in (jnp, np):
        logits, labels = arrays.zeros((4, 5), np.float32), arrays.ones((4, 5), np.int32)
        loss(logits, labels)
        assert frames(lambda z=logits, y=labels: loss(z, y)) <= most
