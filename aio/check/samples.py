"""Made-up jobs: what a job of a configuration looks like without a user, and other legal values of its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aio import fields, request
from aio.config import Config
from aio.errors import InvalidParams
from aio.fields import LIST, MEDIA_TYPES, Field, formats, geometry, lists
from aio.job import Request
from aio.values import Media


def sample(config: Config, params: Mapping[str, Any] = {}) -> Request:
    """A request with made-up input files: what a job looks like without a user.

    Raises:
        InvalidParams: the config's own defaults or presets break the config's own rules.
    """
    given: dict[str, Any] = {f.name: f"aio/{f.name}" for f in config.fields.values() if f.type in MEDIA_TYPES and not f.optional}
    given |= {f.name: _text(f) for f in config.fields.values() if f.type == "STRING" and f.default is None}
    given |= {f.name: items(f, dict.fromkeys(MEDIA_TYPES, f"aio/{f.name}")) for f in config.fields.values() if f.type == LIST}
    try:
        values = fields.check(config.fields, given | dict(params), config.values)
    except InvalidParams as error:
        raise request.explained(error, config, params) from None
    for field in config.fields.values():
        if field.length_of and values[field.name] is None:
            values[field.name] = 5.0
    found = {}
    for name, field, value in lists.files(config.fields, values):
        found[name] = _media(field, str(value), values, config.clips)
    return Request(config, values, frozenset(params), found, warnings=tuple(request.notes(config, values)))


def items(field: Field, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Made-up items of a LIST: two where that is legal, so that one follows another. files: type -> its file."""
    count = min(max(field.min_items or 0, 2), field.max_items or 2)
    least = {name: files.get(one.type, _text(one) if one.type == "STRING" else one.options[0] if one.options else one.min or 0)
             for name, one in field.items.items() if one.required}
    return [dict(least) for _ in range(count)]


def _media(field: Field, value: str, values: Mapping[str, Any], clips: geometry.Clips) -> Media:
    width, height, fps = values.get("width") or 512, values.get("height") or 512, values.get("fps") or 24.0
    frames = geometry.frames(clips, values.get("seconds") or 5.0, fps)
    kind = field.type.lower()
    facts = Media(Path(value), kind, width, height)
    if kind == "video":
        facts = dataclasses.replace(facts, frames=frames, fps=fps)
    if kind != "image":
        facts = dataclasses.replace(facts, seconds=frames / fps, sample_rate=48000, channels=2)
    return facts


def parts(field: Field) -> list[str]:
    """A field, and the keys of its items as `keyframes[].at`."""
    return [field.name, *(f"{field.name}[].{key}" for key in field.items)]


def others(field: Field, value: Any) -> Iterator[tuple[str, Any]]:
    """(part, another legal value of the field) for each of its parts."""
    if field.type != LIST:
        yield field.name, _other(field, value)
        return
    yield field.name, value[1:] if len(value) > (field.min_items or 0) else [*value, *value[:1]]
    for key, one in field.items.items():
        yield f"{field.name}[].{key}", [{**value[0], key: _other(one, value[0][key])}, *value[1:]]


def _other(field: Field, value: Any) -> Any:
    """A legal value that differs from `value`."""
    if field.type in ("INT", "FLOAT"):
        step = field.step or 1
        # One second is a whole number of latent frames at every rate that fields allow.
        step = 1 if field.length_of or field.name == "seconds" else step
        value = (field.min or 0) if value is None else value
        return value - step if field.max is not None and value + step > field.max else value + step
    if field.type == "COMBO":
        return next((option for option in field.options if option != value), value)
    if field.type == "BOOLEAN":
        return not value
    return _text(field, value)


def _text(field: Field, other: Any = None) -> str:
    """A legal text that differs from `other`."""
    if field.format:
        return next(example for example in formats.FORMATS[field.format].examples if example != other)
    return "text" if other is None else f"{other}, other"
