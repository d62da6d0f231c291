"""What a multirun's command line varies: numbers and choices, split by Hydra's own grammar; texts and paths are data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aio import config as configuration
from aio.command import Command, swept
from aio.config.grammar import split
from aio.errors import ConfigError
from aio.fields.texts import whole

FIELD = "params."
"""Prefix of the axes that are fields. The others are overrides of the configuration."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One job of a sweep as it was asked for.

    Attributes:
        number: its place in the user's order, from 0, and the name of its folder.
        overrides: of the configuration, as typed. params: field name -> value.
        row: where it stands in a table, for messages.
    """

    number: int
    overrides: tuple[str, ...]
    params: Mapping[str, Any]
    row: str = ""


def axes(command: Command, modes: Iterable[str] = ()) -> dict[str, list[Any]]:
    """Key -> the values it takes, one where it does not vary.

    A key of the configuration (`preset`) takes whole overrides (`preset=fast`), a field (`params.seed`) plain values.

    Args:
        modes: modes that are chosen elsewhere than on the command line.

    Raises:
        ConfigError: a value that Hydra's grammar does not know, or of no end. InvalidParams: an `@file` that cannot be read.
    """
    found, faults, groups, most = dict[str, list[Any]](), list[str](), command.groups, command.limits.jobs
    for word in command.overrides:
        try:
            if not of_hydra(word):
                found[word.partition("=")[0]] = _override(word, groups, command, most)
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    known = command.fields(modes)
    for name, text in command.params.items():
        texts = whole(known[name], text) if name in known else None
        found[FIELD + name] = (split(f"{name}={text}", command.config_dirs, plain=True, most=most)[1] or []) if texts is None else [*texts]
    return found


def _override(word: str, groups: Iterable[str], command: Command, most: int) -> list[str]:
    """The overrides that one of a multirun stands for."""
    key, equals, text = word.partition("=")
    name = key.lstrip("+")
    if not equals or name.startswith("~") or configuration.is_text(name):
        return [word]
    if name in groups:
        several = name in configuration.many(command.config_dirs)
        jobs = swept(name, text, command.config_dirs)
        facts = configuration.declared(command.config_dirs).get(name)
        if len(jobs) > 1 and facts and not facts.swept:
            raise ConfigError(f"{name}: a sweep does not vary it; give one of {', '.join(configuration.choices(name, command.config_dirs))}")
        return [f"{key}=[{','.join(names)}]" if several else f"{key}={names[0]}" for names in jobs]
    values = split(word, command.config_dirs, plain=False, most=most)[1]
    return [word] if values is None else [f"{key}={value}" for value in values]


def of_hydra(word: str) -> bool:
    """Whether an override is for Hydra itself (`hydra.sweep.dir=…`, `hydra/launcher=ray`)."""
    return word.lstrip("+~").startswith(("hydra.", "hydra/"))


def product(found: Mapping[str, Sequence[Any]], rows: Iterable[Spec] | None = None, most: float = math.inf) -> Iterator[Spec]:
    """Every combination, the last key changing fastest, numbered from 0; with a table, every combination for each row.

    What a row sets is not varied by the command line.

    Args:
        most: jobs that a sweep may have.

    Raises:
        ConfigError: more jobs than a sweep runs.
    """
    number = 0
    for row in [Spec(0, (), {})] if rows is None else rows:
        own = {word.lstrip("+~").split("=")[0] for word in row.overrides} | {FIELD + name for name in row.params}
        free = {key: values for key, values in found.items() if key.lstrip("+~") not in own}
        if number + math.prod(map(len, free.values())) > most:
            raise ConfigError(f"the sweep has more than {most:,} jobs; vary less at once, or raise sweep.jobs=…")
        for values in itertools.product(*free.values()):
            pairs = list(zip(free, values))
            overrides = [value for key, value in pairs if not key.startswith(FIELD)]
            params = {key.removeprefix(FIELD): value for key, value in pairs if key.startswith(FIELD)}
            yield Spec(number, (*overrides, *row.overrides), {**params, **row.params}, row.row)
            number += 1
