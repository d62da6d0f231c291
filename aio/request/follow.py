"""What fields take from the input files where they are left out: the clip's shape from a picture or video, its length from a sound or video.

A mode says which field follows which input (`size_of`, `length_of` of aio.fields). Here is what that comes to, and what is said where a
picture is cut, or a sound is not used to its end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from aio.config import Config
from aio.errors import Problem
from aio.fields import Field, geometry, lists
from aio.graph.clip import PAD, pads
from aio.values import Media

SLIVER = 0.01
"""The least share of a picture that is worth fitting: below it ComfyUI's nodes would be left with no row or column of pixels."""


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """What was taken. values: field -> value. origins: field -> what it was taken from. warnings: sentences. problems: faults of given values."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    origins: dict[str, str] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)


def take(config: Config, values: Mapping[str, Any], found: Mapping[str, Media], params: Mapping[str, Any]) -> Taken:
    """Values for the fields that follow an input and are left out.

    Args:
        values: the checked values of all fields. found: facts of the input files, by field. params: what the user gave.
    """
    taken = Taken()
    for field in config.fields.values():
        if field.length_of and field.length_of in found:
            _length(field, values, found[field.length_of], config.clips, taken)
    _size(config, values, found, {name for name, value in params.items() if value is not None}, taken)
    return taken


def inputs_of(field: Field) -> tuple[str, ...]:
    """Names of the inputs that a field follows where it is left out."""
    return (field.length_of,) if field.length_of else field.size_of


def _size(config: Config, values: Mapping[str, Any], found: Mapping[str, Media], given: set[str], taken: Taken) -> None:
    sides = [config.fields[name] for name in geometry.SIZE if name in config.fields]
    if len(sides) < len(geometry.SIZE):
        return
    named = dict.fromkeys(name for side in sides for name in side.size_of)
    sources = {key: facts for name in named for key, facts in found.items() if lists.base(key) == name and facts.width and facts.height}
    free = [side.name for side in sides if side.size_of and (side.name not in given or values[side.name] is None)]
    usual = {side.name: config.values.get(side.name, side.default) for side in sides}
    size = {name: usual[name] if name in free else values[name] for name in usual}
    if sources and free:
        lead, facts = next(iter(sources.items()))
        aspect = facts.width / facts.height
        pixels = math.prod(size.values())
        if len(free) == 1:   # the given side decides how large it gets
            fixed = next(name for name in size if name not in free)
            pixels = size[fixed] ** 2 * (aspect if fixed == "height" else 1 / aspect)
        legal = [_legal(side) if side.name in free else range(size[side.name], size[side.name] + 1) for side in sides]
        size = dict(zip(usual, geometry.shape(aspect, pixels, *legal), strict=True))
        taken.origins.update(dict.fromkeys(free, f"the shape of {lead} ({facts.width}x{facts.height})"))
    taken.values.update({name: size[name] for name in free})
    unsaid = config.input.cut_share
    for name, facts in sources.items():
        share = geometry.kept(facts.width / facts.height, size["width"] / size["height"])
        if share < SLIVER:
            taken.problems.append(Problem(name, "custom_validation_failed", (
                f"{facts.path.name} is {facts.width}x{facts.height}, a sliver beside a video of {size['width']}x{size['height']}; cut it to a fuller "
                "shape, or give another")))
        elif unsaid is not None and share < 1 - unsaid and not pads(values):
            taken.warnings.append(_cut(config, name, facts, size, sides if len(free) < 2 else []))


def _legal(side: Field) -> range:
    step = max(1, round(side.step or 1))
    return range(math.ceil((side.min or step) / step) * step, math.floor(side.max or 16384) + 1, step)   # 16384: the most that ComfyUI's nodes take


def _cut(config: Config, name: str, facts: Media, size: Mapping[str, int], sides: list[Field]) -> str:
    """What is cut off a picture, and the ways to keep it.

    Args:
        sides: width and height, where another size is a way.
    """
    aspect, ways = facts.width / facts.height, []
    share = geometry.kept(aspect, size["width"] / size["height"])
    if sides:
        width, height = geometry.shape(aspect, math.prod(size.values()), *map(_legal, sides))
        better = geometry.kept(aspect, width / height)
        if better > share + 0.01:
            ways.append(f"width={width} height={height} keeps {'all' if better > 0.995 else f'{100 * better:.0f} %'} of it")
    if "fit" in config.fields and PAD in config.fields["fit"].options:
        ways.append(f"fit={PAD} keeps all of it, with bars")
    keep = f"; {', '.join(ways)}" if ways else ""
    return (f"{name}: {100 * share:.0f} % of the picture is kept, the rest is cut off, as it is {facts.width}x{facts.height} and the video "
            f"{size['width']}x{size['height']}{keep}")


def _length(field: Field, values: Mapping[str, Any], source: Media, clips: geometry.Clips, taken: Taken) -> None:
    """Fill a length that follows an input, and compare a given one with the input's."""
    name, fps, given = field.length_of, values.get("fps"), values[field.name]
    # No frame and no word is lost: of a video the longer of picture and sound counts, and the clip is rounded up to a legal length.
    held = source.sound_end - source.seconds if source.sound_end > source.seconds + geometry.SOUND_TAIL else 0.0
    lasts = source.seconds + held
    whole = geometry.covering(clips, lasts, fps) if fps else lasts
    if given is None:
        length = min(max(whole, field.min or 0.0), field.max or whole)
        used = geometry.clip_seconds(clips, length, fps) if fps else length
        rounded = f", rounded up to {geometry.frames(clips, length, fps)} frames" if fps and used > lasts + 0.001 else ""
        taken.values[field.name], taken.origins[field.name] = length, f"the length of {name} ({lasts:.3f} s){rounded}"
        if used < lasts - 0.001:
            taken.warnings.append(f"{name} lasts {lasts:.2f} s; only the first {used:.2f} s are used, the longest clip")
        elif held:
            taken.warnings.append(f"{name}: its sound goes on for {held:.2f} s after the picture; the last frame is held so long")
    elif source.kind == "audio" and given > whole + 0.05:
        taken.warnings.append(f"{name} lasts {lasts:.1f} s; silence follows up to {given:g} s")
    elif source.kind == "video" and given > whole + 0.05:
        taken.problems.append(Problem(field.name, "value_bigger_than_max", (
            f"{given:g} is longer than {name}, which lasts {lasts:.2f} s; give at most that, or a longer video")))
