"""What was given for a field, in the field's type; or what is wrong with it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from aio.errors import Problem, nearest
from aio.fields import formats, lists
from aio.fields.kinds import LIST, LITERAL_TYPES, MEDIA_TYPES, RANDOM, Field
from aio.fields.numerals import comma, digits, rounded, whole

_FORBIDDEN_IN_TEXT = "\x00"
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def coerce(field: Field, value: Any) -> Any:
    """Return `value` in the field's type.

    Raises:
        ValueError: its arguments are Problems, one for each fault.
    """
    if value is None or (value == "" and field.type in (*MEDIA_TYPES, LIST)):
        if not field.required:
            return None
        raise _bad(field, "required_input_missing", f"is required: give {_given(field, '…')}{_hint(field)}")
    if field.type == LIST:
        return _items(field, value)
    if field.type in LITERAL_TYPES:
        return _text(field, value)
    if field.type == "BOOLEAN":
        return _boolean(field, value)
    if field.type == "COMBO":
        return _choice(field, value)
    return _number(field, value)


def _bad(field: Field, kind: str, message: str) -> ValueError:
    return ValueError(Problem(field.name, kind, message))


def _chance(field: Field) -> str:
    return f"; to have it drawn, write {field.name}={RANDOM}" if field.draws else ""


def _hint(field: Field) -> str:
    kind = {"IMAGE": "a picture file", "AUDIO": "a sound file", "VIDEO": "a video file"}.get(field.type)
    return f" ({kind})" if kind else (f" ({field.range})" if field.range else "")


def _given(field: Field, value: str) -> str:
    """How a value is written: `seconds=5`, in an item `at: 5`."""
    return f"{field.name.rpartition('.')[2]}: {value}" if "[" in field.name else f"{field.name}={value}"


def _items(field: Field, value: Any) -> list[dict[str, Any]]:
    """A list of items, each with a value for every key."""
    try:
        given = lists.read(value)
    except ValueError as error:
        raise _bad(field, "invalid_input_type", str(error)) from None
    count, most = len(given), min(field.max_items or lists.ITEMS_MAX, lists.ITEMS_MAX)
    if count > most:
        raise _bad(field, "value_bigger_than_max", f"has {count} items; give at most {most}")
    if count < (field.min_items or 0):
        raise _bad(field, "value_smaller_than_min", f"has {count} item{'s' * (count != 1)}; give at least {field.min_items}")
    problems, made = list[Problem](), list[dict[str, Any]]()
    for index, item in enumerate(given):
        where = f"{field.name}[{index}]"
        if not isinstance(item, Mapping):
            keys = ", ".join(f"{key}: …" for key in field.items)
            problems.append(Problem(where, "invalid_input_type", f"{_shown(item)} is no item; write {{{keys}}}"))
            continue
        problems += [
            Problem(f"{where}.{key}", "unknown_field", f"no key of an item.{nearest(str(key), field.items)} Keys: {', '.join(field.items)}")
            for key in item if key not in field.items]
        made.append({})
        for key, one in field.items.items():
            wanted = item.get(key)
            try:
                made[-1][key] = coerce(dataclasses.replace(one, name=f"{where}.{key}"), one.default if wanted is None else wanted)
            except ValueError as error:
                problems += error.args
    if problems:
        raise ValueError(*problems)
    return made


def _text(field: Field, value: Any) -> str | None:
    if isinstance(value, (list, tuple, dict)):
        raise _bad(field, "invalid_input_type", f"{_shown(value)} is not a text")
    text = str(value)
    if any(char in text for char in _FORBIDDEN_IN_TEXT):
        raise _bad(field, "invalid_input_type", f"{_shown(text)} holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _bad(field, "invalid_input_type", f"{_shown(text)} is not valid Unicode text; re-encode it as UTF-8") from None
    blank = field.optional or (field.default is not None and formats.is_blank(str(field.default)))
    if field.format is None and formats.is_blank(text) and not blank:
        raise _bad(field, "required_input_missing", f"is blank; write a few words: {_given(field, '…')}")
    if field.format is None:
        return text
    if field.optional and formats.is_blank(text):
        return None   # left out
    try:
        return formats.read(field.format, text, field.min, field.max)
    except ValueError as error:
        raise _bad(field, "custom_validation_failed", str(error)) from None


def _boolean(field: Field, value: Any) -> bool:
    word = str(value).strip().lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise _bad(field, "invalid_input_type", f"{_shown(value)} is neither true nor false")


def _choice(field: Field, value: Any) -> Any:
    for option in field.options:
        if str(option) == str(value).strip():
            return option
    hint = nearest(str(value), map(str, field.options))
    raise _bad(field, "value_not_in_list", f"{_shown(value)} is not one of {field.range}.{hint}")


def _number(field: Field, value: Any) -> int | float:
    kind = "a whole number" if field.type == "INT" else "a number"
    try:
        number: int | float = whole(value) if field.type == "INT" else float(value)
        if isinstance(value, bool) or not math.isfinite(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise _bad(field, "invalid_input_type", f"{_shown(value)} is not {kind}{_hint(field)}{comma(field.name, value)}") from None
    if field.min is not None and number < field.min:
        raise _bad(field, "value_smaller_than_min", f"{digits(number)} is below {digits(field.min)}; legal: {field.range}{_chance(field)}")
    if field.max is not None and number > field.max:
        raise _bad(field, "value_bigger_than_max", f"{digits(number)} is above {digits(field.max)}; legal: {field.range}")
    if field.type == "INT" and rounded(value):
        raise _bad(field, "invalid_input_type", f"{_shown(value)} has lost its last digits; give all of them, as text")
    if field.type == "INT" and field.step and number % field.step:
        below, above = number - number % field.step, number - number % field.step + field.step
        legal = [n for n in (below, above) if (field.min or n) <= n <= (field.max or n)]
        use = " or ".join(map(digits, legal))
        raise _bad(field, "value_not_multiple", f"{digits(number)} is not a multiple of {digits(field.step)}; use {use}")
    return number


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
