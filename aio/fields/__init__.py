"""Fields: what a mode lets a user set, in ComfyUI's own words, and the check of values against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aio.errors import InvalidParams, Problem, nearest
from aio.fields import lists
from aio.fields.coercing import coerce
from aio.fields.conditions import Condition, holds, words
from aio.fields.kinds import LIST, LITERAL_TYPES, MEDIA_TYPES, RANDOM, TEXT_TYPES, TYPES, Field
from aio.fields.numerals import digits, draw

__all__ = [
    "LIST", "LITERAL_TYPES", "MEDIA_TYPES", "RANDOM", "TEXT_TYPES", "TYPES", "Condition", "Field", "check", "coerce", "drawn", "holds", "unused",
]


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
            problems += error.args
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
    return problems + [Problem(key, "value_bigger_than_max", why) for key, why in _above(fields, known)]


def _above(fields: Mapping[str, Field], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, why) of every number, in items too, that is above the one that it may at most be."""
    for key, value in lists.flat(values).items():
        field = lists.field_of(fields, key)
        most = values.get(field.at_most) if field and field.at_most else None
        if field and isinstance(value, (int, float)) and isinstance(most, (int, float)) and value > most:
            yield key, f"{digits(value)} is above {field.at_most}, which is {digits(most)}; give at most {digits(most)}, or more {field.at_most}"


def unused(fields: Mapping[str, Field], given: Iterable[str], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Sentences about fields that were given but have no effect with these values."""
    notes = []
    for name in given:
        when = fields[name].when if name in fields else None
        if not holds(when, values):
            notes.append(f"{name} has no effect here: it needs {words(when)}")
    return tuple(notes)
