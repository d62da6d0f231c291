"""How many files a defaults list brings in: Hydra expands them all, one that is named twice as often as it is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aio.config import files
from aio.errors import ConfigError

FILES_MAX = 200
"""Files in a composition, each as often as it is named. Ours have 25."""


def check(config_path: str, folders: Sequence[Path]) -> None:
    """Refuse a file whose defaults lead back to it, or to more files than a composition may have.

    Args:
        config_path: e.g. `mode/mine`. folders: of configuration, the first that holds a file counts.

    Raises:
        ConfigError: says which.
    """
    if _count(config_path, folders, {}, []) > FILES_MAX:
        raise ConfigError(f"{config_path}.yaml: its defaults bring in more than {FILES_MAX} files, one that is named twice counted twice")


def _count(config_path: str, folders: Sequence[Path], known: dict[str, int], above: list[str]) -> int:
    if config_path in above:
        steps = " -> ".join([*above[above.index(config_path):], config_path])
        raise ConfigError(f"{config_path}.yaml: its defaults lead back to it: {steps}")
    if config_path not in known:
        file = next((path for folder in folders if (path := folder / f"{config_path}.yaml").is_file()), None)
        data = files.load(file) if file else {}
        known[config_path] = 1 + sum(_count(path, folders, known, [*above, config_path]) for path in _named(config_path, data))
    return known[config_path]


def _named(config_path: str, data: Mapping[str, Any]) -> Iterator[str]:
    """Paths that a defaults list names, without what it overrides elsewhere; faults of its entries are told by foreign.py."""
    entries = data.get("defaults")
    for entry in entries if isinstance(entries, list) else ():
        pairs = entry.items() if isinstance(entry, dict) else [(entry, None)]
        for key, value in pairs:
            name, names = str(key), value if isinstance(value, list) else [value]
            if name == "_self_" or name.startswith("override "):
                continue
            place = name.rsplit(" ", maxsplit=1)[-1].partition("@")[0]
            whole = place[1:] if place.startswith("/") else f"{config_path.rpartition('/')[0]}/{place}"
            yield from [whole] if not isinstance(entry, dict) else (f"{whole}/{each}" for each in names if isinstance(each, str))
