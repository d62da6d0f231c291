"""Patience with a limit: questions that must be answered in time, and a client whose connection is cut when too little comes.

An HTTP library waits for each byte, never for the whole: a server that sends one byte now and then, in a header or in a body,
would hold a run for ever.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from aio.config.download import Download

T = TypeVar("T")
_TICK = 0.1


class Stopped(Exception):
    """Another transfer failed or the user stopped; what came stays for the next time."""


class TooSlow(Exception):
    """Less came than the slowest pace. `rate`: bytes a second over the last `for_s`."""

    def __init__(self, rate: float):
        self.rate = rate
        super().__init__(f"{rate / 1000:.2g} kB/s")


def within(seconds: float, call: Callable[[], T], stop: threading.Event) -> T:
    """What `call` returns.

    Raises:
        TimeoutError: it takes longer; its thread is left behind and ends with its connection. Stopped: `stop` was set.
    """
    box: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            box.put((call(), None))
        except BaseException as error:   # handed to the one who waits
            box.put((None, error))

    threading.Thread(target=work, daemon=True, name="aio-question").start()
    end = time.monotonic() + seconds
    while not stop.is_set():
        try:
            value, error = box.get(timeout=_TICK)
        except queue.Empty:
            if time.monotonic() > end:
                raise TimeoutError(f"no whole answer in {seconds:g} s") from None
            continue
        if error:
            raise error
        return value
    raise Stopped


class Line:
    """A client of our own for one transfer: huggingface_hub's, but nobody else uses its connections, so that they can be cut."""

    def __init__(self, rules: Download, stop: threading.Event):
        from huggingface_hub.utils import get_session

        shared = get_session()
        self.client = type(shared)(event_hooks=shared.event_hooks, follow_redirects=True, timeout=rules.silent_s)
        self.rules, self.stop = rules, stop
        self.received = 0   # bytes; whoever reads counts here
        self.slow: TooSlow | None = None
        self._sockets: list[Any] = []

    def _trace(self, name: str, info: dict[str, Any]) -> None:
        stream: Any = info.get("return_value")
        if hasattr(stream, "get_extra_info"):   # a new connection, or its TLS layer
            self._sockets.append(stream.get_extra_info("socket"))

    @contextmanager
    def get(self, url: str, headers: dict[str, str]) -> Iterator[Any]:
        """The answer to a GET, whose body is to be read inside.

        Raises:
            TooSlow, Stopped: instead of the connection's own error, when the connection was cut for that.
        """
        done, self.slow = threading.Event(), None
        watch = threading.Thread(target=self._watch, args=(done,), daemon=True, name="aio-watch")
        watch.start()
        try:
            with self.client.stream("GET", url, headers=headers, extensions={"trace": self._trace}) as response:
                yield response
            if self.slow or self.stop.is_set():   # a body without a length ends so, without an error
                raise ConnectionError
        except Exception:
            if self.slow or self.stop.is_set():
                raise self.slow or Stopped from None
            raise
        finally:
            done.set()
            watch.join()

    def _watch(self, done: threading.Event) -> None:
        marks = deque([(time.monotonic(), self.received)])
        while not done.wait(min(_TICK, self.rules.for_s / 10)):
            now = time.monotonic()
            marks.append((now, self.received))
            while len(marks) > 2 and now - marks[1][0] >= self.rules.for_s:
                marks.popleft()
            lasted = now - marks[0][0]
            rate = (self.received - marks[0][1]) / lasted
            if lasted >= self.rules.for_s and rate < self.rules.slowest:
                self.slow = TooSlow(rate)
            if self.slow or self.stop.is_set():
                for sock in self._sockets:
                    with suppress(OSError):   # closed already
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)   # the plain one: TLS would want to talk first

    def close(self) -> None:
        """Give up the connections."""
        self.client.close()
