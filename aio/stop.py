"""The wish to end a run: one Stop for each, and the only source of Cancelled within it. Ctrl-C, page, sweep and ZeroGPU set it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from aio.errors import Cancelled
from aio.values import Event, OnEvent

if TYPE_CHECKING:
    from concurrent.futures import Future

Made = TypeVar("Made")

LOOK = 0.1
"""Seconds between two looks at what does not report by itself: a signal, another process."""

GRACE = 0.7
"""Seconds that stopped work may take to end before whoever waits goes on without it: loading a file cannot be interrupted."""


class Stop:
    """One run's stop. It can be set from any thread and stays set; it belongs to no engine, so it never reaches another run.

    Args:
        file: where it is set across processes: a file that stands once the run is to stop, and holds the reason. Processes that
            were forked before the run began share nothing else with it. None for a run that stays in this process.

    Attributes:
        reason: why, as the user reads it; empty until it is set.
    """

    def __init__(self, file: Path | str | None = None):
        self.file, self.reason = Path(file) if file else None, ""
        self._set, self._lock, self._calls = threading.Event(), threading.RLock(), list[Callable[[], object]]()

    @classmethod
    def shared(cls) -> Stop:
        """One that another process can share, by its file's path."""
        import tempfile
        import uuid

        return cls(Path(tempfile.gettempdir()) / f"aio-stop-{uuid.uuid4().hex}")

    def set(self, reason: str = "stopped") -> None:
        """Ask the run to stop. The first reason counts."""
        with self._lock:
            if self._set.is_set():
                return
            self.reason = reason
            self._set.set()
            if self.file:
                with suppress(OSError):   # whoever waits goes on without the other process
                    part = self.file.with_suffix(".part")
                    part.touch(mode=0o600)
                    part.write_text(reason, encoding="utf-8")
                    part.replace(self.file)
            for call in self._calls:
                call()

    def is_set(self) -> bool:
        """Whether the run is to stop; across processes it costs some microseconds."""
        if self.file and not self._set.is_set():
            with suppress(OSError):   # it does not stand
                self.set(self.file.read_text(encoding="utf-8", errors="replace"))
        return self._set.is_set()

    def check(self) -> None:
        """End the run here if it is to stop.

        Raises:
            Cancelled: it is; with the reason.
        """
        if self.is_set():
            raise Cancelled(self.reason)

    def around(self, on_event: OnEvent) -> OnEvent:
        """`on_event` that first ends the run if it is to stop: for work that reports events and knows of no stop."""
        def told(event: Event) -> None:
            self.check()
            on_event(event)

        return told

    @contextmanager
    def calling(self, call: Callable[[], object]) -> Iterator[None]:
        """Within this, being set calls `call` too, at once where it is set already; never after this has ended.

        Args:
            call: quick; it runs in whichever thread sets the stop.
        """
        with self._lock:
            if self.is_set():
                call()
            self._calls.append(call)
        try:
            yield
        finally:
            with self._lock:   # a call that has begun ends first
                self._calls.remove(call)

    def result(self, future: Future[Made], grace: float = GRACE) -> Made:
        """What comes of work in another thread, which asks this stop too.

        Raises:
            Cancelled: it is to stop, and has not ended within `grace` seconds. Whatever the work raised.
        """
        from concurrent.futures import wait

        woken = threading.Event()
        future.add_done_callback(lambda _: woken.set())
        try:
            with self.calling(woken.set):
                while not (woken.wait(LOOK) or self.is_set()):   # another process wakes nobody
                    pass
        except BaseException:   # Ctrl-C where we wait: the work must not go on unseen
            self.set("cancelled")
            wait([future], grace)
            raise
        if not wait([future], grace if self.is_set() else None).done:
            raise Cancelled(f"{self.reason}; what was running ends by itself and leaves nothing")
        return future.result()

    def remove(self) -> None:
        """Remove the file, once nobody looks any more."""
        if self.file:
            self.file.unlink(missing_ok=True)
