"""Which weights a Space fetches when it is built: those that the default model needs in any mode and preset, within the Hub's limits."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aio import check as checking
from aio import config as configuration
from aio.config.registry import RegistryEntry
from aio.config.space import Accepted
from aio.errors import ConfigError, nearest
from aio.graph.draw import draw
from aio.weights.registry.cache import COMMIT


@dataclass(frozen=True, slots=True)
class Preload:
    """What is fetched at build time. entries: of `preload_from_hub`. files: theirs. lazy: files that the first run that needs them fetches."""

    entries: tuple[str, ...]
    files: tuple[RegistryEntry, ...]
    lazy: tuple[RegistryEntry, ...]

    @property
    def bytes(self) -> int:
        """Of the files that are fetched at build time."""
        return sum(file.size or 0 for file in self.files)

    @property
    def repos(self) -> list[str]:
        """All repositories, those of the lazy files too, sorted."""
        return sorted({file.repo for file in (*self.files, *self.lazy)})


def preload(limits: Accepted, config_dirs: Sequence[Path] = ()) -> Preload:
    """Walk the patched prompt of every mode with every choice of the groups that are declared `preload`.

    Args:
        limits: of conf/space: preload_entries and preload_gb.

    Raises:
        ConfigError: a prompt names a file that the registry lacks.
    """
    uses: Counter[str] = Counter()
    known: dict[str, RegistryEntry] = {}
    groups = [name for name, group in configuration.declared(config_dirs).items() if group.preload]
    for mode in configuration.choices("mode", config_dirs):
        for picked in itertools.product(*(checking.crossed(mode, group, config_dirs) for group in groups)):
            config = configuration.compose(["platform=zerogpu", f"mode={mode}", *itertools.chain(*picked)], config_dirs)
            known |= config.registry
            uses.update({ref.name for ref in draw(checking.sample(config)).models})
    for name in uses:
        if name not in known:
            raise ConfigError(f"space: {name} is not in the registry, so the Hub cannot fetch it.{nearest(name, known)} Add it to conf/registry")
    return choose([known[name] for name, _ in sorted(uses.items(), key=lambda use: (-use[1], use[0]))], limits)


def choose(files: Iterable[RegistryEntry], limits: Accepted) -> Preload:
    """Take files, those of most use first, while there is room; an entry of the Hub is a repository at one revision."""
    groups: dict[tuple[str, str], list[RegistryEntry]] = {}
    taken: list[RegistryEntry] = []
    lazy: list[RegistryEntry] = []
    room = limits.preload_gb * 10**9
    for file in files:
        key = (file.repo, file.revision)
        if (file.size or 0) > room or (key not in groups and len(groups) == limits.preload_entries):
            lazy.append(file)
            continue
        room -= file.size or 0
        groups.setdefault(key, []).append(file)
        taken.append(file)
    return Preload(tuple(_entry(*key, group) for key, group in groups.items()), tuple(taken), tuple(lazy))


def _entry(repo: str, revision: str, files: Sequence[RegistryEntry]) -> str:
    names = ",".join(sorted(file.path for file in files))
    return f"{repo} {names} {revision}" if COMMIT.fullmatch(revision) else f"{repo} {names}"
