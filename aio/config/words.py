"""Overrides of the configuration as people type them: which of them choose, which are text, and what is left for Hydra's grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aio.config import checks, typed
from aio.config.places import choice, choices, declared, groups, many, usual
from aio.config.quoting import quoted
from aio.config.sections import Root
from aio.config.typed import shown
from aio.errors import ConfigError

_WORD = re.compile(r"(?P<prefix>\+{0,2}|~)(?P<key>[\w@./:-]+)(?:=(?P<value>.*))?", re.DOTALL)
_PLAIN = re.compile(r"(?!(?i:null|true|false|nan|inf)$)[A-Za-z_]\w*(?:-\w+)*", re.ASCII)
"""A name that Hydra's grammar reads as itself."""

KEY_MAX = 200
"""Characters of a key; the longest of the configuration has 50."""

HYDRA_GROUP = re.compile(r"\w+(?:-\w+)*", re.ASCII)
HYDRA_PATHS = ("hydra.sweep.dir", "hydra.run.dir", "hydra.sweep.subdir")


@dataclass(frozen=True, slots=True)
class Word:
    """One override. prefix: `+`, `++`, `~` or nothing. value: what follows `=`, None without one."""

    prefix: str
    key: str
    value: str | None

    @property
    def text(self) -> str:
        """As it was typed."""
        return f"{self.prefix}{self.key}" + ("" if self.value is None else f"={self.value}")


@dataclass(frozen=True, slots=True)
class Words:
    """Overrides, sorted. hydra: in Hydra's grammar. texts: key -> text as typed, None for null. added: keys given with a plus."""

    hydra: tuple[str, ...]
    texts: dict[str, str | None]
    added: frozenset[str]


def read(text: str) -> Word:
    """One override.

    Raises:
        ConfigError: it is none.
    """
    match = _WORD.fullmatch(text)
    if not match or len(match["key"]) > KEY_MAX or (match["value"] is None) != (match["prefix"] == "~" and "=" not in text):
        raise ConfigError(f"{shown(text)} is not understood: write key=value, or ~key to leave something out")
    return Word(match["prefix"], match["key"], match["value"])


def sort(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> Words:
    """Overrides as typed -> what Hydra gets and what it never sees; of a key given twice the last counts.

    Raises:
        ConfigError: every word that chooses what is no choice, or cannot be given.
    """
    hydra, texts, added, faults = list[str](), dict[str, str | None](), set[str](), list[str]()
    known, own = groups(config_dirs), declared(config_dirs)
    typed_keys = {re.split(r"[=@]", text.lstrip("+~"), maxsplit=1)[0] for text in overrides}
    unsaid = [f"{name}={group.usual}" for name, group in own.items() if group.usual and name not in typed_keys and name not in usual()]
    for text in (*unsaid, *overrides):
        try:
            word = read(text)
            if word.key.split("@")[0] in known:
                hydra.append(_group(word, config_dirs))
            elif word.prefix != "~" and checks.is_text(word.key):
                texts[word.key] = checks.text_for(word.key, word.value or "")
                added |= {word.key} if word.prefix else set()
            else:
                hydra.append(_other(word))
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    return Words(tuple(hydra), texts, frozenset(added))


def picked(group: str, text: str, config_dirs: Sequence[Path] = ()) -> list[str]:
    """The choices that one job's override of a group names: `fast`, `[a,b]`, `a,b` where a group takes several.

    Raises:
        ConfigError: one is no choice of the group, or there are several where one is wanted.
    """
    text = text.strip()
    if text in choices(group, config_dirs):
        return [text]
    listed = text.startswith("[") and text.endswith("]")
    names = [name.strip() for name in (text[1:-1] if listed else text).split(",")]
    if group in many(config_dirs) and (listed or len(names) > 1):
        return [choice(group, name, config_dirs) for name in names if name or len(names) > 1]
    if len(names) > 1 and all(name in choices(group, config_dirs) for name in names):
        raise ConfigError(f"{group}: {shown(text)} is more than one choice; give one of them, or sweep over all with -m")
    return [choice(group, text, config_dirs)]


def _group(word: Word, config_dirs: Sequence[Path]) -> str:
    """A choice for Hydra, which gets nothing but names of files that are there."""
    group, at, _ = word.key.partition("@")
    if at:
        raise ConfigError(f"{shown(word.text)}: a choice has no place of its own; write {group}=…")
    if word.prefix == "~":
        if group in many(config_dirs):
            raise ConfigError(f"{shown(word.text)}: for none of its choices write {group}=[]")
        if group in checks.NEEDED:
            raise ConfigError(f"{shown(word.text)}: no run does without {group}; choose one of {', '.join(choices(group, config_dirs))}")
        return f"~{group}" + ("" if word.value is None else f"={_named(choice(group, word.value, config_dirs))}")
    if word.prefix == "++" or (word.prefix and group in usual()):
        raise ConfigError(f"{shown(word.text)}: {group} has a choice already, so nothing is added; write {group}=… without the plus")
    names = picked(group, word.value or "", config_dirs)
    prefix = "+" if group not in usual() and group in declared(config_dirs) else word.prefix   # Hydra's grammar; no user need know
    if not prefix and group not in usual():
        raise ConfigError(f"{shown(word.text)}: no choice of {group} is made unless it is added; write +{group}=…")
    value = f"[{','.join(map(_named, names))}]" if group in many(config_dirs) else _named(names[0])
    return f"{prefix}{group}={value}"


def _named(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quoted(name)


def _other(word: Word) -> str:
    """A word whose value is Hydra's grammar: numbers, lists, mappings, and Hydra's own."""
    key = word.key
    if key in ("hydra", "params") or key.startswith(("hydra.searchpath", "params.")):
        remedy = {"hydra": "name one of its settings, e.g. hydra.sweep.dir=…", "params": "write FIELD=…"}.get(key.split(".")[0], "")
        raise ConfigError(f"{shown(word.text)} cannot be given: {'use --config-dir' if 'searchpath' in key else remedy}")
    if key in HYDRA_PATHS and word.value:
        return f"{word.prefix}{key}={quoted(word.value)}"
    if key.startswith("hydra/") and word.value is not None and not HYDRA_GROUP.fullmatch(word.value):
        raise ConfigError(f"{key}: {shown(word.value)} is not a name; write {key}=NAME, e.g. {key}=basic")
    if key in typed.hints(Root) and word.prefix != "~" and key != "engine":
        inside = ", ".join(f"{key}.{name}=…" for name in list(getattr(checks.kind_of(key), "__dataclass_fields__", ()))[:4])
        raise ConfigError(f"{shown(word.text)}: {key} is a section; give one of its settings{': ' + inside if inside else f', {key}.NAME=…'}")
    return word.text
