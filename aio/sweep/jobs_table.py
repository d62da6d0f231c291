"""Jobs from a table: one row of a CSV, JSON Lines or YAML file is one job with any fields, modes and presets."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.command import in_config
from aio.config.grammar import encoded, quoted, split
from aio.config.sections import Sweep
from aio.errors import ConfigError
from aio.machine import paths, yamltext
from aio.machine.outside import json_of, text_of
from aio.sweep.axes import Spec

SEPARATORS = ",;\t"
"""A spreadsheet writes semicolons where the comma is the decimal mark."""

FAULTS = 100
"""Faults of a table that are collected before the rest is left unread."""


def read(given: str, config_dirs: Sequence[Path] = (), limits: Sweep | None = None) -> tuple[list[Spec], Path]:
    """The rows of `jobs=@FILE`, and the file.

    A column is a field or a key of the configuration (`mode`, `preset`, `lora`, `output.name`). A text is taken as it stands; an
    empty cell and null set nothing.

    Args:
        limits: jobs and columns that are taken, by default those of the section `sweep`.

    Raises:
        ConfigError: no such file, not CSV, JSON Lines or YAML, too large, or a faulty row: every fault with the number of its row.
    """
    limits = configuration.compose().sweep if limits is None else limits
    path = paths.expanded(given.removeprefix("@"), "jobs")
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".yaml": _yaml, ".yml": _yaml}
    if path.suffix.lower() not in readers:
        raise ConfigError(f"jobs: {path} is not a table: give a .csv, .jsonl or .yaml file")
    try:
        text = text_of(path)
    except OSError as error:
        raise ConfigError(f"jobs: cannot read {path} ({error.strerror or error})") from None
    except ValueError as error:
        raise ConfigError(f"jobs: {path}: {error}{'; save it as `CSV UTF-8`' if 'UTF-8' in str(error) else ''}") from None
    rows, faults, groups = list[Spec](), list[str](), configuration.groups(config_dirs)
    for place, values in readers[path.suffix.lower()](text, limits.columns, faults):
        if len(rows) == limits.jobs:
            raise ConfigError(f"jobs: {path.name} has more than {limits.jobs:,} rows, the most jobs of a sweep; split it, or raise sweep.jobs=…")
        rows.append(_spec(place, values, groups, faults, config_dirs))
        if len(faults) > FAULTS:
            break
    if faults:
        more = [f"jobs: {path.name}: … and more faults"] if len(faults) > FAULTS else []
        raise ConfigError("\n".join([*(f"jobs: {path.name}, {fault}" for fault in faults[:FAULTS]), *more]))
    if not rows:
        raise ConfigError(f"jobs: {path} holds no job; a .csv names its columns in the first line, a .jsonl has an object a line, a .yaml a list")
    return rows, path


def _csv(text: str, most: int, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    head = re.split(r"[\r\n]", text, maxsplit=1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=head.count), strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        faults += [f"line 1: the column {name!r} stands there twice" for name in dict.fromkeys(columns) if name and columns.count(name) > 1]
        _narrow(len(columns), most, "line 1")
        number = 0
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            number += 1
            place = f"row {number} (line {reader.line_num})"
            if any(cell.strip() for cell in cells[len(columns):]) or any(cell.strip() and not name for cell, name in zip(cells, columns)):
                faults.append(f"{place}: it has a cell without a column name; quote a text that holds the separator")
            yield place, {name: cell for name, cell in zip(columns, cells) if name and cell.strip()}
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}")


def _jsonl(text: str, most: int, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        number += 1
        place = f"row {number} (line {line})"
        try:
            values = json_of(content)
        except ValueError as error:
            faults.append(f"{place}: not JSON ({error})")
            values = {}
        if not isinstance(values, dict):
            faults.append(f"{place}: expected an object, {{\"mode\": \"{_usual()}\", …}}")
            values = {}
        _narrow(len(values), most, place)
        yield place, {key: value for key, value in values.items() if value is not None and value != ""}


def _yaml(text: str, most: int, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        rows = yamltext.texts(text) or []
    except ValueError as error:
        raise ConfigError(f"jobs: the table {error}") from None
    if not isinstance(rows, list):
        raise ConfigError(f"jobs: the table is no list: write a row as `- {{mode: {_usual()}, …}}`")
    for number, values in enumerate(rows, 1):
        if not isinstance(values, dict):
            faults.append(f"row {number}: expected keys and values, {{mode: {_usual()}, …}}")
            values = {}
        _narrow(len(values), most, f"row {number}")
        yield f"row {number}", {key: value for key, value in values.items() if value is not None and value != ""}


def _narrow(columns: int, most: int, place: str) -> None:
    if columns > most:
        raise ConfigError(f"jobs: {place}: {columns:,} columns, and {most:,} is the most (sweep.columns); a mode has some 30 fields")


def _spec(place: str, values: dict[str, Any], groups: frozenset[str], faults: list[str], config_dirs: Sequence[Path]) -> Spec:
    overrides, params, seen = list[str](), dict[str, Any](), dict[str, str]()
    for key, value in values.items():
        name = key.lstrip("+").removeprefix("params.")
        if name in seen:
            faults.append(f"{place}: {name} is given twice, as {seen[name]} and {key}; give it once")
        seen[name] = key
        if not in_config(name, groups):
            params[name] = value
            continue
        try:
            overrides.append(_override(key, value, name in groups, config_dirs))
        except ConfigError as error:
            faults.append(f"{place}: {error}")
    return Spec(0, tuple(overrides), params, place)


def _override(key: str, value: Any, group: bool, config_dirs: Sequence[Path]) -> str:
    """A cell as an override of the configuration; it never sweeps.

    Raises:
        ConfigError: a group's cell that is not one choice, or what belongs on the command line.
    """
    name = key.lstrip("+")
    if name.startswith("hydra"):
        raise ConfigError(f"{key}: this belongs on the command line, not into a table")
    if group:
        listed = isinstance(value, list) and name in configuration.many(config_dirs) and all(isinstance(item, str) for item in value)
        text = f"[{','.join(value)}]" if listed else str(value).strip()
        if "," in text and name not in configuration.many(config_dirs) and text not in configuration.choices(name, config_dirs):
            raise ConfigError(f"{key}: {text!r} is not one choice; a row is one job")
        return f"{key}={text}"   # composing says whether it is one
    if isinstance(value, str):
        grammar = key != name and not configuration.is_text(name)   # a plus asks for it
        return f"{key}={quoted(value) if grammar and not _single(f'{key}={value}') else value}"
    if configuration.is_text(name):
        if isinstance(value, (list, dict)):
            raise ConfigError(f"{key}: {json.dumps(value)[:80]} is not text")
        return f"{key}={json.dumps(value)}"
    return f"{key}={encoded(value)}"


def _single(word: str) -> bool:
    try:
        return split(word, (), plain=False)[1] is None
    except ConfigError:
        return False


def _usual() -> str:
    """A mode, for examples in messages."""
    return str(configuration.usual()["mode"])
