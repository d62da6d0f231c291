"""The clock of a file: when its frames are due, counted from one zero for picture and sound, and sound that keeps to it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

RESTART = Fraction(1)
"""Seconds. A stream whose times fall back by more has begun to count anew, as joined recordings do: it goes on where it was. Less is an overlap."""

HOLE = 0.015
"""Seconds. A larger hole in a sound is filled with silence, a larger overlap cut off: the shortest usual packet lasts 20 ms."""

JITTER = 0.005
"""Seconds by which times may be off without any effect, for many containers round them to 1 ms. What lies between this and HOLE is a clock
that runs slower or faster than the samples: they are stretched or pressed, by at most STRETCH."""

STRETCH = 1000
"""Samples a second (swresample's `async`): 2 % of 48 kHz."""

LAYOUTS = {1: "mono", 2: "stereo"}
"""Channels -> FFmpeg's name."""


class Clock:
    """Tells when the frames of one stream are due, in the order in which they are decoded.

    Args:
        zero: seconds of the file at which the clock shows 0; without it the stream's own first frame, which then sets it.
    """

    def __init__(self, zero: Fraction | None = None):
        self.zero = zero
        self._last: Fraction | None = None
        self._end = Fraction(0)

    def due(self, frame: Any, lasts: Fraction = Fraction(0)) -> Fraction:
        """Seconds at which a frame begins; one without a time follows the last one.

        Args:
            frame: of PyAV. lasts: seconds, where they are known.
        """
        start = self._end
        if frame.pts is not None and frame.time_base:
            given = frame.pts * frame.time_base
            anew = self._last is not None and self.zero is not None and given - self.zero < self._last - RESTART
            if self.zero is None or anew:
                self.zero = given - self._end
            start = given - self.zero
        self._last, self._end = start, start + lasts
        return start


class Resampler:
    """Brings the frames of a sound to one rate and layout, in float32.

    Args:
        sample_rate: Hz. channels: 1 or 2.
        timed: keep to the frames' times, from 0 on: holes become silence. Without it sample follows sample.
    """

    def __init__(self, sample_rate: int, channels: int, timed: bool):
        self.graph: Any = None
        clock = f":async={STRETCH}:min_comp={JITTER}:min_hard_comp={HOLE}:first_pts=0" if timed else ""
        self.steps = [("aresample", f"{sample_rate}{clock}"),
                      ("aformat", f"sample_fmts=fltp:sample_rates={sample_rate}:channel_layouts={LAYOUTS[channels]}")]

    def feed(self, frame: Any, due: Fraction = Fraction(0)) -> list[Any]:
        """What a frame gives: arrays of shape (channels, n). None as a frame gives the rest.

        Args:
            due: seconds at which the frame begins, where the sound is timed.
        """
        import av

        if self.graph is None:
            if frame is None:
                return []
            self.graph = av.filter.Graph()
            last = self.graph.add_abuffer(
                sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=Fraction(1, frame.sample_rate))
            for name, arguments in self.steps:
                following = self.graph.add(name, arguments)
                last.link_to(following)
                last = following
            last.link_to(self.graph.add("abuffersink"))
            self.graph.configure()
        if frame is not None:
            frame.time_base = Fraction(1, frame.sample_rate)
            frame.pts = round(due * frame.sample_rate)
        self.graph.push(frame)
        made = []
        while True:
            try:
                made.append(self.graph.pull().to_ndarray())
            except (av.error.BlockingIOError, av.error.EOFError):
                return made
