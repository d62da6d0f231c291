"""The configuration against aio.config.sections: composed as a whole, and the keys that a command line may set."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from aio.config import typed
from aio.config.sections import Root
from aio.errors import ConfigError, nearest

NEEDED = frozenset(one.name for one in dataclasses.fields(Root) if one.default is one.default_factory is dataclasses.MISSING)
"""Sections that no run does without."""


def read(data: Mapping[str, Any], faults: list[str]) -> Root | None:
    """The sections of a composed configuration, None where there are `faults`. A section of null counts as absent."""
    before, given = len(faults), {name: value for name, value in data.items() if value is not None}
    faults += [f"{name}: the section is missing, and no run does without it" for name in sorted(NEEDED - given.keys())]
    known = typed.hints(Root)
    made = {name: typed.read(known[name], value, name, faults) for name, value in given.items() if name in known}
    faults += [f"{name}: unknown key.{nearest(name, known)} Known: {', '.join(known)}" for name in data if name not in known]
    root = Root(**made) if len(faults) == before else None
    faults += _beyond(root) if root else ()
    return root


def _beyond(root: Root) -> Iterator[str]:
    """What sections cannot say of each other."""
    for name in root.engines:
        if name == "auto" or not re.fullmatch(r"\w+(?:-\w+)*", name):
            yield f"engines: {name!r} cannot be an engine's name; letters, digits, _ and - can, and auto means the first that fits"
    for key, names in (("latent", root.kinds.latents), ("sound", root.kinds.sounds)):
        if (given := getattr(root.family, key)) and given not in names:
            yield f"family.{key}: {given!r} is no name of kinds.{key}s.{nearest(given, names)} Known: {', '.join(names)}"
    known = ("auto", *root.engines)
    if root.engine not in known:
        yield f"engine: {typed.shown(root.engine)} is unknown.{nearest(root.engine, known)} Known: {', '.join(known)}"


@functools.lru_cache(maxsize=4096)
def kind_of(key: str) -> Any:
    """The declared type of a dotted key, Any where none is."""
    return typed.kind_of(Root, key) if all(key.split(".")) else Any


def is_text(key: str) -> bool:
    """Whether what is given for a key is text, taken as typed: no grammar, no number, no interpolation, no sweep."""
    return typed.is_text(kind_of(key))


def text_for(key: str, text: str) -> str | None:
    """A text for a key as the configuration holds it: nothing at all is null, where null is legal.

    Raises:
        ConfigError: it is empty, or no text that a file could be called.
    """
    if not text:
        if typed.takes_null(kind_of(key)):
            return None
        raise ConfigError(f"{key}: nothing is given; write {key}=… or leave it out")
    if "\0" in text:
        raise ConfigError(f"{key}: {typed.shown(text)} holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{key}: {typed.shown(text)} is not valid Unicode text; write it in UTF-8") from None
    return text
