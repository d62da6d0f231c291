"""Hydra's override grammar: what a value sweeps over, and text that no grammar, type or interpolation touches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.config import LITERAL
from aio.errors import ConfigError


def split(word: str, config_dirs: Sequence[Path], *, plain: bool) -> tuple[str, list[Any] | None]:
    """An override's key, and what it sweeps over in Hydra's grammar: texts, or `plain` Python values. None: it does not sweep.

    Raises:
        ConfigError: the grammar does not know it, or it has no end.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import QuotedString
    from hydra.errors import HydraException

    try:
        (override,) = OverridesParser.create(config_loader=_Choices(config_dirs)).parse_overrides([word])
        if not override.is_sweep_override():
            return override.get_key_element(), [override.value()] if plain else None
        values = override.sweep_iterator() if plain else override.sweep_string_iterator()
        return override.get_key_element(), [value.text if isinstance(value, QuotedString) else value for value in values]
    except HydraException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{word!r} is not understood in a sweep ({reason}); quote what holds special characters") from None


class _Choices:
    """Answers `glob(*)` of Hydra's grammar with a group's choices."""

    def __init__(self, config_dirs: Sequence[Path]):
        self.config_dirs = config_dirs

    def get_group_options(self, group_name: str, **_: Any) -> list[str]:
        return list(configuration.choices(group_name, self.config_dirs))


def literal(text: str) -> str:
    """`text` as a quoted Hydra value that no grammar, type or interpolation touches; config.params_of() undoes it."""
    return quoted(LITERAL + text)


def quoted(text: str) -> str:
    """`text` as a quoted Hydra value, free of interpolation."""
    from hydra.core.override_parser.types import Quote, QuotedString

    escaped = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)
    return QuotedString(text=escaped, quote=Quote.single).with_quotes()
