"""The lengths of LTX-2.3 sound: latent steps and samples.

Source of the constants: the `audio_vae` and `vocoder` parts of the config in the LTX-2.3 checkpoints' metadata; of the
arithmetic: ComfyUI v0.33.0, comfy/ldm/lightricks/vae/audio_vae.py, vocoders/vocoder.py, comfy/sd.py and nodes_audio.py.
"""

from __future__ import annotations

from aio.fields.geometry import ENCODE_BLOCK, ENCODE_RATE

SAMPLE_RATE = 48_000
"""Hz of generated sound: `bwe.output_sampling_rate`."""

CHANNELS = 2
"""Generated sound is stereo: `audio_vae.model.params.ddconfig.out_ch`."""

MEL_RATE = 16_000
"""Hz at which the audio VAE looks at sound: `preprocessing.audio.sampling_rate`."""

HOP = 160
"""Samples at MEL_RATE of one mel frame: `preprocessing.stft.hop_length`."""

STEP = 4
"""Mel frames of one latent step: LATENT_DOWNSAMPLE_FACTOR in audio_vae.py."""


def latents_of_frames(frames: int, fps: float) -> int:
    """Latent steps of an empty audio latent for `frames` video frames (num_of_latents_from_frames)."""
    return round(float(frames) / fps * (MEL_RATE / HOP / STEP))


def samples_of_latents(length: int) -> int:
    """Samples at SAMPLE_RATE that the vocoder makes of `length` latent steps.

    The first step holds one mel frame, each further one four; so decoded sound ends up to 30 ms before the picture.
    """
    return (STEP * length - (STEP - 1)) * HOP * SAMPLE_RATE // MEL_RATE


def latents_of_samples(samples: int, sample_rate: int) -> int:
    """Latent steps that the audio VAE makes of a given sound."""
    resampled = _ceil(samples * ENCODE_RATE, sample_rate) // ENCODE_BLOCK * ENCODE_BLOCK
    mel_frames = _ceil(resampled * MEL_RATE, ENCODE_RATE) // HOP + 1
    return _ceil(mel_frames, STEP)


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
