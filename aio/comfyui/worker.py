"""A thread of one's own: takes one piece of work at a time, in the order in which they were asked for."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Worker:
    """A daemon thread, started when it is needed. The work of a process that was forked gets a thread of that process.

    A daemon, so that a program can end although a node does not.
    """

    def __init__(self, name: str):
        self.name = name
        self._lock, self._pid = threading.Lock(), 0
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """Queue `work`; the future gets its result or what it raised."""
        future: Future[Any] = Future()
        with self._lock:
            if self._pid != os.getpid():   # a thread does not survive a fork
                self._pid, self._tasks = os.getpid(), queue.SimpleQueue()
                threading.Thread(target=self._loop, args=(self._tasks,), name=self.name, daemon=True).start()
            self._tasks.put((future, work))
        return future

    @staticmethod
    def _loop(tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]]) -> None:
        while True:
            future, work = tasks.get()
            try:
                future.set_result(work())
            except BaseException as error:   # it belongs to whoever waits
                future.set_exception(error)
            del future, work   # a result must not live until the next one
