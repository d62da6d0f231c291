"""The shape of a video as it is seen, and its frames brought to the shape of a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from aio.media import colour, pictures

PIXEL_MAX = 4
"""The most by which a pixel can be wider than high, or higher; standards go to 2 (anamorphic scope). Beyond that a file is taken to be wrong."""


def seen(frame: Any, shape: Fraction | None) -> tuple[int, int]:
    """Width and height of a frame as it is seen: upright, its pixels made square by enlarging.

    Args:
        shape: width / height of its pixels; unknown, or beyond what any standard has, they count as square.
    """
    shape = shape if shape and 1 / PIXEL_MAX <= shape <= PIXEL_MAX else Fraction(1)
    width, height = (round(frame.width * shape), frame.height) if shape >= 1 else (frame.width, round(frame.height / shape))
    return (height, width) if round(frame.rotation / 90) % 2 else (width, height)


@dataclass(frozen=True, slots=True)
class Clip:
    """What staged media are fitted to. width, height: pixels. frames: count. fps: frames a second. ground: behind transparent pixels, `#rrggbb`.
    pad: a picture of another shape is kept whole, with black bars, not cut."""

    width: int
    height: int
    frames: int
    fps: float
    ground: str = pictures.WHITE
    pad: bool = False

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.fps

    def samples(self, sample_rate: int) -> int:
        """Samples of sound that cover the clip."""
        return math.ceil(Fraction(sample_rate * self.frames) / Fraction(self.fps).limit_denominator(1000))


class Fit:
    """Turns a frame upright, scales it to cover the clip and crops it to the middle, or puts it between bars; what is transparent lies on the
    clip's ground.

    Args:
        aspect: width / height of the upright frame as it is seen, whatever shape its pixels have.
    """

    def __init__(self, clip: Clip, aspect: Fraction):
        self.clip, self.aspect = clip, aspect
        self.graph: Any = None

    def __call__(self, frame: Any) -> Any:
        import av

        turned, frame = round(frame.rotation / 90) % 4, colour.on_ground(frame, self.clip.ground)
        if self.graph is None:
            before, after = colour.to_709(frame)
            turn = {1: ["transpose=cclock"], 2: ["hflip", "vflip"], 3: ["transpose=clock"]}.get(turned, [])
            fit, bars = self._steps()
            self.graph = av.filter.Graph()
            last = self.graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base)
            for name, _, arguments in (step.partition("=") for step in before + turn + fit + after + bars):
                following = self.graph.add(name, arguments)
                last.link_to(following)
                last = following
            last.link_to(self.graph.add("buffersink"))
            self.graph.configure()
        self.graph.push(frame)
        return self.graph.pull()

    def _steps(self) -> tuple[list[str], list[str]]:
        """Filters that bring a frame to the clip's size, and those that add bars, in the colours of the result."""
        width, height = self.clip.width, self.clip.height
        if (self.aspect > Fraction(width, height)) == self.clip.pad:   # as wide as the clip, else as high
            scaled = width, self._even(width / self.aspect)
        else:
            scaled = self._even(height * self.aspect), height
        fit = [f"scale={scaled[0]}:{scaled[1]}:flags=bilinear"] + ([] if self.clip.pad else [f"crop={width}:{height}"])
        left, top = ((outer - inner) // 4 * 2 for outer, inner in zip((width, height), scaled, strict=True))
        return [*fit, "setsar=1"], [f"pad={width}:{height}:{left}:{top}:black"] if self.clip.pad else []

    def _even(self, pixels: Fraction) -> int:
        """A whole even number of pixels: one that covers where the frame is cut, one that fits where it is not."""
        half = pixels / 2
        return 2 * max(1, math.floor(half) if self.clip.pad else math.ceil(half))
