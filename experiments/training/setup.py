"""Everything that training needs, made from its settings."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import sigmoidf1_jax as sf
from experiments import datasets
from experiments.datasets.dataset import Rows, fingerprint
from experiments.errors import UserError
from experiments.problem import Problem, dense, make_problem
from experiments.systems import SYSTEMS
from experiments.training import batches
from experiments.training.batches import InMemory
from experiments.training.settings import Settings
from experiments.tuning_space import System
from sigmoidf1_jax import training
from sigmoidf1_jax.training import TrainState


class Setup(NamedTuple):
    """Everything that training needs, made from the settings."""

    settings: Settings
    problem: Problem
    data: InMemory
    train: Rows
    validation: Rows
    test: Rows
    system: System
    model: nn.Module
    objective: sf.Objective | sf.StatefulObjective
    optimizer: optax.GradientTransformation
    mesh: Mesh
    batch_size: int
    per_epoch: int

    def config(self) -> dict[str, object]:
        """What determines the result: the settings, and what is in the data."""
        return {**self.settings.config(), "fingerprint": fingerprint(self.problem.dataset)}

    def initial_state(self) -> TrainState:
        """The state before the first step; abstract under `jax.eval_shape`."""
        inputs = jnp.zeros((1, self.data.features.shape[1]), jnp.float32)
        key = jax.random.key(self.settings.seed)
        num_labels = self.data.labels.shape[1]
        return training.initial_state(
            self.model, self.objective, self.optimizer, key, inputs, num_labels
        )

    def step(self, micro_batches: int) -> training.Step:
        """The training step on one device."""
        return training.train_step(
            self.model, self.objective, self.optimizer, micro_batches=micro_batches
        )

    def layout(self) -> NamedSharding | TrainState:
        """Where the arrays of the state are: everywhere, or divided along their labels."""
        if self.settings.label_devices == 1:
            return NamedSharding(self.mesh, PartitionSpec())
        shapes = jax.eval_shape(self.initial_state)
        return training.label_sharding(shapes, self.data.labels.shape[1], self.mesh)


def prepare(settings: Settings) -> Setup:
    """Data, split, model, objective, optimizer and devices.

    Raises:
      UserError: parts that do not fit each other.
    """
    settings.check()
    dataset = dense(datasets.load(settings.dataset, settings.data))
    problem = make_problem(dataset, seeds=1, first=settings.seed)
    train, validation, test = problem.splits.of_seed(0)
    labels, where = dataset.labels, problem.where
    fill = None if problem.fill is None else problem.fill[0]
    data = InMemory(dataset.features, labels, where, problem.shift[0], problem.scale[0], fill)

    system, num_labels = SYSTEMS[settings.loss], labels.shape[1]
    model = system.network(num_labels, settings.hidden)
    batch_size = min(settings.batch_size, len(train))
    per_epoch = batches.steps_per_epoch(len(train), batch_size)
    rate: optax.ScalarOrSchedule = settings.learning_rate
    if settings.schedule == "cosine":
        rate = optax.cosine_decay_schedule(rate, per_epoch * settings.epochs)
    optimizer = optax.adamw(rate, weight_decay=settings.weight_decay)
    try:
        objective: Any = system.objective(
            **settings.hyperparameters(), **system.from_labels(labels[train], where[train])
        )
        if settings.moving_decay is not None:
            objective = training.moving(objective, settings.moving_decay)
        mesh = training.make_mesh(settings.label_devices)
        setup = Setup(
            settings, problem, data, train, validation, test, system, model, objective, optimizer,
            mesh, batch_size, per_epoch,
        )  # fmt: skip
        setup.layout()
        # Traced here, so that a loss that cannot be trained so says so before anything is written.
        shapes_of_step(setup, settings.micro_batches)
    except (TypeError, ValueError) as error:
        raise UserError(f"cannot train {settings.loss} so: {error}") from error
    if jax.local_device_count() % settings.label_devices:
        raise UserError(
            f"--label-devices must divide the {jax.local_device_count()} devices of a process, "
            f"got {settings.label_devices}"
        )
    if not settings.padding:
        parts = mesh.shape["batch"] * settings.micro_batches
        left = len(train) % batch_size or batch_size
        for size, name in ((batch_size, "a batch"), (left, "the last batch of an epoch")):
            if size % parts:
                raise UserError(
                    f"{name} has {size} examples, which {parts} devices x micro-batches do not "
                    "divide, and padding is off (--no-padding)"
                )
    return setup


def shapes_of_step(setup: Setup, micro_batches: int) -> tuple[TrainState, training.Batch]:
    """State and one device's batch as shapes, checked by tracing the step."""
    state = jax.eval_shape(setup.initial_state)
    rows = -(-setup.batch_size // setup.mesh.shape["batch"])
    batch = jax.eval_shape(lambda: setup.data.read(setup.train[:1].repeat(rows)))
    jax.eval_shape(setup.step(micro_batches), state, batch)
    return state, batch
