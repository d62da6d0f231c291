"""Patches that are repeated: `each` names a list field, or a section of the configuration that maps names to facts, as `loras`.

What comes out are operations whose templates name what they read by flat keys, `keyframes[1].at` or `loras[detailer].file`, so that whoever
looks at one of them later needs to know of no item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from aio.config import Config, Patch
from aio.errors import ConfigError, nearest
from aio.fields import LIST, lists, templates
from aio.fields.conditions import holds

_FACT = re.compile(r"(\w+)\[([^\]]*)\]\.(\w+)", re.ASCII)


def chosen(config: Config, values: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Mapping[str, Any], ...]]]:
    """(source, operation templates) of every patch whose condition holds; of one with `each` for every item of which it does.

    Raises:
        ConfigError: `each` names neither.
    """
    for patch in config.patches:
        source = f"{patch.source}: {patch.name}"
        if patch.each is None:
            if holds(patch.when, values):
                yield source, patch.operations
            continue
        for key, item in _items(config, values, patch).items():
            if holds(patch.when, {**values, **{f"item.{name}": value for name, value in item.items()}}):
                yield f"{source}[{key}]", tuple(templates.bound(one, patch.each, key) for one in patch.operations)


def item_of(config: Config, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What there is in the item that a flat key points into, by flat keys; empty where it is no flat key of an item that is here."""
    match = _FACT.fullmatch(name)
    if match is None:
        return {}
    if _is_list(config, match[1]):
        return {key: lists.at(values, key) for key in (f"{match[1]}[{match[2]}].{one}" for one in config.fields[match[1]].items)}
    return {f"{match[1]}[{match[2]}].{key}": value for key, value in _facts(config, match[1]).get(match[2], {}).items()}


def reads(config: Config, patch: Patch) -> set[str]:
    """Names of the fields and values that a patch reads, its conditions apart; a key of a list's items as `keyframes[].at`."""
    if patch.each is None:
        return templates.names(patch.operations)
    if _is_list(config, patch.each):
        found = templates.names(patch.operations)
        return {patch.each} | {f"{patch.each}[].{name.removeprefix('item.')}" if name.startswith("item.") else name for name in found}
    bound = [templates.names(templates.bound(patch.operations, patch.each, key)) for key in _facts(config, patch.each)]
    return {name for names in bound for name in names if lists.base(name) != patch.each}


def _items(config: Config, values: Mapping[str, Any], patch: Patch) -> dict[str, Mapping[str, Any]]:
    name = str(patch.each)
    if _is_list(config, name):
        return {str(index): item for index, item in enumerate(lists.known(values.get(name) or []))}
    found = _facts(config, name)
    if not found and not isinstance(getattr(config, name, None), Mapping):
        known = [*(field for field in config.fields if _is_list(config, field)), "loras"]
        raise ConfigError(f"{patch.source}: patches.{patch.name}.each: {name!r} is no LIST field of the mode and no section that maps names to "
                          f"facts.{nearest(name, known)} Known: {', '.join(known)}")
    return found


def _is_list(config: Config, name: str) -> bool:
    return name in config.fields and config.fields[name].type == LIST


def _facts(config: Config, section: str) -> dict[str, Mapping[str, Any]]:
    """Name -> facts of a section that holds such."""
    found = getattr(config, section, None)
    if not isinstance(found, Mapping):
        return {}
    return {name: asdict(item) for name, item in found.items() if is_dataclass(item) and not isinstance(item, type)}
