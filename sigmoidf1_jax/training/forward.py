"""The forward pass that training needs: parameters and what else a network keeps, to logits."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from sigmoidf1_jax.objective import AxisName
from sigmoidf1_jax.training.collectives import names

_TRAINING = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}
"""The arguments by which Flax modules are told their mode, with their values in training."""


class Forward(Protocol):
    """A network in training.

    `params` are what is optimised, `model_state` is what the network itself updates (running
    statistics of normalisation, {} or None if there are none) and `key` is for dropout.
    """

    def __call__(
        self, params: Any, model_state: Any, inputs: Any, key: Array
    ) -> tuple[Float[Array, "examples labels"], Any]: ...


def mode_arguments(model: nn.Module, *, training: bool) -> dict[str, Any]:
    """The arguments that tell a Flax module whether it is training.

    These are the ones among `train`, `training`, `is_training`, `deterministic` and
    `use_running_average` that its `__call__` takes; {} if it takes none.

    Args:
      model: a Flax module. A mode that it was given when it was made (`deterministic=False` as a
        field, say) stays.
      training: True in training, False in evaluation.

    Example:
      >>> import flax.linen as nn
      >>> mode_arguments(nn.Dropout(0.5), training=False)
      {'deterministic': True}
      >>> mode_arguments(nn.Dense(3), training=False)
      {}
    """
    parameters = _parameters(model)
    return {
        name: value if training else not value
        for name, value in _TRAINING.items()
        # Modules refuse a mode that they were given twice, when made and when called.
        if name in parameters
        and (parameters[name].default is not None or getattr(model, name, None) is None)
    }


def forward(model: nn.Module | Forward, *, model_args: Mapping[str, Any] | None = None) -> Forward:
    """The forward pass of a Flax module in training; another callable passes through.

    The module is applied with all its other collections mutable, dropout drawn from the key, and
    told that it is training: `train`, `training` or `is_training` is True, `deterministic` or
    `use_running_average` False where its `__call__` has an argument of that name.

    Args:
      model: a Flax module, or a `Forward` for other networks.
      model_args: further keyword arguments of the module's `__call__` in training, for modules
        that name their mode otherwise; they come before those above. {} says that the module is
        in training as it is: nothing is then looked for.

    Raises:
      TypeError: `model_args` for a network that is no Flax module.
      ValueError: when called, a module that holds dropout or batch statistics which stay in
        evaluation mode, or batch statistics of each device's own examples (see `train_step`).

    Example:
      >>> import flax.linen as nn, jax, jax.numpy as jnp
      >>> class Network(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, mode="evaluate"):
      ...         return nn.Dropout(0.5, deterministic=mode == "evaluate")(x)
      >>> network = forward(Network(), model_args={"mode": "train"})
      >>> logits, _ = network({}, {}, jnp.ones((1, 4)), jax.random.key(0))
      >>> sorted(set(logits[0].tolist()))
      [0.0, 2.0]
    """
    if isinstance(model, nn.Module):
        return Network(model, model_args)
    if model_args is not None:
        raise TypeError(f"model_args are for Flax modules, got them with {model!r}")
    return model


def over_axis(network: Forward, axis_name: AxisName | None) -> Forward:
    """The network as it is called under `axis_name`, where batch statistics must be global."""
    if axis_name is None or not isinstance(network, Network):
        return network
    return dataclasses.replace(network, axis_name=axis_name)


@dataclasses.dataclass(frozen=True)
class Network:
    """See `forward`."""

    model: nn.Module
    model_args: Mapping[str, Any] | None
    axis_name: AxisName | None = None

    def init(self, key: Array, inputs: Any) -> dict[str, Any]:
        """The variables of the module, made in training mode."""
        # Parameters as from the key alone: each kind of draw has a key of its own.
        keys = {"params": key, "dropout": jax.random.fold_in(key, 1)}
        return dict(self.model.init(keys, inputs, **self._arguments()))

    def __call__(self, params: Any, model_state: Any, inputs: Any, key: Array) -> tuple[Array, Any]:
        model, arguments = self.model, self._arguments()
        if self.axis_name is not None:
            if "axis_name" in _parameters(model):
                arguments.setdefault("axis_name", self.axis_name)
            elif "axis_name" in model.__dataclass_fields__ and model.axis_name is None:
                model = model.clone(axis_name=self.axis_name)
        state = {} if model_state is None else model_state
        watch = Watch()
        with nn.intercept_methods(watch):
            logits, changed = model.apply(
                {"params": params, **state},
                inputs,
                mutable=list(state),
                rngs={"dropout": key},
                **arguments,
            )
        self._check(watch, state, changed)
        return logits, None if model_state is None else {**state, **changed}

    def _arguments(self) -> dict[str, Any]:
        return {**mode_arguments(self.model, training=True), **(self.model_args or {})}

    def _check(self, watch: "Watch", state: Any, changed: Any) -> None:
        name = type(self.model).__name__
        if self.model_args is None:
            off = watch.dropout_off + watch.statistics_off
            if not (off or watch.statistics_on) and _unchanged(state, changed):
                off = ["batch_stats"]
            modes = mode_arguments(self.model, training=True)
            # With its mode given, what is off is meant to be, unless another switch is left.
            switches = [
                p.name
                for p in _parameters(self.model).values()
                if isinstance(p.default, bool) and p.name not in modes
            ]
            if off and (switches or not modes):
                raise ValueError(
                    f"{name} would train with {', '.join(off)} in evaluation mode: its __call__ "
                    f"takes none of {', '.join(_TRAINING)}"
                    + (f" for it, but {', '.join(switches)}" if switches else "")
                    + "; give the arguments that switch it on as model_args={...}, or "
                    "model_args={} if it is meant so"
                )
        if self.axis_name is not None:
            axes = set(names(self.axis_name))
            local = [path for path, over in watch.statistics_on.items() if not axes <= set(over)]
            if local:
                raise ValueError(
                    f"{', '.join(local)} of {name} would normalise by the examples of each device "
                    f"alone: make it BatchNorm(axis_name={self.axis_name!r}), or give {name} a "
                    "field axis_name that it passes on, for the statistics of the global batch"
                )


_SWITCHED = (nn.Dropout, nn.MultiHeadDotProductAttention, nn.BatchNorm, nn.SpectralNorm)


class Watch:
    """Sees in which mode dropout and batch normalisation are called; for `nn.intercept_methods`."""

    def __init__(self) -> None:
        self.dropout_off: list[str] = []
        self.statistics_off: list[str] = []
        self.statistics_on: dict[str, tuple[str, ...]] = {}
        """With the mapped axes that the statistics are taken over."""

    def __call__(
        self,
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        module = context.module
        if context.method_name == "__call__" and isinstance(module, _SWITCHED):
            path = "/".join(module.path) or type(module).__name__
            given = inspect.signature(type(module).__call__).bind(module, *args, **kwargs).arguments

            def mode(name: str) -> Any:
                own = getattr(module, name, None)
                return given.get(name) if own is None else own

            if isinstance(module, nn.BatchNorm):
                if _is_true(mode("use_running_average")):
                    self.statistics_off.append(path)
                else:
                    over = module.axis_name
                    self.statistics_on[path] = () if over is None else names(over)
            elif isinstance(module, nn.SpectralNorm):
                if not given.get("update_stats"):
                    self.statistics_off.append(path)
            else:
                rate = module.rate if isinstance(module, nn.Dropout) else module.dropout_rate
                if rate and _is_true(mode("deterministic")):
                    self.dropout_off.append(path)
        return call(*args, **kwargs)


def _is_true(mode: Any) -> bool:
    # A traced mode is the network's own business.
    return isinstance(mode, bool) and mode


def _unchanged(state: Any, changed: Any) -> bool:
    """Whether batch statistics, of whatever modules, came out as they went in."""
    before = jax.tree.leaves(state.get("batch_stats", {}))
    after = jax.tree.leaves(changed.get("batch_stats", {}))
    return bool(before) and all(x is y for x, y in zip(before, after, strict=True))


def _parameters(model: nn.Module) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(type(model).__call__).parameters
