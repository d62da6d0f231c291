"""The arithmetic of clips, in one place; its numbers come from the configuration (`kinds` and `family`, aio.config.kinds).

The functions in FUNCTIONS are available to patch templates under their names: `${frames:seconds,fps}` calls `frames` with
the values of the fields `seconds` and `fps`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aio.fields.amounts import Count

SIZE = ("width", "height")
"""Names of the fields that say how large a clip is, in pixels."""

SHAPE_WEIGHT = 2
"""How much a wrong shape counts against a wrong number of pixels, both as ratios. With 2, no shape from 1:4 to 4:1 loses more than 3.9 % in multiples
of 64 at 1280 x 704, and none takes more than 11 % more pixels than that or less."""

SOUND_TAIL = 0.05
"""Seconds by which the sound of a video may outlast its picture without counting: encoders fill the last block, of up to 46 ms in AAC and MP3."""


@dataclass(frozen=True, slots=True)
class Latent:
    """What a cell of a video latent holds. The defaults are those of clips that no family is named for: any length and size.

    Attributes:
        frame_step: frames of a latent frame; the first one holds a single frame. pixel_step: pixels in width and height.
        min_frames: of the shortest clip.
    """

    frame_step: Count = 1
    pixel_step: Count = 1
    min_frames: Count = 1

    def whole(self, frames: int) -> int:
        """The legal number of frames, a multiple of `frame_step` and one, that is at least `frames`."""
        return self.frame_step * math.ceil((max(self.min_frames, frames) - 1) / self.frame_step) + 1

    def latents(self, frames: int) -> int:
        """Latent frames of a number of frames; what does not fill one is left out."""
        return (frames - 1) // self.frame_step + 1

    def frames(self, latents: int) -> int:
        """Frames of a number of latent frames."""
        return self.frame_step * (latents - 1) + 1


@dataclass(frozen=True, slots=True)
class Sound:
    """Lengths of a family's sound.

    Attributes:
        sample_rate, channels: of generated sound, Hz and count. mel_rate: Hz at which the audio VAE looks at sound.
        hop: samples at `mel_rate` of one mel frame. step: mel frames of one latent step.
        encode_rate, encode_block: Hz to which a given sound is resampled, and samples of a block, of which only whole ones are encoded.
    """

    sample_rate: Count
    channels: Count
    mel_rate: Count
    hop: Count
    step: Count
    encode_rate: Count
    encode_block: Count

    def latents_of_frames(self, frames: int, fps: float) -> int:
        """Latent steps of an empty latent for `frames` video frames (num_of_latents_from_frames of audio_vae.py)."""
        return round(float(frames) / fps * (self.mel_rate / self.hop / self.step))

    def samples_of_latents(self, length: int) -> int:
        """Samples at `sample_rate` that the vocoder makes of `length` latent steps.

        The first step holds one mel frame, each further one `step`; so decoded sound ends up to 30 ms before the picture.
        """
        return (self.step * length - (self.step - 1)) * self.hop * self.sample_rate // self.mel_rate

    def latents_of_samples(self, samples: int, sample_rate: int) -> int:
        """Latent steps that the audio VAE makes of a given sound."""
        resampled = _ceil(samples * self.encode_rate, sample_rate) // self.encode_block * self.encode_block
        return _ceil(_ceil(resampled * self.mel_rate, self.encode_rate) // self.hop + 1, self.step)


@dataclass(frozen=True, slots=True)
class Clips:
    """What clips of a family are made of. sound: None where it has none."""

    latent: Latent = Latent()
    sound: Sound | None = None


def frames(clips: Clips, seconds: float, fps: float) -> int:
    """Number of frames of a clip: for LTX `8 * floor(seconds * fps / 8) + 1`, at least 9.

    One legal length goes to the video and to the audio latent; otherwise the sound outlasts the picture.
    """
    step = clips.latent.frame_step
    # 5 s x 23.976 must not lose a block of frames to binary rounding.
    lasts = round(seconds * fps, 6)
    return max(clips.latent.min_frames, step * math.floor(lasts / step) + (step > 1))


def covering(clips: Clips, seconds: float, fps: float) -> float:
    """Length in seconds of the shortest clip that holds all of a sound or video of `seconds`: its frames, rounded up to a legal number."""
    # 481 frames at 24000/1001 must stay 481 at fps=23.976: what is less than a hundredth of a frame is rounding.
    return round(clips.latent.whole(math.ceil(round(seconds * fps, 2))) / fps, 6)


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


def clip_seconds(clips: Clips, seconds: float, fps: float) -> float:
    """Length in seconds that the clip really has: its frames over its rate."""
    return round(frames(clips, seconds, fps) / fps, 6)


def encoded_seconds(clips: Clips, seconds: float, fps: float) -> float:
    """Length in seconds of the copy of a given sound that is encoded: the clip's, filled up to whole blocks.

    ComfyUI's VAE.encode would cut anything else to whole blocks around its middle, so that the sound began up to 46 ms early.

    Raises:
        ValueError: the family has no sound.
    """
    if clips.sound is None:
        raise ValueError("the model family has no sound")
    rate, block = clips.sound.encode_rate, clips.sound.encode_block
    blocks = math.ceil(round(frames(clips, seconds, fps) / fps * rate / block, 6))
    return round(blocks * block / rate, 9)


def frame(clips: Clips, at: float, seconds: float, fps: float) -> int:
    """Number, from 0, of the frame that is shown `at` seconds into a clip; of a later time the last one."""
    return min(math.floor(round(at * fps, 6) + 0.5), frames(clips, seconds, fps) - 1)


def half(_: Clips, pixels: int) -> int:
    """Pixels of stage 1, whose latent the spatial upscaler doubles."""
    return pixels // 2


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "frames": frames, "frame": frame, "clip_seconds": clip_seconds, "encoded_seconds": encoded_seconds, "half": half,
}
"""Name in a template -> function of the family's Clips and the fields' values."""


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
