"""What configuration may do: a file of --config-dir chooses, sets and patches, but reaches nothing of this machine and runs nothing.

Interpolations are checked twice: in each foreign file, where the message can name it, and in what was composed of all of them and of
the command line, before anything is resolved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aio.errors import ConfigError
from aio.fields import templates

RESOLVERS = (*templates.ALL, "oc.select", "oc.dict.keys", "oc.dict.values")
"""All that may be resolved outside Hydra's own section. oc.env, oc.decode and oc.create would bring in what no file says."""

_LIVE = re.compile(r"(?<!\\)(?:\\\\)*\$\{")
"""The opening of an interpolation, which an odd number of backslashes before it would make plain text."""

_LEGAL = re.compile(rf"\s*(?:(?:{'|'.join(map(re.escape, RESOLVERS))})\s*:|(?![\s.\[]*hydra\b)[\w.\[\]]+\s*\}})")
"""What may follow: a resolver, or a key of the configuration, both written out. Nothing that is put together from other interpolations."""

_STEP = re.compile(r"(?!\.)[^/\\\x00${}@:]*[^/\\\x00${}@:.]")
"""One part of a path in a defaults list."""

CHOOSABLE = ("hydra/launcher", "hydra/sweeper")


def illegal(text: str) -> str:
    """The first interpolation of a text that must not be resolved, empty where there is none."""
    if not _LIVE.search(text):
        return ""
    for match in re.finditer(r"\$\{", text):   # inside a live one the backslash may mean something else: all count
        if not _LEGAL.match(text, match.end()):
            name, brace, _ = text[match.start():].partition("}")
            return name + brace if len(name) < 60 else f"{name[:60]}…"
    return ""


def interpolations(data: Any, key: str = "") -> Iterator[str]:
    """A sentence for every interpolation in `data` that must not be resolved."""
    for where, value in _leaves(data, key):
        if isinstance(value, str) and (found := illegal(value)):
            yield f"{where}: {found} is not resolved here; allowed are {', '.join(RESOLVERS)}, and keys of the configuration"


def engines(made: Any, own: Any, given: Iterable[str]) -> Iterator[str]:
    """A sentence for every setting of `engines` that a file from outside has made: aio would import what it names.

    Args:
        made: the section as composed. own: as it stands in aio's own configuration. given: the keys that the command line sets.
    """
    known, keys = dict(_leaves(own, "engines")), tuple(given)
    for where, value in _leaves(made, "engines"):
        if (where not in known or known[where] != value) and not any(where == key or where.startswith(f"{key}.") for key in keys):
            yield (f"{where}: {value!r} comes from a file of --config-dir, which may make aio import nothing; "
                   f"write it on the command line, +{where}=…, or into conf/config.yaml")


def check(file: str, group: str, package: str | None, data: Mapping[str, Any]) -> None:
    """Refuse what a file from outside aio has no business to do.

    Args:
        file: its path, for messages. group: of the config group, e.g. `mode`. package: of its header.

    Raises:
        ConfigError: a line for each fault, with file and key.
    """
    found = list(_faults(group, package, data))
    if found:
        raise ConfigError("\n".join(f"{file}: {fault}" for fault in found))


def _faults(group: str, package: str | None, data: Mapping[str, Any]) -> Iterator[str]:
    rule = "a file of --config-dir may only choose Hydra's launcher and sweeper, in its defaults list"
    if group.split("/", maxsplit=1)[0] == "hydra" or _into_hydra(package or ""):
        yield f"it sets hydra.*: {rule}"
    if isinstance(data.get("hydra"), Mapping) and data["hydra"]:
        yield from (f"hydra.{key}: {rule}" for key in data["hydra"])
    elif "hydra" in data:
        yield f"hydra: {rule}"
    defaults = data.get("defaults") or []
    yield from (f"defaults: {fault}" for entry in (defaults if isinstance(defaults, list) else [defaults]) for fault in _entry(entry))
    rest = {key: value for key, value in data.items() if key not in ("defaults", "hydra")}
    yield from (f"{where}: {key} makes Hydra call what it names, and is refused" for where, key in _keys(rest) if key == "_target_")
    yield from interpolations(rest)


def _entry(entry: Any) -> Iterator[str]:
    """Faults of an entry of a defaults list: `base/ltx23`, `override /memory: low`, `lora: [a, b]`."""
    if isinstance(entry, str):
        name, names = entry, []
    elif isinstance(entry, Mapping) and len(entry) == 1:
        (name, value), = entry.items()
        name, names = str(name).split(" ")[-1], value if isinstance(value, list) else [] if value is None else [value]   # override /GROUP
    else:
        yield f"{entry!r} is neither a file of its group nor GROUP: NAME"
        return
    path, _, package = name.partition("@")
    steps = path.removeprefix("/").split("/")
    for text in (steps, [part for one in names for part in (one.split("/") if isinstance(one, str) else [""])]):
        if not all(_STEP.fullmatch(part) for part in text):
            yield f"{entry!r}: name a file of this folder or a choice of aio's groups; no path leads out of them"
            return
    if _into_hydra(package) or (steps[0] == "hydra" and "/".join(steps) not in CHOOSABLE):
        yield f"{entry!r}: of Hydra's own only launcher and sweeper can be chosen"


def _into_hydra(package: str) -> bool:
    """Whether what has this package lands in Hydra's own section; `[hydra].job` is another way to write it."""
    return "hydra" in re.split(r"\W+", package)


def _leaves(data: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _leaves(value, f"{key}[{index}]")
    else:
        yield key, data


def _keys(data: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(the key that holds it, name) of every key at any depth."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield key or "at the top", str(name)
            yield from _keys(value, f"{key}.{name}" if key else str(name))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _keys(value, f"{key}[{index}]")
