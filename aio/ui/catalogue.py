"""What the page offers: modes, and the choices of every group that is declared for it, with their texts, read from the configuration."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.config import Config
from aio.config.groups import Group, summary, titled
from aio.config.page import Ui
from aio.errors import AioError
from aio.fields import Field

_composing = threading.Lock()
"""Hydra keeps one global instance: two threads must not compose at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """One file of a config group.

    Attributes:
        name: file stem. title, summary: texts. values: names of the values it sets. fields: fields it adds.
    """

    name: str
    title: str
    summary: str
    values: frozenset[str]
    fields: Mapping[str, Field]


@dataclasses.dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that can be chosen.

    Attributes:
        overrides, config_dirs: what the page was started with, part of every composition.
        modes: name -> configuration with the default choices.
        groups: those that the page offers, as declared. choices: of each of them.
        page: the `ui` section of the configuration.
    """

    overrides: tuple[str, ...]
    config_dirs: tuple[Path, ...]
    modes: Mapping[str, Config]
    groups: Mapping[str, Group]
    choices: Mapping[str, tuple[Choice, ...]]
    page: Ui

    def usual(self, mode: str, group: str) -> Any:
        """What a mode chooses of a group unless told otherwise: a name, empty for none, or a list where a group takes several."""
        return [] if self.groups[group].many else self.modes[mode].choices.get(group) or ""

    def compose(self, mode: str, picked: Mapping[str, Any]) -> Config:
        """The configuration of these choices, group -> one or several, which must be names of the catalogue; empty chooses none."""
        if all(value == self.usual(mode, group) for group, value in picked.items()):
            return self.modes[mode]
        chosen = [f"mode={mode}", *(f"{group}=[{','.join(value)}]" if isinstance(value, list) else f"{group}={value}"
                                    for group, value in picked.items() if value or isinstance(value, list))]
        with _composing:
            return configuration.compose([*self.overrides, *chosen], self.config_dirs)

    @property
    def moving(self) -> frozenset[str]:
        """Values that depend on a choice: left empty, a field follows them."""
        return frozenset().union(*(choice.values for offered in self.choices.values() for choice in offered))

    @property
    def added(self) -> Mapping[str, tuple[Field, str]]:
        """Field that a choice adds -> it, and the choices that do: `lora detailer`, `memory low or tiled`."""
        found, by = dict[str, Field](), dict[str, tuple[str, list[str]]]()
        for group, offered in self.choices.items():
            for choice in offered:
                for name, field in choice.fields.items():
                    found.setdefault(name, field)
                    by.setdefault(name, (group, []))[1].append(choice.name)
        return {name: (field, f"{by[name][0]} {' or '.join(by[name][1])}") for name, field in found.items()}


def read(overrides: Sequence[str] = (), config_dirs: Sequence[Path] = ()) -> tuple[Catalogue, list[str]]:
    """The catalogue, and a sentence for every mode that had to be left out because it does not compose."""
    common = tuple(text for text in overrides if not text.startswith("mode="))
    found: dict[str, Config] = {}
    faults = []
    for name in configuration.choices("mode", config_dirs):
        try:
            with _composing:
                found[name] = configuration.compose([*common, f"mode={name}"], config_dirs)
        except AioError as error:
            faults.append(f"mode {name} is left out: {error}")
    if not found:
        raise AioError("\n".join(faults) or "there is no mode to show")
    settings = next(iter(found.values())).ui
    declared = next(iter(found.values())).groups
    modes = {name: found[name] for name in _ordered(declared["mode"], found)}   # a form each, whatever they are declared as
    groups = {name: group for name, group in declared.items() if group.page != "none"}
    choices = {
        name: tuple(_choice(name, one, group, config_dirs) for one in _ordered(group, configuration.choices(name, config_dirs)))
        for name, group in groups.items()
    }
    return Catalogue(common, tuple(config_dirs), modes, groups, choices, settings), faults


def _ordered(group: Group, names: Iterable[str]) -> list[str]:
    first = [name for name in group.first if name in set(names)]
    return [*first, *(name for name in names if name not in first)]


def _choice(group: str, name: str, declared: Group, config_dirs: Sequence[Path]) -> Choice:
    # Without Hydra: a composition of each of 20 files would take seconds, and only plain facts are read.
    data = configuration.facts(group, name, config_dirs)
    title, about = summary(group, name, declared, data)
    fields, values = dict[str, Any](), set[str]()
    for one in _built_on(group, name, config_dirs):
        said = configuration.facts(group, one, config_dirs)
        fields |= {key: item for key, item in (said.get("fields") or {}).items() if "type" in item}
        values |= set(said.get("values") or ())
    added = {key: Field(name=key, **{**item, "options": tuple(item.get("options", ()))}) for key, item in fields.items()}
    return Choice(name, title or titled(name, declared), about, frozenset(values), added)


def _built_on(group: str, name: str, config_dirs: Sequence[Path], above: tuple[str, ...] = ()) -> list[str]:
    """The choices of its own group that a choice's defaults name, at any depth, and the choice itself: memory=low is built on tiled."""
    entries = configuration.facts(group, name, config_dirs).get("defaults") or ()
    known = [one for one in entries if isinstance(one, str) and one in configuration.choices(group, config_dirs) and one not in (*above, name)]
    return list(dict.fromkeys([two for one in known for two in _built_on(group, one, config_dirs, (*above, name))] + [name]))
