"""Where configuration lies, and the choices of its groups: names of files, and nothing but names."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from aio.config import files, typed
from aio.config.groups import Group
from aio.config.groups import read as read_groups
from aio.errors import ConfigError, nearest
from aio.machine import folders
from aio.machine.device import suited
from aio.machine.here import placed

CONF, WORKFLOWS = folders.ROOT / "conf", folders.ROOT / "workflows"

OWN_FILE = re.compile(r"""([^/\\'"]*)\.(?:safetensors|sft|ckpt|pt|pth|bin|gguf)(?::[\d.]+)?['"]*$""", re.IGNORECASE)
"""What people type for a choice of their own, a LoRA: its file, with or without a strength, which a choice does not name."""


NOTHING = ("none", "null")
"""What people type for no choice, and what YAML would not take for a name."""


def groups(config_dirs: Sequence[Path] = ()) -> frozenset[str]:
    """Names of the config groups.

    Raises:
        ConfigError: a folder of configuration cannot be read.
    """
    try:
        found = {entry.name for folder in (CONF, *config_dirs) for entry in folder.iterdir() if entry.is_dir()}
    except OSError as error:
        raise ConfigError(f"--config-dir: cannot read {error.filename} ({error.strerror or error})") from None
    return frozenset(name for name in found if not name.startswith("."))


def choices(group: str, config_dirs: Sequence[Path] = ()) -> tuple[str, ...]:
    """Names of a config group's files, sorted; `mode` -> a2v, i2v, ... Empty for what is no group."""
    return tuple(sorted({file.stem for file in _files(group, config_dirs)}))


def choice(group: str, name: Any, config_dirs: Sequence[Path] = ()) -> str:
    """`name`, if it is one of the group's choices: whatever else it holds, a path or a number, it names no file.

    Raises:
        ConfigError: it is not; with the known ones, and what to type where a field is meant.
    """
    known = choices(group, config_dirs)
    if isinstance(name, str) and name in known:
        return name
    if not known:
        raise ConfigError(f"{group}: there is no such config group.{nearest(str(group), groups(config_dirs))}")
    facts = declared(config_dirs).get(group, Group())
    meant = facts.meant if re.fullmatch(r"[\d.]+", str(name)) else None
    hint = f" For {meant.about} write {meant.field}={name}." if meant else nearest(str(name), known)
    none = f" For none write {group}=[]." if facts.many else ""
    own = _own_file(group, name, known) if facts.own_file and isinstance(name, str) and (OWN_FILE.search(name) or not hint) else ""
    said = f"{typed.shown(name)} is unknown." if name not in ("", None) else f"nothing is given.{none}"
    raise ConfigError(f"{group}: {said}{hint} Known: {', '.join(known)}{own}")


def _own_file(group: str, given: str, known: Sequence[str]) -> str:
    """How a LoRA gets a name of its own: where its file goes, and what names it. Empty for what can be no name of one."""
    file = OWN_FILE.search(given)
    own = re.sub(r"\W+", "_", file[1] if file else PurePath(given).name).strip("_")
    if given.lower() in NOTHING or not re.search("[a-zA-Z]", own):
        return ""
    own = f"{own}_own" if own in known else own
    comfyui = next((path for _, path in folders.comfyui() if os.path.isfile(path / "nodes.py")), None)
    place = folders.models(comfyui) / "loras" if comfyui else "models/loras of ComfyUI, which `python -m aio setup` fetches"
    model = known[0]
    return (f". A LoRA of your own gets a name: put its file into {place}, copy {CONF / group / model}.yaml to MYCONF/{group}/{own}.yaml, "
            f"write {own} there for {model} and the file's name for file, and give --config-dir=MYCONF {group}=[{own}]")


def facts(group: str, name: str, config_dirs: Sequence[Path] = ()) -> Mapping[str, Any]:
    """What a choice's file itself says, without what its defaults add: plain values, for lists of choices.

    Raises:
        ConfigError: there is no such choice, or its file is broken.
    """
    choice(group, name, config_dirs)
    file = next(file for file in _files(group, config_dirs) if file.stem == name)
    data = {key: value for key, value in files.load(file).items() if value is not None}
    plain, nested = dict[str, Any], dict[str, dict[str, Any]]
    about = declared(config_dirs).get(group, Group()).about
    kinds = {group: plain, "values": plain, "fields": nested, **({about: nested} if about else {})}
    faults = [fault for key, kind in kinds.items() if key in data for fault in typed.faults(kind, data[key], key)]
    if faults:
        raise ConfigError("\n".join(f"{file}: {fault}" for fault in faults))
    return data


@functools.cache
def usual() -> Mapping[str, Any]:
    """The groups of every composition -> what they choose unless told otherwise: a name, or a list where a group takes several."""
    entries = files.load(CONF / "config.yaml")["defaults"]
    return {group: name for entry in entries if isinstance(entry, dict) for group, name in entry.items()}


def settled(overrides: Sequence[str]) -> list[str]:
    """Overrides as typed, and after them what the place and the device add where they leave it open: see aio.machine.here, aio.machine.device."""
    found = placed(overrides)
    return [*found, *suited(found, files.load(CONF / "platform" / "local.yaml").get("usual") or {})]


def declared(config_dirs: Sequence[Path] = ()) -> Mapping[str, Group]:
    """The groups that are declared, aio's own first, as they stand; the first declaration of a name counts.

    Raises:
        ConfigError: a declaration that is none, or of a group without a folder.
    """
    return {name: typed.read(Group, item, name, []) for name, item in declarations(config_dirs).items()}


def declarations(config_dirs: Sequence[Path] = ()) -> dict[str, Any]:
    """The same as plain values."""
    found = dict(_own())
    for folder in config_dirs:
        file = folder / "groups.yaml"
        for name, item in read_groups(file).items():
            if not choices(name, config_dirs):
                raise ConfigError(f"{file}: {name}: there is no file {folder / name}/CHOICE.yaml, so nothing can be chosen")
            found.setdefault(name, item)
    return found


@functools.cache
def _own() -> Mapping[str, Any]:
    return read_groups(CONF / "config.yaml", "groups")


def many(config_dirs: Sequence[Path] = ()) -> frozenset[str]:
    """The groups that take several choices at once."""
    return frozenset(name for name, group in declared(config_dirs).items() if group.many)


def _files(group: str, config_dirs: Sequence[Path]) -> Iterator[Path]:
    """The files of a group's choices; the first of a name counts, as in Hydra's search path."""
    if not isinstance(group, str) or not group or group.startswith(".") or re.search(r"[/\\\x00]", group):
        return
    for folder in (CONF, *config_dirs):
        for file in (folder / group).glob("*.yaml"):
            if not file.name.startswith(".") and file.is_file():   # a Mac leaves ._NAME.yaml on foreign disks
                yield file
