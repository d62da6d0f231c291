"""docs/FIDELITY.md: the record of official values beside aio's own, as tables that a reader can take in."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aio.check import constants, fidelity
from aio.check.constants import Constant
from aio.check.fidelity import Entry, Record
from aio.config import Config
from aio.errors import ConfigError
from aio.machine import folders, whole

FILE = folders.ROOT / "docs" / "FIDELITY.md"

SHOWN = 60
"""Characters of a value; a whole prompt would fill the table."""

HEAD = """# What aio's numbers are held against

Every constant of every mode and preset of aio, beside the official value, its source and date, with a verdict:

- **official**: equal to the source's, which is shown as `=`.
- **deliberate**: not the source's, or no source has one; the reason stands beside it.
- **open**: undecided, or nothing official to be held against. [All of these](#open).

A constant is a field's value as the preset leaves it, or any other value in a node of the patched graph that no field drives: `NODE.INPUT`.
Below it, small, stand the inputs that it reaches; one without decides which patches apply, or what is done to files. *in*: the modes, presets
and models that a line is about, where it is not all that have the constant.

Written by `python -m aio check --fidelity` from the configuration and `conf/official/record`, which says how to add a line. `python -m aio check`
fails where a constant is missing there, where an official value is not aio's, and where a line speaks of what is no longer there.
"""


def write() -> Path:
    """Write the file, and return its path.

    Raises:
        ConfigError: this is no checkout, or a constant has no entry of its own.
    """
    if not FILE.parent.is_dir():
        raise ConfigError("check --fidelity writes docs/FIDELITY.md, which only a checkout of aio has: git clone it")
    text = document()
    whole.write(FILE, text)
    return FILE


def document() -> str:
    """The file's text.

    Raises:
        ConfigError: a constant has no entry, several, or another value than its entry says.
    """
    composed = [config for config in fidelity.shipped() if fidelity.load(config.choices.get("official") or "")]
    parts = [HEAD]
    for name, configs in itertools.groupby(sorted(composed, key=lambda one: one.choices["official"]), key=lambda one: one.choices["official"]):
        record, mine = fidelity.load(name), list(configs)
        told = [one for config in mine for one in constants.of(config)]
        faults = [*fidelity.judge(record, told, mine[0].official), *fidelity.idle(record, told)] if record else []
        if faults:
            raise ConfigError("\n".join(faults))
        parts += _parts(record, told, mine) if record else ()
    return "\n".join(parts)


def _parts(record: Record, told: Sequence[Constant], configs: Sequence[Config]) -> Iterator[str]:
    """Sources, counts, a table for each heading, what is open, what has no reference."""
    yield from _sources(record)
    names: dict[str, list[Constant]] = {entry: [] for entry in ("official", "deliberate", "open")}
    for one in {(one.name, one.mode, one.preset, one.model): one for one in told}.values():
        names[record.of(one)[0].verdict].append(one)
    yield f"{len({one.name for one in told})} constants, in {sum(map(len, names.values()))} places (a constant in a mode, preset and model): " \
          f"{', '.join(f'{len(ones)} {verdict}' for verdict, ones in names.items())}.\n"
    for heading, entries in record.entries.items():
        yield f"## {heading}\n"
        yield "| constant | in | aio | official | verdict | source |\n|---|---|---|---|---|---|"
        for entry in entries:
            yield from _lines(entry, record, told, configs[0].official)
        yield ""
    yield from _open(record, told)
    yield from _notes(configs)


def _sources(record: Record) -> Iterator[str]:
    yield "## Sources\n"
    yield "| | source | revision | of | last compared | files |\n|---|---|---|---|---|---|"
    for letter, source in record.sources.items():
        yield f"| {letter} | [{source.name}]({source.url}) | {source.revision} | {source.date} | {source.read} | {source.root} |"
    yield ""


def _lines(entry: Entry, record: Record, told: Sequence[Constant], texts: Mapping[str, str]) -> Iterator[str]:
    """A line for each value that constants of an entry have, those together that agree in it and in where they are."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    drives: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    mine: dict[tuple[str, str], list[Constant]] = defaultdict(list)
    for one in told:
        if entry.speaks_of(one):
            mine[one.name, _value(one.value)].append(one)
    for (name, value), ones in mine.items():
        key = (value, fidelity.where(ones, [one for one in told if one.name == name]))
        groups[key].append(name)
        drives[key] |= {where: None for one in ones for where in one.where}
    letter, _, place = entry.at.partition(" ")
    source = record.sources.get(letter)
    wanted = "=" if entry.verdict == "official" else _value(fidelity.official(entry, texts)) if entry.value is not None else ""
    for (value, where), names in groups.items():
        told_of = "<br>".join([*(f"`{name}`" for name in names), *(f"<sub>{inlet}</sub>" for inlet in drives[value, where])])
        dated = f"{letter}, {source.date or f'read {source.read}'}<br>{place.replace(': ', '<br>', 1)}" if source else ""
        why = f"**{entry.verdict}**{f': {entry.why}' if entry.why else ''}"
        yield f"| {' | '.join((told_of, where.removeprefix('in '), value, wanted, _cell(why), _cell(dated)))} |"


def _open(record: Record, told: Sequence[Constant]) -> Iterator[str]:
    yield "## Open\n"
    for entry in record.all:
        if entry.verdict == "open":
            mine = [one for one in told if entry.speaks_of(one)]
            names = dict.fromkeys(one.name for one in mine)
            where = fidelity.where(mine, [one for one in told if one.name in names])
            yield f"- {', '.join(f'`{name}`' for name in names)}{f' {where}' if where else ''}: {entry.why}"
    yield ""


def _notes(configs: Iterable[Config]) -> Iterator[str]:
    """What plans and runs say of themselves."""
    found = {note.text: note.when or {} for config in configs for note in config.notes.values()}
    if found:
        yield "## Without an official reference\n\nWhat `plan`, a run and the page say:\n"
        yield from (f"- {text}" for text in found)
        yield ""


def _value(value: Any) -> str:
    """A value in a cell: code, as configuration writes it."""
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value).lower() if isinstance(value, bool) else str(value)
    text = f"{value:g}" if isinstance(value, float) else text
    return f"`{text if len(text) <= SHOWN + 20 else f'{text[:SHOWN]}… ({len(text)} characters)'}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
