"""`check`: prove without any engine that every mode, preset, model, LoRA and control gives a sound graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio import fields, request
from aio.check import nodecheck
from aio.config import Config
from aio.errors import AioError, InvalidParams
from aio.fields import LIST, MEDIA_TYPES, Field, formats, geometry, lists
from aio.fields.conditions import holds
from aio.graph import each
from aio.graph.draw import draw
from aio.job import Request
from aio.values import Media


@dataclass(frozen=True, slots=True)
class Row:
    """One checked variant. `faults` name file, operation and pointer; empty when all is well. `note`: what of it is not offered."""

    mode: str
    preset: str
    model: str
    variant: str
    nodes: int = 0
    operations: int = 0
    faults: tuple[str, ...] = ()
    note: str = ""


def check(
    modes: Sequence[str] = (), config_dirs: Sequence[Path] = (), overrides: Sequence[str] = (), params: Mapping[str, Any] = {}
) -> Iterator[Row]:
    """Yield a row for every mode x preset x model, each memory policy, each LoRA alone,
    one pair, and every choice that changes the patch.

    Args:
        modes: names to check, all when empty.
        overrides: further Hydra overrides, e.g. a workflow elsewhere; a preset or model among them is the only one.
        params: values of fields, for one more row of each mode that has them.
    """
    presets, models = (_chosen(group, config_dirs, overrides) for group in ("preset", "model"))
    complete = set(presets) == set(configuration.choices("preset", config_dirs))
    loras = configuration.choices("lora", config_dirs)
    others = [text for text in overrides if not text.startswith(("preset=", "model="))]
    for mode in modes or configuration.choices("mode", config_dirs):
        try:
            base = offered(mode, presets, config_dirs, [*others, *([f"model={models[0]}"] if len(models) == 1 else [])])
        except AioError as error:
            yield Row(mode, "-", "-", "compose", faults=tuple(str(error).splitlines()))
            continue
        usual = [f"mode={mode}", f"preset={base.choices['preset']}", f"model={base.choices['model']}", *others]
        yield Row(mode, "all", "-", "fields", faults=tuple(_unread(base)))
        effects, every = set[str](), complete
        for preset in presets:
            whole = None
            for model in models:
                config, row = _composed([f"mode={mode}", f"preset={preset}", *others, f"model={model}"], config_dirs)
                yield dataclasses.replace(row, mode=mode, preset=preset, model=model)
                whole = whole or (config if config and row.nodes and not row.faults else None)
            every = every and whole is not None   # what a broken graph would do nobody knows
            effects |= _effective(whole) if whole else set()
        given = {name: value for name, value in params.items() if name in base.fields}
        if given:
            yield _row(base, "as given", given)
        for name, chosen in _variants(base):
            yield _row(base, name, chosen)
        for group, name in [(one, name) for one, facts in base.groups.items() if facts.check == "each"
                            for name in configuration.choices(one, config_dirs)]:
            _, row = _composed([*usual, f"{group}={name}"], config_dirs)
            yield dataclasses.replace(row, mode=mode, variant=f"{group} {name}")
        parts = [part for field in base.fields.values() for part in _parts(field)]
        idle = [name for name in parts if every and name not in effects and name not in _affecting(base)]
        yield Row(mode, "all", "all", "effects", faults=tuple(f"field {name} changes nothing in any preset" for name in idle))
        if loras:
            yield from _loras([*usual, f"lora=[{','.join(loras)}]"], config_dirs, mode, loras)


def _composed(words: Sequence[str], config_dirs: Sequence[Path]) -> tuple[Config | None, Row]:
    """A configuration and the row of its graph; None, and a row that says why, where it does not compose."""
    try:
        config = configuration.compose(words, config_dirs)
    except AioError as error:
        return None, Row("", "-", "-", "compose", faults=tuple(str(error).splitlines()))
    return config, _row(config)


def _chosen(group: str, config_dirs: Sequence[Path], overrides: Sequence[str]) -> Sequence[str]:
    named = [name for text in overrides if text.startswith(f"{group}=") for name in text.partition("=")[2].split(",")]
    return [configuration.choice(group, name, config_dirs) for name in named] or configuration.choices(group, config_dirs)


def offered(mode: str, presets: Sequence[str], config_dirs: Sequence[Path] = (), overrides: Sequence[str] = ()) -> Config:
    """The mode with the usual preset, or where the model of `overrides` does not offer what that needs, with the first that it does.

    Raises:
        ConfigError: a broken configuration. InvalidParams: the model goes with none of the presets.
    """
    usual = configuration.compose([f"mode={mode}"], config_dirs).choices.get("preset")
    for preset in sorted(presets, key=lambda name: name != usual):
        config = configuration.compose([f"mode={mode}", f"preset={preset}", *overrides], config_dirs)
        lacking = request.unoffered(config)
        if not lacking:
            return config
    raise InvalidParams(lacking)


def _loras(words: Sequence[str], config_dirs: Sequence[Path], mode: str, loras: Sequence[str]) -> Iterator[Row]:
    every, row = _composed(words, config_dirs)
    if every is None:
        yield dataclasses.replace(row, mode=mode, variant="every lora")
        return
    for chosen in [*((name,) for name in loras), tuple(loras[:2])]:
        dropped = {f"lora/{name}.yaml" for name in loras if name not in chosen}
        config = dataclasses.replace(
            every, loras={name: every.loras[name] for name in chosen}, patches=tuple(p for p in every.patches if p.source not in dropped))
        yield _row(config, "lora " + " + ".join(chosen), reach=chosen)


def _variants(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every choice of a COMBO that a patch depends on, and every optional input given."""
    conditions = {name for item in config.patches for name in (item.when or {})}
    for field in config.fields.values():
        if field.name in conditions and field.type == "COMBO":
            yield from ((f"{field.name} {option}", {field.name: option}) for option in field.options)
        if field.name in conditions and field.type in MEDIA_TYPES and field.optional:
            yield f"with {field.name}", {field.name: f"aio/{field.name}"}


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


