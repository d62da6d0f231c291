"""What a recipe asks for, read as what anyone may have written: names of known choices, and plain values of bounded size.

A recipe composes nothing. Its names choose among what aio and the user's own --config-dir have, its values are values of fields and of
`values` that the composed configuration knows; whatever else stands in it is refused or left out, and named.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from aio import config as configuration
from aio import fields
from aio.config import Config
from aio.errors import ConfigError, MediaError, nearest
from aio.fields import LIST, MEDIA_TYPES, Field, lists
from aio.graph import each
from aio.machine.outside import shown
from aio.recipe.kinds import NAME, alike, encodable

TEXT_MAX, ITEMS_MAX, DEPTH_MAX = 1_000_000, 10_000, 8
"""Characters, items in all and levels of a value in a recipe. The longest that a preset of ours sets has 300 characters."""

_ENGINE = re.compile(r"\w+(?:-\w+)*", re.ASCII)
_GROUP = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """An input file: what it was called, its sha256, and its size in bytes where that is known."""

    name: str
    sha256: str
    bytes: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A recipe in known words.

    Attributes:
        engine: its name, which this configuration may not know.
        choices: group -> choice, a list where the group takes several; machine: the same of the groups that suit a job to a machine.
        whole: whether `machine` was recorded; recipes of earlier versions do not.
        settings, values: name -> plain value. given: names of the values that the user gave.
        inputs: field name -> Input. notes: what was left out, in a sentence each.
        absent: group -> choice that is not here, where another one is made.
    """

    engine: str
    choices: Mapping[str, str | list[str]]
    machine: Mapping[str, str | list[str]]
    whole: bool
    settings: Mapping[str, Any]
    values: Mapping[str, Any]
    given: frozenset[str]
    inputs: Mapping[str, Input]
    notes: tuple[str, ...]
    absent: Mapping[str, Any]


def read(data: Mapping[str, Any], config_dirs: Sequence[Path] = (), without: Iterable[str] = ()) -> Asked:
    """The recipe `data`.

    Args:
        config_dirs: further folders of configuration, whose choices are known too.
        without: groups of which another choice is made, so that the recipe's own need not be here.

    Raises:
        ConfigError: a choice that is not here. MediaError: a part of the wrong kind.
    """
    notes: list[str] = []
    engine = data.get("engine")
    engine = engine.split(" ")[0] if isinstance(engine, str) else engine
    if not isinstance(engine, str) or not _ENGINE.fullmatch(engine):
        raise damaged("engine", engine, "is not the name of an engine")
    choices = _part(data, "choices")
    mode = choices.get("mode") or data.get("mode")
    absent: dict[str, Any] = dict.fromkeys(without)
    found = _choices({**choices, "mode": mode}, config_dirs, absent, notes)
    machine = _choices(_part(data, "machine"), config_dirs, absent, notes)
    if "mode" not in absent and not isinstance(found.get("mode"), str):
        raise damaged("mode", mode, "is not the name of a mode")
    return Asked(
        engine, found, machine, isinstance(data.get("machine"), Mapping),
        _plain_values(data, "settings", notes), _plain_values(data, "values", notes), frozenset(_part(data, "params")),
        {name: _input(name, item) for name, item in _part(data, "inputs").items()}, tuple(notes),
        {group: choice for group, choice in absent.items() if choice is not None},
    )


def damaged(key: str, value: Any, why: str) -> MediaError:
    """The error about a part that is not what a recipe holds there."""
    return MediaError(f"the recipe is damaged: {shown(key)[:80]}: {brief(value)} {why}")


def brief(value: Any, length: int = 60) -> str:
    """A value of a recipe for a message: short, and harmless to a terminal."""
    text = shown(repr(value) if not isinstance(value, (list, dict)) else f"a {'list' if isinstance(value, list) else 'mapping'}")
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= length else f"{text[:length - 1]}…"


