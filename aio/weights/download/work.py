"""Jobs in a few threads, and their progress as events in the thread that waits for them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from aio.values import Event, OnEvent
from aio.weights.download.remedies import size

TICK_SECONDS = 0.2
_RATE_SECONDS = 10.0


def together(jobs: Sequence[Callable[[], Any]], stop: threading.Event, tick: Callable[[], None], threads: int) -> list[Any]:
    """Run jobs in threads and return their results in order; the first failure stops the rest."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="aio-models")
    futures: list[Future] = [pool.submit(job) for job in jobs]
    pending = set(futures)
    try:
        while pending:
            done, pending = wait(pending, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
            tick()
            for future in done:
                future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    return [future.result() for future in futures]


def progress(label: str, done: Callable[[], int], total: int, on_event: OnEvent) -> Callable[[], None]:
    """A function that reports share and time left, the rate being that of the last ten seconds.

    The message stays the same all the way: a log shows it once, a bar moves by the fraction.
    """
    marks: deque[tuple[float, int]] = deque([(time.monotonic(), done())])

    def tick() -> None:
        now, bytes_now = time.monotonic(), done()
        marks.append((now, bytes_now))
        while len(marks) > 2 and now - marks[0][0] > _RATE_SECONDS:
            marks.popleft()
        rate = (bytes_now - marks[0][1]) / max(now - marks[0][0], 1e-6)
        left = (total - bytes_now) / rate if rate > 0 else None
        on_event(Event("download", f"{label}, {size(total)}", fraction=bytes_now / total if total else 1.0, seconds_left=left))

    return tick


def named(names: Sequence[str]) -> str:
    """`model.safetensors` or `3 files`."""
    return names[0] if len(names) == 1 else f"{len(names)} files"
