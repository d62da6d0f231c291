"""What comes from outside and anyone may have written: bounded before it is parsed, made harmless before it is shown."""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any

TEXT_MAX = 16_000_000
"""Bytes of a text file that is read whole: a prompt, a table, a recipe, a workflow. The largest of our own has 80,000."""

DEPTH_MAX = 64
"""Levels of JSON or YAML within each other. A workflow has 5."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""C0 and C1 but for tab and line feed, and what turns the direction of text around."""


def text_of(path: Path, limit: int = TEXT_MAX) -> str:
    """The content of a UTF-8 file, without a byte order mark.

    Raises:
        OSError: it cannot be read. ValueError: it is no plain file, too large, or not UTF-8; its text says which.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))   # a pipe would wait for a writer
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than {limit / 1e6:g} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start})") from None


def json_of(text: str | bytes, limit: int = TEXT_MAX, depth: int = DEPTH_MAX) -> Any:
    """The value of a JSON text: plain containers of bounded depth, finite numbers, every name once.

    Raises:
        ValueError: it is not JSON, too large or nested too deeply; its text says which.
    """
    if len(text) > limit:
        raise ValueError(f"it has more than {limit / 1e6:g} MB")
    try:
        value = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError(f"it is nested more than {depth} levels deep") from None
    inside, level = [value], 0
    while inside := [one for one in inside if isinstance(one, (dict, list))]:
        level += 1
        if level > depth:
            raise ValueError(f"it is nested more than {depth} levels deep")
        inside = [item for one in inside for item in (one.values() if isinstance(one, dict) else one)]
    return value


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{shown(twice)[:80]!r} is given twice; give it once")
    return found


def shown(text: str) -> str:
    """`text` as it may go to a terminal: what would move the cursor, colour or turn the text around stands there as its code."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}" if ord(match[0]) < 256 else f"\\u{ord(match[0]):04x}", text)