def named(names: Iterable[str], most: int = 8) -> str:
    """Names from a recipe for a message: the first few."""
    found = [brief(str(name), 40).strip("'\"") for name in names]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def _part(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = data.get(key)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise damaged(key, part, "is no mapping of names to values")
    return part


def _choices(
    given: Mapping[str, Any], config_dirs: Sequence[Path], absent: dict[str, Any], notes: list[str]
) -> dict[str, str | list[str]]:
    """The choices among `given` that are here. Those that are not are noted in `absent` where their group stands in it."""
    found, unknown = dict[str, str | list[str]](), list[str]()
    for group, choice in given.items():
        known = configuration.choices(group, config_dirs) if _GROUP.fullmatch(group) else ()
        several = isinstance(choice, (list, tuple))
        if not known:
            unknown.append(group)
        elif choice is not None:
            try:
                names = [_choice(group, name, known) for name in (choice if several else [choice])]
                found[group] = list(names) if several else names[0]
            except ConfigError:
                if group not in absent:
                    raise
                absent[group] = choice
    if unknown:
        notes.append(f"the recipe chooses of groups that are not here: {named(unknown)}; that is left out")
    return found


def _choice(group: str, name: Any, known: Sequence[str]) -> str:
    if not isinstance(name, str):
        raise damaged(f"choices.{group}", name, "is not the name of a choice")
    if name not in known:
        raise ConfigError(f"{group}: {brief(name)} is unknown.{nearest(name[:80], known)} Known: {', '.join(known)}")
    return name


def _plain_values(data: Mapping[str, Any], key: str, notes: list[str]) -> dict[str, Any]:
    part = _part(data, key)
    odd = [name for name, value in part.items() if not plain(value)]
    if odd:
        notes.append(f"{key}: {named(odd)} cannot be read: too large, nested too deeply, or no number; left out")
    return {name: value for name, value in part.items() if name not in odd}


def plain(value: Any) -> bool:
    """Whether a value is JSON's, of bounded size and depth, with finite numbers of few digits."""
    inside, items, characters = [value], 0, 0
    for _ in range(DEPTH_MAX):
        items += len(inside)
        characters += sum(len(one) for one in inside if isinstance(one, str))
        if items > ITEMS_MAX or characters > TEXT_MAX or not all(map(_scalar, inside)):
            return False
        inside = [item for one in inside for item in _items(one)]
        if not inside:
            return True
    return False


def _items(value: Any) -> Iterable[Any]:
    return [*value.keys(), *value.values()] if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()


def _scalar(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value.bit_length() <= 128 if isinstance(value, int) else value is None or isinstance(value, (str, list, tuple, Mapping))


def _input(name: str, item: Any) -> Input:
    if not isinstance(item, Mapping):
        raise damaged(f"inputs.{name}", item, "is no file: a mapping with name and sha256")
    called, digest, size = item.get("name"), item.get("sha256"), item.get("bytes")
    if not isinstance(called, str) or not called:
        raise damaged(f"inputs.{name}.name", called, "is not the name of a file")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise damaged(f"inputs.{name}.sha256", digest, "is not a sha256")
    return Input(PurePath(called.replace("\\", "/")).name or name, digest, size if type(size) is int else None)


def settings_for(config: Config, settings: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The settings that this configuration knows: `values` that it sets, reads in a patch or compares in a condition; of the same kind.

    Args:
        notes: gets a sentence about those of another kind; an unknown name changes nothing here.
    """
    known = {name for item in config.patches for name in (item.when or {})}
    known |= set(config.values) | set().union(*(each.reads(config, item) for item in config.patches))
    found, odd = dict[str, Any](), list[str]()
    for name, value in settings.items():
        if name not in known or name in config.fields or not NAME.fullmatch(name):
            continue
        if name in config.values and not alike(value, config.values[name]):
            odd.append(f"{name}={brief(value)}")
        elif encodable(value):
            found[name] = value
    if odd:
        notes.append(f"settings: {', '.join(odd[:8])} is of another kind than here; left out")
    return found


def values_for(config: Config, asked: Asked, problems: list[tuple[str, str]]) -> dict[str, Any]:
    """The recorded values of the fields of this configuration, in the fields' types; inputs are no values.

    Args:
        problems: gets (field, why) of those that the field cannot have.
    """
    found = {}
    for name, value in asked.values.items():
        field = config.fields.get(name)
        if field is None or field.type in MEDIA_TYPES or value is None:
            continue
        try:
            found[name] = coerced(lists.plain(field), value)
        except ValueError as error:
            problems.append((name, str(error)))
    return found


def coerced(field: Field, value: Any) -> Any:
    """`value` in the field's type. Raises ValueError, its text says why not."""
    if isinstance(value, (list, tuple, Mapping)) and field.type != LIST:
        raise ValueError(f"{brief(value)} is not a value of a field")
    try:
        return fields.coerce(field, value)
    except ValueError as error:
        listed = field.type == LIST
        text = shown("; ".join(str(problem if listed else getattr(problem, "message", problem)) for problem in error.args))
        raise ValueError((text if len(text) <= 300 else f"{text[:299]}…").encode("utf-8", "backslashreplace").decode()) from None
