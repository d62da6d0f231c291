"""Values in Hydra's override grammar: text that no grammar, type or interpolation touches, and plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

LITERAL = "="
"""First character of every text value inside Hydra: it keeps `???`, `null` and numbers what they are, text."""


def literal(text: str) -> str:
    """`text` as a quoted Hydra value that no grammar, type or interpolation touches; aio.config.params_of() undoes it."""
    return quoted(LITERAL + text)


def quoted(text: str) -> str:
    """`text` as a quoted Hydra value, free of interpolation."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text=escaped(text), quote=Quote.single).with_quotes()


def escaped(text: str) -> str:
    """`text` as OmegaConf must hold it, so that nothing in it is an interpolation."""
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)


def encoded(value: Any) -> str:
    """Plain data in Hydra's grammar; its texts are free of interpolation.

    Args:
        value: JSON values; the keys of mappings must be plain names.
    """
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{encoded(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encoded, value)) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)
