"""What a config group is, declared once: `groups` of conf/config.yaml, and groups.yaml of a --config-dir, one line a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aio.config import files, typed
from aio.errors import ConfigError


@dataclass(frozen=True)
class Meant:
    """`groups.NAME.meant`: people type the group's name for a field, with a number. about: what they mean. field: its name."""

    about: str
    field: str


@dataclass(frozen=True)
class Group:
    """An entry of `groups`: where a group stands. What says nothing else is one choice, offered wherever aio lists choices.

    Attributes:
        title: of one choice, for the page; the group's name unless given. titles: heading in `--help`; title unless given.
        many: any number of choices at once.
        usual: what is chosen unless told otherwise, for a group that conf/config.yaml does not name in `defaults`.
        page: plain; advanced, under Advanced; none. fold: title of a part of its own on the page, which opens.
        recipe: clip, it decides what a job makes; machine, it suits a job to a machine, and a recipe keeps it apart.
        swept: a sweep may vary it. command: `--help` lists its choices. plan, log: a plan and the log of timings name the choice.
        check: each, `check` and `doctor` prove every choice; cross, with every other one too; none.
        preload: a Space fetches at build time what any choice needs.
        about: section in which a choice's title and note stand under its name; unless given, the group's own.
        first: choices that stand first on the page; others follow by name.
        capitals: names are shown in capitals. own_file: people type a file of their own for a choice.
    """

    title: str = ""
    titles: str = ""
    many: bool = False
    usual: str | None = None
    page: Literal["plain", "advanced", "none"] = "plain"
    fold: str = ""
    recipe: Literal["clip", "machine"] = "clip"
    swept: bool = True
    command: bool = True
    plan: bool = True
    log: bool = True
    check: Literal["each", "cross", "none"] = "each"
    preload: bool = False
    about: str = ""
    capitals: bool = False
    own_file: bool = False
    meant: Meant | None = None
    first: tuple[str, ...] = ()


@dataclass(frozen=True)
class About:
    """What a choice's file says of itself under its group's name, where the group has no section of its own."""

    name: str = ""
    title: str = ""
    summary: str = ""


def read(file: Path, section: str = "") -> dict[str, Any]:
    """The declarations in a file as plain values; none where there is no such file.

    Raises:
        ConfigError: it is broken; every fault with the file.
    """
    try:
        data = files.load(file) if file.is_file() else {}
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror or error})") from None
    found = data.get(section, {}) if section else data
    if faults := typed.faults(Mapping[str, Group], found, section or "groups"):
        raise ConfigError("\n".join(f"{file}: {fault}" for fault in faults))
    return dict(found)


def summary(group: str, name: str, declared: Group, data: Mapping[str, Any]) -> tuple[str, str]:
    """Title and summary that a choice's file states; the title is made of its name where it states none.

    Args:
        data: the file's facts (aio.config.places.facts).
    """
    facts = (data.get(declared.about) or {}).get(name) or {} if declared.about else data.get(group) or {}
    facts = facts if isinstance(facts, Mapping) else {}
    return str(facts.get("title") or ""), str(facts.get("summary") or facts.get("note") or "")


def titled(name: str, declared: Group) -> str:
    """A choice's name for people: FP8, Dolly in."""
    return name.upper() if declared.capitals else name.replace("_", " ").capitalize()
