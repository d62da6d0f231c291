"""Replay: from the recipe in an mp4 back to a job, or to the command line that makes it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aio import __version__, media, paths, provenance, sidecar
from aio import config as configuration
from aio.command import Command
from aio.config import Config
from aio.errors import ConfigError, InputError, InvalidParams, MediaError, Problem
from aio.fields import LITERAL_TYPES, TEXT_TYPES
from aio.grammar import quoted
from aio.patch import render
from aio.request import validate
from aio.values import Job


@dataclasses.dataclass(frozen=True, slots=True)
class Replay:
    """A job made from a recipe. overrides: what composes it, in Hydra's grammar. notes: what a user should know."""

    job: Job
    overrides: tuple[str, ...]
    notes: tuple[str, ...]

    def command_line(self) -> str:
        """The command that makes it, quoted for a POSIX shell."""
        fields = self.job.config.fields
        words = [f"{name}={_typed(fields.get(name), value)}" for name, value in self.job.params.items()]
        return shlex.join(["python", "-m", "aio", *self.overrides, *words])


def replay(command: Command) -> Replay:
    """The job that made `command.target`, with the command line's own choices and values on top.

    Without those it is the same job: what the configuration has changed since then is set back to what the recipe says,
    and a note says what cannot be.

    Raises:
        ConfigError: no file was given; or a mode, preset or LoRA that is not here. MediaError: no recipe, or one that cannot be read.
        InvalidParams: an input file that is nowhere, with its name and hash.
    """
    if not command.target:
        raise ConfigError("replay: give the mp4, or the JSON beside it: python -m aio replay clip.mp4")
    recipe = sidecar.read(paths.expanded(command.target, "replay"))
    data, notes = recipe.data, list(recipe.notes)
    dirs = command.config_dirs
    try:
        plain = configuration.compose([], dirs).choices
        chosen = _choices(data, plain)
        before = configuration.compose([f"engine={_name(str(data['engine']).split(' ')[0])}", *chosen], dirs)
    except ConfigError as error:
        raise ConfigError(f"{error}\nThe recipe needs it; a mode or preset of your own needs its --config-dir") from None
    settings = list(_settings(data, before))
    own = {_key(word) for word in command.overrides}
    overrides = [*(word for word in (f"engine={before.engine}", *chosen, *settings) if _key(word) not in own), *command.overrides]
    config = configuration.compose(overrides, dirs)
    params = _params(data, before, config, command.params)
    found, problems = _inputs(recipe, [name for name in data["inputs"] if name in config.fields and name not in command.params])
    if problems and "command" not in command.options:
        raise InvalidParams(problems)
    notes += map(str, problems)
    job = Job(config, {**params, **found, **command.params})
    if not (command.params or command.overrides):
        notes += _drift(data, job)
    return Replay(job, (*(f"--config-dir={place}" for place in dirs), *overrides), tuple(notes))


def _key(word: str) -> str:
    return word.lstrip("+~").split("=", 1)[0]


def _choices(data: Mapping[str, Any], plain: Mapping[str, Any]) -> list[str]:
    """The recipe's choices as overrides, without those that are the default anyway; the mode always."""
    found = [f"mode={_name(data['choices'].get('mode') or data['mode'])}"]
    for group, choice in data["choices"].items():
        if group != "mode" and group in plain and choice != plain[group]:
            found.append(f"{group}=[{','.join(map(_name, choice))}]" if isinstance(choice, list) else f"{group}={_name(choice)}")
    return found


def _settings(data: Mapping[str, Any], now: Config) -> Iterator[str]:
    """Values of presets and modes that are not what they were, as overrides."""
    for name, value in (data.get("settings") or {}).items():
        if now.values.get(name) != value:
            yield f"++values.{_name(name)}={_encoded(value)}"


def _name(text: Any) -> str:
    """A name from a recipe, which anyone may have written: it becomes part of an override, so it must be no more than a name.

    Raises:
        MediaError: it is something else.
    """
    if not re.fullmatch(r"[\w./-]+", str(text)):
        raise MediaError(f"the recipe is damaged: {str(text)!r} is not the name of a choice or value")
    return str(text)


def _encoded(value: Any) -> str:
    """A value in Hydra's grammar; its texts are free of interpolation."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_name(key)}:{_encoded(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_encoded, value)) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def _params(data: Mapping[str, Any], before: Config, config: Config, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the fields: those that the user gave then, and those whose default was another one then."""
    found = {}
    for name, value in data["values"].items():
        if name not in before.fields or value is None:
            continue
        field = before.fields[name]
        default = before.values.get(name, field.default)
        # A length that follows its input does so again, unless it was given.
        if name in data["params"] or (value != default and not (default is None and field.length_of)):
            found[name] = value
    # With another mode or preset, what the user gave goes along, but old defaults do not overrule the new ones.
    kept = found if config.choices == before.choices else {name: found[name] for name in found if name in data["params"]}
    return {name: value for name, value in kept.items() if name in config.fields and name not in given}


def _inputs(recipe: sidecar.Recipe, names: Iterable[str]) -> tuple[dict[str, str], list[Problem]]:
    """A file for each input, found by its content, else the recorded name and a problem."""
    found, problems = dict[str, str](), list[Problem]()
    for name in names:
        facts = recipe.data["inputs"][name]
        place = _find(facts, (recipe.path.resolve().parent, Path.cwd()))
        found[name] = _short(place) if place else facts["name"]
        if place is None:
            problems.append(Problem(name, "required_input_missing", (
                f"{facts['name']} (sha256 {facts['sha256'][:12]}…) is neither beside {recipe.path.name} nor in the current folder; "
                f"put it there, or give {name}=…")))
    return found, problems


def _find(facts: Mapping[str, Any], folders: tuple[Path, ...]) -> Path | None:
    """The file with the recorded sha256: of the recorded name first, else any of the same size."""
    for folder in dict.fromkeys(folders):
        try:
            sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()}
            alike = [name for name, size in sorted(sizes.items()) if size == facts.get("bytes") and name != facts["name"]]
            for name in (facts["name"], *alike):
                if name in sizes and media.sha256(folder / name) == facts["sha256"]:
                    return folder / name
        except OSError:
            continue
    return None


def _short(path: Path) -> str:
    """As one would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _drift(data: Mapping[str, Any], job: Job) -> list[str]:
    """What will not be as it was, in a sentence each."""
    notes = []
    if data["aio"] != __version__:
        notes.append(f"the clip was made by aio {data['aio']}, this is {__version__}")
    try:
        request = provenance.hashed(validate(job))
        parts = provenance.differences(data, provenance.foresee(request, render(request), job.config.engine))
    except InputError:
        return notes   # the run reports it
    if parts:
        notes.append(f"not as it was then: {', '.join(parts[:8])}; the clip may differ")
    return notes


def _typed(field: Any, value: Any) -> str:
    """A value as it is typed after `field=`."""
    if field is None or field.type not in LITERAL_TYPES:
        return str(value).lower() if isinstance(value, bool) else str(value)
    return f"@{value}" if field.type in TEXT_TYPES and str(value).startswith("@") else str(value)
