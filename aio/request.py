"""From a job to a request: check every field, look into every input file, stage the files for the engine."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aio import fields, geometry, media, paths
from aio.config import Config
from aio.errors import InvalidParams, MediaError, Problem
from aio.fields import MEDIA_TYPES, Field
from aio.media import originals, stale
from aio.media.pictures import WHITE
from aio.values import Job, Media, Request

STAGING = frozenset({"background"})
"""Fields that change what an engine gets of a file, and so are read by no operation."""


def validate(job: Job) -> Request:
    """Return a request whose values are legal and whose input files can be read.

    Raises:
        InvalidParams: every fault of every field and file at once, each naming field, value and remedy.
    """
    config, problems = job.config, []
    try:
        values = fields.check(config.fields, job.params, config.values, config.mode)
    except InvalidParams as error:
        problems += explained(error, config, job.params).problems
        values = {name: job.params.get(name, config.values.get(name, field.default)) for name, field in config.fields.items()}
    faulty = {problem.field for problem in problems}
    found: dict[str, Media] = {}
    limits = limits_of(config)
    for name, field in config.fields.items():
        if field.type in MEDIA_TYPES and values.get(name) and name not in faulty:
            try:
                found[name] = media.probe(_file(values[name]), name, field.type.lower(), limits)
            except MediaError as error:
                problems.append(Problem(name, "custom_validation_failed", str(error).removeprefix(f"{name}: ")))
    warnings: list[str] = []
    if "background" not in faulty and not re.fullmatch(r"#[0-9a-fA-F]{6}", _background(values)):
        problems.append(Problem("background", "custom_validation_failed", (
            f"{_background(values)[:40]!r} is no colour like #ffffff; give # and six hexadecimal digits")))
    if not faulty:
        for field in config.fields.values():
            problem = _length(field, values, found, job.params, warnings)
            problems += [problem] if problem else []
        problems += _too_much(found, values, limits)
    if problems:
        raise InvalidParams(problems)
    given = frozenset(job.params)
    for facts in dict.fromkeys(found.values()):   # one file may be first and last frame
        warnings += facts.notes
        warnings += [f"{facts.path.name} is transparent in places, where {_background(values)} shows (background=…)"] if facts.transparent else []
    warnings += fields.unused(config.fields, job.params, {**config.values, **values})
    warnings += [f"{name}: {facts['note']}" for name, facts in (config.data.get("loras") or {}).items() if facts.get("note")]
    warnings += notes(config, values)
    return Request(config, values, given, found, prefix=f"aio/{uuid.uuid4().hex[:12]}", warnings=tuple(warnings))


def notes(config: Config, values: Mapping[str, Any]) -> list[str]:
    """What the configuration has to say of a job with these values: the texts of `notes` whose condition holds."""
    known = {**config.choices, **config.values, **values}
    return [note["text"] for note in (config.data.get("notes") or {}).values() if fields.holds(note.get("when"), known)]


def unoffered(config: Config) -> tuple[Problem, ...]:
    """What the preset needs and the model does not offer: values that are no option of their field. Empty: they go together."""
    preset, model = config.choices.get("preset"), config.choices.get("model")
    remedy = (config.data.get("model") or {}).get("remedy") or "choose another preset or model"
    lacking = [
        field for name, field in config.fields.items()
        if field.type == "COMBO" and name in config.values and str(config.values[name]) not in map(str, field.options)
    ]
    return tuple(
        Problem(field.name, "value_not_in_list", f"preset {preset} needs {config.values[field.name]!r}, model {model} offers {field.range}; {remedy}")
        for field in lacking
    )


def explained(error: InvalidParams, config: Config, params: Mapping[str, Any]) -> InvalidParams:
    """The same faults; those that the preset and the model cause, not the user, in words that lead to a way out."""
    known = {problem.field: problem for problem in unoffered(config) if problem.field not in params}
    return InvalidParams(known.get(problem.field, problem) for problem in error.problems)


def _length(field: Field, values: dict[str, Any], found: Mapping[str, Media], params: Mapping[str, Any], warnings: list[str]) -> Problem | None:
    """Fill a length that follows an input, and compare a given one with the input's."""
    source = found.get(field.length_of or "")
    if source is None:
        return None
    kind = "video" if source.kind == "video" and source.frames else "sound"
    if values[field.name] is None:
        length = source.seconds
        if field.max is not None and length > field.max:
            warnings.append(f"{field.length_of} lasts {length:.1f} s; only the first {field.max:g} s are used, the longest clip")
        values[field.name] = min(max(length, field.min or 0.0), field.max or length)
    elif kind == "sound" and values[field.name] > source.seconds + 0.05:
        warnings.append(f"{field.length_of} lasts {source.seconds:.1f} s; silence follows up to {values[field.name]:g} s")
    elif kind == "video" and values[field.name] > source.seconds + 0.05:
        return Problem(
            field.name,
            "value_bigger_than_max",
            f"{values[field.name]:g} is longer than {field.length_of}, which lasts {source.seconds:.2f} s; give at most that, or a longer video",
        )
    return None


def _too_much(found: Mapping[str, Media], values: Mapping[str, Any], limits: media.Limits) -> list[Problem]:
    """What would take too long to decode, of what a job uses of its videos."""
    problems = []
    for name, source in found.items():
        used = min(source.frames, (values.get("seconds") or source.seconds) * source.fps + 1) if source.kind == "video" else 0
        try:
            limits.check("gigapixels", used * source.width * source.height / 1e9, source.path.name,
                         "takes {} gigapixels to decode as far as it is used", "scale it down")
        except MediaError as error:
            problems.append(Problem(name, "custom_validation_failed", str(error)))
    return problems


def limits_of(config: Config) -> media.Limits:
    """What an input file may be at most, by the config. Raises ConfigError."""
    return media.Limits.of((config.data.get("input") or {}).get("limits"))


def _file(given: Any) -> Path:
    path = paths.expanded(str(given))
    try:
        return path.resolve()
    except (OSError, ValueError):
        return path   # probing it says why


def _background(values: Mapping[str, Any]) -> str:
    return str(values.get("background") or WHITE).lower()


def clip_of(request: Request) -> media.Clip | None:
    """Size, rate and length that staged media are fitted to; None where the mode has no such fields."""
    values = request.values
    if any(values.get(name) is None for name in ("width", "height", "seconds", "fps")):
        return None
    return media.Clip(values["width"], values["height"], geometry.frames(values["seconds"], values["fps"]), values["fps"])


def stage(request: Request, input_dir: Path) -> Request:
    """Copy the input files into the engine's input folder under names made of their content; remove old copies.

    Returns:
        The request with each input field's value replaced by the name ComfyUI loads it under.
    """
    values, staged, hashes = dict(request.values), dict(request.media), {}
    clip, limits = clip_of(request), limits_of(request.config)
    for name, facts in request.media.items():
        values[name], staged[name] = media.stage_media(facts, name, input_dir, clip=clip, limits=limits, background=_background(request.values))
        hashes[name] = media.sha256(facts.path)
        originals.keep(facts.path, hashes[name], input_dir / values[name], (request.config.data.get("input") or {}).get("original_mb"))
    data = request.config.data
    stale.remove_stale(input_dir, stale.limit(data, "input", "keep_days", stale.DAY), stale.limit(data, "output", "part_hours", stale.HOUR))
    return dataclasses.replace(request, values=values, media=staged, hashes=hashes)
