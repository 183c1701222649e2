"""Checkpoints: bit-exact, of one configuration, and intact or not used."""

import errno
import resource
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.training import train_state as flax_states

pytest.importorskip("orbax.checkpoint", reason="checkpoints need the experiments extra")

import sigmoidf1_jax as sf
from sigmoidf1_jax import training
from sigmoidf1_jax.training import Checkpointer

# When one array cannot be read, Orbax's other readers report to an event loop that is gone.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CONFIG = {"loss": "soft_f1", "hidden": (8, 4), "rate": 0.1}


class Network(nn.Module):
    """With running statistics, and parameters of two dtypes."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(4)(x))
        return nn.Dense(3, param_dtype=jnp.bfloat16)(x).astype(jnp.float32)


def initial(objective):
    optimizer = optax.adamw(optax.cosine_decay_schedule(0.1, 10))
    inputs = jnp.zeros((1, 2))
    return training.initial_state(Network(), objective, optimizer, jax.random.key(7), inputs, 3)


def trained(objective):
    """A state in which no array is as it was at the start."""
    rng = np.random.default_rng(0)
    state = initial(objective)
    key, state = state.key, state._replace(key=None)
    state = jax.tree.map(lambda x: jnp.asarray(10 * rng.normal(size=x.shape), x.dtype), state)
    return state._replace(key=jax.random.fold_in(key, 1))


def plain(state):
    return [
        np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for x in jax.tree.leaves(state)
    ]


def assert_same_bits(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for x, y in zip(plain(one), plain(other), strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        assert x.tobytes() == y.tobytes()


@pytest.fixture(scope="module")
def state():
    return trained(sf.objectives.cost_sensitive_f_beta())


def at(state, step):
    return state._replace(step=jnp.int32(step))


def saved(folder, state, steps, values=None):
    checkpoints = Checkpointer(folder, CONFIG)
    for i, step in enumerate(steps):
        metrics = None if values is None else {"micro_f1": values[i], "loss": 1.0}
        checkpoints.save(at(state, step), {"next_index": step}, metrics)
    checkpoints.close()


def damage(folder, name, step, change):
    """Changes the content of all files with arrays; None deletes them."""
    for path in (folder / name / str(step) / "state").rglob("d/*"):
        content = change(path.read_bytes())
        path.unlink()
        if content is not None:
            path.write_bytes(content)


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective",
    [
        sf.objectives.soft_f1(),
        sf.objectives.cost_sensitive_f_beta(),
        training.moving(sf.objectives.soft_f1(), 0.9),
    ],
    ids=["stateless", "stateful", "moving"],
)
def test_every_array_comes_back_bit_by_bit(objective, tmp_path):
    state = trained(objective)
    saved(tmp_path, state, [2])
    restored, data = Checkpointer(tmp_path, CONFIG).restore(initial(objective))
    assert data == {"next_index": 2}
    assert_same_bits(restored, at(state, 2))
    assert jax.random.uniform(restored.key) == jax.random.uniform(state.key)


@pytest.mark.slow
def test_awkward_numbers_keep_their_bits(state, tmp_path):
    odd = np.array([np.nan, -0.0, np.inf, 1e-45, 3.0], np.float32)
    odd = odd.view(np.uint32) | np.array([0x1234, 0, 0, 0, 0], np.uint32)
    odd = {
        "x": jnp.asarray(odd.view(np.float32)),
        "yes": jnp.array([True, False]),
        "empty": jnp.zeros((0, 3)),
    }
    odd = state._replace(params=odd, step=jnp.int32(1))
    checkpoints = Checkpointer(tmp_path, CONFIG)
    checkpoints.save(odd)
    assert_same_bits(checkpoints.restore(odd)[0], odd)
    checkpoints.close()


@pytest.mark.slow
def test_keys_of_another_implementation(state, tmp_path):
    other = at(state._replace(key=jax.random.key(3, impl="rbg")), 1)
    saved(tmp_path, other, [1])
    assert_same_bits(Checkpointer(tmp_path, CONFIG).restore(other)[0], other)
    # A state of shapes and types will do, as jax.eval_shape makes it.
    abstract = jax.eval_shape(lambda: other)
    assert_same_bits(Checkpointer(tmp_path, CONFIG).restore(abstract)[0], other)


@pytest.mark.slow
def test_the_newest_stay_and_the_best_stays(state, tmp_path):
    saved(tmp_path, state, range(1, 7), [0.1, 0.5, 0.3, 0.5, 0.4, 0.2])
    assert {p.name for p in (tmp_path / "last").iterdir()} == {"5", "6"}
    checkpoints = Checkpointer(tmp_path, CONFIG)
    assert checkpoints.last_step == 6
    best, metrics = checkpoints.restore_best(state)
    # The first of equals.
    assert int(best.step) == 2
    assert metrics == {"micro_f1": 0.5, "loss": 1.0}


@pytest.mark.slow
def test_nothing_saved_restores_nothing(state, tmp_path):
    checkpoints = Checkpointer(tmp_path, CONFIG)
    assert checkpoints.last_step is None
    assert checkpoints.restore(state) is None
    assert checkpoints.restore_best(state) is None


@pytest.mark.slow
def test_a_step_that_comes_again_is_written_again(state, tmp_path):
    saved(tmp_path, state, [1, 2], [0.1, 0.5])
    saved(tmp_path, state, [2], [0.6])
    checkpoints = Checkpointer(tmp_path, CONFIG)
    assert checkpoints.restore_best(state)[1]["micro_f1"] == 0.6
    assert checkpoints.last_step == 2


def test_another_configuration_is_refused_by_its_fields(state, tmp_path):
    saved(tmp_path, state, [1])
    other = {"loss": "jaccard", "hidden": [8, 4], "epochs": 3}
    with pytest.raises(ValueError, match="another configuration") as refused:
        Checkpointer(tmp_path, other)
    message = str(refused.value)
    assert "loss is 'soft_f1' there and 'jaccard' here" in message
    assert "epochs is 'missing' there and 3 here" in message
    assert "hidden" not in message


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["truncated", "flipped", "missing", "no metadata"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(kind, state, tmp_path):
    saved(tmp_path, state, [1, 2])
    if kind == "no metadata":
        (tmp_path / "last" / "2" / "meta" / "metadata").write_text("{")
    else:
        changes = {
            "truncated": lambda content: content[: len(content) // 2],
            "flipped": flip,
            "missing": lambda content: None,
        }
        damage(tmp_path, "last", 2, changes[kind])
    checkpoints = Checkpointer(tmp_path, CONFIG)
    with pytest.warns(RuntimeWarning, match="last/2 cannot be used"):
        restored, data = checkpoints.restore(state)
    assert data == {"next_index": 1}
    assert_same_bits(restored, at(state, 1))
    # And the run goes on from there, over the step that was damaged.
    checkpoints.save(at(state, 2), {"next_index": 2})
    assert int(checkpoints.restore(state)[0].step) == 2
    checkpoints.close()


@pytest.mark.slow
def test_a_best_checkpoint_that_cannot_be_read_is_replaced_by_the_next(state, tmp_path):
    saved(tmp_path, state, [1], [0.9])
    (tmp_path / "best" / "1" / "meta" / "metadata").write_text("{")
    saved(tmp_path, state, [2], [0.3])
    best, metrics = Checkpointer(tmp_path, CONFIG).restore_best(state)
    assert (int(best.step), metrics["micro_f1"]) == (2, 0.3)


@pytest.mark.slow
def test_arrays_that_do_not_match_their_checksum_are_refused(state, tmp_path, monkeypatch):
    saved(tmp_path, state, [1])
    monkeypatch.setattr(training.checkpoints, "_checksum", lambda tree: 0)
    saved(tmp_path, state, [2])
    monkeypatch.undo()
    with pytest.warns(RuntimeWarning, match="do not match their checksum"):
        restored, _ = Checkpointer(tmp_path, CONFIG).restore(state)
    assert int(restored.step) == 1


def test_the_checksum_sees_every_bit_and_every_place():
    checksum = training.checkpoints._checksum
    x = jnp.arange(6.0).reshape(2, 3)
    value = checksum({"x": x})
    bits = np.asarray(x).view(np.uint32)
    for i in range(6):
        for bit in (0, 13, 31):
            other = bits.copy()
            other.flat[i] ^= 1 << bit
            assert checksum({"x": jnp.asarray(other.view(np.float32))}) != value
    assert checksum({"x": x[::-1]}) != value
    assert checksum({"x": x[:1], "y": x[1:]}) != checksum({"x": x[1:], "y": x[:1]})


def test_when_no_checkpoint_is_intact_nothing_is_deleted(state, tmp_path):
    saved(tmp_path, state, [1])
    damage(tmp_path, "last", 1, flip)
    checkpoints = Checkpointer(tmp_path, CONFIG)
    with (
        pytest.warns(RuntimeWarning, match="cannot be used"),
        pytest.raises(ValueError, match=r"no checkpoint in .*last is intact"),
    ):
        checkpoints.restore(state)
    assert (tmp_path / "last" / "1").exists()


def test_a_save_that_was_cut_off_is_no_checkpoint(state, tmp_path):
    saved(tmp_path, state, [1])
    (tmp_path / "last" / "2.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    restored, _ = Checkpointer(tmp_path, CONFIG).restore(state)
    assert int(restored.step) == 1


# Other states than TrainState, and other leaves than arrays of JAX


def of_kinds():
    """Leaves of every kind that a state may hold."""
    return {
        "step": 3,
        "numpy": np.array([1, 2**40 + 1, -3]),
        "double": np.array([[0.1], [np.nan]]),
        "swapped": np.arange(3, dtype=">f4"),
        "scalar": np.float32(0.1),
        "wide": np.float64(0.1),
        "complex": jnp.array([1 + 2j, -0.5j], jnp.complex64),
        "complex of numpy": np.array([1 + 2j]),
        "numbers": (True, 2**40, 0.1, 1 - 1j),
        "half": np.array([1.5, 2.5], jnp.bfloat16),
        "empty": np.zeros((0, 2)),
        "nested": [{"x": jnp.ones(2), "nothing": None}],
        "key": jax.random.key(4),
    }


def assert_same_leaves(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    pairs = zip(plain_kinds(got), plain_kinds(expected), strict=True)
    for (kind, x), (other, y) in pairs:
        assert kind is other
        assert x.dtype.newbyteorder("=") == y.dtype.newbyteorder("=")
        np.testing.assert_array_equal(x, y)


def plain_kinds(tree):
    return [(type(x), np.asarray(jax.random.key_data(x)
             if jnp.issubdtype(getattr(x, "dtype", np.float32), jax.dtypes.prng_key) else x))
            for x in jax.tree.leaves(tree)]  # fmt: skip


def test_a_mapping_with_leaves_of_every_kind(tmp_path):
    state = of_kinds()
    zeros = jax.tree.map(lambda x: x if isinstance(x, jax.Array) else type(x)(0)
                         if np.ndim(x) == 0 else np.zeros_like(x), state)  # fmt: skip
    checkpoints = Checkpointer(tmp_path, CONFIG)
    checkpoints.save(state)
    assert_same_leaves(checkpoints.restore(zeros)[0], state)
    fields = ("numbers", "complex of numpy", "key", "empty")
    got = checkpoints.restore_fields({name: zeros[name] for name in fields})
    assert_same_leaves(got, {name: state[name] for name in fields})
    checkpoints.close()


@pytest.mark.slow
def test_a_state_of_flax_before_and_after_its_first_step(tmp_path):
    model, optimizer = nn.Dense(3), optax.adam(0.1)
    params = model.init(jax.random.key(0), jnp.ones((1, 2)))["params"]
    fresh = flax_states.TrainState.create(apply_fn=model.apply, params=params, tx=optimizer)
    checkpoints = Checkpointer(tmp_path, CONFIG)
    # Its step is a Python number first and an array then.
    later = jax.jit(lambda state: state.apply_gradients(grads=state.params))(fresh)
    for state in (fresh, later):
        checkpoints.save(state)
        restored, _ = checkpoints.restore(fresh)
        assert restored.step == state.step
        assert type(restored.step) is int
        assert_same_leaves(restored.replace(step=0), state.replace(step=0))
        assert checkpoints.restore(later)[0].step.dtype == later.step.dtype
    checkpoints.close()


def test_what_cannot_be_kept_is_named(tmp_path):
    checkpoints = Checkpointer(tmp_path, CONFIG)
    with pytest.raises(TypeError, match="got str at nested/0/name"):
        checkpoints.save({"step": 1, "nested": [{"name": "x"}]})
    with pytest.raises(TypeError, match=r"got an array of .*U1 at x"):
        checkpoints.save({"step": 1, "x": np.array(["a"])})
    with pytest.raises(TypeError, match=r"field or key 'step', got a mapping with \['x'\]"):
        checkpoints.save({"x": 1})
    with pytest.raises(TypeError, match="field or key 'step', got tuple"):
        checkpoints.save((1, 2))


class Wider(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(3)(nn.Dense(5, name="first")(x))


@pytest.mark.slow
def test_another_network_or_optimizer_is_told_by_its_leaves(state, tmp_path, recwarn):
    saved(tmp_path, state, [1, 2])
    checkpoints = Checkpointer(tmp_path, CONFIG)
    objective, inputs, key = sf.objectives.cost_sensitive_f_beta(), jnp.zeros((1, 2)), state.key
    wider = training.initial_state(Wider(), objective, optax.adamw(0.1), key, inputs, 3)
    with pytest.raises(ValueError, match="another network or optimizer") as refused:
        checkpoints.restore(wider)
    message = str(refused.value)
    assert "params/Dense_0/kernel is float32[2,4] there and float32[5,3] here" in message
    assert "params/first/bias is missing there and float32[5] here" in message
    assert " more" in message
    other = training.initial_state(Network(), objective, optax.sgd(0.1), key, inputs, 3)
    with pytest.raises(
        ValueError, match="optimizer_state/0/count is int32\\[\\] there and missing"
    ):
        checkpoints.restore(other)
    half = jax.tree.map(lambda x: x.astype(jnp.float16), state.model_state)
    with pytest.raises(ValueError, match=r"mean is float32\[4\] there and float16\[4\] here"):
        checkpoints.restore_fields({"model_state": half})
    # Nothing is wrong with them, and nothing is warned of or deleted.
    assert not [w for w in recwarn if "cannot be used" in str(w.message)]
    assert int(checkpoints.restore(state)[0].step) == 2


@pytest.mark.slow
def test_parameters_come_without_the_optimizer(state, tmp_path):
    saved(tmp_path, state, [1, 2], [0.5, 0.1])
    # The optimizer's arrays are gone, and are not asked for.
    for path in (tmp_path / "last" / "2").rglob("optimizer_state*"):
        path.unlink()
    fresh = initial(sf.objectives.cost_sensitive_f_beta())
    checkpoints = Checkpointer(tmp_path, CONFIG)
    like = {"params": fresh.params, "model_state": fresh.model_state}
    expected = {"params": state.params, "model_state": state.model_state}
    assert_same_bits(checkpoints.restore_fields(like), expected)
    assert_same_bits(checkpoints.restore_fields(jax.eval_shape(lambda: like)), expected)
    assert int(checkpoints.restore_fields({"step": fresh.step}, best=True)["step"]) == 1
    with pytest.raises(ValueError, match="weights is missing there"):
        checkpoints.restore_fields({"weights": fresh.step})
    assert Checkpointer(tmp_path / "other", CONFIG).restore_fields(like) is None


class Unsteady:
    """A checkpoint manager whose file system fails for a while."""

    def __init__(self, manager, step):
        self._manager, self._step, self.fails = manager, step, True

    def __getattr__(self, name):
        return getattr(self._manager, name)

    def restore(self, step, **options):
        if self.fails and step == self._step:
            raise OSError(5, "Input/output error")
        return self._manager.restore(step, **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["last", "best"])
def test_an_error_of_reading_deletes_nothing(name, state, tmp_path):
    saved(tmp_path, state, [1], [0.5])
    if name == "last":
        saved(tmp_path, state, [2])
    checkpoints = Checkpointer(tmp_path, CONFIG)
    unsteady = Unsteady(getattr(checkpoints, f"_{name}"), 2 if name == "last" else 1)
    setattr(checkpoints, f"_{name}", unsteady)
    if name == "last":
        with pytest.warns(RuntimeWarning, match="last/2 cannot be used: OSError"):
            assert int(checkpoints.restore(state)[0].step) == 1
    else:
        # Not known to be worse than what comes now.
        checkpoints._best_values.clear()
        checkpoints.save(at(state, 3), None, {"micro_f1": 0.2})
    unsteady.fails = False
    if name == "last":
        assert int(checkpoints.restore(state)[0].step) == 2
    else:
        assert checkpoints.restore_best(state)[1]["micro_f1"] == 0.5
    checkpoints.close()


def test_mistakes(state, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="keep must be >= 1, got 0"):
        Checkpointer(tmp_path, CONFIG, keep=0)
    checkpoints = Checkpointer(tmp_path, CONFIG)
    with pytest.raises(TypeError, match="JSON"):
        checkpoints.save(state, object())
    with pytest.raises(KeyError, match="micro_f1"):
        checkpoints.save(state, None, {"macro_f1": 0.5})
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(ImportError, match="pip install 'sigmoidf1-jax\\[experiments\\]'"):
        Checkpointer(tmp_path, CONFIG)


def test_fields_that_may_differ_are_kept_but_not_compared(state, tmp_path):
    saved(tmp_path, state, [3])
    longer = {**CONFIG, "rate": 0.2}
    with pytest.raises(ValueError, match=r"rate is 0\.1 there and 0\.2 here"):
        Checkpointer(tmp_path, longer)
    checkpoints = Checkpointer(tmp_path, longer, may_differ=("rate",))
    assert checkpoints.saved_config == {"loss": "soft_f1", "hidden": [8, 4], "rate": 0.1}
    checkpoints.save(at(state, 4))
    checkpoints.close()
    assert Checkpointer(tmp_path, longer, may_differ=("rate",)).saved_config["rate"] == 0.2
    assert Checkpointer(tmp_path / "new", longer).saved_config is None


@pytest.mark.slow
@pytest.mark.parametrize("metrics", [None, {"micro_f1": 0.6}])
def test_a_full_disk_is_an_error_that_says_so_and_keeps_what_is_there(state, tmp_path, metrics):
    saved(tmp_path, state, [1], [0.5])
    checkpoints = Checkpointer(tmp_path, CONFIG)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_and_close():
        checkpoints.save(at(state, 2), None, metrics)
        checkpoints.close()

    # Writing fails in the background or at once, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as full:
            save_and_close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert full.value.errno == errno.EFBIG
    assert checkpoints.last_step == 1
    again = Checkpointer(tmp_path, CONFIG)
    # 2 where the rest was written in the background after the limit was gone.
    assert int(again.restore(state)[0].step) in (1, 2)
    assert int(again.restore_best(state)[0].step) in (1, 2)
    again.save(at(state, 3), None, {"micro_f1": 0.7})
    again.close()
    assert int(Checkpointer(tmp_path, CONFIG).restore_best(state)[0].step) == 3


def test_a_folder_that_orbax_could_not_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"folder must be a path without \[ \*, which Orbax"):
        Checkpointer(tmp_path / "run [*]", CONFIG)
    assert not list(tmp_path.iterdir())
