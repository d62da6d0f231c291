"""Jobs from a table: one row of a CSV or JSON Lines file is one job with any fields, modes and presets."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aio import paths
from aio.command import groups_of, in_config
from aio.errors import ConfigError
from aio.grammar import quoted, split
from aio.sweep.axes import Spec

SEPARATORS = ",;\t"
"""A spreadsheet writes semicolons where the comma is the decimal mark."""


def read(given: str, config_dirs: Sequence[Path] = ()) -> tuple[list[Spec], Path]:
    """The rows of `jobs=@FILE`, and the file.

    A column is a field or a key of the configuration (`mode`, `preset`, `lora`, `output.name`). A text is taken as it stands; an
    empty cell and null set nothing.

    Raises:
        ConfigError: no such file, not CSV or JSON Lines, or a faulty row: every fault with the number of its row.
    """
    path = paths.expanded(given.removeprefix("@"), "jobs")
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}
    if path.suffix.lower() not in readers:
        raise ConfigError(f"jobs: {path} is not a table: give a .csv or .jsonl file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"jobs: cannot read {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"jobs: {path} is not UTF-8 text; save it as `CSV UTF-8`") from None
    rows, faults, groups = list[Spec](), list[str](), groups_of(config_dirs)
    for place, values in readers[path.suffix.lower()](text, faults):
        rows.append(_spec(place, values, groups, faults))
    if faults:
        raise ConfigError("\n".join(f"jobs: {path.name}, {fault}" for fault in faults))
    if not rows:
        raise ConfigError(f"jobs: {path} holds no job; in a .csv the first line names the columns, in a .jsonl each line is an object")
    return rows, path


def _csv(text: str, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=head.count), strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        faults += [f"line 1: the column {name!r} stands there twice" for name in dict.fromkeys(columns) if name and columns.count(name) > 1]
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


def _jsonl(text: str, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        number += 1
        place = f"row {number} (line {line})"
        try:
            values = json.loads(content)
        except ValueError as error:
            faults.append(f"{place}: not JSON ({error})")
            continue
        if not isinstance(values, dict):
            faults.append(f"{place}: expected an object, {{\"mode\": \"t2v\", …}}")
            continue
        yield place, {key: value for key, value in values.items() if value is not None and value != ""}


def _spec(place: str, values: dict[str, Any], groups: set[str], faults: list[str]) -> Spec:
    overrides, params = list[str](), dict[str, Any]()
    for key, value in values.items():
        name = key.lstrip("+").removeprefix("params.")
        if not in_config(name, groups):
            params[name] = value
            continue
        try:
            overrides.append(_override(key, value, key in groups))
        except ConfigError as error:
            faults.append(f"{place}: {error}")
    return Spec(0, tuple(overrides), params, place)


def _override(key: str, value: Any, group: bool) -> str:
    """A cell as an override of the configuration; it never sweeps.

    Raises:
        ConfigError: a group's cell that is not one choice.
    """
    text = value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False).replace('"', "")
    if key == "lora" and not text.startswith("["):
        text = f"[{text}]"
    single = _single(f"{key}={text}")
    if group and not single:
        raise ConfigError(f"{key}: {text!r} is not one choice; a row is one job")
    if not group and isinstance(value, str) and not single:
        text = quoted(text)
    return f"{key}={text}"


@functools.lru_cache(maxsize=4096)
def _single(word: str) -> bool:
    try:
        return split(word, (), plain=False)[1] is None
    except ConfigError:
        return False