def _row(config: Config, variant: str = "", params: Mapping[str, Any] = {}, reach: Iterable[str] = ()) -> Row:
    row = Row(config.mode, str(config.choices.get("preset")), str(config.choices.get("model")), variant)
    lacking = request.unoffered(config)
    if lacking:
        return dataclasses.replace(row, note="; ".join(map(str, lacking)))
    try:
        drawn = draw(sample(config, params))
        found = tuple(nodecheck.of_job(drawn, reach))
    except AioError as error:
        return dataclasses.replace(row, faults=tuple(str(error).splitlines()))
    note = "; ".join(request.not_offered(config, {**config.values, **drawn.request.values}))
    return dataclasses.replace(row, nodes=len(drawn.prompt), operations=len(drawn.operations), faults=found, note=note)


def _unread(config: Config) -> Iterator[str]:
    read = _affecting(config)
    for item in config.patches:
        read |= each.reads(config, item)
    names = [part for field in config.fields.values() for part in _parts(field)]
    yield from (f"field {name} is read by no operation" for name in names if name not in read)


def _affecting(config: Config) -> set[str]:
    """Names in the conditions of patches, and fields that change what a file is staged as."""
    staging = request.STAGING if any(field.type == "VIDEO" for field in config.fields.values()) else request.STAGING - request.FITTING
    return {name for item in config.patches for name in (item.when or {})} | staging


def _effective(config: Config) -> set[str]:
    """Fields of which another value gives another prompt, in this preset, where their own condition holds."""
    optional = {f.name: f"aio/{f.name}" for f in config.fields.values() if f.type in MEDIA_TYPES and f.optional}
    bases, found = [optional, *({**optional, **chosen} for _, chosen in _variants(config))], set()
    for name, field in config.fields.items():
        for params in bases:
            try:
                job = sample(config, params)
                if not holds(field.when, {**config.values, **job.values}):
                    continue   # e.g. people, which control=canny does not have
                for key, other in _others(field, job.values[name]):
                    if draw(sample(config, {**params, name: other})).prompt != draw(job).prompt:
                        found.add(key)
            except AioError:
                continue   # not a value that it can have here
            if found >= set(_parts(field)):
                break
    return found


def _parts(field: Field) -> list[str]:
    """A field, and the keys of its items as `keyframes[].at`."""
    return [field.name, *(f"{field.name}[].{key}" for key in field.items)]


def _others(field: Field, value: Any) -> Iterator[tuple[str, Any]]:
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
