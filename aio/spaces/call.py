"""The functions that run on ZeroGPU's cards: one a size, decorated where this module is imported. Elsewhere the decorator is nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from aio.machine.here import on_zerogpu
from aio.spaces.plain import Item
from aio.spaces.worker import Call, work

Function = TypeVar("Function", bound=Callable[..., Any])


def seconds(call: Call) -> int:
    """What a call asks for. `spaces` hands it exactly the call's arguments."""
    return call.seconds


def gpu(size: str) -> Callable[[Function], Function]:
    """Decorate a function of one Call, so that it runs on a card of `size`, in a process of its own.

    Raises:
        TypeError: a coroutine function: what it gives cannot leave the process that made it.
    """

    def decorate(function: Function) -> Function:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__name__} is a coroutine function, which cannot cross to the GPU's process; write a generator")
        if not on_zerogpu():
            return function
        import spaces

        return spaces.GPU(function, duration=seconds, size=size)

    return decorate


# Two functions, since spaces knows a function by itself and fixes its size where it is decorated.


@gpu("large")
def large(call: Call) -> Iterator[Item]:
    """See aio.spaces.worker.work."""
    yield from work(call)


@gpu("xlarge")
def xlarge(call: Call) -> Iterator[Item]:
    """See aio.spaces.worker.work."""
    yield from work(call)


SIZES: Mapping[str, Callable[[Call], Iterator[Item]]] = {"large": large, "xlarge": xlarge}
"""Size -> the function whose calls get it."""
