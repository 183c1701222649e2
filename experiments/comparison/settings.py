"""What a comparison is given, and what of it determines the results."""

import dataclasses
from typing import Annotated

import tyro

from experiments import datasets
from experiments.decision_rules import DEFAULT, RULES
from experiments.errors import UserError, check_at_least
from experiments.systems import BASELINE, MAIN_SYSTEMS, SYSTEMS
from experiments.tuning import Plan


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is compared, on what and how; the command adds where to."""

    dataset: Annotated[str, tyro.conf.arg(help=datasets.HELP)] = "yeast"
    data: tyro.conf.OmitArgPrefixes[datasets.Options] = dataclasses.field(
        default_factory=datasets.Options
    )
    """Which columns are labels, and which labels and examples stay."""
    losses: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            help='Losses to compare, or "all" (default: the first eight). '
            f"{BASELINE} is always there. Known: {', '.join(SYSTEMS)}."
        ),
    ] = ()
    decisions: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            help='Decision rules to cross the losses with, or "all"; more than three draw a heat '
            f"map. Known: {', '.join(RULES)}."
        ),
    ] = DEFAULT
    seeds: int = 10
    """Number of splits and initialisations, each with a seed of its own."""
    epochs: int = 60
    """Passes over the training rows; the best epoch on validation counts."""
    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    batch_size: int = 256
    """Rows in a training step."""
    budget: int = 8
    """Hyperparameter settings tried per loss, on validation."""

    def checked(self) -> "Settings":
        """The same with names in order, and the baseline and the default rules among them.

        Raises:
          UserError: unknown names, numbers out of range.
        """
        losses = tuple(SYSTEMS) if self.losses == ("all",) else self.losses or tuple(MAIN_SYSTEMS)
        unknown = [name for name in losses if name not in SYSTEMS]
        if unknown:
            raise UserError(
                f"unknown loss {', '.join(map(repr, unknown))}; known: {', '.join(SYSTEMS)}"
            )
        rules = tuple(RULES) if self.decisions == ("all",) else self.decisions
        unknown = [name for name in rules if name not in RULES]
        if unknown:
            raise UserError(
                f"unknown decision {', '.join(map(repr, unknown))}; known: all, {', '.join(RULES)}"
            )
        check_at_least(self, 1, "seeds", "epochs", "batch_size", "budget", "hidden")
        return dataclasses.replace(
            self,
            losses=tuple(name for name in SYSTEMS if name in losses or name == BASELINE),
            # The default rules are always there: the baseline is one of them.
            decisions=tuple(name for name in RULES if name in {*rules, *DEFAULT}),
        )

    def plan(self) -> Plan:
        """What every system is given besides the problem."""
        return Plan(self.epochs, self.hidden, self.batch_size, self.budget)

    def config(self) -> dict[str, object]:
        """What determines the results."""
        of = dataclasses.asdict(self)
        config = {field.name: of[field.name] for field in dataclasses.fields(Settings)}
        # What the folder of prepared data holds counts, by its fingerprint, not where it is.
        del config["data"]["data_dir"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}
