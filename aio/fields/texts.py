"""Texts and lists of fields on the command line: as typed, or from a file (`prompt=@shots.txt`)."""

from __future__ import annotations

import re
from typing import Any

from aio.errors import InvalidParams, Problem
from aio.fields import lists
from aio.fields.formats import is_blank
from aio.fields.kinds import LIST, LITERAL_TYPES, TEXT_TYPES, Field
from aio.machine import paths
from aio.machine.outside import text_of


def of_field(field: Field, text: str) -> str:
    """The text that a field gets in a single run: as typed. A text field gets the content of `@file`, and `@@x` is a literal @x; a list field
    the list in `@file`, YAML or JSON. A file that is named there lies in the current folder, or beside it.

    Raises:
        InvalidParams: the file cannot be read, or holds no list.
    """
    if field.type == LIST and text.startswith("@"):
        return _beside(field, _list(field.name, text[1:]), text[1:])
    if field.type not in TEXT_TYPES or not text.startswith("@"):
        return text
    return text[1:] if text.startswith("@@") else _read(field.name, text[1:]).rstrip("\r\n")


def whole(field: Field, text: str) -> list[str] | None:
    """What a field takes in a multirun whose values no grammar splits, None of others: itself, or the lines of its `@file`, or the lists in it.

    Raises:
        InvalidParams: the file cannot be read, or holds no line of text or no list.
    """
    if field.type in LITERAL_TYPES:
        return lines(field.name, text)
    if field.type != LIST:
        return None
    if not text.startswith("@"):
        return [text]
    found = _list(field.name, text[1:])
    several = found if found and all(isinstance(one, list) for one in found) else [found]
    return [_beside(field, one, text[1:]) for one in several]


def _list(name: str, path: str) -> list[Any]:
    try:
        return lists.read(_read(name, path, listed=True))
    except ValueError as error:
        raise InvalidParams([Problem(name, "invalid_input_type", f"the file {path!r} {error}")]) from None


def _beside(field: Field, items: list[Any], file: str) -> str:
    """A list as text, in which files that lie beside `file` are named so that they are found."""
    found = {field.name: items}
    new = {key: paths.beside(str(value), paths.expanded(file)) for key, _, value in lists.files({field.name: field}, found)}
    return lists.typed(lists.put(found, new)[field.name])


def _read(name: str, path: str, *, listed: bool = False) -> str:
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
        reason, remedy = error.strerror or str(error), f"; write {name}=@@… for a text that begins with @" if not listed else ""
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
