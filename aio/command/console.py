"""What a person sees of a run: a live bar on a terminal, plain lines elsewhere, both on stderr; results go to stdout."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import IO, Any, cast

from aio.machine import terminal
from aio.machine.outside import shown
from aio.values import Event


class Console:
    """Shows the events of one run. Use as a context manager; call it with each Event."""

    def __init__(self, stream: Any = None):
        self.stream = terminal.stderr() if stream is None else terminal.Stream(stream)
        self.live: Any = None
        self.task: Any = None
        self.stage = ""
        self._quiet = contextlib.ExitStack()

    def __enter__(self) -> Console:
        if self.stream.isatty():
            from rich.console import Console as Rich
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), TextColumn("{task.fields[detail]}", markup=False),
                TimeElapsedColumn(),
            )
            screen = Rich(file=cast("IO[str]", self.stream))
            live = Progress(*columns, console=screen, transient=True, redirect_stdout=False, redirect_stderr=False)
            with contextlib.suppress(Exception):   # a terminal that rich does not know gets plain lines
                live.start()
                self.task, self.live = live.add_task("Starting", total=1.0, detail=""), live
                terminal.above = self._above
        self._quiet.enter_context(terminal.unheard())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._quiet.close()
        if self.live:
            terminal.above = None
            with contextlib.suppress(Exception):
                self.live.stop()

    def __call__(self, event: Event) -> None:
        """Show an event. A display that fails is no failure of the run."""
        with contextlib.suppress(Exception):
            self._show(event)

    def _show(self, event: Event) -> None:
        if event.kind in ("engine", "warning"):
            self.line(f"{event.kind}: {event.message}")
        elif self.live:
            what = " ".join(shown(event.stage or event.message or "Working").split())
            self.live.update(self.task, completed=event.fraction, description=what, detail=detail(event))
        elif event.kind == "download" and event.message != self.stage:
            self.stage = event.message
            self.line(event.message)
        elif event.kind == "stage" and event.stage != self.stage:
            self.stage = event.stage
            self.line(f"{event.fraction:4.0%} {event.stage}{_left(event, ', ')}")

    def line(self, text: str) -> None:
        """Write one line, above the bar where there is one."""
        if self.live:
            self._above(shown(text))
        else:
            self.stream.write(shown(text) + "\n")

    def _above(self, text: str) -> None:
        self.live.console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def detail(event: Event) -> str:
    """`step 3/8, 4 s left`."""
    step = f"step {event.step}/{event.steps}" if event.steps else ""
    return step + _left(event, ", " if step else "")


def _left(event: Event, before: str) -> str:
    return f"{before}{event.seconds_left:.0f} s left" if event.seconds_left is not None else ""
