"""The record of official values: what each constant of aio's own modes and presets is held against, and whether that still is so.

A record lies in conf/official/record and says how to write it. Modes, presets and LoRAs from outside (--config-dir) are not in it: nobody
promises that they follow anybody. aio.check.fidelity_table writes it all down.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from aio import config as configuration
from aio import request
from aio.check import Row, constants
from aio.check.constants import Constant
from aio.config import Config, files, typed
from aio.errors import AioError, ConfigError, nearest

FOLDER = configuration.CONF / "official" / "record"
AXES = ("mode", "preset", "model")


@dataclass(frozen=True)
class Source:
    """Where official values come from. root: folder of its files. revision, date: what was read, and when that was made; read: when we did."""

    name: str
    url: str
    revision: str
    read: str
    date: str = ""
    root: str = ""


@dataclass(frozen=True)
class Entry:
    """What some constants are held against.

    Attributes:
        of: their names, `*` for any characters. modes, presets, models: of the compositions that are meant, all where none is named.
        value: the official value, or the name of a text of conf/official. at: the letter of its source, then file and name.
        verdict: `official` is equal to `value`; `deliberate` differs, or has nothing to be equal to; `open` is undecided. why: the reason.
    """

    of: list[str]
    modes: list[str] = field(default_factory=list)
    presets: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    value: Any = None
    at: str = ""
    verdict: Literal["official", "deliberate", "open"] = "official"
    why: str = ""

    def speaks_of(self, one: Constant) -> bool:
        """Whether a constant is one of these."""
        fits = ((self.modes, one.mode), (self.presets, one.preset), (self.models, one.model))
        return all(not names or name in names for names, name in fits) and any(fnmatchcase(one.name, pattern) for pattern in self.of)


@dataclass(frozen=True)
class Record:
    """A record: its sources by letter, its entries by heading; `name` of its file."""

    sources: dict[str, Source]
    entries: dict[str, list[Entry]]
    name: str = ""

    @property
    def file(self) -> str:
        """Its file, for messages."""
        return f"conf/official/record/{self.name}.yaml"

    @property
    def all(self) -> list[Entry]:
        """The entries, in their order."""
        return list(itertools.chain.from_iterable(self.entries.values()))

    def of(self, one: Constant) -> list[Entry]:
        """The entries that speak of a constant."""
        return [entry for entry in self.all if entry.speaks_of(one)]


def load(name: str) -> Record | None:
    """The record of a choice of the group `official`, None where there is none.

    Raises:
        ConfigError: it is broken; every fault in a line.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        return None
    faults: list[str] = []
    record = typed.read(Record, {**files.load(path), "name": name}, "", faults)
    if not faults:
        faults += [f"{where}: {fault}" for where, entry in _numbered(record) for fault in _faults(entry, record)]
    if faults:
        raise ConfigError("\n".join(f"conf/official/record/{name}.yaml: {fault}" for fault in faults))
    return record


def _numbered(record: Record) -> Iterator[tuple[str, Entry]]:
    for heading, entries in record.entries.items():
        yield from ((f"{heading}, entry {number} ({', '.join(entry.of)})", entry) for number, entry in enumerate(entries, 1))


def _faults(entry: Entry, record: Record) -> Iterator[str]:
    if not entry.of:
        yield "of: name a constant"
    for group, names in zip(AXES, (entry.modes, entry.presets, entry.models)):
        known = configuration.choices(group)
        yield from (f"{group}s: {name!r} is unknown.{nearest(name, known)} Known: {', '.join(known)}" for name in names if name not in known)
    if entry.verdict == "official" and (entry.value is None or not entry.at):
        yield "official needs value and at"
    if entry.verdict != "official" and not entry.why:
        yield f"{entry.verdict} needs why"
    if entry.at and entry.at.split(" ")[0] not in record.sources:
        yield f"at: {entry.at!r} begins with no source; write one of {', '.join(record.sources)}, a space, file and name"


def official(entry: Entry, texts: Mapping[str, str]) -> Any:
    """The official value of an entry: as it stands there, or the text of conf/official that it names."""
    return texts.get(entry.value, entry.value) if isinstance(entry.value, str) else entry.value


