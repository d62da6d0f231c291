"""The engine on ZeroGPU: everything but the execution happens here, without a GPU; only `execute` asks for one."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aio import engines
from aio.comfyui.output import JobFiles, artifacts, tagged
from aio.config import Config
from aio.engine import NO_METADATA, Engine
from aio.errors import AioError, ConfigError, EngineError, GpuAborted, IllegalDuration
from aio.graph import duration
from aio.graph.draw import Drawn
from aio.graph.duration import Estimate
from aio.machine.here import on_zerogpu
from aio.media.streams import decoding, opened
from aio.spaces import plain, refusals
from aio.spaces.worker import Call
from aio.stop import GRACE, Stop
from aio.values import Artifacts, Event, OnEvent

CLOSING = 10.0
"""Seconds that `spaces` may take to hand the GPU back after a result: only then is the warm process free for the next run."""


def choose(config: Config) -> tuple[str, str]:
    """Engine name and reason: see aio.engines. On ZeroGPU there is a GPU, though this process does not see it."""
    return engines.choose(config, "ZeroGPU" if _asks(config) else None)


def create(name: str, config: Config) -> Engine:
    """The engine called `name`; on ZeroGPU one for this run, which asks for a GPU where the engine needs one."""
    engine = engines.create(name, config)
    return ZeroGPUEngine(engine) if config.engines[name].device and _asks(config) else engine


def _asks(config: Config) -> bool:
    return on_zerogpu() and bool(config.platform.sizes)


class ZeroGPUEngine:
    """Executes one run's prompt in a process with a GPU. See aio.engine.Engine.

    Args:
        inner: the engine that runs there; here it only tells its folders and has an `output_dir`.
    """

    def __init__(self, inner: Any):
        self.name, self.revision, self.real = inner.name, inner.revision, inner.real
        self.input_dir, self.models_dir = inner.input_dir, inner.models_dir
        self.output_dir: Path = inner.output_dir

    @staticmethod
    def lacking(config: Config) -> str:
        """Nothing here: what lacks in the process with a GPU is told there."""
        return ""

    def execute(self, drawn: Drawn, on_event: OnEvent, stop: Stop, *, metadata: Mapping[str, str] = NO_METADATA) -> Artifacts:
        """Ask for a GPU and run the prompt there; once more and longer, where ZeroGPU ends the run before it is done.

        Raises:
            GpuError: there is no GPU for this run, or not for long enough. Else as the engine that runs there.
        """
        asked = self._estimate(drawn, on_event)
        attempt = functools.partial(self._attempt, drawn, on_event, stop, metadata, asked.size)
        try:
            return attempt(asked.handed)
        except GpuAborted:
            again = refusals.longer(asked.request, asked.longest, asked.limits)
            if not again:
                raise
            on_event(Event("warning", f"the run took longer than the {asked.request:g} s it had asked for and was ended; "
                                      f"it runs once more, with up to {again[0]:g} s"))
            return _first_legal(attempt, [duration.handed_for(seconds, asked.size, drawn.request.config.platform) for seconds in again])

    def _attempt(self, drawn: Drawn, on_event: OnEvent, stop: Stop, metadata: Mapping[str, str], size: str, handed: int) -> Artifacts:
        """One GPU call. Where it ends without a word, what it left counts, or is removed."""
        try:
            return self._call(drawn, on_event, stop, metadata, size, handed)
        except (GpuAborted, _NoResult):
            files = JobFiles(self.output_dir.resolve(), drawn.request.prefix)
            if made := self._left(files, drawn, on_event):
                return made
            files.remove()
            raise

    def _estimate(self, drawn: Drawn, on_event: OnEvent) -> Estimate:
        try:
            asked = drawn.estimate
        except (AioError, LookupError, TypeError):
            asked = duration.most(drawn.request.config)
            on_event(Event("warning", f"how long this workflow takes is unknown: it asks for {asked.request:g} s"))
        if asked.needed > asked.request + 1:
            on_event(Event("warning", f"this run may need {asked.needed:.0f} s, but not more than {asked.request:g} s can be asked for"))
        return asked

    def _call(self, drawn: Drawn, on_event: OnEvent, stop: Stop, metadata: Mapping[str, str], size: str, handed: int) -> Artifacts:
        """One GPU call: its events as they come, then its result."""
        from aio.spaces.call import SIZES

        if size not in SIZES:
            raise ConfigError(f"platform.size: {size!r} is unknown; ZeroGPU has {' and '.join(SIZES)}")
        stop.check()
        far, items = Stop.shared(), queue.SimpleQueue[plain.Item]()
        call = Call(self.name, drawn, dict(metadata), handed, str(far.file))
        seconds = handed * drawn.request.config.platform.sizes[size].asks
        on_event(Event("stage", title := f"Waiting for a GPU, for {seconds:g} s", title))
        # In the caller's context: it holds the visitor's identity, whose quota counts.
        target, args = contextvars.copy_context().run, (_pump, SIZES[size], call, items, far)
        thread = threading.Thread(target=target, args=args, name="aio-zerogpu", daemon=True)
        thread.start()
        try:
            with stop.calling(lambda: items.put(("stopped", None))):
                made = self._follow(items, on_event, stop)
        except BaseException:
            far.set(stop.reason or "stopped")
            thread.join(GRACE)   # in the queue for a GPU it cannot be interrupted
            if not thread.is_alive():
                far.remove()
            raise
        thread.join(CLOSING)
        return made

    def _follow(self, items: queue.SimpleQueue[plain.Item], on_event: OnEvent, stop: Stop) -> Artifacts:
        while True:
            kind, value = items.get()
            if kind != "made":   # what is made stays made
                stop.check()
            if kind == "event":
                on_event(plain.read_event(value))
            elif kind == "made":
                return plain.read_made(value)
            elif kind == "failed":
                raise plain.read_failed(value)
            elif kind == "raised":
                raise value
            else:
                raise _NoResult("the GPU call ended without a result; run again")

    def _left(self, files: JobFiles, drawn: Drawn, on_event: OnEvent) -> Artifacts | None:
        """The last resort: a complete file that has this very job's prefix, where the call could not name it."""
        import av

        try:
            frames = drawn.result.frames
        except (AioError, LookupError, TypeError):
            return None
        for path in reversed(files.all()):
            try:
                found = artifacts(path.resolve(), f"{self.name} {self.revision}", {})
                with opened(path) as film, decoding(path):   # a header may promise more than was written
                    there = sum(packet.size > 0 for packet in film.demux(video=0))
            except (AioError, OSError, av.error.FFmpegError):
                continue   # no film, or half of one
            if found.frames == there == frames:
                on_event(Event("warning", f"the GPU call ended without a result; taking {path.name}, which has this job's prefix"))
                tagged(found.video, drawn, on_event)
                return found
        return None


def _first_legal(attempt: Callable[[int], Artifacts], durations: list[int]) -> Artifacts:
    """The second attempt, as long as this visitor's account allows: nothing has run where a duration is refused as illegal."""
    *longer, last = durations
    for handed in longer:
        with contextlib.suppress(IllegalDuration):
            return attempt(handed)
    return attempt(last)


class _NoResult(EngineError):
    """A GPU call that ended without saying what it made."""


def _pump(function: Any, call: Call, items: queue.SimpleQueue[plain.Item], far: Stop) -> None:
    """Carry what a call yields over to whoever waits, and go on until its GPU is given back, also when nobody waits any more."""
    try:
        for item in function(call):
            items.put(item)
        items.put(("ended", None))
    except BaseException as error:
        items.put(("raised", refusals.typed(error)))
    finally:
        far.remove()
