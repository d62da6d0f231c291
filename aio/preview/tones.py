"""A quiet bed of tones where a real run would generate sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ROOTS = (110.0, 123.47, 130.81, 146.83, 164.81)
"""Hz of A2, B2, C3, D3, E3."""

CHORD = ((1.0, 1.0), (1.5, 0.7), (2.0, 0.5), (2.5, 0.35), (3.0, 0.2))
"""Ratio to the root and loudness of each voice: root, fifth, octave, major third, twelfth."""

LOUDNESS, FADE_SECONDS = 0.08, 0.6


def bed(seed: int, samples: int, sample_rate: int, channels: int) -> np.ndarray:
    """Return a soft chord that swells and fades: float32 of shape (channels, samples), the same for the same seed."""
    import numpy as np

    random = np.random.default_rng(seed)
    root = ROOTS[random.integers(len(ROOTS))]
    time = np.arange(samples, dtype=np.float32) / sample_rate
    sound = np.zeros((channels, samples), np.float32)
    for ratio, loudness in CHORD:
        for channel in sound:  # each side swells at its own pace, which gives width
            pace, phase = random.uniform(0.08, 0.25), random.uniform(0, 2 * np.pi)
            swell = 0.6 + 0.4 * np.sin(2 * np.pi * pace * time + phase)
            channel += loudness * swell * np.sin(2 * np.pi * root * ratio * time)
    fade = np.minimum(1.0, np.minimum(time, time[::-1]) / FADE_SECONDS)
    return sound * fade * np.float32(LOUDNESS / 1.5)
