"""A sweep before it runs: every job composed, checked and rendered, and the order that spares loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from aio import config as configuration
from aio import fields
from aio.command import Command, in_config
from aio.engines import choose
from aio.errors import ConfigError, InputError
from aio.fields import lists
from aio.job import Job
from aio.machine import paths
from aio.recipe import provenance
from aio.request import checked
from aio.sweep import folder, jobs_table
from aio.sweep.axes import Spec, axes, of_hydra, product
from aio.sweep.folder import Cell

SHOWN = 20
"""Faults that a message lists."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A job that is known before it runs.

    Attributes:
        spec: what was asked for. settings: the same for people and for the manifest, without absolute paths.
        recipe: its recipe hash, None with an `error`.
        cost: what a change of costs time: weights, LoRAs, prompt, inputs; the dearest first.
    """

    spec: Spec
    settings: dict[str, str]
    recipe: str | None = None
    cost: tuple[Any, ...] = ()
    error: InputError | None = None

    def cell(self) -> Cell:
        """The job as a cell of the sheet that has not begun."""
        return Cell(self.spec.number, self.settings, recipe=self.recipe)


def plan(command: Command) -> list[Planned]:
    """Every job of a multirun, in the user's order. A job that is not fit to run carries its error.

    Raises:
        InputError: a table with a fault, each with its row; or a mode, preset, … of the sweep with which no job is fit to run.
        EngineError: there is no engine.
    """
    if command.resume and not (command.jobs or command.params or any(not of_hydra(word) for word in command.overrides)):
        return _again(command)
    limits = command.limits
    rows, table = jobs_table.read(command.jobs, command.config_dirs, limits) if command.jobs else (None, None)
    modes = {word.split("=", 1)[1] for row in rows or () for word in row.overrides if word.startswith("mode=")}
    known = modes & set(configuration.choices("mode", command.config_dirs))   # an unknown one is a fault of its row
    there = folder.planned(paths.expanded(command.resume, "resume")) if command.resume else None
    before = {cell.number: cell.settings for cell in there or ()}
    specs = product(axes(command, sorted(known)), rows, limits.jobs)
    jobs = [_plan(spec, command.config_dirs, table, before.get(spec.number, {})) for spec in specs]
    faults: dict[str, list[Planned]] = {}
    for job in jobs:
        if job.error:
            faults.setdefault(str(job.error), []).append(job)
    if table and faults:
        raise InputError("\n".join(_in_rows(table.name, text, group) for text, group in list(faults.items())[:SHOWN]) + _more(faults))
    hopeless = _hopeless(jobs)
    if hopeless:
        raise InputError("\n".join(hopeless[:SHOWN]) + _more(hopeless))
    return jobs


def _again(command: Command) -> list[Planned]:
    """The jobs of `resume=DIR` alone, from the manifest; that they are the same is proven later, by their recipes.

    Raises:
        ConfigError: it is no sweep's folder. InputError: what the manifest says is not enough to ask for them again.
    """
    there = folder.planned(paths.expanded(command.resume, "resume"))
    if not there:
        raise ConfigError(f"resume: {command.resume!r} is not a sweep's folder; give the one that holds its {folder.MANIFEST}")
    groups, jobs = command.groups, list[Planned]()
    for cell in there:
        own = [key for key in cell.settings if in_config(key, groups)]
        params = {key: value for key, value in cell.settings.items() if key not in own}
        jobs.append(_plan(Spec(cell.number, tuple(f"{key}={cell.settings[key]}" for key in own), params), command.config_dirs, None))
    faults = dict.fromkeys(str(job.error) for job, cell in zip(jobs, there) if job.error and cell.recipe)
    if faults:
        raise InputError("\n".join([*list(faults)[:SHOWN], (
            f"resume: the manifest of {command.resume} names files without their folders, and what was added or left out not at all; "
            "give the sweep's whole command once more, with resume=…")]))
    return jobs


def _hopeless(jobs: Sequence[Planned]) -> list[str]:
    """A line for each fault of a choice with which no job at all can run: a mistake, which no resume would ever mend."""
    groups: dict[tuple[str, ...], list[Planned]] = {}
    for job in jobs:
        groups.setdefault(job.spec.overrides, []).append(job)
    common = set.intersection(*map(set, groups))
    found: dict[str, list[str]] = {}
    for words, group in groups.items():
        if all(job.error for job in group):
            name = " ".join(word for word in words if word not in common)
            for line in dict.fromkeys(line for job in group for line in str(job.error).splitlines()):
                found.setdefault(line, []).append(name)
    return [f"{_several(names)}: {line}" if len(names) < len(groups) else line for line, names in found.items()]


def _several(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _more(faults: Sized) -> str:
    return f"\n… and {len(faults) - SHOWN} more faults" if len(faults) > SHOWN else ""


def _in_rows(table: str, text: str, group: Sequence[Planned]) -> str:
    rows = list(dict.fromkeys(job.spec.row for job in group))
    return "\n".join(f"jobs: {table}, {_several(rows)}: {line}" for line in text.splitlines())


def _plan(spec: Spec, config_dirs: Sequence[Path], table: Path | None, there: Mapping[str, str] = {}) -> Planned:
    """One job. there: its settings in the sweep that goes on, which tell the numbers that were drawn for it."""
    settings: dict[str, str] = {}
    try:
        words = [word.lstrip("+").split("=", 1) for word in spec.overrides if "=" in word and not word.lstrip("+").startswith("output.dir=")]
        settings = {key: portable(value) for key, value in words}
        settings |= {name: str(value) for name, value in spec.params.items()}
        config = configuration.compose(spec.overrides, config_dirs)
        own = fields.drawn(config.fields, spec.params, config.values)
        own |= {name: there[name] for name, value in own.items() if value != spec.params.get(name) and name in there}
        if own != spec.params:
            spec = dataclasses.replace(spec, params=own)
            settings |= {name: str(value) for name, value in own.items()}
        files = {name: value for name, _, value in lists.files(config.fields, spec.params)}
        if table and files:
            files = {name: paths.beside(value, table) if isinstance(value, str) else value for name, value in files.items()}
            spec = dataclasses.replace(spec, params=lists.put(spec.params, files))
        told = lists.put(spec.params, {name: portable(str(value)) for name, value in files.items()})
        settings |= {name: lists.typed(told[name]) if isinstance(told[name], list) else str(told[name]) for name in map(lists.base, files)}
        data = foresee(spec, config_dirs)
    except InputError as error:
        return Planned(spec, settings, error=error)
    return Planned(spec, settings, data["hash"], _cost(data, config))


def foresee(spec: Spec, config_dirs: Sequence[Path]) -> dict[str, Any]:
    """The recipe that a job will have.

    Raises:
        InputError: it cannot run. EngineError: there is no engine.
    """
    config = configuration.compose(spec.overrides, config_dirs)
    engine, _ = choose(config)
    return provenance.foresee(checked(Job(config, spec.params)), engine)


def portable(text: str) -> str:
    """A text for the manifest: a path without what lies above it; the manifest leaves this machine."""
    return PurePath(text).name if PurePath(text).is_absolute() or text.startswith("~") else text


def _cost(data: dict[str, Any], config: configuration.Config) -> tuple[Any, ...]:
    registry = config.registry
    lora = {name: "lora" in str(registry[name].folder if name in registry else name).lower() for name in data["models"]}
    return (
        tuple(sorted(name for name, is_lora in lora.items() if not is_lora)),
        tuple(sorted(name for name, is_lora in lora.items() if is_lora)),
        (data["values"].get("prompt"), data["values"].get("negative_prompt")),
        tuple(sorted(item["sha256"] for item in data["inputs"].values())),
    )


def order(jobs: Iterable[Planned]) -> list[Planned]:
    """The jobs in the order that changes weights, then LoRAs, then prompt, then inputs as seldom as possible.

    Among equals, and among the groups themselves, the user's order stays. Jobs that cannot run come first: their faults are known now.
    """
    jobs, seen = list(jobs), dict[tuple[Any, ...], int]()
    for job in jobs:
        for depth in range(1, len(job.cost) + 1):
            seen.setdefault(job.cost[:depth], len(seen))
    return sorted(jobs, key=lambda job: [seen[job.cost[:depth]] for depth in range(1, len(job.cost) + 1)])


def loads(jobs: Iterable[Planned]) -> tuple[int, int]:
    """How often weights or LoRAs are loaded, and how often a prompt is encoded, when the jobs run in this order."""
    models = prompts = 0
    before: tuple[Any, ...] = (None, None, None, None)
    for job in jobs:
        if job.cost:
            models += job.cost[:2] != before[:2]
            prompts += job.cost[:3] != before[:3]
            before = job.cost
    return models, prompts


def saving(given: Sequence[Planned], ordered: Sequence[Planned]) -> str:
    """A sentence about what the order spares; empty where it spares nothing."""
    (models, prompts), (fewer, encoded) = loads(given), loads(ordered)
    if (models, prompts) == (fewer, encoded):
        return ""
    return (f"order: {fewer} model loads instead of {models}, {models - fewer} saved; "
            f"{encoded} prompt encodings instead of {prompts}; the numbers stay as asked for")
