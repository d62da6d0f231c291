"""What moves behind a storyboard's text: given pictures, a video through its control, or a seeded glow of colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aio.graph.shapes.values import Fit, Picture
from aio.media.colour import image_of
from aio.media.lettering import SLATE
from aio.media.pictures import picture
from aio.media.streams import frames_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.Image import Image as PictureImage  # where functions import the module of that name

Size = tuple[int, int]
Scene = Callable[[int], "Image"]
"""Gives the RGB picture of a clip frame; called with rising frame numbers."""

ZOOM = 1.12
"""How much larger a still is held than the frame, so that it can drift."""


def scene(pictures: tuple[Picture, ...], locate: Callable[[str], Path], size: Size, frames: int, seed: int) -> Scene:
    """The scene that the pictures of a clip make.

    Args:
        locate: ComfyUI name -> file. size: width, height in pixels.
        frames: of the clip. seed: sets colours and directions.
    """
    videos = [picture for picture in pictures if picture.kind == "video"]
    stills = sorted((picture for picture in pictures if picture.kind == "image"), key=lambda picture: picture.frame)
    if videos:
        return Footage(videos[0], locate, size)
    if stills:
        return _fades([(still.frame, drift(locate(still.name), size, frames, seed + still.frame, still)) for still in stills])
    return glow(size, frames, seed)


def drift(path: Path, size: Size, frames: int, seed: int, still: Picture) -> Scene:
    """A still: exactly as the model is given it at its own frame, slowly drifting closer away from that.

    Args:
        still: where in the clip it stands, and how it was fitted.
    """
    from PIL import Image

    file = picture(path, draft=(round(size[0] * ZOOM * 2), round(size[1] * ZOOM * 2)))  # a JPEG is decoded no larger than needed
    file = file if file.mode == "RGB" else file.convert("RGB")
    large = _as_given(file, still.fits, (round(size[0] * ZOOM), round(size[1] * ZOOM)))
    angle = seed * 2.399963  # radians; the golden angle spreads the directions of neighbouring seeds

    def at(frame: int) -> PictureImage:
        part = min(abs(frame - still.frame) / max(frames - 1, 1), 1.0)
        width, height = (round(side * (1 - part) + goal * part, 3) for side, goal in zip(large.size, size, strict=True))
        left = (large.width - width) / 2 * (1 + 0.8 * math.cos(angle))
        top = (large.height - height) / 2 * (1 + 0.8 * math.sin(angle))
        return large.resize(size, Image.Resampling.BILINEAR, (left, top, left + width, top + height))

    return at


def _as_given(image: Image, fits: tuple[Fit, ...], size: Size) -> Image:
    """A picture cut, framed and stretched as its fits say, at `size`; only their shapes count, so each has as many pixels as that."""
    from PIL import Image, ImageOps

    for fit in fits:
        factor = math.sqrt(size[0] * size[1] / (fit.width * fit.height))
        place = max(1, round(fit.width * factor)), max(1, round(fit.height * factor))
        place = size if max(abs(one - other) for one, other in zip(place, size, strict=True)) <= 1 else place   # rounded
        if fit.way == "stretch":
            image = image.resize(place, Image.Resampling.BICUBIC)
        else:
            image = {"pad": ImageOps.pad, "crop": ImageOps.fit}[fit.way](image, place, Image.Resampling.BICUBIC)
    return image if image.size == size else ImageOps.fit(image, size, Image.Resampling.BICUBIC)


def _fades(stills: list[tuple[int, Scene]]) -> Scene:
    """Each still at its frame; between two of them, the middle half of the time is a cross-fade."""
    from PIL import Image

    def at(frame: int) -> PictureImage:
        before = [still for still in stills if still[0] <= frame] or stills[:1]
        after = [still for still in stills if still[0] > frame]
        (start, one), part = before[-1], 0.0
        if after and after[0][0] > start:
            linear = min(max(((frame - start) / (after[0][0] - start) - 0.25) * 2, 0.0), 1.0)
            part = linear * linear * (3 - 2 * linear)
        if part == 0.0:
            return one(frame)
        return after[0][1](frame) if part == 1.0 else Image.blend(one(frame), after[0][1](frame), part)

    return at


def glow(size: Size, frames: int, seed: int) -> Scene:
    """Soft lights that wander over slate, for clips that nothing but text describes."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(seed)
    grid = (max(8, size[0] // 16), max(8, size[1] // 16))
    x, y = np.meshgrid(np.linspace(0, size[0] / min(size), grid[0]), np.linspace(0, size[1] / min(size), grid[1]))
    # Teal, indigo, rose and amber go with slate; every seed places and times them anew.
    colours = np.array([(20, 120, 130), (67, 56, 180), (150, 40, 90), (200, 120, 20)], np.float32)[random.permutation(4)]
    place, pace, phase = random.uniform(0.15, 0.85, (4, 2)), random.uniform(0.35, 0.8, (4, 2)), random.uniform(0, 6.28, (4, 2))

    def at(frame: int) -> PictureImage:
        turn = 2 * math.pi * frame / max(frames, 48)
        field = np.empty((grid[1], grid[0], 3), np.float32)
        field[:] = SLATE
        for index, colour in enumerate(colours):
            cx, cy = (place[index] + 0.22 * np.sin(pace[index] * turn + phase[index])) * (x[0, -1], y[-1, 0])
            field += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.16)[..., None] * colour * 0.7
        return Image.fromarray(np.clip(field, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)

    return at


class Footage:
    """A video at its place in time, seen as its control would see it; before and after it, its first and last frame."""

    def __init__(self, picture: Picture, locate: Callable[[str], Path], size: Size):
        self.picture, self.frames = picture, _decoded(locate(picture.name), size)
        self.held, self.number = next(self.frames), 0

    def source(self, frame: int) -> Image:
        """The video's own picture at a clip frame; not to be drawn on."""
        wanted = self.picture.first + min(max(frame - self.picture.frame, 0), self.picture.count - 1)
        while self.number < wanted:
            self.held, self.number = next(self.frames, self.held), self.number + 1
        return self.held

    def __call__(self, frame: int) -> Image:
        image, draw = self.source(frame), _CONTROLS.get(self.picture.control)
        return draw(image, frame) if draw else image.copy()


def _decoded(path: Path, size: Size) -> Iterator[Any]:
    from PIL import ImageOps

    for frame in frames_of(path):
        image = image_of(frame)
        yield image if image.size == size else ImageOps.fit(image, size)


def _edges(image: Image, frame: int) -> Image:
    import numpy as np
    from PIL import Image as images
    from PIL import ImageOps

    # At half size, as the control itself is computed: a quarter of the work, and reducing takes the grain away.
    grey = np.asarray(image.convert("L").reduce(2), np.int16)
    slope = np.zeros(grey.shape, np.int16)
    slope[1:-1, 1:-1] = abs(grey[1:-1, 2:] - grey[1:-1, :-2]) + abs(grey[2:, 1:-1] - grey[:-2, 1:-1])
    mask = images.fromarray(np.clip((slope - 24) * 6, 0, 255).astype(np.uint8)).resize(image.size, images.Resampling.BILINEAR)
    return ImageOps.colorize(mask, (6, 10, 20), (240, 244, 250))


def _depth(image: Image, frame: int) -> Image:
    import numpy as np
    from PIL import Image as images
    from PIL import ImageFilter

    small = image.convert("L").resize((max(image.width // 4, 1), max(image.height // 4, 1))).filter(ImageFilter.GaussianBlur(1.5))
    nearness = np.linspace(0.35, 1.0, small.height, dtype=np.float32)[:, None]  # the ground is near, the sky far
    grey = np.asarray(small, np.float32) * 0.8 + 70
    return images.fromarray((grey * nearness).clip(0, 255).astype(np.uint8)).resize(image.size, images.Resampling.BICUBIC).convert("RGB")


_JOINTS = {"head": (0, -1.0), "neck": (0, -0.72), "hip": (0, 0.05), "l_hand": (-0.52, -0.05), "l_elbow": (-0.34, -0.38),
           "r_hand": (0.52, -0.05), "r_elbow": (0.34, -0.38), "l_knee": (-0.2, 0.5), "l_foot": (-0.24, 0.98), "r_knee": (0.2, 0.5),
           "r_foot": (0.24, 0.98)}
_BONES = (("neck", "head", 330), ("neck", "l_elbow", 20), ("l_elbow", "l_hand", 45), ("neck", "r_elbow", 90),
          ("r_elbow", "r_hand", 130), ("neck", "hip", 180), ("hip", "l_knee", 200), ("l_knee", "l_foot", 225),
          ("hip", "r_knee", 255), ("r_knee", "r_foot", 285))
"""Joints of a stand-in figure (half its height is 1), and bones with their hue in degrees, as OpenPose colours them."""


def _pose(image: Image, frame: int) -> Image:
    from PIL import Image as images
    from PIL import ImageColor, ImageDraw

    dark = images.blend(image, images.new("RGB", image.size, (6, 10, 20)), 0.8)
    draw, unit = ImageDraw.Draw(dark), min(image.size) * 0.26
    swing = math.sin(frame / 7)
    place = {name: (image.width / 2 + (x + 0.08 * swing * y) * unit, image.height * 0.35 + (y - 0.05 * abs(swing) * abs(x)) * unit)
             for name, (x, y) in _JOINTS.items()}
    for start, end, hue in _BONES:
        draw.line([place[start], place[end]], ImageColor.getrgb(f"hsl({hue},85%,58%)"), max(2, round(unit / 18)))
    for x, y in place.values():
        draw.ellipse([x - unit / 22, y - unit / 22, x + unit / 22, y + unit / 22], (240, 244, 250))
    return dark


_CONTROLS = {"canny": _edges, "depth": _depth, "pose": _pose}
"""Stand-ins that look like the real preprocessors' results."""
