"""Ctrl-C, SIGTERM and SIGHUP, from aio's first line to its last: one wish to stop, no traceback, nothing left half done.

    while aio is imported    nothing has begun: the process ends at once
    after that               KeyboardInterrupt, once, in the main thread
    in `guarded` and `held`  noted only: a run is asked to stop and does so between two steps, never in the midst of one
    when all is done         the process ends at once, with the exit code that it has

What follows within PATIENCE seconds is the same wish; a signal after that ends the process as it stands. One that whoever started aio
ignores (nohup, a script's background job) stays ignored. SIGPIPE is ignored by Python itself: aio.machine.terminal deals with broken streams.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from aio.stop import Stop

Made = TypeVar("Made")

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""What asks a process to stop, on any system."""

CODE = 130
"""Exit code of a process that was asked to stop, whichever signal did."""

WORDS = "cancelled; nothing half done is left"

PATIENCE = 3.0
"""Seconds in which further signals add nothing: people press Ctrl-C twice, and a shell and a terminal both hand it on."""


class _State:
    """What a signal does now. phase: starting, open, guarded or over. asked: when the first one came. code: of the exit, when over.
    raised: whether it raised KeyboardInterrupt."""

    phase, owner, code, raised = "starting", 0, CODE, False
    asked: float | None = None
    thread: Any = None


def begin() -> dict[int, Any]:
    """Take the signals, and return what they did before. The phase is `starting` until `handled`."""
    _State.owner, _State.phase, _State.asked, _State.raised = os.getpid(), "starting", None, False
    before = {}
    for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, _take)
    return before


@contextmanager
def handled() -> Iterator[None]:
    """From here on the first signal raises KeyboardInterrupt. In a thread that is not the main one this does nothing."""
    if not _main():
        yield
        return
    before = {} if _State.owner == os.getpid() else begin()
    _State.asked, _State.raised = None, False
    _State.phase = "open"
    try:
        yield
    finally:
        _State.phase = "guarded"   # what is left is to say how it ended
        if before:   # another program's main thread: it gets its own handlers back
            for number, handler in before.items():
                signal.signal(number, handler)
            _State.owner = 0


def interrupted() -> bool:
    """Whether a signal has raised KeyboardInterrupt. Libraries turn it into errors of their own, which say nothing then."""
    return _State.raised


def over(code: int) -> int:
    """From here on a signal ends the process at once: its work is done, its exit code is `code`, which is returned."""
    _State.code, _State.phase = code, "over"
    exec("")   # Python would exit by SIGINT where a KeyboardInterrupt once left an exec() of a text (a dataclass); the next one forgets it
    return code


def ignore() -> None:
    """Ignore the signals: the interpreter takes itself apart."""
    for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
        signal.signal(number, signal.SIG_IGN)


def guarded(work: Callable[[Stop], Made]) -> Made:
    """Run `work` where no signal reaches it, in a thread of its own; a signal sets the stop that it gets instead. Its result is returned.

    What comes after it is not interrupted either: a clip that is made shall be said to be made.

    Raises:
        Cancelled: a signal came, and the work had not ended by itself. Whatever else `work` raises.
    """
    import contextvars
    from concurrent.futures import wait

    from aio.stop import LOOK, Stop

    stop = Stop()
    if not _main() or _State.owner != os.getpid():
        return work(stop)   # signals belong to somebody else here
    _State.phase, future = "guarded", None
    while future is None or not future.done():
        if _State.asked is not None:
            stop.set(WORDS)
        if future is None:
            stop.check()
            future = _thread().submit(contextvars.copy_context().run, work, stop)
        wait([future], LOOK)
    return future.result()


def _thread() -> Any:
    """The one thread of all guarded work: a new one for each run would leave the allocator a heap of its own each time."""
    from concurrent.futures import ThreadPoolExecutor

    if _State.thread is None:
        _State.thread = ThreadPoolExecutor(1, "aio-run")
    return _State.thread


@contextmanager
def held() -> Iterator[None]:
    """What must be done to its end. A signal that came meanwhile raises KeyboardInterrupt after it."""
    if not _main() or _State.phase != "open":
        yield
        return
    before, _State.phase = _State.asked, "guarded"
    try:
        yield
    finally:
        _State.phase = "open"
        if _State.asked != before:
            _State.raised = True
            raise KeyboardInterrupt


@contextmanager
def blocked() -> Iterator[None]:
    """Processes started in here never see Ctrl-C and hang-up, which a terminal sends to all: their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def again() -> None:
    """A KeyboardInterrupt was lost where nothing can be raised, in a destructor: raise it once that has returned."""
    import threading

    from aio.stop import LOOK

    def raised() -> None:
        if _State.phase == "open":
            _State.asked = None
            signal.raise_signal(signal.SIGINT)   # the main thread handles it, whichever raises it

    threading.Timer(LOOK, raised).start()


def _main() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()


def _take(number: int, frame: Any) -> None:
    now = time.monotonic()
    if os.getpid() != _State.owner:   # a process that was forked: as if aio had never taken it
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    elif _State.phase == "over":
        os._exit(_State.code)
    elif _State.phase == "starting":
        _leave("cancelled")
    elif _State.asked is None:
        _State.asked = now
        if _State.phase == "open":
            _State.raised = True
            raise KeyboardInterrupt
    elif now - _State.asked > PATIENCE:
        _leave("stopped at once, since it had not ended by itself; the next run clears what may be left")


def _leave(words: str) -> None:
    try:
        if select.select([], [2], [], 0)[1]:   # a full pipe would wait for its reader
            os.write(2, f"aio: {words}\n".encode())
    except (OSError, ValueError):
        pass
    os._exit(CODE)
