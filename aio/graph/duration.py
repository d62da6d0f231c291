"""GPU seconds of a run, from the real numbers of its patched prompt and the constants of conf/duration and conf/platform.

The plan, the page, the progress, the log of timings and the request for a GPU all come from `work` and `estimate`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aio.config import Config
from aio.config.kinds import Kinds
from aio.config.platform import Duration, Platform
from aio.graph import schema, shapes
from aio.graph.shapes import SamplerFacts
from aio.values import Media, Prompt

SHARES: Mapping[str, tuple[str, ...]] = {
    "Text": ("text",), "Guides": ("guide", "first_frame", "image_to_video"), "Sound": ("encode_sound", "decode_sound"),
    "Decode": ("decode",), "Write mp4": ("save",),
}
"""Part of an estimate -> the kinds of nodes that share it."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a prompt gives a GPU to do.

    Attributes:
        result: the clip. samplers: steps, passes and tokens of each sampler. counts: kind -> number of nodes. order: node ids, sources first.
        looks: class_type -> pictures that its nodes look at, those that look for several people counted once for each.
    """

    result: shapes.Result
    samplers: tuple[SamplerFacts, ...]
    counts: Mapping[str, int]
    order: tuple[str, ...]
    looks: Mapping[str, int]

    @property
    def pixels(self) -> int:
        """Frames x width x height of the result."""
        return self.result.frames * self.result.width * self.result.height


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds on a GPU.

    Attributes:
        parts: what -> seconds, e.g. `Sample, stage 1`. total: their sum, models resident.
        load: seconds more for the first run of a process. needed: both, with the platform's margin.
        request: seconds that the platform is asked for: `needed`, clamped.
        card: the GPU that the seconds are for.
        size: of the GPU where one has to be asked for, else empty. handed: what its decorator is given, whole seconds.
        quota: seconds of a daily quota that the request takes. runs: kind of account -> such requests a day, 0: it does not fit.
        longest: seconds that a second attempt may ask for. limits: seconds that one request of each kind of account may have.
    """

    parts: Mapping[str, float]
    total: float
    load: float
    needed: float
    request: float
    card: str
    size: str = ""
    handed: int = 0
    quota: float = 0.0
    runs: Mapping[str, int] = field(default_factory=dict)
    longest: float = 0.0
    limits: tuple[float, ...] = ()


def work(prompt: Prompt, media: Callable[[str], Media], kinds: Kinds) -> Work:
    """What a patched prompt asks of a GPU.

    Args:
        media: gives the facts of a file by the name that a loader node holds. kinds: what classes do.

    Raises:
        WorkflowError: the prompt's shapes do not fit.
    """
    known = shapes.interpret(prompt, media, kinds, schema.load())
    counts = Counter(kinds.of(node["class_type"]) for node in prompt.values())
    facts = shapes.samplers(prompt, known, kinds)
    return Work(shapes.result(prompt, known, kinds), tuple(facts), counts, tuple(known), shapes.looks(prompt, known, kinds))


def sampling(sampler: SamplerFacts, costs: Duration) -> float:
    """Seconds of a sampler on the card that the constants were measured on."""
    linear, square = costs.step_ms
    thousands = sampler.tokens / 1000
    step = max(costs.step_floor_ms, linear * thousands + square * thousands**2) / 1000
    return sampler.steps * sampler.passes * step * (costs.guide_factor if sampler.guides else 1.0)


def estimate(work: Work, config: Config) -> Estimate:
    """Evaluate the duration model with the constants of the sections `duration` and `platform`, for the chosen `model`."""
    costs, platform = config.duration, config.platform
    size = platform.size_of(config.model.name)
    scale = costs.card_factor * (platform.sizes[size].card_factor if size else 1.0)
    parts: dict[str, float] = {}
    for sampler in work.samplers:
        parts[sampler.title] = parts.get(sampler.title, 0.0) + sampling(sampler, costs)
    each = {"Text": costs.text_s, "Guides": costs.guide_s, "Sound": costs.audio_s}
    parts |= {part: seconds * sum(work.counts.get(kind, 0) for kind in SHARES[part]) for part, seconds in each.items()}
    parts["Decode"] = costs.decode_s_per_mpx_frame * work.pixels / 1e6
    parts["Control"] = sum(seconds * work.looks.get(name, 0) for name, seconds in costs.look_s.items())
    parts |= costs.extra_s
    parts = {name: seconds * scale for name, seconds in parts.items()}
    parts["Write mp4"] = costs.encode_s_per_mpx_frame * work.pixels / 1e6
    parts = {name: round(seconds, 2) for name, seconds in parts.items() if seconds}
    total, clamp = round(sum(parts.values()), 1), platform.duration
    load = round(costs.load_s.get(config.model.name, 0.0) + clamp.cold_s, 1)   # it waits for disk and bus, not for the card
    needed = round((total + load) * clamp.margin, 1)
    request = min(max(needed, clamp.min or 0), clamp.max or math.inf)
    if not size:
        return Estimate(parts, total, load, needed, round(request, 1), costs.card)
    return _asked(Estimate(parts, total, load, needed, request, platform.sizes[size].card, size), platform)


def most(config: Config) -> Estimate:
    """For a prompt whose work is unknown, where a GPU has to be asked for: all that one run may ask for."""
    platform = config.platform
    size, request = platform.size_of(config.model.name), platform.duration.max or math.inf
    return _asked(Estimate({}, 0.0, 0.0, request, request, platform.sizes[size].card, size), platform)


def _asked(plain: Estimate, platform: Platform) -> Estimate:
    """The estimate for a platform where a GPU has to be asked for."""
    size, clamp = platform.sizes[plain.size], platform.duration
    handed = handed_for(plain.request, plain.size, platform)
    request = round(handed * size.asks, 1)
    allowed = {kind: minutes * 60 / size.quota for kind, minutes in platform.quota.items()}
    return Estimate(
        plain.parts, plain.total, plain.load, plain.needed, request, plain.card, plain.size, handed,
        quota=round(request * size.quota, 1), runs={kind: int(seconds // request) for kind, seconds in allowed.items()},
        longest=clamp.retry_max or 0.0, limits=tuple(sorted(allowed.values(), reverse=True)),
    )


def handed_for(seconds: float, size: str, platform: Platform) -> int:
    """Whole seconds to give to the decorator, so that the platform is asked for `seconds` at most."""
    return max(1, math.floor(seconds / platform.sizes[size].asks))
