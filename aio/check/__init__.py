"""`check`: prove without any engine that every mode, preset, model, LoRA and control gives a sound graph."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio import request
from aio.check import nodecheck
from aio.check.samples import items, others, parts, sample
from aio.config import Config
from aio.config.patches import has
from aio.errors import AioError, InvalidParams, nearest
from aio.fields import MEDIA_TYPES
from aio.fields.conditions import holds
from aio.graph import each
from aio.graph.draw import draw

__all__ = ["Row", "check", "crossed", "items", "offered", "proved", "sample"]


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
    named = {group: _chosen(group, config_dirs, overrides) for group in ("preset", "model")}
    loras = configuration.choices("lora", config_dirs)
    others = [text for text in overrides if not text.startswith(("preset=", "model="))]
    composed = list[Config]()
    for mode in modes or configuration.choices("mode", config_dirs):
        try:
            presets, models = (crossed(mode, group, config_dirs, chosen) for group, chosen in named.items())
            base = offered(mode, presets, config_dirs, [*others, *(models[0] if len(models) == 1 else [])])
        except AioError as error:
            yield Row(mode, "-", "-", "compose", faults=tuple(str(error).splitlines()))
            continue
        usual = [f"mode={mode}", *(f"{group}={base.choices[group]}" for group in named if base.choices[group]), *others]
        yield Row(mode, "all", "-", "fields", faults=tuple(_unread(base)))
        effects, every = set[str](), presets == crossed(mode, "preset", config_dirs)
        for preset in presets:
            whole = None
            for model in models:
                config, row = _composed([f"mode={mode}", *preset, *others, *model], config_dirs)
                yield dataclasses.replace(row, mode=mode, preset=_name(preset), model=_name(model))
                composed += [config] if config else []
                whole = whole or (config if config and row.nodes and not row.faults else None)
            every = every and whole is not None   # what a broken graph would do nobody knows
            effects |= _effective(whole) if whole else set()
        given = {name: value for name, value in params.items() if name in base.fields}
        if given:
            yield _row(base, "as given", given)
        for name, chosen in _variants(base):
            yield _row(base, name, chosen)
        for group, name in proved(base, config_dirs):
            config, row = _composed([*usual, f"{group}={name}"], config_dirs)
            yield dataclasses.replace(row, mode=mode, variant=f"{group} {name}")
            composed += [config] if config else []
        names = [part for field in base.fields.values() for part in parts(field)]
        idle = [name for name in names if every and name not in effects and name not in _affecting(base)]
        yield Row(mode, "all", "all", "effects", faults=tuple(f"field {name} changes nothing in any preset" for name in idle))
        if loras:
            every_lora, row = _composed([*usual, f"lora=[{','.join(loras)}]"], config_dirs)
            yield from _loras(every_lora, loras) if every_lora else [dataclasses.replace(row, mode=mode, variant="every lora")]
            composed += [every_lora] if every_lora else []
    yield Row("all", "all", "all", "patches", faults=tuple(_untakeable(composed, config_dirs)))


def _untakeable(composed: Sequence[Config], config_dirs: Sequence[Path]) -> Iterator[str]:
    """What patches name and no mode at all has: a word that is misspelt, else the mode would only not be offered what they do."""
    lacking = {(f"{item.source}: {item.name}", *one) for config in composed for item in config.missing if item.operations for one in item.lacks}
    if not lacking:
        return
    known = {one for config in composed for one in has(config)}
    for mode in configuration.choices("mode", config_dirs):
        with contextlib.suppress(AioError):   # whoever checks that mode is told
            known |= has(configuration.compose([f"mode={mode}"], config_dirs))
    for where, kind, name in sorted(one for one in lacking if one[1:] not in known):
        yield f"{where}: no mode has a {kind} {name!r}, so none can take it.{nearest(name, sorted(other for same, other in known if same == kind))}"


def proved(config: Config, config_dirs: Sequence[Path]) -> list[tuple[str, str]]:
    """(group, choice) of every group whose choices are proved one by one."""
    return [(group, name) for group, facts in config.groups.items() if facts.check == "each" for name in configuration.choices(group, config_dirs)]


def _composed(words: Sequence[str], config_dirs: Sequence[Path]) -> tuple[Config | None, Row]:
    """A configuration and the row of its graph; None, and a row that says why, where it does not compose."""
    try:
        config = configuration.compose(words, config_dirs)
    except AioError as error:
        return None, Row("", "-", "-", "compose", faults=tuple(str(error).splitlines()))
    return config, _row(config)


def _chosen(group: str, config_dirs: Sequence[Path], overrides: Sequence[str]) -> Sequence[str]:
    named = [name for text in overrides if text.startswith(f"{group}=") for name in text.partition("=")[2].split(",")]
    return [configuration.choice(group, name, config_dirs) for name in named]


def crossed(mode: str, group: str, config_dirs: Sequence[Path] = (), chosen: Sequence[str] = ()) -> list[list[str]]:
    """The overrides that choose each of a group's choices in turn; one that says nothing where the mode stands without any (`null`).

    Args:
        chosen: the only ones.

    Raises:
        ConfigError: a broken configuration.
    """
    usual = chosen or configuration.compose([f"mode={mode}"], config_dirs).choices.get(group)
    return [[f"{group}={name}"] for name in chosen or configuration.choices(group, config_dirs)] if usual else [[]]


def _name(words: Sequence[str]) -> str:
    """The choice that overrides of `crossed` make."""
    return words[0].partition("=")[2] if words else "none"


def offered(mode: str, presets: Sequence[Sequence[str]], config_dirs: Sequence[Path] = (), overrides: Sequence[str] = ()) -> Config:
    """The mode with the usual preset, or where the model of `overrides` does not offer what that needs, with the first that it does.

    Args:
        presets: see `crossed`.

    Raises:
        ConfigError: a broken configuration. InvalidParams: the model goes with none of the presets.
    """
    usual = configuration.compose([f"mode={mode}"], config_dirs).choices.get("preset")
    for preset in sorted(presets, key=lambda words: words != [f"preset={usual}"]):
        config = configuration.compose([f"mode={mode}", *preset, *overrides], config_dirs)
        lacking = request.unoffered(config)
        if not lacking:
            return config
    raise InvalidParams(lacking)


def _loras(every: Config, loras: Sequence[str]) -> Iterator[Row]:
    for chosen in [*((name,) for name in loras), tuple(loras[:2])]:
        dropped = {f"lora/{name}.yaml" for name in loras if name not in chosen}
        kept, missing = (tuple(item for item in listed if item.source not in dropped) for listed in (every.patches, every.missing))
        config = dataclasses.replace(
            every, loras={name: lora for name, lora in every.loras.items() if name in chosen}, patches=kept, missing=missing,
            choices={**every.choices, "lora": list(chosen)})
        yield _row(config, "lora " + " + ".join(chosen), reach=config.loras)


def _variants(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every choice of a COMBO that a patch depends on, and every optional input given."""
    conditions = {name for item in config.patches for name in (item.when or {})}
    for field in config.fields.values():
        if field.name in conditions and field.type == "COMBO":
            yield from ((f"{field.name} {option}", {field.name: option}) for option in field.options)
        if field.name in conditions and field.type in MEDIA_TYPES and field.optional:
            yield f"with {field.name}", {field.name: f"aio/{field.name}"}


def _row(config: Config, variant: str = "", params: Mapping[str, Any] = {}, reach: Iterable[str] = ()) -> Row:
    row = Row(config.mode, str(config.choices.get("preset") or "none"), str(config.choices.get("model") or "none"), variant)
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
    names = [part for field in config.fields.values() for part in parts(field)]
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
                for key, other in others(field, job.values[name]):
                    if draw(sample(config, {**params, name: other})).prompt != draw(job).prompt:
                        found.add(key)
            except AioError:
                continue   # not a value that it can have here
            if found >= set(parts(field)):
                break
    return found
