"""Hydra's override grammar: what a value sweeps over."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.config.quoting import encoded, literal, quoted
from aio.errors import ConfigError

__all__ = ["encoded", "literal", "quoted", "split", "unquoted"]

LONGEST = 100_000
"""Characters of a value that the grammar reads: 10,000 numbers. It takes seconds for so many."""


def split(word: str, config_dirs: Sequence[Path], *, plain: bool, most: int | None = None) -> tuple[str, list[Any] | None]:
    """An override's key, and what it sweeps over in Hydra's grammar: texts, or `plain` Python values. None: it does not sweep.

    Args:
        most: values that it may have, by default sweep.jobs of conf/config.yaml.

    Raises:
        ConfigError: the grammar does not know it, or it has no end, or more values than a sweep may have jobs.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import QuotedString

    most = usual_most() if most is None else most
    if len(word) > LONGEST:
        raise ConfigError(f"{word[:40]!r}… has {len(word):,} characters; give so many values as a column of a table: jobs=@FILE.csv")
    try:
        loader: Any = _Choices(config_dirs)   # it has what the parser asks of one
        (override,) = OverridesParser.create(config_loader=loader).parse_overrides([word])
        if not override.is_sweep_override():
            return override.get_key_element(), [override.value()] if plain else None
        _bounded(override.value(), word, most)
        values = override.sweep_iterator() if plain else override.sweep_string_iterator()
        found = list(itertools.islice(values, most + 1))
    except ConfigError:
        raise
    except Exception as error:   # beside its own the grammar meets odd numbers with ValueError, deep brackets with RecursionError
        reason = re.sub(r"^\w+(?:Error|Exception): ", "", (str(error) or "it has no end").splitlines()[0])   # no class of a library's
        shown = word if len(word) <= 200 else f"{word[:199]}…"
        raise ConfigError(f"{shown!r} is not understood in a sweep ({reason[:200]}); quote what holds special characters") from None
    if len(found) > most:
        raise _too_many(word, most)
    return override.get_key_element(), [value.text if isinstance(value, QuotedString) else value for value in found]


def unquoted(word: str) -> str:
    """An override of Hydra's, as it would be typed: without the quotes of the grammar around its value."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import QuotedString

    (override,) = OverridesParser.create().parse_overrides([word])
    return f"{override.get_key_element()}={override.value()}" if isinstance(override._value, QuotedString) else word


@functools.cache
def usual_most() -> int:
    """Jobs that a sweep may have unless told otherwise."""
    return configuration.compose().sweep.jobs


def _bounded(value: Any, word: str, most: int) -> None:
    """Refuse a range before it is written out: to shuffle it Hydra makes a list of it."""
    start, stop, step = (getattr(value, name, None) for name in ("start", "stop", "step"))
    if step is not None and stop is not None and float(step) and (float(stop) - float(start or 0)) / float(step) > most:
        raise _too_many(word, most)


def _too_many(word: str, most: int) -> ConfigError:
    shown = word if len(word) <= 80 else f"{word[:79]}…"
    return ConfigError(f"{shown!r} has more than {most:,} values; give fewer, or raise sweep.jobs=…, the most jobs of a sweep")


class _Choices:
    """Answers `glob(*)` of Hydra's grammar with a group's choices."""

    def __init__(self, config_dirs: Sequence[Path]):
        self.config_dirs = config_dirs

    def get_group_options(self, group_name: str, **_: Any) -> list[str]:
        return list(configuration.choices(group_name, self.config_dirs))
