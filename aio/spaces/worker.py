"""The GPU's side of a call: runs in the process that `spaces` forks, with an engine that stays warm there."""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from aio.engines import create
from aio.graph.draw import Drawn
from aio.machine import faults
from aio.spaces import plain
from aio.stop import LOOK, Stop
from aio.values import Artifacts

GRACE = 2.0
"""Seconds that a stopped engine has to end, before the call returns without it."""


@dataclass(frozen=True, slots=True)
class Call:
    """Everything that a call takes, picklable.

    Attributes:
        engine: name. drawn, metadata: see aio.engine.Engine.
        seconds: what the decorator asks for. flag: path of the file that the run's stop shares.
    """

    engine: str
    drawn: Drawn
    metadata: Mapping[str, str]
    seconds: int
    flag: str


def work(call: Call) -> Iterator[plain.Item]:
    """Run a call's graph; yield its events while it runs, at the end what it made or why it failed."""
    stop, items, done = Stop(call.flag), queue.SimpleQueue[plain.Item | None](), Future[Artifacts]()
    try:
        stop.check()   # while it stood in line
        engine = create(call.engine, call.drawn.request.config)
    except BaseException as error:
        yield _failed(error)
        return

    def execute() -> None:
        try:
            made = engine.execute(call.drawn, lambda event: items.put(plain.event(event)), stop, metadata=call.metadata)
            done.set_result(made)
        except BaseException as error:   # also ComfyUI's own interruption; it belongs to whoever waits
            done.set_exception(error)

    done.add_done_callback(lambda _: items.put(None))
    threading.Thread(target=contextvars.copy_context().run, args=(execute,), daemon=True).start()
    while not stop.is_set():
        with contextlib.suppress(queue.Empty):
            item = items.get(timeout=LOOK)
            if item is None:
                break
            yield item
    try:
        outcome = plain.made(stop.result(done, GRACE))
    except BaseException as error:
        outcome = _failed(error)
    yield outcome


def _failed(error: BaseException) -> plain.Item:
    return plain.failed(faults.known(error, log=faults.SPACE))
