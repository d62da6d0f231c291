"""The command line: argv -> a Command, with every text kept literally as it was typed.

`key=value` is one of two things. A key that is a config group or has a dot (`preset=fast`, `output.dir=x`) is an override in
Hydra's grammar. Any other key is a field: its value is data. In a single run no grammar touches it; in a multirun
(`-m`) numbers and choices sweep in Hydra's grammar, while text and file names stay whole and sweep by `@file`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aio import config as configuration
from aio import paths
from aio.config import Config
from aio.errors import AioError, ConfigError, InvalidParams, Problem, nearest
from aio.fields import LITERAL_TYPES, TEXT_TYPES, Field
from aio.grammar import literal, split

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
        overrides: for Hydra, in its grammar. params: field name -> text as typed.
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
        """Everything as Hydra overrides, for a multirun.

        Raises:
            InvalidParams: an `@file` that cannot be read.
        """
        known = self.fields()
        return [*self.overrides, *(_swept(known.get(name), name, text) for name, text in self.params.items())]

    def fields(self, modes: Iterable[str] = ()) -> dict[str, Field]:
        """Fields of every mode and LoRA that the overrides may choose, and of `modes`, chosen elsewhere."""
        chosen = [[*self._choices("mode"), *([mode] for mode in modes)], self._choices("lora")]
        found: dict[str, Field] = {}
        for mode in chosen[0] or [[]]:
            loras = sorted({name for pick in chosen[1] for name in pick})
            groups = [f"mode={mode[0]}"] if mode else []
            found.update(configuration.compose([*groups, *([f"lora=[{','.join(loras)}]"] if loras else [])], self.config_dirs).fields)
        return found

    def _choices(self, group: str) -> list[list[str]]:
        """The choices that an override of `group` names, one list a job: `lora=[a],[a,b]` -> [[a], [a, b]]."""
        given = [text for text in self.overrides if text.lstrip("+").startswith(f"{group}=")]
        values = [value for word in given for value in split(word, self.config_dirs, plain=False)[1] or [word.split("=", 1)[1]]]
        return [re.findall(r"[\w/.-]+", value) for value in values]


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
            given = word.split("=", 1)[1] if "=" in word else (words.pop(0) if words else "")
            command.config_dirs.append(_folder(given))
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
    groups = groups_of(command.config_dirs)
    if rest and command.verb in _WITH_FILE and (Path(rest[0]).exists() or not _OVERRIDE.fullmatch(rest[0]) or "=" not in rest[0]):
        command.target = rest.pop(0)
    for word in rest:
        if completing:
            command.flags.append(word)   # install=bash, query=bash belong to Hydra
        else:
            _sort(command, word, groups)
    if command.auth is not None and command.verb != "ui":
        raise ConfigError("ui.auth: only the page asks for a password: python -m aio ui ui.auth=…")
    if (command.jobs or command.resume) and not command.multirun:
        raise ConfigError("jobs=… and resume=… belong to a sweep: add -m")
    if command.params and not command.multirun:
        _read_files(command)
    return command


def _folder(text: str) -> Path:
    path = paths.expanded(text, "--config-dir")
    if not text or not path.is_dir():
        raise ConfigError(f"--config-dir: {text!r} is not a folder; give one that holds mode/, preset/ or lora/")
    return path.resolve()


def in_config(key: str, groups: Iterable[str]) -> bool:
    """Whether a key is an override of the configuration; any other is a field."""
    return key in groups or key in _TOP or bool(re.search(r"[./@:]", key))


def groups_of(config_dirs: Sequence[Path]) -> set[str]:
    """Names of the config groups."""
    return {path.name for folder in (configuration.CONF, *config_dirs) for path in folder.iterdir() if path.is_dir()}


def _sort(command: Command, word: str, groups: set[str]) -> None:
    match = _OVERRIDE.fullmatch(word)
    if not match or (match["value"] is None and match["prefix"] != "~"):
        raise ConfigError(f"{word!r} is not understood: write field=value, group=choice, or a flag (see --help); quote text with spaces")
    key, value = match["key"], match["value"]
    name = key.removeprefix("params.")
    if name == "ui.auth":
        command.auth = value or ""   # in the configuration other commands would print it
    elif key in ("jobs", "resume"):
        setattr(command, key, value)
    elif match["prefix"] == "~" or in_config(name, groups):
        if key == "lora" and not command.multirun and "," in value and not value.startswith("["):
            word = f"lora=[{value}]"   # in a single run a comma can only mean several at once
        command.overrides.append(word)
    else:
        command.params[name] = value


def _read_files(command: Command) -> None:
    """Replace `@file` by its content and `@@x` by `@x` in text fields."""
    try:
        known = command.compose().fields
    except AioError:
        return   # the run itself reports it, with its own words
    for name, text in command.params.items():
        if name in known and known[name].type in TEXT_TYPES:
            command.params[name] = _text_of(name, text)


def _text_of(name: str, text: str) -> str:
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@"):
        return _read(name, text[1:]).rstrip("\r\n")
    return text


def _read(name: str, path: str) -> str:
    try:
        return paths.expanded(path, name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"cannot read the file {path!r} ({reason}); write {name}=@@… for a text that begins with @"
        raise InvalidParams([Problem(name, "custom_validation_failed", message)]) from None


def _swept(known: Field | None, name: str, text: str) -> str:
    """One field as a Hydra override of a multirun."""
    if known is None or known.type not in LITERAL_TYPES:
        return f"++params.{name}={text}"
    return f"++params.{name}={','.join(literal(line) for line in lines(name, text))}"


def lines(name: str, text: str) -> list[str]:
    """The texts that a text or file field takes in a multirun: itself, or the lines of its `@file`."""
    if not text.startswith("@") or text.startswith("@@"):
        return [text[1:] if text.startswith("@@") else text]
    found = [line.strip() for line in _read(name, text[1:]).splitlines() if line.strip()]
    if not found:
        raise InvalidParams([Problem(name, "required_input_missing", f"the file {text[1:]!r} holds no line of text")])
    return found
