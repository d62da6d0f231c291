"""What a person sees: a live bar on a terminal, plain lines elsewhere, both on stderr; results go to stdout."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from aio.values import Event


class Console:
    """Shows the events of one run. Use as a context manager; call it with each Event."""

    def __init__(self, stream: Any = None):
        self.stream = stream or sys.stderr
        self.live: Any = None
        self.task: Any = None
        self.stage = ""
        self.started = time.monotonic()

    def __enter__(self) -> Console:
        if self.stream.isatty():
            from rich.console import Console as Rich
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[detail]}"), TimeElapsedColumn())
            self.live = Progress(*columns, console=Rich(file=self.stream), transient=True)
            self.live.start()
            self.task = self.live.add_task("Starting", total=1.0, detail="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, event: Event) -> None:
        if event.kind in ("engine", "warning"):
            self.line(f"{event.kind}: {event.message}")
        elif self.live:
            self.live.update(self.task, completed=event.fraction, description=event.stage or event.message or "Working", detail=detail(event))
        elif event.kind == "download" and event.message != self.stage:
            self.stage = event.message
            self.line(event.message)
        elif event.kind == "stage" and event.stage != self.stage:
            self.stage = event.stage
            self.line(f"{event.fraction:4.0%} {event.stage}{_left(event)}")

    def line(self, text: str) -> None:
        """Write one line, above the bar where there is one."""
        if self.live:
            self.live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self.stream, flush=True)


def detail(event: Event) -> str:
    """`step 3/8, 4 s left`."""
    step = f"step {event.step}/{event.steps}" if event.steps else ""
    return step + _left(event)


def _left(event: Event) -> str:
    return f", {event.seconds_left:.0f} s left" if event.seconds_left is not None else ""
