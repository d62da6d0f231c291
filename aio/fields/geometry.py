"""The arithmetic of LTX-2.3 clips, in one place.

Every function is available to patch templates under its own name: `${frames:seconds,fps}` calls `frames` with
the values of the fields `seconds` and `fps`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

MIN_FRAMES = 9
"""Shortest clip: one latent frame holds 1 frame, every further one 8 (LTX-2.3 video VAE, 8k+1)."""

SIZE = ("width", "height")
"""Names of the fields that say how large a clip is, in pixels."""

SHAPE_WEIGHT = 2
"""How much a wrong shape counts against a wrong number of pixels, both as ratios. With 2, no shape from 1:4 to 4:1 loses more than 3.9 % in multiples
of 64 at 1280 x 704, and none takes more than 11 % more pixels than that or less."""

SPATIAL_STEP = 64
"""Pixels: the VAE divides space by 32, and the first of two stages runs at half size."""

SOUND_TAIL = 0.05
"""Seconds by which the sound of a video may outlast its picture without counting: encoders fill the last block, of up to 46 ms in AAC and MP3."""

ENCODE_RATE, ENCODE_BLOCK = 44_100, 4096
"""Hz to which ComfyUI resamples a sound before it encodes it, and the samples of a block (VAEEncodeAudio; comfy/sd.py, VAE.encode)."""


def frames(seconds: float, fps: float) -> int:
    """Number of frames of a clip: `8 * floor(seconds * fps / 8) + 1`, at least 9.

    One 8k+1 length goes to the video and to the audio latent; otherwise the sound outlasts the picture.
    """
    # 5 s x 23.976 must not lose a block of frames to binary rounding.
    return max(MIN_FRAMES, 8 * math.floor(round(seconds * fps, 6) / 8) + 1)


def covering(seconds: float, fps: float) -> float:
    """Length in seconds of the shortest clip that holds all of a sound or video of `seconds`: its frames are 8k+1, rounded up."""
    # 481 frames at 24000/1001 must stay 481 at fps=23.976: what is less than a hundredth of a frame is rounding.
    needed = max(MIN_FRAMES, math.ceil(round(seconds * fps, 2)))
    return round((8 * math.ceil((needed - 1) / 8) + 1) / fps, 6)


def shape(aspect: float, pixels: float, widths: range, heights: range) -> tuple[int, int]:
    """Width and height, of those that are legal, that come nearest to an aspect ratio (width / height) and to a number of pixels."""
    def off(size: tuple[int, int]) -> tuple[float, tuple[int, int]]:
        width, height = size
        return SHAPE_WEIGHT * abs(math.log(width / height / aspect)) + abs(math.log(width * height / pixels)), size

    def beside(width: int) -> Iterator[tuple[int, int]]:
        """The two heights next to the right shape: with a weight above 1 no other can be nearer."""
        below = int((width / aspect - heights.start) // heights.step)
        return ((width, heights[min(max(index, 0), len(heights) - 1)]) for index in (below, below + 1))

    return min((size for width in widths for size in beside(width)), key=off)


def kept(inner: float, outer: float) -> float:
    """Share of a picture of aspect ratio `inner` that is left when it is scaled to cover a frame of aspect ratio `outer` and cut to it."""
    return min(inner / outer, outer / inner)


def clip_seconds(seconds: float, fps: float) -> float:
    """Length in seconds that the clip really has: its frames over its rate."""
    return round(frames(seconds, fps) / fps, 6)


def encoded_seconds(seconds: float, fps: float) -> float:
    """Length in seconds of the copy of a given sound that is encoded: the clip's, filled up to whole blocks.

    ComfyUI's VAE.encode would cut anything else to whole blocks around its middle, so that the sound began up to 46 ms early.
    """
    blocks = math.ceil(round(frames(seconds, fps) / fps * ENCODE_RATE / ENCODE_BLOCK, 6))
    return round(blocks * ENCODE_BLOCK / ENCODE_RATE, 9)


def frame(at: float, seconds: float, fps: float) -> int:
    """Number, from 0, of the frame that is shown `at` seconds into a clip; of a later time the last one."""
    return min(math.floor(round(at * fps, 6) + 0.5), frames(seconds, fps) - 1)


def half(pixels: int) -> int:
    """Pixels of stage 1, whose latent the spatial upscaler doubles."""
    return pixels // 2


FUNCTIONS = {"frames": frames, "frame": frame, "clip_seconds": clip_seconds, "encoded_seconds": encoded_seconds, "half": half}
