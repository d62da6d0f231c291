"""What given pictures, videos and sounds are fitted to: a clip's size, rate and length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aio.fields import geometry, lists
from aio.job import Request
from aio.media import Clip
from aio.values import Media

PAD = "pad"
"""The value of the field `fit` with which a picture is kept whole, with bars; with any other it covers the frame and is cut."""


def pads(values: Mapping[str, Any]) -> bool:
    """Whether pictures and videos are fitted whole, with bars."""
    return values.get("fit") == PAD


def clip_of(request: Request) -> Clip | None:
    """The clip that staged media are fitted to; None where the mode has no such fields."""
    values = request.values
    if any(values.get(name) is None for name in ("width", "height", "seconds", "fps")):
        return None
    frames = geometry.frames(request.config.clips, values["seconds"], values["fps"])
    return Clip(values["width"], values["height"], frames, values["fps"], pad=pads(values))


def files_of(request: Request) -> dict[str, Media]:
    """Name of an input file in the prompt -> its facts: of the staged copy, or before staging what that copy will have."""
    clip, found = clip_of(request), dict[str, Media]()
    for name, facts in request.media.items():
        field = lists.field_of(request.config.fields, name) if clip is not None and name not in request.hashes else None
        kind = field.type if field else ""
        if clip is not None and kind == "VIDEO" and facts.kind == "video":
            facts = replace(
                facts, width=clip.width, height=clip.height, frames=clip.frames, fps=clip.fps, seconds=clip.seconds,
                sample_rate=facts.sample_rate or 48000, channels=2,
            )
        elif clip is not None and kind == "AUDIO":
            facts = replace(facts, seconds=max(facts.seconds, clip.seconds))
        found[str(lists.at(request.values, name))] = facts
    return found
