"""Fields: what a mode lets a user set, in ComfyUI's own words, and the check of values against them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aio.errors import InvalidParams, Problem, nearest
from aio.fields import formats
from aio.fields.amounts import KEY
from aio.fields.conditions import Condition, holds, words
from aio.fields.numerals import comma, digits, draw, rounded, whole

TEXT_TYPES = frozenset({"STRING"})
MEDIA_TYPES = frozenset({"IMAGE", "AUDIO", "VIDEO"})
LITERAL_TYPES = TEXT_TYPES | MEDIA_TYPES
"""Types whose value is text: never split, parsed or interpolated."""
TYPES = LITERAL_TYPES | {"INT", "FLOAT", "BOOLEAN", "COMBO"}

_FORBIDDEN_IN_TEXT = "\x00"
RANDOM = "random"
"""What is given to have a number drawn."""
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}

@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a mode.

    Attributes:
        name: name on the command line, in the API and in templates.
        type: STRING, INT, FLOAT, BOOLEAN, COMBO, IMAGE, AUDIO or VIDEO.
        default: value when nothing else sets one; None makes the field required unless `optional`.
        min, max: inclusive bounds. step: a legal INT is a multiple of it (and the widget's step).
        options: choices of a COMBO.
        display_name, tooltip, placeholder, multiline, advanced, control_after_generate: as in ComfyUI. An INT that has the last
            may be drawn (`random`).
        optional: the field may stay empty.
        when: the field has an effect only where this condition holds.
        length_of: name of an AUDIO or VIDEO input whose length is the default (seconds).
        format: of a STRING, one of aio.fields.formats.FORMATS; `min` and `max` bound the numbers in it.
        below: name of a number field; the value must be smaller than that field's.
        size_of: of width and height: names of the IMAGE and VIDEO inputs fitted to the clip. The first one given sets the shape, defaults the pixels.
        also: names that other tools have for it. source: the config file that says of it what counts.
    """

    name: str = dataclasses.field(metadata=KEY)
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
    format: str | None = None
    below: str | None = None
    size_of: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    source: str = ""

    @property
    def title(self) -> str:
        """Name for people."""
        return self.display_name or self.name.replace("_", " ").capitalize()

    @property
    def required(self) -> bool:
        """Whether a job without a value is refused."""
        return self.default is None and not self.optional and self.length_of is None

    @property
    def draws(self) -> bool:
        """Whether a value may be drawn by chance."""
        return self.type == "INT" and bool(self.control_after_generate)

    @property
    def range(self) -> str:
        """The legal values, for help and messages."""
        if self.type == "COMBO":
            return " | ".join(map(str, self.options))
        if self.min is None and self.max is None:
            return ""
        low, high = (digits(bound) if bound is not None else "" for bound in (self.min, self.max))
        step = f", step {self.step:g}" if self.step and self.type == "INT" and self.step != 1 else ""
        return f"{low} to {high}{step}"


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
    params = drawn(fields, params, presets)
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
    problems += _crossed(fields, values, params, presets)
    if problems:
        raise InvalidParams(problems)
    return values


def drawn(fields: Mapping[str, Field], params: Mapping[str, Any], presets: Mapping[str, Any] = {}) -> dict[str, Any]:
    """`params` with a number wherever `random` is given, or is what stands where nothing is given. Once drawn it stays."""
    asked = {name: params.get(name, presets.get(name, field.default)) for name, field in fields.items() if field.draws}
    return {**params, **{
        name: draw(fields[name].min, fields[name].max) for name, value in asked.items() if isinstance(value, str) and value.strip().lower() == RANDOM
    }}


def _crossed(fields: Mapping[str, Field], values: Mapping[str, Any], params: Mapping[str, Any], presets: Mapping[str, Any]) -> list[Problem]:
    """Pairs of numbers of which the lower is not below the other, where both have an effect."""
    known, problems = {**presets, **values}, list[Problem]()
    for name, field in fields.items():
        other = fields.get(field.below or "")
        pair: list[Any] = [known.get(one.name) for one in (field, other) if one and holds(one.when, known)]
        if other and len(pair) == 2 and None not in pair and not pair[0] < pair[1]:
            low, high = map(digits, pair)
            problem = (name, f"{low} is not below {other.name}, which is {high}; give less than {high}, or {other.name} above {low}")
            if other.name in params and name not in params:
                problem = (other.name, f"{high} is not above {name}, which is {low}; give more than {low}, or {name} below {high}")
            problems.append(Problem(problem[0], "custom_validation_failed", problem[1]))
    return problems


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


def _chance(field: Field) -> str:
    return f"; to have it drawn, write {field.name}={RANDOM}" if field.draws else ""


def _hint(field: Field) -> str:
    kind = {"IMAGE": "a picture file", "AUDIO": "a sound file", "VIDEO": "a video file"}.get(field.type)
    return f" ({kind})" if kind else (f" ({field.range})" if field.range else "")


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
        raise _bad(field, "required_input_missing", f"is blank; write a few words: {field.name}=…")
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


def unused(fields: Mapping[str, Field], given: Iterable[str], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Sentences about fields that were given but have no effect with these values."""
    notes = []
    for name in given:
        when = fields[name].when if name in fields else None
        if not holds(when, values):
            notes.append(f"{name} has no effect here: it needs {words(when)}")
    return tuple(notes)
