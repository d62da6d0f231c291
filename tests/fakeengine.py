"""A further engine, as somebody else would write one: this module, and `+engines.fake.class_path=fakeengine.Fake`."""

import time

import numpy as np

from aio.engine import NO_METADATA
from aio.machine import paths
from aio.media.streams import write_mp4
from aio.values import Artifacts, Event

ENDLESS = "never ends"
"""A prompt: its run streams steps until it is stopped."""


class Fake:
    """Makes grey clips. See aio.engine.Engine."""

    name, revision, real, models_dir = "fake", "1", True, None

    def __init__(self, config):
        self.input_dir, self.output_dir = paths.temporary() / "input", paths.temporary() / "output"

    @staticmethod
    def lacking(config):
        return ""

    def execute(self, drawn, on_event, stop, *, metadata=NO_METADATA):
        request = drawn.request
        stop.check()
        on_event(Event("stage", "Painting", "Painting"))
        while request.values["prompt"] == ENDLESS:
            on_event(Event("step", "Painting", "Painting", 1, 2))
            time.sleep(0.01)
            stop.check()
        width, height, frames = request.values["width"], request.values["height"], 9
        video = self.output_dir / f"{request.prefix}_1.mp4"
        video.parent.mkdir(parents=True, exist_ok=True)
        grey = np.full((height, width, 3), 128, np.uint8)
        write_mp4(video, (grey for _ in range(frames)), (width, height), 24.0, options={"preset": "ultrafast"}, metadata=metadata)
        return Artifacts(video, width, height, frames, 24.0, frames / 24, 0, "fake 1")
