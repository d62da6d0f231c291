"""The command line: argv -> a Command, with every text kept literally as it was typed.

`key=value` is one of two things. A key that is a config group or has a dot (`preset=fast`, `output.dir=x`) is an override of the
configuration (aio.config.words); paths and texts among them are data. Any other key is a field: its value is data. In a single run no
grammar touches it; in a multirun (`-m`) numbers and choices sweep in Hydra's grammar, while texts, paths and file names stay whole;
texts and files of fields sweep by `@file`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aio import config as configuration
from aio.command.complete import asked
from aio.config import Config
from aio.config.grammar import literal, split
from aio.config.sections import Sweep
from aio.errors import AioError, ConfigError, nearest
from aio.fields import Field
from aio.fields.texts import of_field, whole
from aio.machine import paths

_OVERRIDE = re.compile(r"(?P<prefix>\+{0,2}|~)(?P<key>[\w@./:-]+)(?:=(?P<value>.*))?", re.DOTALL)
_TAKES_VALUE = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p", "--cfg", "-c")
_TOP = ("engine", "params", "output", "hydra")
_WITH_FILE = ("replay", "sheet")
"""Verbs whose first word is a file or folder."""


@dataclass(slots=True)
class Command:
    """One parsed command line.

    Attributes:
        verb: run, check, plan, ...
        overrides: of the configuration, as typed. params: field name -> text as typed.
        flags: Hydra's own flags. options: aio's own (`--json`), without dashes.
        config_dirs: folders given with --config-dir. multirun: -m. help: -h.
        target: the file or folder of `replay` and `sheet`.
        jobs: a sweep's table (`jobs=@shots.csv`). resume: a sweep folder to go on with (`resume=DIR`).
        auth: the page's names and passwords (`ui.auth=…`), which never enter the configuration.
    """

    verb: str = "run"
    overrides: list[str] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    options: set[str] = field(default_factory=set)
    config_dirs: list[Path] = field(default_factory=list)
    multirun: bool = False
    help: bool = False
    target: str = ""
    jobs: str = ""
    resume: str = ""
    auth: str | None = field(default=None, repr=False)

    def compose(self) -> Config:
        """The configuration of a single run."""
        return configuration.compose(self.overrides, self.config_dirs)

    def expect(self, options: set[str]) -> None:
        """Refuse flags that the verb does not know.

        Raises:
            ConfigError: names the flag and the nearest known one.
        """
        for option in sorted(self.options - options):
            raise ConfigError(f"--{option}: unknown flag for {self.verb}.{nearest(option, options)} See --help")

    def swept(self) -> list[str]:
        """Everything as Hydra overrides, for a sweeper of Hydra's; without the texts of the configuration, which no grammar may touch.

        Raises:
            InvalidParams: an `@file` that cannot be read. ConfigError: a choice that is none.
        """
        known = self.fields()
        kept = [word for word in self.overrides if word not in self.texts]
        for group in self.groups & {word.partition("=")[0] for word in kept}:
            self._choices(group)
        return [*kept, *(_swept(known.get(name), name, text) for name, text in self.params.items())]

    @property
    def groups(self) -> frozenset[str]:
        """Names of the config groups."""
        return configuration.groups(self.config_dirs)

    @property
    def texts(self) -> list[str]:
        """The overrides that are data: paths and texts of the configuration."""
        return [word for word in self.overrides if configuration.is_text(word.lstrip("+").partition("=")[0])]

    @property
    def limits(self) -> Sweep:
        """How many jobs and columns a sweep may have."""
        return configuration.compose([word for word in self.overrides if word.startswith("sweep.")], self.config_dirs).sweep

    def fields(self, modes: Iterable[str] = ()) -> dict[str, Field]:
        """Fields of every mode and other choice that the overrides may make, and of `modes`, chosen elsewhere."""
        bases = [f"mode={mode}" for mode in (*(pick[0] for pick in self._choices("mode")), *modes)] or [""]
        found, picked = dict[str, Field](), list[str]()
        for group, facts in configuration.declared(self.config_dirs).items():
            names = sorted({name for pick in self._choices(group) for name in pick}) if group != "mode" else []   # a mode has fields of its own
            picked += [f"{group}=[{','.join(names)}]"] if facts.many and names else [f"{group}={name}" for name in names]
        for words in itertools.product(bases, picked or [""]):
            found.update(configuration.compose(list(filter(None, words)), self.config_dirs).fields)
        return found

    def _choices(self, group: str) -> list[list[str]]:
        """The choices that an override of `group` names, one list a job: `lora=[a],[a,b]` -> [[a], [a, b]]."""
        given = (word.partition("=")[2] for word in self.overrides if word.lstrip("+").startswith(f"{group}="))
        return [names for text in given for names in swept(group, text, self.config_dirs)]


def swept(group: str, text: str, config_dirs: Sequence[Path]) -> list[list[str]]:
    """The choices of each job, where an override of a group sweeps in Hydra's grammar: `fast,quality`, `glob(*)`, `[a],[a,b]`.

    Raises:
        ConfigError: every one that is no choice.
    """
    values = [text] if text.strip() in configuration.choices(group, config_dirs) else split(f"{group}={text}", config_dirs, plain=False)[1]
    found, faults = list[list[str]](), dict[str, None]()
    for value in values or [text]:
        try:
            found.append(configuration.picked(group, value, config_dirs))
        except ConfigError as error:
            faults[str(error)] = None
    if faults:
        raise ConfigError("\n".join(faults))
    return found


def parse(argv: Sequence[str], verbs: Iterable[str]) -> Command:
    """Split a command line.

    Args:
        argv: the words after `python -m aio`.
        verbs: known verbs; the first word may be one.

    Raises:
        ConfigError: a word that is neither a flag nor `key=value`.
        InvalidParams: an `@file` that cannot be read.
    """
    command, words = Command(), list(argv)
    if words and words[0] in verbs:
        command.verb = words.pop(0)
    rest: list[str] = []
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            command.help = True
        elif word in ("-m", "--multirun"):
            command.multirun = True
        elif word.split("=")[0] in ("--config-dir", "-cd"):
            folder = word.split("=", 1)[1] if "=" in word else (words.pop(0) if words else "")
            command.config_dirs.append(_folder(folder))
        elif word in _TAKES_VALUE:
            command.flags += [word, *words[:1]]
            del words[:1]
        elif word in ("-sc", "--shell-completion", "--info", "-i", "--hydra-help", "--resolve", "--run", "-r", "--version"):
            command.flags.append(word)
        elif word.startswith("--"):
            command.options.add(word[2:])
        else:
            rest.append(word)
    completing = {"-sc", "--shell-completion"} & set(command.flags)
    if "--resolve" in command.flags and not {"--cfg", "-c"} & set(command.flags):
        raise ConfigError("--resolve shows a configuration without its references: write --cfg job --resolve")
    groups = command.groups
    if rest and command.verb in _WITH_FILE and (_there(rest[0]) or not _OVERRIDE.fullmatch(rest[0]) or "=" not in rest[0]):
        command.target = rest.pop(0)
    given: dict[str, str] = {}
    if completing:
        command.flags.append(asked(rest))
    for word in rest if not completing else ():
        _sort(command, word, groups, given)
    if command.auth is not None and command.verb != "ui":
        raise ConfigError("ui.auth: only the page asks for a password: python -m aio ui ui.auth=…")
    if (command.jobs or command.resume) and not command.multirun:
        raise ConfigError("jobs=… and resume=… belong to a sweep: add -m")
    if command.params and not command.multirun:
        _read_files(command)
    return command


def _there(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):   # too long a name, or a NUL
        return False


def _folder(text: str) -> Path:
    path = paths.expanded(text, "--config-dir")
    if not text or not path.is_dir():
        raise ConfigError(f"--config-dir: {text!r} is not a folder; give one that holds mode/, preset/ or lora/")
    return path.resolve()


def in_config(key: str, groups: Iterable[str]) -> bool:
    """Whether a key is an override of the configuration; any other is a field."""
    return key in groups or key in _TOP or bool(re.search(r"[./@:]", key))


def _sort(command: Command, word: str, groups: Iterable[str], given: dict[str, str]) -> None:
    match = _OVERRIDE.fullmatch(word)
    if not match or (match["value"] is None and match["prefix"] != "~"):
        raise ConfigError(f"{word!r} is not understood: write field=value, group=choice, or a flag (see --help); quote text with spaces")
    key, value = match["key"], match["value"]
    name = key.removeprefix("params.")
    if name in given:
        both = f"{given[name]} and {word}" if name != "ui.auth" else "two passwords"
        raise ConfigError(f"{name} is given twice, {both}; give it once{_together(command, name, groups)}")
    given[name] = word
    if name == "ui.auth":
        command.auth = value or ""   # in the configuration other commands would print it
    elif key in ("jobs", "resume"):
        if not value:
            raise ConfigError(f"{key}: nothing is given; write {'jobs=@TABLE.csv' if key == 'jobs' else 'resume=DIR, the folder of a sweep'}")
        setattr(command, key, value)
    elif match["prefix"] == "~" or in_config(name, groups):
        command.overrides.append(word)
    else:
        command.params[name] = value


def _together(command: Command, name: str, groups: Iterable[str]) -> str:
    """How to give several values of a key, where that makes sense."""
    if name in configuration.many():
        return f", as {name}=[A,B]"
    return f", and in a sweep as {name}=A,B" if command.multirun and (name in groups or not in_config(name, groups)) else ""


def _read_files(command: Command) -> None:
    """Replace `@file` by its content in text and list fields, and `@@x` by `@x` in text fields."""
    try:
        known = command.compose().fields
    except AioError:
        return   # the run itself reports it, with its own words
    for name, text in command.params.items():
        if name in known:
            command.params[name] = of_field(known[name], text)


def _swept(known: Field | None, name: str, text: str) -> str:
    """One field as a Hydra override of a multirun."""
    texts = whole(known, text) if known else None
    return f"++params.{name}={text if texts is None else ','.join(map(literal, texts))}"
