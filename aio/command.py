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
from aio.config import LITERAL, Config
from aio.errors import AioError, ConfigError, InvalidParams, Problem, nearest
from aio.fields import LITERAL_TYPES, TEXT_TYPES, Field

_OVERRIDE = re.compile(r"(?P<prefix>\+{0,2}|~)(?P<key>[\w@./:-]+)(?:=(?P<value>.*))?", re.DOTALL)
_TAKES_VALUE = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p", "--cfg", "-c")
_TOP = ("engine", "params", "output", "hydra")


@dataclass(slots=True)
class Command:
    """One parsed command line.

    Attributes:
        verb: run, check, plan, ...
        overrides: for Hydra, in its grammar. params: field name -> text as typed.
        flags: Hydra's own flags. options: aio's own (`--json`), without dashes.
        config_dirs: folders given with --config-dir. multirun: -m. help: -h.
    """

    verb: str = "run"
    overrides: list[str] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    options: set[str] = field(default_factory=set)
    config_dirs: list[Path] = field(default_factory=list)
    multirun: bool = False
    help: bool = False

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
        known = self._fields()
        return [*self.overrides, *(_swept(known.get(name), name, text) for name, text in self.params.items())]

    def _fields(self) -> dict[str, Field]:
        """Fields of every mode and LoRA that the overrides may choose."""
        chosen = [self._choices(group) for group in ("mode", "lora")]
        found: dict[str, Field] = {}
        for mode in chosen[0] or [[]]:
            loras = sorted({name for pick in chosen[1] for name in pick})
            groups = [f"mode={mode[0]}"] if mode else []
            found.update(configuration.compose([*groups, *([f"lora=[{','.join(loras)}]"] if loras else [])], self.config_dirs).fields)
        return found

    def _choices(self, group: str) -> list[list[str]]:
        """The choices that an override of `group` names, one list a job: `lora=[a],[a,b]` -> [[a], [a, b]]."""
        from hydra.core.override_parser.overrides_parser import OverridesParser

        given = [text for text in self.overrides if text.lstrip("+").startswith(f"{group}=")]
        found = []
        for override in OverridesParser.create().parse_overrides(given):
            values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
            # The sweep iterator gives strings, `[a,b]` among them.
            found += [re.findall(r"[\w/.-]+", str(value)) for value in values]
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
    groups = _groups(command.config_dirs)
    for word in rest:
        if completing:
            command.flags.append(word)   # install=bash, query=bash belong to Hydra
        else:
            _sort(command, word, groups)
    if command.params and not command.multirun:
        _read_files(command)
    return command


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not text or not path.is_dir():
        raise ConfigError(f"--config-dir: {text!r} is not a folder; give one that holds mode/, preset/ or lora/")
    return path.resolve()


def _groups(config_dirs: Sequence[Path]) -> set[str]:
    return {path.name for folder in (configuration.CONF, *config_dirs) for path in folder.iterdir() if path.is_dir()}


def _sort(command: Command, word: str, groups: set[str]) -> None:
    match = _OVERRIDE.fullmatch(word)
    if not match or (match["value"] is None and match["prefix"] != "~"):
        raise ConfigError(f"{word!r} is not understood: write field=value, group=choice, or a flag (see --help); quote text with spaces")
    key, value = match["key"], match["value"]
    name = key.removeprefix("params.")
    if match["prefix"] == "~" or (key in groups or key in _TOP or re.search(r"[./@:]", name)):
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
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"cannot read the file {path!r} ({reason}); write {name}=@@… for a text that begins with @"
        raise InvalidParams([Problem(name, "custom_validation_failed", message)]) from None


def _swept(known: Field | None, name: str, text: str) -> str:
    """One field as a Hydra override of a multirun."""
    if known is None or known.type not in LITERAL_TYPES:
        return f"++params.{name}={text}"
    if text.startswith("@") and not text.startswith("@@"):
        lines = [line.strip() for line in _read(name, text[1:]).splitlines() if line.strip()]
        if not lines:
            raise InvalidParams([Problem(name, "required_input_missing", f"the file {text[1:]!r} holds no line of text")])
    else:
        lines = [text[1:] if text.startswith("@@") else text]
    return f"++params.{name}={','.join(literal(line) for line in lines)}"


def literal(text: str) -> str:
    """`text` as a quoted Hydra value that no grammar, type or interpolation touches; config.params_of() undoes it."""
    from hydra.core.override_parser.types import Quote, QuotedString

    escaped = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", LITERAL + text)
    return QuotedString(text=escaped, quote=Quote.single).with_quotes()
