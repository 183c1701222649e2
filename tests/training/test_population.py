"""Population training: the same runs as a plain loop, selected honestly."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sigmoidf1_jax as sf
from sigmoidf1_jax import models, training


def problem(examples=60, features=4, labels=3, seeds=2):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, features)).astype(np.float32)
    y = (x @ rng.normal(size=(features, labels)) + rng.normal(size=(examples, labels))) > 0.3
    orders = [np.random.default_rng(s).permutation(examples) for s in range(seeds)]
    train = np.stack([o[:40] for o in orders])
    validation = np.stack([o[40:] for o in orders])
    shift = np.stack([x[t].mean(0) for t in train])
    scale = np.stack([1 / x[t].std(0) for t in train])
    return x, y, training.Split(train, validation, shift, scale)


def micro_f1(logits, labels, where):
    value = sf.metrics.f1(logits >= 0, labels, average="micro", where=where)
    return jnp.stack([value, -value])


SETTINGS = [
    training.Setting(sf.objectives.sigmoid_f1(slope=s, average="micro"), lr, 0.01)
    for s, lr in ((1.0, 1e-2), (3.0, 3e-2))
]
KEYS = jax.random.split(jax.random.key(1), 2)
MODEL = models.MLP(3, (8,))


def train(**changes):
    x, y, split = problem()
    arguments = {"epochs": 4, "batch_size": 16, "criteria": micro_f1, **changes}
    return training.population(
        arguments.pop("model", MODEL),
        arguments.pop("settings", training.stack(SETTINGS)),
        arguments.pop("features", x),
        arguments.pop("labels", y),
        arguments.pop("split", split),
        KEYS,
        **arguments,
    )


@pytest.mark.slow
def test_a_run_equals_a_plain_training_loop():
    x, y, split = problem()
    result = train(epochs=1, batch_size=40)
    for seed in range(2):
        for k, setting in enumerate(SETTINGS):
            rows = split.train[seed]
            inputs = (x - split.shift[seed]) * split.scale[seed]
            params = MODEL.init(KEYS[seed], inputs[:1])
            optimizer = optax.adamw(setting.learning_rate, weight_decay=setting.weight_decay)

            # One full batch: its order does not matter.
            def loss(p, setting=setting, inputs=inputs, rows=rows):
                return setting.objective(MODEL.apply(p, inputs[rows]), y[rows])

            value, gradient = jax.value_and_grad(loss)(params)
            updates, _ = optimizer.update(gradient, optimizer.init(params), params)
            expected = optax.apply_updates(params, updates)
            np.testing.assert_allclose(result.loss[seed, k, 0], value, rtol=1e-5)
            for got, want in zip(
                jax.tree.leaves(result.params), jax.tree.leaves(expected), strict=True
            ):
                np.testing.assert_allclose(got[seed, k, 0], want, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_best_epoch_of_each_criterion_is_kept():
    result = train(epochs=6)
    assert result.criteria.shape == (2, 2, 6, 2)
    np.testing.assert_allclose(result.best, result.criteria.max(2))
    np.testing.assert_array_equal(result.best_epoch, result.criteria.argmax(2))
    x, y, split = problem()
    for seed in range(2):
        rows = split.validation[seed]
        inputs = (x[rows] - split.shift[seed]) * split.scale[seed]
        for k in range(2):
            for m in range(2):
                params = jax.tree.map(lambda p, s=seed, k=k, m=m: p[s, k, m], result.params)
                value = micro_f1(MODEL.apply(params, inputs), y[rows], np.ones((20, 3), bool))[m]
                np.testing.assert_allclose(value, result.best[seed, k, m], rtol=1e-5)


@pytest.mark.slow
def test_padded_rows_and_masked_labels_count_for_nothing():
    x, y, split = problem()
    plain = train()
    padded = split._replace(
        train=np.pad(split.train, ((0, 0), (0, 5)), constant_values=-1),
        validation=np.pad(split.validation, ((0, 0), (0, 3)), constant_values=-1),
    )
    # The same shuffling needs the same number of rows, so compare what does not depend on it.
    np.testing.assert_allclose(
        train(split=padded, epochs=1, batch_size=64).loss,
        train(epochs=1, batch_size=64).loss,
        rtol=1e-5,
    )
    where = np.ones(y.shape, bool)
    where[:, 1] = False
    wrong = y.copy()
    wrong[:, 1] = ~wrong[:, 1]
    a, b = train(where=where), train(where=where, labels=wrong)
    np.testing.assert_array_equal(a.loss, b.loss)
    assert not np.array_equal(a.loss, plain.loss)


@pytest.mark.slow
def test_batches_of_padding_change_nothing_to_the_last_bit():
    _, _, split = problem()
    settings = [
        training.Setting(training.moving(sf.objectives.sigmoid_f1(slope=s)), 1e-2, 0.1)
        for s in (1.0, 2.0)
    ]
    options = {"settings": training.stack(settings), "batch_size": 8, "epochs": 2}
    # Two batches more per epoch: Adam's moments, weight decay and the average would move on them.
    padded = split._replace(train=np.pad(split.train, ((0, 0), (0, 16)), constant_values=-1))
    plain, more = train(**options), train(split=padded, **options)
    jax.tree.map(np.testing.assert_array_equal, plain, more)


class Frozen(nn.Module):
    """A normalisation whose statistics nothing may change."""

    @nn.compact
    def __call__(self, x, train=False):
        mean = lambda key, shape: jnp.full(shape, 0.5)  # noqa: E731
        offset = self.variable("batch_stats", "offset", mean, None, (4,))
        x = nn.BatchNorm(use_running_average=not train)(x - offset.value)
        return nn.Dense(3)(x)


@pytest.mark.slow
def test_only_parameters_are_trained():
    x, y, split = problem()
    result = train(model=Frozen(), batch_size=40, epochs=3)
    fresh = Frozen().init(KEYS[0], x[:1])
    for got, expected in zip(
        jax.tree.leaves(result.params["batch_stats"]), jax.tree.leaves(fresh["batch_stats"]),
        strict=True,
    ):  # fmt: skip
        assert got.shape == (2, 2, 2, *expected.shape)
        assert (got == expected).all()
    assert not np.allclose(result.params["params"]["Dense_0"]["kernel"][0, 0, 0],
                           fresh["params"]["Dense_0"]["kernel"])  # fmt: skip
    inputs = (x[split.validation[1]] - split.shift[1]) * split.scale[1]
    chosen = jax.tree.map(lambda p: p[1, 0, 0], result.params)
    value = micro_f1(Frozen().apply(chosen, inputs), y[split.validation[1]], np.ones((20, 3), bool))
    np.testing.assert_allclose(value[0], result.best[1, 0, 0], rtol=1e-5)


class Dropped(nn.Module):
    rate: float

    @nn.compact
    def __call__(self, x, training=False):
        return nn.Dense(3)(nn.Dropout(self.rate, deterministic=not training)(x))


class Off(nn.Module):
    @nn.compact
    def __call__(self, x, phase="evaluate"):
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=phase == "evaluate")(x))


@pytest.mark.slow
def test_dropout_is_on_in_training_or_refused():
    plain, dropped = (train(model=Dropped(rate), epochs=1, batch_size=40) for rate in (0.0, 0.5))
    # One full batch: the first loss differs by what was dropped, nothing else.
    assert (np.abs(plain.loss - dropped.loss) > 1e-3).all()
    with pytest.raises(ValueError, match="would train with Dropout_0 in evaluation mode"):
        train(model=Off())


@pytest.mark.slow
def test_a_run_that_is_not_finite_is_never_selected_over_a_finite_one():
    def sometimes_nan(logits, labels, where):
        return jnp.where(jnp.isfinite(logits).all(), 1.0, jnp.nan)[None]

    settings = [training.Setting(sf.objectives.binary_cross_entropy(), lr) for lr in (1e-2, np.inf)]
    result = train(settings=training.stack(settings), criteria=sometimes_nan)
    assert np.isfinite(result.best[:, 0]).all()
    assert (result.best_epoch[:, 1] == -1).all()


@pytest.mark.slow
def test_progress_is_told_of_every_epoch():
    seen = []
    train(epochs=5, progress=lambda epoch: seen.append(int(epoch)))
    jax.effects_barrier()
    assert sorted(seen) == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_an_interruption_ends_it_after_the_epoch():
    def interrupt(epoch):
        seen.append(epoch)
        raise KeyboardInterrupt

    seen = []
    with pytest.raises(KeyboardInterrupt):
        train(epochs=1000, progress=interrupt)
    assert seen == [0]


@pytest.mark.slow
def test_features_that_are_not_known_are_filled_by_seed():
    x, _, split = problem()
    fill = np.stack([np.full(4, 0.5), np.full(4, -1.0)]).astype(np.float32)
    hole = np.random.default_rng(3).random(x.shape) < 0.2
    hole[0] = True  # the row that the network is initialised with
    filled = train(features=np.where(hole, np.nan, x), split=split._replace(fill=fill))
    for seed in range(2):
        plain = train(features=np.where(hole, fill[seed], x))
        for one, other in zip(
            jax.tree.leaves(filled), jax.tree.leaves(plain), strict=True
        ):  # as the seeds differ in what is filled in, each is compared with its own
            np.testing.assert_array_equal(one[seed], other[seed])


def test_settings_of_different_objectives_do_not_stack():
    with pytest.raises(ValueError, match="one objective"):
        training.stack(
            [
                training.Setting(sf.objectives.soft_f1()),
                training.Setting(sf.objectives.soft_f1(average="micro")),
            ]
        )
    with pytest.raises(ValueError, match="must not be empty"):
        training.stack([])


def test_multi_steps_of_what_is_no_mean_is_refused():
    def every_second(learning_rate, weight_decay):
        inner = optax.adamw(learning_rate, weight_decay=weight_decay)
        return optax.MultiSteps(inner, 2).gradient_transformation()

    with pytest.raises(ValueError, match=r"MultiSteps.* micro_batches="):
        train(optimizer=every_second, epochs=1)


def test_bad_input_is_named():
    x, y, split = problem()
    with pytest.raises(ValueError, match="epochs and batch_size must be >= 1, got 0 and 16"):
        train(epochs=0)
    with pytest.raises(ValueError, match="the validation split of a seed has no rows"):
        train(split=split._replace(validation=np.full((2, 3), -1)))
    with pytest.raises(ValueError, match="prefix"):
        train(features=x[:-1])
