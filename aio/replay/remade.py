"""The job of a recipe, composed again: which choices and values make the configuration and the fields what they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.config import Config
from aio.config.quoting import encoded
from aio.errors import ConfigError, Problem
from aio.fields import lists
from aio.recipe.provenance import of_machine
from aio.replay import asked as asking
from aio.replay.asked import Asked
from aio.request.follow import inputs_of

_GRAPH = ("fields", "values", "nodes", "ports", "patches", "tables", "output", "workflow", "packs", "loras", "registry", "comfyui")
"""What a graph is made of: parts of a Config."""


@dataclasses.dataclass(frozen=True, slots=True)
class Remade:
    """A recipe and the configuration that it had, as far as it can be had now.

    Attributes:
        config: the configuration. recorded: values of its fields as the recipe holds them, in the fields' types.
        problems: recorded values that a field cannot have now.
        base: overrides that the rest stands on. chosen: (key, override) of what is composed.
        notes: what was left out.
    """

    asked: Asked
    config: Config
    recorded: Mapping[str, Any]
    problems: tuple[Problem, ...]
    base: tuple[str, ...]
    chosen: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def words(self, without: Iterable[str] = ()) -> list[str]:
        """The overrides that compose it. without: keys that somebody else sets."""
        without = set(without)
        return [*self.base, *(word for key, word in self.chosen if key not in without)]

    def params(self, config: Config) -> dict[str, Any]:
        """Values for the fields of `config`: those that the user gave then, and those whose default was another one then.

        With another mode or preset than the recipe's, what the user gave goes along, but old defaults do not overrule the new ones.
        What followed an input does so again (see `followed`).
        """
        found, same = {}, self.same(config)
        for name, value in self.recorded.items():
            field = self.config.fields[name]
            if name in self.asked.given or (same and value != self.config.values.get(name, field.default) and not self.follows(name)):
                found[name] = value
        return {name: value for name, value in found.items() if name in config.fields}

    def same(self, config: Config) -> bool:
        """Whether `config` makes the choices that decide what a job makes as the recipe does."""
        return _result(config) == _result(self.config)

    def follows(self, name: str) -> bool:
        """Whether a field took its value from an input that the recipe has."""
        field = self.config.fields[name]
        usual = self.config.values.get(name, field.default)
        found = set(inputs_of(field)) & set(map(lists.base, self.asked.inputs))
        return name not in self.asked.given and bool(found) and (usual is None or bool(field.size_of))

    @property
    def followed(self) -> dict[str, Any]:
        """The values that were taken from an input."""
        return {name: value for name, value in self.recorded.items() if self.follows(name)}


def remake(data: Mapping[str, Any], config_dirs: Sequence[Path] = (), without: Iterable[str] = (), base: Sequence[str] = ()) -> Remade:
    """Compose the job of a recipe again.

    Args:
        without: keys of overrides that the caller sets: of those groups the recipe's choice need not be here.
        base: overrides below the recipe's own.

    Raises:
        ConfigError: a choice that is not here. MediaError: a part of the recipe of the wrong kind.
    """
    try:
        known = asking.read(data, config_dirs, without)
        composer = _Composer(known, config_dirs, {*without}, tuple(base))
        composer.choose()
        composer.suit()
        composer.settle()
    except ConfigError as error:
        raise ConfigError(f"{error}\nThe recipe needs it; a mode or preset of your own needs its --config-dir") from None
    faults: list[tuple[str, str]] = []
    recorded = asking.values_for(composer.config, known, faults)
    problems = tuple(Problem(name, "custom_validation_failed", f"the recipe's value cannot be used: {why}") for name, why in faults)
    return Remade(known, composer.config, recorded, problems, tuple(base), tuple(composer.chosen), (*known.notes, *composer.notes))


class _Composer:
    """Finds the overrides, one kind after the other; each is kept only where the configuration differs without it."""

    def __init__(self, known: Asked, config_dirs: Sequence[Path], without: Container[str], base: tuple[str, ...]):
        self.known, self.config_dirs, self.base = known, config_dirs, base
        self.chosen: list[tuple[str, str]] = [] if "engine" in without else [("engine", f"engine={known.engine}")]
        self.notes: list[str] = []
        if "mode" in known.choices:
            self.chosen.append(("mode", f"mode={known.choices['mode']}"))
        self.config = self.compose()
        self.usual = self.config.choices

    def compose(self, *more: str) -> Config:
        return configuration.compose([*self.base, *(word for _, word in self.chosen), *more], self.config_dirs)

    def choose(self) -> None:
        """The recipe's choices, as far as they are not made anyway, and those that it did without."""
        for group, choice in self.known.choices.items():
            if group != "mode" and (word := self.word(group, choice)):
                self.chosen.append((group, word))
        self.config = self.compose()
        machine = of_machine(self.config)
        for group, usual in self.usual.items():
            if usual is not None and group not in {*self.known.choices, *self.known.absent, *machine}:
                self.leave_out(group)

    def leave_out(self, group: str) -> None:
        try:
            self.config = self.compose(f"~{group}")
        except ConfigError:
            self.notes.append(f"the clip was made without a choice of {group}, which is not possible here: {group}={self.usual[group]}")
        else:
            self.chosen.append((group, f"~{group}"))

    def suit(self) -> None:
        """The choices that suit a job to a machine, where they change the graph."""
        for group, choice in self.known.machine.items():
            if word := self.word(group, choice):
                suited = self.compose(word)
                if _graph(suited) != _graph(self.config):
                    self.chosen.append((group, word))
                    self.config = suited

    def settle(self) -> None:
        """Values of presets and modes that are not what they were."""
        settings = asking.settings_for(self.config, self.known.settings, self.notes)
        now = self.config.values
        changed = {name: value for name, value in settings.items() if name not in now or now[name] != value}
        self.chosen += [(f"values.{name}", f"++values.{name}={encoded(value)}") for name, value in changed.items()]
        if changed:
            self.config = self.compose()

    def word(self, group: str, choice: str | list[str]) -> str:
        """The override that makes a choice, empty where it is made anyway."""
        usual = self.usual.get(group)
        if isinstance(usual, list) and isinstance(choice, str):
            choice = [choice]
        if isinstance(choice, list) and not isinstance(usual, list):
            raise asking.damaged(f"choices.{group}", choice, "is more than one choice")
        here_only = isinstance(choice, str) and choice != configuration.usual().get(group, choice)   # made by this machine's device
        if choice == usual and not here_only:
            return ""
        named = f"[{','.join(choice)}]" if isinstance(choice, list) else choice
        return f"{'' if group in self.usual else '+'}{group}={named}"


def _result(config: Config) -> dict[str, Any]:
    """The choices that decide what a job makes."""
    machine = of_machine(config)
    return {group: choice for group, choice in config.choices.items() if group not in machine}


def _graph(config: Config) -> list[Any]:
    return [getattr(config, name) for name in _GRAPH]