def same(one: Any, other: Any) -> bool:
    """Whether two values are one: numbers as numbers, also those of a list or of a text like `1.0, 0.5`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return _numbers(one) == _numbers(other)


def _numbers(value: Any) -> Any:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
    try:
        return [float(part) for part in parts]
    except (TypeError, ValueError):
        return value


def shipped(modes: Sequence[str] = (), presets: Sequence[str] = (), models: Sequence[str] = ()) -> Iterator[Config]:
    """aio's own compositions: each mode x preset x model that go together; for one mode the choices of the other groups that `check` proves.

    Raises:
        ConfigError: one does not compose.
    """
    usual = configuration.usual()
    for mode in modes or configuration.choices("mode"):
        for preset, model in itertools.product(presets or configuration.choices("preset"), models or configuration.choices("model")):
            config = configuration.compose([f"mode={mode}", f"preset={preset}", f"model={model}"])
            if not request.unoffered(config):
                yield config
        if mode == usual["mode"]:   # they patch every mode alike
            words = [f"{group}={usual[group]}" for group in AXES]
            for group, facts in configuration.declared().items():
                names = configuration.choices(group)
                if facts.many:
                    yield configuration.compose([*words, f"{group}=[{','.join(names)}]"])
                elif facts.check == "each":
                    yield from (configuration.compose([*words, f"{group}={name}"]) for name in names)


def rows(modes: Sequence[str], overrides: Sequence[str] = ()) -> Iterator[Row]:
    """For `check`: a row for each of aio's own modes among `modes`, one more for the record where all of them are.

    Args:
        overrides: what else was asked for. The record is about what aio ships, so of these only presets and models count: with others, no row.
    """
    chosen = {group: [name for text in overrides if text.startswith(f"{group}=") for name in text.partition("=")[2].split(",")] for group in AXES[1:]}
    own = [mode for mode in modes if mode in configuration.choices("mode")]
    if any(not text.startswith(("preset=", "model=")) for text in overrides):
        return
    found: dict[str, list[Constant]] = defaultdict(list)
    for mode in own:
        try:
            presets, models = ([name for name in chosen[group] if name in configuration.choices(group)] for group in AXES[1:])
            composed = list(shipped([mode], presets, models))
            record = load(composed[0].choices["official"]) if composed else None
            if record is None:
                continue
            told = [one for config in composed for one in constants.of(config)]
            found[record.name] += told
            faults = tuple(judge(record, told, composed[0].official))
        except AioError as error:
            faults = tuple(str(error).splitlines())
        yield Row(mode, "all", "all", "official record", faults=faults)
    if set(own) == set(configuration.choices("mode")) and not overrides:
        for name, told in found.items():
            record = load(name)
            yield Row("all", "all", "all", f"official record {name}", faults=tuple(idle(record, told)) if record else ())


def judge(record: Record, told: Sequence[Constant], texts: Mapping[str, str]) -> Iterator[str]:
    """Sentences about constants without an entry or with several, and about values that are not what their entry says."""
    found: dict[tuple[str, str, str], list[Constant]] = defaultdict(list)
    for one in told:
        for fault in _judged(record, one, texts):
            found[one.name, typed.shown(one.value), fault].append(one)
    for (name, value, fault), ones in found.items():
        yield f"{' '.join(filter(None, (name, 'is', value, where(ones, told))))}: {fault}"


def _judged(record: Record, one: Constant, texts: Mapping[str, str]) -> Iterator[str]:
    entries, file = record.of(one), record.file
    if not entries:
        yield f"no entry of {file} speaks of it; add one, with its source and verdict"
    elif len(entries) > 1:
        yield f"{len(entries)} entries of {file} speak of it; leave it to one"
    else:
        entry = entries[0]
        wanted = official(entry, texts)
        alike = same(one.value, wanted)
        if entry.verdict == "official" and not alike:
            yield f"official is {typed.shown(wanted)} ({entry.at}); correct it, or call it deliberate or open in {file}, and say why"
        elif entry.verdict == "deliberate" and alike and wanted is not None:
            yield f"that is the official value ({entry.at}), so call it official in {file}"


def idle(record: Record, told: Sequence[Constant]) -> Iterator[str]:
    """Sentences about names of entries that no constant has, where `told` are all of them."""
    known = {one.name for one in told}
    for place, entry in _numbered(record):
        mine = [one.name for one in told if entry.speaks_of(one)]
        for pattern in entry.of:
            if not any(fnmatchcase(name, pattern) for name in mine):
                there = " of these modes, presets and models" if any(fnmatchcase(name, pattern) for name in known) else ""
                yield f"{record.file}: {place}: no constant{there} is called {pattern}; take it out.{nearest(pattern, known - {pattern})}"


def where(ones: Sequence[Constant], told: Sequence[Constant]) -> str:
    """The compositions of some constants in few words, `in i2v, lipsync at quality with bf16`: what is so in all that were told is left out."""
    words, among = [], told
    for axis, word in zip(AXES, ("in", "at", "with")):
        mine, rest = {getattr(one, axis) for one in ones}, {getattr(one, axis) for one in among}
        missing = rest - mine
        if missing:
            words.append(f"{word} {f'all but {next(iter(missing))}' if len(missing) == 1 < len(mine) - 1 else ', '.join(sorted(mine))}")
        among = [one for one in among if getattr(one, axis) in mine]
    return " ".join(words)
