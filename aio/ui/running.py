"""A run: one job in its own thread, watched from outside, stopped from outside."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Mapping

from aio.engine import NO_METADATA, Engine
from aio.errors import Cancelled
from aio.run import run
from aio.spaces.engine import choose, create
from aio.values import Artifacts, Event, Job, OnEvent, Prompt, Request

Runner = Callable[[Job, Engine, OnEvent], Artifacts]


class _Watched:
    """An engine that is told to stop only while it works for this run: a late stop would hit the next one."""

    def __init__(self, engine: Engine):
        self.inner, self._lock, self._busy = engine, threading.Lock(), False
        self.name, self.revision, self.models_dir = engine.name, engine.revision, engine.models_dir
        self.input_dir, self.output_dir = engine.input_dir, engine.output_dir

    def execute(self, prompt: Prompt, request: Request, on_event: OnEvent, *, metadata: Mapping[str, str] = NO_METADATA) -> Artifacts:
        """See aio.engine.Engine."""
        on_event(Event("engine"))   # a stop that came before raises here
        with self._lock:
            self._busy = True
        try:
            return self.inner.execute(prompt, request, on_event, metadata=metadata)
        finally:
            with self._lock:
                self._busy = False

    def cancel(self) -> None:
        """Stop the execution under way, if there is one."""
        with self._lock:
            if self._busy:
                self.inner.cancel()


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
        self._stopping = threading.Event()
        self._engine: _Watched | None = None

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
        """End it: at the engine's next step, or at once where it has not begun."""
        self._stopping.set()
        if self._engine is not None:
            self._engine.cancel()

    def _work(self) -> None:
        try:
            self.artifacts = self._attempt()
        except BaseException as error:   # it belongs to whoever watches
            self.error = error
        finally:
            self.done.set()
            self.at_end()

    def _attempt(self) -> Artifacts:
        name, reason = choose(self.job.config)
        if name == "preview":
            what = reason if self.job.config.engine == "auto" else f"the result is a marked storyboard, not a diffusion result ({reason})"
            self.warnings.append(f"Preview engine: {what}")
        self._engine = _Watched(create(name, self.job.config))
        try:
            return self.runner(self.job, self._engine, self._tell)
        except Cancelled:
            if self._stopping.is_set():
                raise
            # Nobody stopped this run: the stop was meant for the one before.
            return self.runner(self.job, self._engine, self._tell)

    def _tell(self, event: Event) -> None:
        if self._stopping.is_set():
            raise Cancelled("stopped")
        if event.kind == "warning":
            if event.message not in self.warnings:
                self.warnings.append(event.message)
        elif event.kind in ("stage", "step", "download"):
            self.event = event

