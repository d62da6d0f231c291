"""GPU seconds of a run, from the real numbers of its patched prompt and the constants of conf/duration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aio.shapes import SamplerFacts


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds on a GPU.

    Attributes:
        parts: what -> seconds, e.g. `Sample, stage 1`. total: their sum, models resident.
        load: seconds more for the first run of a process. request: what a platform is asked for, clamped.
        card: the GPU that the constants were measured on.
    """

    parts: Mapping[str, float]
    total: float
    load: float
    request: float
    card: str


def estimate(
    samplers: Sequence[SamplerFacts], counts: Mapping[str, int], pixels: float, data: Mapping[str, Any]
) -> Estimate:
    """Evaluate the duration model.

    Args:
        samplers: steps, passes and tokens of each sampler node.
        counts: class_type -> number of nodes in the prompt.
        pixels: frames x width x height of the result.
        data: the composed configuration (`duration`, `platform`, `model`).
    """
    costs = data["duration"]
    linear, square = costs["step_ms"]
    parts: dict[str, float] = {}
    for sampler in samplers:
        thousands = sampler.tokens / 1000
        step = max(costs["step_floor_ms"], linear * thousands + square * thousands**2) / 1000
        factor = costs["guide_factor"] if sampler.guides else 1.0
        parts[sampler.title] = sampler.steps * sampler.passes * step * factor
    count = lambda *classes: sum(counts.get(name, 0) for name in classes)   # noqa: E731
    parts["Text"] = costs["text_s"] * count("CLIPTextEncode")
    parts["Guides"] = costs["guide_s"] * count("LTXVAddGuide", "LTXVImgToVideoInplace", "LTXVImgToVideo")
    parts["Sound"] = costs["audio_s"] * count("LTXVAudioVAEDecode", "LTXVAudioVAEEncode")
    parts["Decode"] = costs["decode_s_per_mpx_frame"] * pixels / 1e6
    parts["Write mp4"] = costs["encode_s_per_mpx_frame"] * pixels / 1e6
    parts = {name: round(seconds * costs["card_factor"], 2) for name, seconds in parts.items() if seconds}
    total = round(sum(parts.values()), 1)
    load = costs["load_s"].get(data.get("model", {}).get("name"), 0.0) * costs["card_factor"]
    clamp = data["platform"]["duration"]
    request = max(total + load, clamp["min"] or 0)
    return Estimate(parts, total, load, round(min(request, clamp["max"] or request), 1), costs["card"])
