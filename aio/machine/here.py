"""Where this process runs: on a machine of one's own, on a Hugging Face Space, or on one with ZeroGPU. Imports nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence

YES = ("1", "t", "true")
"""What `spaces` takes for true (its config.py)."""


def on_zerogpu() -> bool:
    """Whether a GPU has to be asked for: the Hub sets SPACES_ZERO_GPU on such a Space."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in YES


def on_space() -> bool:
    """Whether this is a Space of any kind: the Hub sets SPACE_ID."""
    return bool(os.environ.get("SPACE_ID")) or on_zerogpu()


def placed(overrides: Sequence[str]) -> list[str]:
    """Hydra's `overrides`, and `platform=zerogpu` on a Space where they name no platform."""
    named = any(text.lstrip("+~").split("=")[0].split("@")[0] == "platform" for text in overrides)
    return [*overrides, *(["platform=zerogpu"] if on_space() and not named else [])]
