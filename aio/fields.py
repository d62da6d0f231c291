"""Fields: what a mode lets a user set, in ComfyUI's own words, and the check of values against them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aio.errors import InvalidParams, Problem, nearest

TEXT_TYPES = frozenset({"STRING"})
MEDIA_TYPES = frozenset({"IMAGE", "AUDIO", "VIDEO"})
LITERAL_TYPES = TEXT_TYPES | MEDIA_TYPES
"""Types whose value is text: never split, parsed or interpolated."""
TYPES = LITERAL_TYPES | {"INT", "FLOAT", "BOOLEAN", "COMBO"}

_FORBIDDEN_IN_TEXT = "\x00"
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}

Condition = Mapping[str, Any]
"""Field name -> value, list of values, or {not: value} / {above: number}; all must hold."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a mode.

    Attributes:
        name: name on the command line, in the API and in templates.
        type: STRING, INT, FLOAT, BOOLEAN, COMBO, IMAGE, AUDIO or VIDEO.
        default: value when nothing else sets one; None makes the field required unless `optional`.
        min, max: inclusive bounds. step: a legal INT is a multiple of it (and the widget's step).
        options: choices of a COMBO.
        display_name, tooltip, placeholder, multiline, advanced, control_after_generate: as in ComfyUI.
        optional: the field may stay empty.
        when: the field has an effect only where this condition holds.
        length_of: name of an AUDIO or VIDEO input whose length is the default (seconds).
        size_of: of width and height: names of the IMAGE and VIDEO inputs fitted to the clip. The first one given sets the shape, defaults the pixels.
        also: names that other tools have for it.
    """

    name: str
    type: str
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    options: tuple[Any, ...] = ()
    display_name: str = ""
    tooltip: str = ""
    placeholder: str = ""
    multiline: bool = False
    advanced: bool = False
    control_after_generate: str | None = None
    optional: bool = False
    when: Condition | None = None
    length_of: str | None = None
    size_of: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name for people."""
        return self.display_name or self.name.replace("_", " ").capitalize()

    @property
    def required(self) -> bool:
        """Whether a job without a value is refused."""
        return self.default is None and not self.optional and self.length_of is None

    @property
    def range(self) -> str:
        """The legal values, for help and messages."""
        if self.type == "COMBO":
            return " | ".join(map(str, self.options))
        if self.min is None and self.max is None:
            return ""
        low, high = (f"{bound:.12g}" if bound is not None else "" for bound in (self.min, self.max))
        step = f", step {self.step:g}" if self.step and self.type == "INT" and self.step != 1 else ""
        return f"{low} to {high}{step}"


def holds(condition: Condition | None, values: Mapping[str, Any]) -> bool:
    """Whether every entry of `condition` is true of `values`; an absent condition always holds.

    A literal means equal, a list one of, `{not: x}` different from x, `{above: n}` greater than n.
    """
    return all(_true(wanted, values.get(name)) for name, wanted in (condition or {}).items())


def _true(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        if "not" in wanted and value == wanted["not"]:
            return False
        return "above" not in wanted or (isinstance(value, (int, float)) and value > wanted["above"])
    if isinstance(wanted, (list, tuple)):
        return value in wanted
    return value == wanted


def check(
    fields: Mapping[str, Field], params: Mapping[str, Any], presets: Mapping[str, Any], mode: str = ""
) -> dict[str, Any]:
    """Return a value for every field: default, overridden by `presets`, overridden by `params`.

    Args:
        fields: the mode's fields.
        params: what the user gave; an unknown name is a fault.
        presets: values of preset, model and LoRA; names that the mode does not have are ignored.
        mode: name of the mode, for messages.

    Raises:
        InvalidParams: with every fault at once.
    """
    problems: list[Problem] = []
    for name in params:
        if name not in fields:
            where = f" of mode {mode}" if mode else ""
            known = ", ".join(fields)
            hint = next((f" Write {field.name}=… instead." for field in fields.values() if name in field.also), nearest(name, fields))
            problems.append(Problem(name, "unknown_field", f"no field{where}.{hint} Fields: {known}"))
    values: dict[str, Any] = {}
    for name, field in fields.items():
        given = params.get(name, presets.get(name, field.default))
        try:
            values[name] = coerce(field, given)
        except ValueError as error:
            problems.append(error.args[0])
    if problems:
        raise InvalidParams(problems)
    return values


def coerce(field: Field, value: Any) -> Any:
    """Return `value` in the field's type.

    Raises:
        ValueError: its only argument is a Problem.
    """
    if value is None or (value == "" and field.type in MEDIA_TYPES):
        if not field.required:
            return None
        raise _bad(field, "required_input_missing", f"is required: give {field.name}=…{_hint(field)}")
    if field.type in LITERAL_TYPES:
        return _text(field, value)
    if field.type == "BOOLEAN":
        return _boolean(field, value)
    if field.type == "COMBO":
        return _choice(field, value)
    return _number(field, value)


def _bad(field: Field, kind: str, message: str) -> ValueError:
    return ValueError(Problem(field.name, kind, message))


def _hint(field: Field) -> str:
    kind = {"IMAGE": "a picture file", "AUDIO": "a sound file", "VIDEO": "a video file"}.get(field.type)
    return f" ({kind})" if kind else (f" ({field.range})" if field.range else "")


def _text(field: Field, value: Any) -> str:
    if isinstance(value, (list, tuple, dict)):
        raise _bad(field, "invalid_input_type", f"{_shown(value)} is not a text")
    text = str(value)
    if any(char in text for char in _FORBIDDEN_IN_TEXT):
        raise _bad(field, "invalid_input_type", f"{_shown(text)} holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _bad(field, "invalid_input_type", f"{_shown(text)} is not valid Unicode text; re-encode it as UTF-8") from None
    return text


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
        # int() first: a float would round a seed of more than 15 digits.
        number: int | float = _integer(value) if field.type == "INT" else float(value)
        if isinstance(value, bool) or not math.isfinite(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise _bad(field, "invalid_input_type", f"{_shown(value)} is not {kind}{_hint(field)}{_point(field, value)}") from None
    if field.min is not None and number < field.min:
        raise _bad(field, "value_smaller_than_min", f"{_digits(number)} is below {field.min:.12g}; legal: {field.range}")
    if field.max is not None and number > field.max:
        raise _bad(field, "value_bigger_than_max", f"{_digits(number)} is above {field.max:.12g}; legal: {field.range}")
    if field.type == "INT" and field.step and number % field.step:
        below, above = number - number % field.step, number - number % field.step + field.step
        legal = [n for n in (below, above) if (field.min or n) <= n <= (field.max or n)]
        use = " or ".join(map(_digits, legal))
        raise _bad(field, "value_not_multiple", f"{_digits(number)} is not a multiple of {field.step:g}; use {use}")
    return number


def _digits(number: float) -> str:
    """A number as it was given, shortened: formatting a whole number of hundreds of digits as a float fails."""
    text = str(number) if isinstance(number, int) else f"{number:.12g}"
    return text if len(text) <= 24 else f"{text[:10]}… ({len(text)} digits)"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _point(field: Field, value: Any) -> str:
    """What to type where a decimal comma stands, as spreadsheets in much of Europe write it."""
    text = str(value).strip()
    return f"; write {field.name}={text.replace(',', '.')}" if re.fullmatch(r"-?\d+,\d+", text) else ""


def _integer(value: Any) -> int:
    try:
        return int(value) if not isinstance(value, float) or value.is_integer() else int("")
    except ValueError:
        number = float(value)
        if number.is_integer():
            return int(number)
        raise


def unused(fields: Mapping[str, Field], given: Iterable[str], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Sentences about fields that were given but have no effect with these values."""
    notes = []
    for name in given:
        when = fields[name].when if name in fields else None
        if not holds(when, values):
            need = " and ".join(f"{key} {_words(wanted)}" for key, wanted in (when or {}).items())
            notes.append(f"{name} has no effect here: it needs {need}")
    return tuple(notes)


def _words(wanted: Any) -> str:
    if isinstance(wanted, Mapping):
        return " and ".join(f"{'above' if key == 'above' else 'other than'} {value}" for key, value in wanted.items())
    return " or ".join(map(str, wanted)) if isinstance(wanted, (list, tuple)) else str(wanted)
