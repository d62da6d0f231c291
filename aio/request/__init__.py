"""From a job to a request: check every field, look into every input file, stage the files for the engine."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Container, Mapping
from pathlib import Path, PurePath
from typing import Any

from aio import fields, media
from aio.config import Config, Patch
from aio.errors import InvalidParams, MediaError, Problem
from aio.fields import formats, lists
from aio.fields.conditions import holds
from aio.graph import bounds
from aio.graph.clip import clip_of
from aio.graph.draw import Drawn, draw
from aio.job import Job, Request
from aio.machine import paths
from aio.media import originals, stale
from aio.media.pictures import WHITE
from aio.request import follow
from aio.values import Media

FITTING = frozenset({"fit"})
"""Fields that say how what is given is fitted to the clip: a picture in the graph, a video where it is staged."""

STAGING = FITTING | {"background"}
"""Fields that change what an engine gets of a file, and so may be read by no operation."""


def validate(job: Job) -> Request:
    """Return a request whose values are legal, whose input files can be read and whose graph ComfyUI takes. Raises as `checked` does."""
    return checked(job).request


def checked(job: Job) -> Drawn:
    """The request of a job, with its graph: values are legal, input files can be read, ComfyUI takes every number and choice.

    Raises:
        InvalidParams: every fault of every field and file at once, each naming field, value and remedy.
    """
    config, problems = job.config, list[Problem]()
    try:
        values = fields.check(config.fields, job.params, config.values, config.mode)
    except InvalidParams as error:
        problems += explained(error, config, job.params).problems
        values = {name: job.params.get(name, config.values.get(name, field.default)) for name, field in config.fields.items()}
    faulty = {problem.field for problem in problems}
    limits = config.input.limits
    found = _probed(config, values, problems, faulty)
    warnings: list[str] = []
    if not faulty:
        taken = follow.take(config, values, found, job.params)
        values |= taken.values
        warnings += taken.warnings
        problems += [*taken.problems, *_too_much(found, values, limits)]
    if problems:
        raise InvalidParams(problems)
    given = frozenset(job.params)
    for facts in dict.fromkeys(found.values()):   # one file may be first and last frame
        warnings += facts.notes
        warnings += [f"{facts.path.name} is transparent in places, where {_background(values)} shows (background=…)"] if facts.transparent else []
    warnings += fields.unused(config.fields, job.params, {**config.values, **values})
    warnings += _said(config, values)
    warnings += [f"{name}: {lora.note}" for name, lora in config.loras.items() if lora.note]
    warnings += notes(config, values)
    drawn = draw(Request(
        config, values, given, found, prefix=f"aio/{uuid.uuid4().hex[:12]}", warnings=tuple(warnings), origins=taken.origins))
    if refused := bounds.refused(drawn):
        raise InvalidParams(refused)
    return drawn


def _said(config: Config, values: Mapping[str, Any]) -> list[str]:
    """What the formats say of texts that are legal and have an effect."""
    known = {**config.values, **values}
    texts = {name: field.format for name, field in config.fields.items() if field.format and values.get(name) and holds(field.when, known)}
    return [f"{name}: {said}" for name, kind in texts.items() if (said := formats.note(kind, values[name]))]


def _probed(config: Config, values: Mapping[str, Any], problems: list[Problem], faulty: Container[str] = ()) -> dict[str, Media]:
    """Facts of the input files, by field or flat key; what is wrong with one that is not `faulty` goes to `problems`."""
    found, limits = dict[str, Media](), config.input.limits
    for name, field, value in lists.files(config.fields, values):
        if name not in faulty:
            try:
                found[name] = media.probe(_file(value), name, field.type.lower(), limits)
            except MediaError as error:
                problems.append(Problem(name, "custom_validation_failed", str(error).removeprefix(f"{name}: ")))
    return found


def completed(sample: Request) -> Request:
    """A made-up request (aio.check.sample), with what follows from the files that were given for it."""
    given = {name: sample.values[name] for name in sample.given}
    found = _probed(sample.config, given, [])
    free = {name: None for name, field in sample.config.fields.items() if field.length_of in found and name not in given}
    taken = follow.take(sample.config, {**sample.values, **free}, found, given)
    return dataclasses.replace(
        sample, values={**sample.values, **taken.values}, media={**sample.media, **found}, warnings=(*sample.warnings, *taken.warnings),
        origins=taken.origins)


def notes(config: Config, values: Mapping[str, Any]) -> list[str]:
    """What the configuration has to say of a job with these values: the texts of `notes` whose condition holds."""
    known = {**config.choices, **config.values, **values}
    return [note.text for note in config.notes.values() if holds(note.when, known)] + not_offered(config, values)


def not_offered(config: Config, values: Mapping[str, Any]) -> list[str]:
    """What the mode lacks for chosen patches that would apply with these values: a sentence for each choice."""
    lacking: dict[str, dict[tuple[str, str], None]] = {}
    for item in config.missing:
        if getattr(config, item.each or "", True) and holds(item.when, {**config.values, **values}):   # repeated for none it does nothing
            lacking.setdefault(_chosen(config, item), {}).update(dict.fromkeys(item.lacks))
    return [f"{choice} is not offered by mode {config.mode}, which has {', '.join(f'no {kind} {name!r}' for kind, name in lacks)}; "
            "its graph keeps its own values"
            for choice, lacks in lacking.items()]


def _chosen(config: Config, item: Patch) -> str:
    """The choice that a patch stands for, as it is typed."""
    choice, own = config.choices.get(item.group), PurePath(item.source).stem
    listed = f"[{own if own in choice else ','.join(choice)}]" if isinstance(choice, list) else choice
    return f"{item.group}={listed or own}"


def unoffered(config: Config) -> tuple[Problem, ...]:
    """What the preset needs and the model does not offer: values that are no option of their field. Empty: they go together.

    These two have sections of their own: a preset sets values, a model says which options there are and what to choose instead.
    """
    preset, model = config.choices.get("preset"), config.choices.get("model")
    remedy = config.model.remedy or "choose another preset or model"
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


def _file(given: Any) -> Path:
    path = paths.expanded(str(given))
    try:
        return path.resolve()
    except (OSError, ValueError):
        return path   # probing it says why


def _background(values: Mapping[str, Any]) -> str:
    return str(values.get("background") or WHITE)


def stage(request: Request, input_dir: Path) -> Request:
    """Copy the input files into the engine's input folder under names made of their content; remove old copies.

    Returns:
        The request with each input field's value replaced by the name ComfyUI loads it under.
    """
    new, staged, hashes = dict[str, Any](), dict(request.media), {}
    clip, limits = clip_of(request), request.config.input.limits
    for name, facts in request.media.items():
        new[name], staged[name] = media.stage_media(facts, name, input_dir, clip=clip, limits=limits, background=_background(request.values))
        hashes[name] = media.sha256(facts.path)
        originals.keep(facts.path, hashes[name], input_dir / new[name], request.config.input.original_mb)
    config = request.config
    stale.remove_stale(input_dir, stale.seconds(config.input.keep_days, stale.DAY), stale.seconds(config.output.part_hours, stale.HOUR))
    return dataclasses.replace(request, values=lists.put(request.values, new), media=staged, hashes=hashes)
