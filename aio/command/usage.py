"""Which words each verb takes. One that a verb does not use is refused: nobody shall believe that it counted.

`plan` and `check` take whatever a run takes: put them before its words and see what it would do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aio import config as configuration
from aio.command import Command
from aio.errors import ConfigError, nearest

SHOWN = 80
"""Characters of a word that a message shows."""

EVERYTHING = r".*"

CHOICES = r"(?!output\b|engine\b|hydra\b).*"
"""Keys of the configuration but for those that only say where and how a run is executed."""


@dataclass(frozen=True, slots=True)
class Takes:
    """What a verb takes.

    Attributes:
        words: for a message. options: its own flags, without dashes. keys: pattern of the overrides; None takes no override.
        fields: values of fields. sweep: -m, jobs=…, resume=…. flags: Hydra's own. config_dirs: --config-dir.
    """

    words: str
    options: frozenset[str] = frozenset()
    keys: str | None = None
    fields: bool = False
    sweep: bool = False
    flags: bool = False
    config_dirs: bool = True


def _takes(words: str, options: str = "", **facts: object) -> Takes:
    return Takes(words, frozenset(options.split()), **facts)   # type: ignore[arg-type]


TAKES: Mapping[str, Takes] = {
    "run": _takes("choices, fields and settings", keys=EVERYTHING, fields=True, sweep=True, flags=True),
    "check": _takes("the words of a run, mode=a,b, --fidelity and --regenerate-schema", "fidelity regenerate-schema", keys=EVERYTHING, fields=True),
    "plan": _takes("the words of a run, and --json", "json", keys=EVERYTHING, fields=True),
    "models": _takes("choices and fields of a run, mode=a,b, and --fetch", "fetch", keys=CHOICES, fields=True),
    "setup": _takes("choices that name node packs (mode=, model=, …), comfyui.…, and --no-install", "no-install",
                    keys=r"(?!output\b|engine\b|hydra\b|duration\b|space\b|ui\b|input\b|values\b|fields\b).*"),
    "doctor": _takes("mode=a,b and --config-dir", keys=r"mode"),
    "replay": _takes("a clip or its JSON, choices and fields that vary it, and --command", "command", keys=EVERYTHING, fields=True),
    "sheet": _takes("a sweep's folder", config_dirs=False),
    "ui": _takes("choices and settings such as engine=preview or output.dir=clips, and --share; fields are in the page's form", "share",
                 keys=EVERYTHING),
    "space": _takes("settings such as space.front_matter.title=Mine, --write and --check", "write check", keys=CHOICES),
}
"""Verb -> what it takes."""


def expect(command: Command) -> None:
    """Refuse what the verb does not use.

    Raises:
        ConfigError: names the word, what the verb takes, and the nearest word that it knows.
    """
    takes = TAKES[command.verb]
    for option in sorted(command.options - takes.options):
        name, _, value = option.partition("=")
        meant = f" Write {option}, without the dashes." if value else nearest(name, takes.options)
        raise ConfigError(f"--{option}: unknown flag for {command.verb}.{meant} See --help")
    for word, near in _unused(command, takes):
        shown = word if len(word) <= SHOWN else word[: SHOWN - 1] + "…"
        raise ConfigError(f"{command.verb}: {shown} is not used here.{near} It takes {takes.words}")


def _unused(command: Command, takes: Takes) -> Iterable[tuple[str, str]]:
    """The words that a verb does not use, each with the nearest that it does."""
    known = [group for group in configuration.groups(command.config_dirs) if takes.keys and re.fullmatch(takes.keys, group)]
    if not takes.sweep:
        yield from ((word, "") for word, given in (("-m", command.multirun), ("jobs=", command.jobs), ("resume=", command.resume)) if given)
    if not takes.flags:
        yield from ((flag, "") for flag in command.flags)
    if not takes.config_dirs:
        yield from ((f"--config-dir {folder}", "") for folder in command.config_dirs)
    for text in command.overrides:
        key = re.split(r"[=@]", text.lstrip("+~"), maxsplit=1)[0]
        if takes.keys is None or not re.fullmatch(takes.keys, key, re.DOTALL):
            yield text, nearest(key, known)
    if not takes.fields:
        yield from ((f"{name}={value}", nearest(name, known)) for name, value in command.params.items())


def unknown(command: Command, fields: Iterable[str]) -> None:
    """Refuse names that none of the chosen modes' `fields` has.

    Raises:
        ConfigError: names the first, and the nearest field or group.
    """
    known = set(fields)
    for name in command.params:
        if name not in known:
            near = nearest(name, known | configuration.groups(command.config_dirs))
            raise ConfigError(f"{command.verb}: {name}: no field of the chosen modes.{near}")
