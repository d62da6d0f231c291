"""Kinds of plain values that a recipe may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NAME = re.compile(r"[A-Za-z_]\w*(?:-\w+)*", re.ASCII)
"""Names of choices and of keys."""


def alike(value: Any, now: Any) -> bool:
    """Whether two values are of the same kind; null goes with everything."""
    kinds: tuple[Any, ...] = (bool, (int, float), str, (list, tuple), Mapping)
    kind = [next((index for index, one in enumerate(kinds) if isinstance(item, one)), None) for item in (value, now)]
    return None in kind or kind[0] == kind[1]


def encodable(value: Any) -> bool:
    """Whether a setting can be written in Hydra's grammar: names as keys, text of whole characters."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and NAME.fullmatch(key) and encodable(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(encodable, value))
    return not isinstance(value, str) or not re.search(r"[\x00\ud800-\udfff]", value)
