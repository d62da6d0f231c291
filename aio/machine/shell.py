"""Words as a line for a POSIX shell that is safe to look at: nothing in it moves a terminal's cursor, and every byte arrives."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable

from aio.machine.outside import shown

_RAW = re.compile("[\udc80-\udcff]")
"""Bytes of a file's name that are no UTF-8, as Python holds them."""


def line(words: Iterable[str]) -> str:
    """The words, quoted. What would act on a terminal stands there as `printf '\\033'`, which any shell turns back into it."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not _hidden(word):
        return shlex.quote(word)
    parts = [(hidden, "".join(chars)) for hidden, chars in itertools.groupby(word, _hidden)]
    return "".join(_printed(text) if hidden else shlex.quote(text) for hidden, text in parts)


def _hidden(text: str) -> bool:
    return shown(text) != text or bool(_RAW.search(text))


def _printed(text: str) -> str:
    octal = "".join(f"\\{byte:03o}" for byte in text.encode("utf-8", "surrogateescape"))
    return f"\"$(printf '{octal}')\""
