"""Texts of fields on the command line: as typed, or from a file (`prompt=@shots.txt`)."""

from __future__ import annotations

import re

from aio.errors import InvalidParams, Problem
from aio.fields.formats import is_blank
from aio.machine import paths
from aio.machine.outside import text_of


def of_field(name: str, text: str) -> str:
    """The text that a field gets in a single run: as typed, or the content of `@file`; `@@x` is a literal @x.

    Raises:
        InvalidParams: the file cannot be read.
    """
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@"):
        return _read(name, text[1:]).rstrip("\r\n")
    return text


def _read(name: str, path: str) -> str:
    """A file of text.

    Raises:
        InvalidParams: it cannot be read, or is not UTF-8.
    """
    remedy = ""
    try:
        text = text_of(paths.expanded(path, name))
        if "\0" not in text:
            return text
        reason, remedy = "it holds NUL characters, as text in UTF-16 does", "; save it as UTF-8"
    except OSError as error:
        reason, remedy = error.strerror or str(error), f"; write {name}=@@… for a text that begins with @"
    except ValueError as error:
        reason, remedy = str(error), "; save it as UTF-8" if "UTF-8" in str(error) else ""
    raise InvalidParams([Problem(name, "custom_validation_failed", f"cannot read the file {path!r} ({reason}){remedy}")])


def lines(name: str, text: str) -> list[str]:
    """The texts that a text or file field takes in a multirun: itself, or the lines of its `@file`."""
    if not text.startswith("@") or text.startswith("@@"):
        return [text[1:] if text.startswith("@@") else text]
    # Not splitlines(): a line may hold the other separators of Unicode, as word processors write them.
    found = [line.strip(" \t") for line in re.split(r"\r\n|\n|\r", _read(name, text[1:])) if not is_blank(line)]
    if not found:
        raise InvalidParams([Problem(name, "required_input_missing", f"the file {text[1:]!r} holds no line of text")])
    return found
