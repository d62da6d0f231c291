"""The protocol that every engine follows, and the clock by which engines tell how far a run is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from aio.config import Config
from aio.graph.draw import Drawn
from aio.stop import Stop
from aio.values import Artifacts, Event, OnEvent

NO_METADATA: Mapping[str, str] = MappingProxyType({})


class Engine(Protocol):
    """Executes one graph at a time. Its class is named under the configuration's `engines`, and made with the composed configuration.

    Attributes:
        name: as the configuration's `engines` calls it. revision: what makes its results differ: a version or a commit.
        real: whether it makes the clip itself; else it shows what the clip would be, and its files say so (NAME.preview.mp4).
        input_dir: where loader nodes find their files. output_dir: where the job's files are written, in `aio/`: `input` and
            `output` of one of aio.engines.working_dirs(), so that what is left there goes in time.
        models_dir: ComfyUI's models folder, None for an engine that needs no weights.
    """

    name: str
    revision: str
    real: bool
    input_dir: Path
    output_dir: Path
    models_dir: Path | None

    @staticmethod
    def lacking(config: Config) -> str:
        """What must be set up before it can run, as part of a sentence with its remedy; empty where all is there."""
        ...

    def execute(self, drawn: Drawn, on_event: OnEvent, stop: Stop, *, metadata: Mapping[str, str] = NO_METADATA) -> Artifacts:
        """Run a graph to its mp4.

        Args:
            drawn: a staged request with its graph; `drawn.request.prefix` names the file.
            on_event: gets `stage` and `step` events; what it raises ends the run.
            stop: this run's; asked between steps and nodes, and answered within a second.
            metadata: tags for the mp4.

        Raises:
            Cancelled: the stop's. EngineError, OutputError, WorkflowError. Nothing partial is left behind.
        """
        ...


class Timer:
    """Times the stages of a run, and tells them and their steps as events with the time that is left.

    Attributes:
        stage: title of the last stage that opened.
    """

    def __init__(self, on_event: OnEvent):
        self.stage, self._on_event, self._opened = "", on_event, list[tuple[str, float]]()
        self.begin()

    def begin(self) -> None:
        """Count the time left from now on: what went before says nothing of it."""
        self._began = time.monotonic()

    def open(self, title: str, fraction: float, steps: int = 0) -> None:
        """A stage begins. fraction: share of the whole that is done. steps: how many it has."""
        self.stage = title
        self._opened.append((title, time.monotonic()))
        self.tell("stage", fraction, 0, steps)

    def tell(self, kind: str, fraction: float, step: int = 0, steps: int = 0) -> None:
        """Tell how far the stage is."""
        elapsed = time.monotonic() - self._began
        left = elapsed * (1 - fraction) / fraction if fraction > 0 else None
        self._on_event(Event(kind, self.stage, self.stage, step, steps, fraction, left))

    def timings(self) -> dict[str, float]:
        """Stage title -> seconds; stages of the same title are added up."""
        ends, seconds = [*(start for _, start in self._opened[1:]), time.monotonic()], dict[str, float]()
        for (title, start), end in zip(self._opened, ends, strict=False):   # none is open where no stage has a node that ran
            seconds[title] = seconds.get(title, 0.0) + end - start
        return seconds
