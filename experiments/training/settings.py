"""What a training run is given, and what of it determines the result."""

import dataclasses
import json
import math
from typing import Annotated, Literal

import tyro

from experiments import datasets
from experiments.errors import UserError, check_at_least, flag
from experiments.systems import SYSTEMS
from experiments.tuning_space import OPTIMIZER_SPACE
from sigmoidf1_jax.training.parallel import How

EXTENDABLE = ("epochs",)
"""Settings that may differ when a run goes on, and that are no part of its folder's name."""
_UNDETERMINING = ("how", "label_devices", "checkpoint_every")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is trained, on what and how; the command adds where to and in which processes."""

    dataset: Annotated[str, tyro.conf.arg(help=datasets.HELP)] = "yeast"
    data: tyro.conf.OmitArgPrefixes[datasets.Options] = dataclasses.field(
        default_factory=datasets.Options
    )
    """Which columns are labels, and which labels and examples stay."""
    loss: Annotated[str, tyro.conf.arg(help=f"The loss: {', '.join(SYSTEMS)}.")] = "sigmoid_f1"
    hyper: tuple[str, ...] = ()
    """Hyperparameters of the loss as KEY=VALUE, where they are not the defaults."""
    moving_decay: float | None = None
    """Decay of a moving average of the loss's statistics, in [0, 1), for small batches."""
    micro_batches: int = 1
    """Parts in which a device computes its batch, to save memory; the gradient stays exact."""
    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    learning_rate: float = OPTIMIZER_SPACE["learning_rate"][0]
    """Of AdamW, at the first step."""
    weight_decay: float = OPTIMIZER_SPACE["weight_decay"][0]
    """Of AdamW."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """The learning rate over steps: down to 0 at the last one, or constant."""
    epochs: int = 60
    """Passes over the training rows; more than before extend the run in the same folder."""
    batch_size: int = 256
    """Examples in a step, of all devices together."""
    seed: int = 0
    """Of the split, the initial parameters and the order of examples."""
    how: How = "shard_map"
    """How a step is divided over devices."""
    label_devices: int = 1
    """Devices over which labels are divided, with --how jit; the others divide the batch."""
    padding: bool = True
    """Pads batches that do not divide evenly with rows that do not count."""
    evaluate_every: int = 1
    """Epochs between evaluations on validation."""
    select: Literal["micro_f1", "macro_f1", "samples_f1"] = "micro_f1"
    """Metric on validation, at 0.5, that the best checkpoint is chosen by."""
    checkpoint_every: int = 100
    """Steps between checkpoints, besides those after each evaluation."""

    def check(self) -> None:
        """Refuses what cannot be trained.

        Raises:
          UserError: unknown names, numbers out of range.
        """
        if self.loss not in SYSTEMS:
            raise UserError(f"unknown loss {self.loss!r}; known: {', '.join(SYSTEMS)}")
        self.hyperparameters()
        counts = ("micro_batches", "epochs", "batch_size", "label_devices", "evaluate_every")
        check_at_least(self, 1, *counts, "checkpoint_every", "hidden")
        for name in ("learning_rate", "weight_decay", "seed"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UserError(f"{flag(name)} must be >= 0 and finite, got {value}")
        if self.label_devices > 1 and self.how != "jit":
            raise UserError(f"--label-devices > 1 needs --how jit, got --how {self.how}")

    def hyperparameters(self) -> dict[str, float]:
        """The loss's hyperparameters: the defaults, and what --hyper says."""
        chosen = {name: values[0] for name, values in SYSTEMS[self.loss].space.items()}
        for text in self.hyper:
            name, _, value = text.partition("=")
            if name not in chosen:
                known = ", ".join(chosen) or "none"
                raise UserError(
                    f"--hyper {text}: {self.loss} has no hyperparameter {name!r}; known: {known}"
                )
            try:
                chosen[name] = float(value)
            except ValueError:
                raise UserError(f"--hyper {text}: expected KEY=NUMBER") from None
        return chosen

    def config(self) -> dict[str, object]:
        """What determines the result, wherever and on however many devices it is computed."""
        of = dataclasses.asdict(self)
        names = [field.name for field in dataclasses.fields(Settings)]
        config = {name: of[name] for name in names if name not in _UNDETERMINING}
        # What the folder of prepared data holds counts, by its fingerprint, not where it is.
        del config["data"]["data_dir"]
        config["hyper"] = self.hyperparameters()
        # As it will be read again: JSON has lists only.
        plain: dict[str, object] = json.loads(json.dumps(config))
        return plain
