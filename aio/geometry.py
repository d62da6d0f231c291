"""The arithmetic of LTX-2.3 clips, in one place.

Every function is available to patch templates under its own name: `${frames:seconds,fps}` calls `frames` with
the values of the fields `seconds` and `fps`.
"""

from __future__ import annotations

import math

MIN_FRAMES = 9
"""Shortest clip: one latent frame holds 1 frame, every further one 8 (LTX-2.3 video VAE, 8k+1)."""

SPATIAL_STEP = 64
"""Pixels: the VAE divides space by 32, and the first of two stages runs at half size."""

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
    # A file of 121 frames at 24000/1001 must stay 121: its length in seconds is rounded, to a microsecond at worst.
    needed = max(MIN_FRAMES, math.ceil(round(seconds * fps, 3)))
    return round((8 * math.ceil((needed - 1) / 8) + 1) / fps, 6)


def clip_seconds(seconds: float, fps: float) -> float:
    """Length in seconds that the clip really has: its frames over its rate."""
    return round(frames(seconds, fps) / fps, 6)


def encoded_seconds(seconds: float, fps: float) -> float:
    """Length in seconds of the copy of a given sound that is encoded: the clip's, filled up to whole blocks.

    ComfyUI's VAE.encode would cut anything else to whole blocks around its middle, so that the sound began up to 46 ms early.
    """
    blocks = math.ceil(round(frames(seconds, fps) / fps * ENCODE_RATE / ENCODE_BLOCK, 6))
    return round(blocks * ENCODE_BLOCK / ENCODE_RATE, 9)


def half(pixels: int) -> int:
    """Pixels of stage 1, whose latent the spatial upscaler doubles."""
    return pixels // 2


FUNCTIONS = {"frames": frames, "clip_seconds": clip_seconds, "encoded_seconds": encoded_seconds, "half": half}
