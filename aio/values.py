"""The values that travel along the chain: frozen, picklable, free of behaviour.

Job -> Request (aio/job.py) -> Operations -> Prompt -> Artifacts, with Events on the side (see aio/run.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Prompt = dict[str, dict[str, Any]]
"""A workflow in ComfyUI's API format: node id -> {class_type, inputs, _meta}."""

Link = tuple[str, int]
"""The source of an input: node id and output slot."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One rendered RFC 6902 operation, and where it came from.

    Attributes:
        op: add, remove, replace, move, copy or test.
        path: RFC 6901 pointer into the prompt.
        value: value of add, replace and test.
        from_: source pointer of move and copy (`from` in RFC 6902).
        source: file and patch list, for messages; `guard` for generated tests.
        index: position in that list, -1 for generated operations.
    """

    op: str
    path: str
    value: Any = None
    from_: str | None = None
    source: str = ""
    index: int = -1

    def as_dict(self) -> dict[str, Any]:
        """The operation in RFC 6902's JSON form."""
        if self.op in ("move", "copy"):
            return {"op": self.op, "from": self.from_, "path": self.path}
        if self.op == "remove":
            return {"op": self.op, "path": self.path}
        return {"op": self.op, "path": self.path, "value": self.value}


@dataclass(frozen=True, slots=True)
class Media:
    """Facts of a probed media file. Absent streams are zero.

    Attributes:
        kind: `image`, `audio` or `video`.
        width, height: pixels, upright and of a video as its pixels' shape has it seen. frames: count. fps: frames a second.
        seconds: duration. sample_rate: Hz. channels: count. sound_end: of a video with sound, where that ends, in seconds from its first frame.
        transparent: whether a picture has pixels that are not opaque.
        notes: sentences on what an engine gets otherwise than the file has it.
    """

    path: Path
    kind: str
    width: int = 0
    height: int = 0
    frames: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    sound_end: float = 0.0
    transparent: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of a run.

    Attributes:
        kind: `engine`, `warning`, `stage`, `step`, `download` or `done`.
        message: text for the user.
        stage: title of the stage (config `stages`). step, steps: within the stage, 0 when unknown.
        fraction: share of the whole job that is done, 0 to 1.
        seconds_left: estimate, None when unknown.
    """

    kind: str
    message: str = ""
    stage: str = ""
    step: int = 0
    steps: int = 0
    fraction: float = 0.0
    seconds_left: float | None = None


OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Drop an event."""


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What a run made.

    Attributes:
        video: the mp4 (absolute path).
        width, height: pixels. frames: count. fps: frames a second.
        seconds: clip length. sample_rate: Hz, 0 without sound.
        engine: `preview` or `comfyui`, with its revision, e.g. `preview 0.1.0`.
        timings: stage title -> seconds. card: name of the GPU, empty without one.
    """

    video: Path
    width: int
    height: int
    frames: int
    fps: float
    seconds: float
    sample_rate: int
    engine: str
    timings: Mapping[str, float] = field(default_factory=dict)
    card: str = ""
