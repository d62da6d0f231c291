"""Which file of a composition holds a key that is at fault, and which names a value may have."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from aio.config import files
from aio.config.places import CONF
from aio.errors import ConfigError, nearest
from aio.fields.templates import TEMPLATE

_VALUE = re.compile(r"\$\{values\.(\w+)\}")


def named(faults: Sequence[str], read: Sequence[str], config_dirs: Sequence[Path], typed: Collection[str]) -> list[str]:
    """The faults, each behind the file that holds its key; one of the command line names its key alone.

    Args:
        faults: `KEY: SENTENCE`. read: the files of the composition, those that count most first, as Hydra reads them.
        typed: keys of the command line.
    """
    known = [(_shown(file), *_of(file, config_dirs)) for file in map(Path, read) if file.is_file()]
    found = []
    for fault in faults:
        key = fault.partition(": ")[0]
        given = any(key == word or key.startswith((f"{word}.", f"{word}[")) for word in typed)
        file = "" if given else next((file for file, package, data in known if _holds(data, _inside(key, package))), "")
        found.append(f"{file}: {fault}" if file else fault)
    return found


def _shown(file: Path) -> str:
    return file.relative_to(CONF).as_posix() if file.is_relative_to(CONF) else str(file)


def _of(file: Path, config_dirs: Sequence[Path]) -> tuple[str, Mapping[str, Any]]:
    """Package and content of a file."""
    from aio.config import sources

    text, data = files.read(file)
    folder = next((folder for folder in (CONF, *config_dirs) if file.is_relative_to(folder)), file.parent)
    package = sources.header(text)["package"] or ".".join(file.parent.relative_to(folder).parts)
    return "" if package == "_global_" else package, data


def _inside(key: str, package: str) -> str | None:
    """A key as a file of a package writes it, None where it cannot."""
    return key if not package else key[len(package) + 1:] if key.startswith(f"{package}.") else None


def _holds(data: Any, key: str | None) -> bool:
    if not key or not isinstance(data, Mapping):
        return key == "" or (key is not None and isinstance(data, list))
    return any(
        key == name or (key.startswith(f"{name}[") or (key.startswith(f"{name}.") and _holds(data[name], key[len(name) + 1:])))
        for name in map(str, data))


def strangers(data: Mapping[str, Any], config_dirs: Sequence[Path], words: Sequence[str]) -> Iterator[str]:
    """Names of nodes, fields and values that nothing has. A value that only other modes have is legal: presets serve them all.

    Args:
        data: a composed configuration as plain containers, right or wrong.
    """
    stages, nodes, fields, set_ = (_names_in(data.get(section)) for section in ("stages", "nodes", "fields", "values"))
    nodes = nodes - {name for name in nodes if data["nodes"].get(name) is None}   # null takes one away
    for key in sorted(stages - nodes - {word.removeprefix("~nodes.") for word in words}):
        yield f"stages.{key}: no node of the mode.{nearest(key, nodes)} Nodes: {', '.join(nodes)}"
    examples = data.get("examples")
    for index, example in enumerate(examples if isinstance(examples, list) else ()):
        for key in sorted(_names_in(example) - fields):
            yield f"examples[{index}].{key}: no field of the mode.{nearest(key, fields)} Fields: {', '.join(fields)}"
    if others := set_ - fields:
        known = values(config_dirs)
        for key in sorted(others - known):
            yield f"values.{key}: no field, no condition and no template of any mode has it.{nearest(key, known)}"


def _names_in(section: Any) -> AbstractSet[str]:
    """The names in a section, in its order."""
    return dict.fromkeys(map(str, section)).keys() if isinstance(section, Mapping) else dict[str, None]().keys()


def values(config_dirs: Sequence[Path]) -> set[str]:
    """Every name under which a value has an effect in some composition: fields of any mode or group, conditions, templates."""
    return {name for folder in (CONF, *config_dirs) for path in folder.glob("*/**/*.yaml") for name in _known(path, path.stat().st_mtime_ns)}


@functools.lru_cache(maxsize=1024)
def _known(path: Path, _: int) -> frozenset[str]:
    """The names in a file, which may be broken: whoever chooses it is told. The number tells its states apart."""
    with contextlib.suppress(ConfigError):
        return frozenset(_names(files.load(path)))
    return frozenset()


def _names(data: Any, key: str = "") -> Iterator[str]:
    if isinstance(data, Mapping):
        if key in ("fields", "when"):
            yield from map(str, data)
        for name, item in data.items():
            yield from _names(item, str(name))
    elif isinstance(data, list):
        for item in data:
            yield from _names(item)
    elif isinstance(data, str):
        yield from _VALUE.findall(data)
        for _, names in TEMPLATE.findall(data):
            yield from (name.strip() for name in names.split(","))
