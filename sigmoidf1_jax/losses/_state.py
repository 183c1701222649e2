"""How a loss with a state offers its first one: as `loss.init`."""

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
Init = TypeVar("Init")
Init_co = TypeVar("Init_co", covariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class _WithInit(Protocol[P, Result_co, Init_co]):
    """A function with an attribute, which no annotation of a plain function can say."""

    @property
    def init(self) -> Init_co: ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result_co: ...


def with_init(
    init: Init,
) -> Callable[[Callable[P, Result_co]], _WithInit[P, Result_co, Init]]:
    """Sets a function's attribute `init` and returns the function as it is."""

    def decorate(function: Callable[P, Result_co]) -> _WithInit[P, Result_co, Init]:
        annotated: Any = function
        annotated.init = init
        return annotated

    return decorate
