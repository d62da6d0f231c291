"""The GPU's side of a call: runs in the process that `spaces` forks, with an engine that stays warm there."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aio.engines import create
from aio.errors import Cancelled
from aio.machine import faults
from aio.spaces import plain
from aio.spaces.stop import Flag
from aio.values import Prompt, Request

TICK = 0.1
"""Seconds between two looks at the flag."""

GRACE = 2.0
"""Seconds that a stopped engine has to end, before the call returns without it."""


@dataclass(frozen=True, slots=True)
class Call:
    """Everything that a call takes, picklable.

    Attributes:
        engine: name. prompt, request, metadata: see aio.engine.Engine.
        seconds: what the decorator asks for. flag: path of the run's stop flag.
    """

    engine: str
    prompt: Prompt
    request: Request
    metadata: Mapping[str, str]
    seconds: int
    flag: str


def work(call: Call) -> Iterator[plain.Item]:
    """Run a call's prompt; yield its events while it runs, at the end what it made or why it failed."""
    flag, items = Flag(call.flag), queue.SimpleQueue[plain.Item | None]()
    if flag.is_set():   # while it stood in line
        yield plain.failed(Cancelled("stopped"))
        return
    try:
        engine = create(call.engine, call.request.config)
    except BaseException as error:
        yield plain.failed(faults.known(error, log=faults.SPACE))
        return
    thread = threading.Thread(target=contextvars.copy_context().run, args=(_execute, engine, call, flag, items.put), daemon=True)
    thread.start()
    deadline = None
    while True:
        try:
            item = items.get(timeout=TICK)
        except queue.Empty:
            item = None
        if item is not None:
            yield item
            if item[0] != "event":
                return
        if deadline is None and flag.is_set():
            deadline = time.monotonic() + GRACE
            engine.cancel()
        elif deadline is not None and time.monotonic() > deadline:
            yield plain.failed(Cancelled("stopped; what was running ends by itself and leaves nothing"))
            return


def _execute(engine: Any, call: Call, flag: Flag, put: Any) -> None:
    try:
        try:
            made = _once(engine, call, put)
        except Cancelled:
            if flag.is_set():
                raise
            made = _once(engine, call, put)   # nobody stopped this run: the stop was meant for the one before
        put(plain.made(made))
    except BaseException as error:   # also ComfyUI's own interruption; it belongs to whoever waits
        put(plain.failed(faults.known(error, log=faults.SPACE)))


def _once(engine: Any, call: Call, put: Any) -> Any:
    return engine.execute(call.prompt, call.request, lambda event: put(plain.event(event)), metadata=call.metadata)
