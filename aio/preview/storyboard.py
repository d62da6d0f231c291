"""Draws a clip before it is made: what is given, where it stands in time, and what was asked for.

Everything that does not move is drawn once; a frame is a scene, a few pastes and a progress bar.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aio.graph.shapes import Result
from aio.media import lettering
from aio.media.lettering import AMBER, SLATE
from aio.preview import scenes
from aio.preview.scenes import Size

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

TEXT, MUTED, RAIL = (241, 245, 249), (148, 163, 184), (51, 65, 85)
"""#f1f5f9, #94a3b8, #334155."""

PANEL_MAX = 0.62
"""Share of a frame's height that the panel may cover, the fade at its top included."""


INSET_MIN = 40
"""Pixels; nothing can be seen in a smaller inset."""


class Storyboard:
    """The frames of a preview.

    Args:
        clip: what the prompt makes. locate: ComfyUI name -> file.
        heading: the mode's title. details: short facts for the caption.
        seed: sets colours and movement. wave: given sound of shape (channels, n), drawn as a strip.
    """

    def __init__(self, clip: Result, locate: Callable[[str], Path], *, heading: str, details: Sequence[str], seed: int,
                 wave: np.ndarray | None = None):
        self.clip, self.size = clip, (clip.width, clip.height)
        self.unit = min(max(min(self.size) / 512, 0.5), 2.0)
        self.margin = round(18 * self.unit)
        self.scene = scenes.scene(clip.pictures, locate, self.size, clip.frames, seed)
        self.insets = self._make_insets(locate)
        self.wave: tuple[Image, tuple[int, int]] | None = None
        self.pastes = [self._panel(details, wave), self._badge(heading)]

    def frames(self) -> Iterator[np.ndarray]:
        """Yield every frame, uint8 of shape (height, width, 3)."""
        import numpy as np
        from PIL import ImageDraw

        last = max(self.clip.frames - 1, 1)
        for number in range(self.clip.frames):
            image = self.scene(number)
            for picture, mask, place in self.pastes:
                image.paste(picture, place, mask)
            for _, inset, place in self.insets:
                image.paste(inset(number), place)
            draw = ImageDraw.Draw(image)
            self._frame_insets(draw)
            self._time(image, draw, number / last)
            yield np.asarray(image)

    # Layers that are drawn once: (picture, mask, place)

    def _layer(self, size: Size) -> tuple[Any, Any]:
        from PIL import Image, ImageDraw

        layer = Image.new("RGBA", size, (*SLATE, 0))
        return layer, ImageDraw.Draw(layer)

    def _badge(self, heading: str) -> tuple[Image, Image, tuple[int, int]]:
        font, small = lettering.font(15 * self.unit), lettering.font(12 * self.unit)
        pad, height = round(8 * self.unit), round(26 * self.unit)
        label = round(font.getlength("PREVIEW"))
        note = lettering.fit(heading, small, self.clip.width - 2 * self.margin - label - 5 * pad)
        width = label + 2 * pad + (round(small.getlength(note)) + 2 * pad if note else 0)
        layer, draw = self._layer((width, height))
        draw.rounded_rectangle([0, 0, width - 1, height - 1], height // 4, (*SLATE, 215))
        draw.rounded_rectangle([0, 0, label + 2 * pad, height - 1], height // 4, (*AMBER, 255))
        draw.text((pad, height / 2), "PREVIEW", SLATE, font, anchor="lm")
        draw.text((label + 3 * pad, height / 2), note, TEXT, small, anchor="lm")
        return layer.convert("RGB"), layer.getchannel("A"), (self.margin, self.margin)

    def _panel(self, details: Sequence[str], wave: np.ndarray | None) -> tuple[Image, Image, tuple[int, int]]:
        """The shade at the bottom with the prompt, the sound and the caption; it never covers most of the picture."""
        unit, width = self.unit, self.clip.width - 2 * self.margin
        large, small = lettering.font(18 * unit), lettering.font(12.5 * unit)
        line, row, strip, fade, gap, space = (round(pixels * unit) for pixels in (24, 17, 34, 44, 9, 15))
        strip = strip if wave is not None else 0
        lines = lettering.wrap(self.clip.text, large, width, most=5 if self.clip.height > self.clip.width else 3)
        rows = lettering.rows(details, small, width, space)

        def height() -> int:
            blocks = [len(lines) * line + gap] * bool(lines) + [strip + gap] * bool(strip) + [len(rows) * row]
            return fade + sum(blocks) + round(21 * unit)

        while height() > PANEL_MAX * self.clip.height and (lines or rows):
            (lines or rows).pop()
        layer, draw = self._layer((self.clip.width, height()))
        for y in range(height()):
            draw.line([(0, y), (self.clip.width, y)], (*SLATE, round(228 * math.sin(min(1.0, y / fade) * math.pi / 2))))
        x, y, top = self.margin, fade, self.clip.height - height()
        for text in lines:
            draw.text((x, y), text, TEXT, large)
            y += line
        y += gap * bool(lines)
        if wave is not None:
            dim, bright = (_bars(wave, (width, strip), self.clip, colour) for colour in (MUTED, AMBER))
            layer.paste(dim, (x, y), dim)
            self.wave = (bright, (x, top + y))
            y += strip + gap
        for items in rows:
            x, middle, dot = self.margin, y + row * 0.45, 1.4 * unit
            for index, item in enumerate(items):
                if index:
                    draw.ellipse([x - space / 2 - dot, middle - dot, x - space / 2 + dot, middle + dot], AMBER)
                draw.text((x, middle), item, MUTED, small, anchor="lm")
                x += round(small.getlength(item)) + space
            y += row
        return layer.convert("RGB"), layer.getchannel("A"), (0, top)

    # Layers that move

    def _make_insets(self, locate: Callable[[str], Path]) -> list[tuple[str, scenes.Scene, tuple[int, int]]]:
        """Beside a video that is seen through its control: the video itself, and the image that sets its look."""
        from PIL import Image

        video = next((picture for picture in self.clip.pictures if picture.kind == "video"), None)
        if video is None:
            return []
        width = round(min(self.clip.width * 0.26, self.clip.height * 0.42)) // 2 * 2
        self.inset_size = (width, round(width * self.clip.height / self.clip.width))
        if self.clip.height > self.clip.width:
            self.inset_size = (round(self.clip.width * 0.24), round(self.clip.height * 0.24))
        if min(self.inset_size) < INSET_MIN:
            return []
        made: list[tuple[str, scenes.Scene]] = []
        if video.control and isinstance(self.scene, scenes.Footage):
            footage = self.scene
            made = [("source", lambda frame: footage.source(frame).resize(self.inset_size, Image.Resampling.BILINEAR, reducing_gap=1.0))]
        images = [picture for picture in self.clip.pictures if picture.kind == "image"]
        made += [("style", scenes.drift(locate(picture.name), self.inset_size, self.clip.frames, 0, picture)) for picture in images[:1]]
        x, y = self.clip.width - self.margin - self.inset_size[0], self.margin
        step = self.inset_size[1] + self.margin // 2
        return [(label, scene, (x, y + index * step)) for index, (label, scene) in enumerate(made)]

    def _frame_insets(self, draw: ImageDraw) -> None:
        font = lettering.font(10 * self.unit)
        for label, _, (x, y) in self.insets:
            box = [x - 1, y - 1, x + self.inset_size[0], y + self.inset_size[1]]
            draw.rectangle(box, outline=AMBER, width=max(1, round(1.5 * self.unit)))
            pad, bottom = 3 * self.unit, y + self.inset_size[1]
            draw.rectangle([x, bottom - font.size - 2 * pad, x + font.getlength(label) + 2 * pad, bottom - 1], SLATE)
            draw.text((x + pad, bottom - pad), label, AMBER, font, anchor="ls")

    def _time(self, image: Image, draw: ImageDraw, part: float) -> None:
        """The rail at the bottom with a mark where each picture stands, and the playhead."""
        left, right = self.margin, self.clip.width - self.margin
        y, thick, now = self.clip.height - round(12 * self.unit), max(2, round(3 * self.unit)), left + (right - left) * part
        draw.rounded_rectangle([left, y, right, y + thick], thick // 2, RAIL)
        draw.rounded_rectangle([left, y, max(now, left + thick), y + thick], thick // 2, AMBER)
        middle, size = y + thick / 2, 4.5 * self.unit
        for picture in self.clip.pictures:
            if picture.kind == "image":
                x = left + (right - left) * picture.frame / max(self.clip.frames - 1, 1)
                draw.polygon([(x - size, middle), (x, middle - size), (x + size, middle), (x, middle + size)], TEXT)
        draw.ellipse([now - size, middle - size, now + size, middle + size], AMBER, SLATE)
        if self.wave:
            bright, (x, top) = self.wave
            played = bright.crop((0, 0, max(1, round(bright.width * part)), bright.height))
            image.paste(played, (x, top), played)
            draw.line([(now, top - 2), (now, top + bright.height + 1)], TEXT, max(1, round(self.unit)))


def _bars(wave: np.ndarray, size: Size, clip: Result, colour: tuple[int, int, int]) -> Image:
    """The loudness of a sound over the whole clip, as bars on a transparent strip."""
    import numpy as np
    from PIL import Image, ImageDraw

    step = max(3, size[1] // 8)
    count = max(1, size[0] // step)
    edges = np.linspace(0, clip.seconds * clip.sample_rate, count + 1).astype(int)
    loud = np.abs(wave).max(axis=0) if wave.shape[1] else np.zeros(1)
    peaks = np.array([loud[start:end].max(initial=0.0) for start, end in itertools.pairwise(edges)])
    heights = np.sqrt(peaks / max(peaks.max(), 1e-3)) * (size[1] / 2 - 1)
    strip = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(strip)
    for index, half in enumerate(np.maximum(heights, 0.75)):
        x, middle = index * step, size[1] / 2
        draw.rounded_rectangle([x, middle - half, x + step - 2, middle + half], 1, (*colour, 255))
    return strip
