"""Lists of items as people give them, and the keys that name what is in them: `keyframes[0].image`.

An item of a list is a mapping of the keys that its field declares. A file in an item is an input like any other: media, hashes and
recipes know it by its flat key.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from aio.errors import nearest
from aio.fields.kinds import ITEM_TYPES, LIST, MEDIA_TYPES, Field
from aio.machine import yamltext
from aio.machine.outside import json_of

ITEMS_MAX = 1000
"""Items of any list, whatever its field says."""

_KEY = re.compile(r"(\w+)\[(\d+)\]\.(\w+)", re.ASCII)
_NO_WORDS = ("when", "length_of", "size_of", "below", "also", "control_after_generate")
"""What a field in an item cannot have: each would name other fields of the mode, or draw a number."""


def read(value: Any) -> list[Any]:
    """The items of a list that was given as one, or as the text of one in JSON or YAML, in which plain words and numbers stay text.

    Raises:
        ValueError: it is none; its text says why, and what to write.
    """
    if isinstance(value, str):
        try:
            value = json_of(value, yamltext.SIZE_MAX)
        except ValueError:
            value = yamltext.texts(value)
    if isinstance(value, Mapping):
        raise ValueError("is one item; put brackets around it, [{…}]")
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{_shown(value)} is not a list of items, as in [{{…}}, {{…}}]")
    return list(value)


def known(value: Any) -> list[Any]:
    """The items of a list; none where it is no list."""
    try:
        return read(value)
    except ValueError:
        return []


def base(key: str) -> str:
    """The field that a flat key is in: `keyframes` of `keyframes[0].image`, the key itself where it is a field."""
    return key.partition("[")[0]


def field_of(fields: Mapping[str, Field], key: str) -> Field | None:
    """The field of a name or flat key, None where there is none."""
    match = _KEY.fullmatch(key)
    return fields.get(key) if match is None else fields[match[1]].items.get(match[3]) if match[1] in fields else None


def at(values: Mapping[str, Any], key: str) -> Any:
    """The value of a name or flat key, None where there is none."""
    match = _KEY.fullmatch(key)
    if match is None:
        return values.get(key)
    items, index = known(values.get(match[1])), int(match[2])
    return items[index].get(match[3]) if index < len(items) and isinstance(items[index], Mapping) else None


def put(values: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `values` with those of `new`, by name or flat key; an item that is not there is left out."""
    found, copied = dict(values), set[str]()
    for key, value in new.items():
        match = _KEY.fullmatch(key)
        if match is None:
            found[key] = value
            continue
        name, index = match[1], int(match[2])
        if name not in copied:
            found[name] = [dict(item) if isinstance(item, Mapping) else item for item in known(found.get(name))]
            copied.add(name)
        if index < len(found[name]) and isinstance(found[name][index], dict):
            found[name][index][match[3]] = value
    return found


def files(fields: Mapping[str, Field], values: Mapping[str, Any]) -> Iterator[tuple[str, Field, Any]]:
    """(name or flat key, field, value) of every input file that is given."""
    for name, field in fields.items():
        if field.type in MEDIA_TYPES and values.get(name):
            yield name, field, values[name]
        for index, item in enumerate(known(values.get(name)) if field.type == LIST else ()):
            for key, one in field.items.items():
                if one.type in MEDIA_TYPES and isinstance(item, Mapping) and item.get(key):
                    yield f"{name}[{index}].{key}", one, item[key]


def plain(field: Field) -> Field:
    """A field without the files of its items."""
    if field.type != LIST:
        return field
    return dataclasses.replace(field, items={key: one for key, one in field.items.items() if one.type not in MEDIA_TYPES})


def without_files(field: Field | None, value: Any) -> Any:
    """A value without the files of its items."""
    if field is None or field.type != LIST or value is None:
        return value
    return [{key: one for key, one in item.items() if key in plain(field).items} if isinstance(item, Mapping) else item for item in known(value)]


def words(field: Field, value: Any) -> Any:
    """A value for people: of a LIST its items in a line, files by their names alone."""
    if field.type != LIST:
        return value
    kinds = field.items
    told = [", ".join(f"{key} {PurePath(one).name if kinds[key].type in MEDIA_TYPES else one}" for key, one in item.items() if one is not None)
            for item in known(value or [])]
    return "; ".join(told)


def typed(value: Any) -> str:
    """A list as it is typed after `field=`."""
    return json.dumps(value, ensure_ascii=False)


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values, those of items by their flat keys."""
    found = dict[str, Any]()
    for name, value in values.items():
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
            found |= {f"{name}[{index}].{key}": one for index, item in enumerate(value) for key, one in item.items()}
        else:
            found[name] = value
    return found


def faults(name: str, field: Field, fields: Mapping[str, Field]) -> Iterator[str]:
    """What a mode's file must not say of a field in respect of items, each as a sentence."""
    where = f"fields.{name}"
    if field.type != LIST:
        for word in ("items", "min_items", "max_items"):
            if getattr(field, word):
                yield f"{where}.{word}: only a LIST has items; {name} is of type {field.type}"
        if field.at_most is not None:
            yield from _at_most(where, field, fields)
        return
    if not field.items:
        yield f"{where}: a LIST needs items, e.g. items: {{image: {{type: IMAGE}}, at: {{type: FLOAT, default: 0}}}}"
    if field.min_items and field.max_items and field.min_items > field.max_items:
        yield f"{where}: min_items, {field.min_items}, is above max_items, {field.max_items}"
    for key, one in field.items.items():
        inside = f"{where}.items.{key}"
        if not re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII):
            yield f"{inside}: a key is a word of letters, digits and _"
        if one.type not in ITEM_TYPES:
            yield f"{inside}: unknown type {one.type!r}.{nearest(one.type, ITEM_TYPES)} An item may have: {', '.join(sorted(ITEM_TYPES))}"
        for word in _NO_WORDS:
            if getattr(one, word):
                yield f"{inside}.{word}: a field in an item has no {word}; take it out"
        if one.at_most is not None:
            yield from _at_most(inside, one, fields)


def _at_most(where: str, field: Field, fields: Mapping[str, Field]) -> Iterator[str]:
    other = fields.get(field.at_most or "")
    if other is None or not {field.type, other.type} <= {"INT", "FLOAT"}:
        yield f"{where}.at_most: {field.at_most!r} is no number field of the mode, or this is no number.{nearest(field.at_most or '', fields)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
