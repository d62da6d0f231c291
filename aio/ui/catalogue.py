"""What the page offers: modes, presets, models and LoRAs with their texts, read from the configuration."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aio import config as configuration
from aio.config import Config
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
        presets, models, loras: the choices of these groups.
        page: the `ui` section of the configuration.
    """

    overrides: tuple[str, ...]
    config_dirs: tuple[Path, ...]
    modes: Mapping[str, Config]
    presets: tuple[Choice, ...]
    models: tuple[Choice, ...]
    loras: tuple[Choice, ...]
    page: Ui

    def compose(self, mode: str, preset: str, model: str, loras: Sequence[str]) -> Config:
        """The configuration of these choices, which must be names of the catalogue."""
        usual = self.modes[mode]
        if (preset, model) == (usual.choices["preset"], usual.choices["model"]) and not loras:
            return usual
        chosen = [f"mode={mode}", f"preset={preset}", f"model={model}", f"lora=[{','.join(loras)}]"]
        with _composing:
            return configuration.compose([*self.overrides, *chosen], self.config_dirs)

    @property
    def moving(self) -> frozenset[str]:
        """Values that depend on the preset or the model: left empty, a field follows them."""
        return frozenset().union(*(choice.values for choice in (*self.presets, *self.models)))


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
    modes = {name: found[name] for name in _ordered("mode", found, settings)}
    presets, models, loras = (
        tuple(_choice(group, name, config_dirs) for name in _ordered(group, configuration.choices(group, config_dirs), settings))
        for group in ("preset", "model", "lora")
    )
    return Catalogue(common, tuple(config_dirs), modes, presets, models, loras, settings), faults


def _ordered(group: str, names: Iterable[str], settings: Ui) -> list[str]:
    first = [name for name in settings.first.get(group, ()) if name in set(names)]
    return [*first, *(name for name in names if name not in first)]


def _choice(group: str, name: str, config_dirs: Sequence[Path]) -> Choice:
    # Without Hydra: a composition of each of 20 files would take seconds, and only plain facts are read.
    data = configuration.facts(group, name, config_dirs)
    facts = (data.get("loras") or {}).get(name, {}) if group == "lora" else data.get(group) or {}
    title = facts.get("title") or (name.upper() if group == "model" else name.replace("_", " ").capitalize())   # FP8, Dolly in
    declared = {key: item for key, item in (data.get("fields") or {}).items() if "type" in item}
    added = {key: Field(name=key, **{**item, "options": tuple(item.get("options", ()))}) for key, item in declared.items()}
    return Choice(name, title, facts.get("summary") or facts.get("note") or "", frozenset(data.get("values") or ()), added)
