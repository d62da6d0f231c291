"""`--help`: modes, the chosen mode's fields, presets, LoRAs and examples, all read from the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.config import Config
from aio.config.groups import Group, summary
from aio.errors import ConfigError
from aio.fields import LIST, MEDIA_TYPES, Field, lists

USAGE = """aio: {tagline}, from one command

usage: python -m aio [run] mode=MODE [preset=…] [model=…] [lora=a,b] [field=value …]
       python -m aio -m …              sweep: seed=1,2,3  mode={modes}  prompt=@one-prompt-a-line.txt
       python -m aio check [mode=…]    prove every graph without an engine; --fidelity writes docs/FIDELITY.md
       python -m aio plan mode=… …     what a run would do; --json for programs
       python -m aio space             the files of a Hugging Face Space; --write, --check

Text is taken as typed: quote it for your shell, nothing else. prompt=@file.txt reads a file, prompt=@@x is a literal @x."""


def text(config: Config, config_dirs: Sequence[Path] = ()) -> str:
    """The help page; `config` is the chosen mode's."""
    return "\n".join(_lines(config, config_dirs))


def _lines(config: Config, config_dirs: Sequence[Path]) -> Iterator[str]:
    first = {group: [*facts.first, *configuration.choices(group, config_dirs)][:2] for group, facts in config.groups.items()}
    yield USAGE.format(tagline=config.ui.tagline, modes=",".join(first["mode"]))
    for group, facts in config.groups.items():
        if not facts.command:
            continue
        yield f"\n{facts.titles or facts.title or group}"
        for name in configuration.choices(group, config_dirs):
            yield f"  {name:19} {_summary(group, name, facts, config_dirs)}"
    yield f"\nFields of mode {config.mode} (another: --help mode=…)"
    for advanced in (False, True):
        if advanced:
            yield "  advanced:"
        for field in config.fields.values():
            if field.advanced == advanced:
                yield f"  {field.name:19} {describe(field, config)}"
    yield "\nOthers"
    yield f"  engine              {' | '.join(('auto', *config.engines))}"
    yield "  output.dir          folder of the results (outputs); output.name: file name without ending"
    yield "  --config-dir DIR    a folder with modes, presets or LoRAs of your own"
    yield "  AIO_DEBUG=1         show the traceback of an error"
    yield '  eval "$(aio -sc install=bash)"   completion of groups and their choices for the installed command `aio`'
    yield "\nExamples"
    for example in config.examples:
        words = " ".join(_typed(name, value) for name, value in example.items())
        yield f"  python -m aio mode={config.mode} {words}"
    varied = next((f"{group}={','.join(first[group])} " for group, facts in config.groups.items() if facts.check == "cross"), "")
    yield f"  python -m aio -m mode={config.mode} {varied}seed=1,2,3 …"


def _typed(name: str, value: Any) -> str:
    """A value of a sample job as it is typed."""
    if isinstance(value, (list, tuple)):
        return f"{name}='{lists.typed(value)}'"
    return f'{name}="{value}"' if isinstance(value, str) and " " in value else f"{name}={value}"


def describe(field: Field, config: Config) -> str:
    """`INT 256 to 1920, step 64, default 1280: Pixels`."""
    default = config.values.get(field.name, field.default)
    kind = {"IMAGE": "picture file", "AUDIO": "sound file", "VIDEO": "video file", "STRING": "text", LIST: "list of"}.get(field.type, field.type)
    parts = [f"{kind} {field.range}".strip()]
    if field.required:
        parts.append("required")
    elif field.length_of and default is None:
        parts.append(f"default: length of {field.length_of}")
    elif field.size_of:
        parts.append(f"default: shape of {' or '.join(field.size_of)}")
    elif default is not None:
        shown = str(default)
        parts.append(f"default {shown if len(shown) <= 34 else shown[:33] + '…'}")
    elif field.type in MEDIA_TYPES:
        parts.append("optional")
    items = "".join(f"; {key}: {describe(one, config)}" for key, one in field.items.items())
    return ", ".join(parts) + (f": {field.tooltip}" if field.tooltip else "") + items


def _summary(group: str, name: str, declared: Group, config_dirs: Sequence[Path]) -> str:
    """The summary a file states, without composing it; a broken one says so when it is chosen."""
    try:
        data = configuration.facts(group, name, config_dirs)
    except ConfigError:
        return "(broken: plan says why)"
    title, about = summary(group, name, declared, data)
    return "; ".join(text for text in (title if group != "mode" else "", about) if text)   # a mode's name and summary hold its title
