"""A run: one job in its own thread, watched from outside, stopped from outside."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

from aio.engine import Engine
from aio.job import Job
from aio.run import run
from aio.spaces.engine import choose, create
from aio.stop import Stop
from aio.values import Artifacts, Event, OnEvent

Runner = Callable[[Job, Engine, OnEvent, Stop], Artifacts]


class Run:
    """A job in a thread of its own, with the caller's context (on ZeroGPU it holds the visitor's identity).

    Attributes:
        event: the last stage or step. warnings: sentences so far. done: set at the end.
        artifacts, error: what came of it; exactly one is not None then.
    """

    def __init__(self, job: Job, runner: Runner = run, at_end: Callable[[], None] = lambda: None):
        self.job, self.runner, self.at_end = job, runner, at_end
        self.event, self.warnings, self.done = Event("stage", "Starting", "Starting"), list[str](), threading.Event()
        self.artifacts: Artifacts | None = None
        self.error: BaseException | None = None
        self.began = time.monotonic()
        self._stop = Stop()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def start(self) -> Run:
        """Begin."""
        self.began = time.monotonic()
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._work,), name="aio-run", daemon=True).start()
        return self

    def stop(self) -> None:
        """End it: at the engine's next step, or at once where it has not begun. Once it has ended this is nothing."""
        self._stop.set()

    def _work(self) -> None:
        try:
            self.artifacts = self._made()
        except BaseException as error:   # it belongs to whoever watches
            self.error = error
        finally:
            self.done.set()
            self.at_end()

    def _made(self) -> Artifacts:
        name, reason = choose(self.job.config)
        if note := self.job.config.engines[name].note:
            self.warnings.append(f"{name.capitalize()} engine: {reason if note in reason else f'{note} ({reason})'}")
        return self.runner(self.job, create(name, self.job.config), self._tell, self._stop)

    def _tell(self, event: Event) -> None:
        if event.kind == "warning":
            if event.message not in self.warnings:
                self.warnings.append(event.message)
        elif event.kind in ("stage", "step", "download"):
            self.event = event

